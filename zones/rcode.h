/* Response codes of DNS (RFC 6895 §2.3) and their mnemonics: one table. Pure; any thread. */
#pragma once

enum rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_YXDOMAIN = 6,
	RCODE_BADVERS = 16,
	RCODE_BADCOOKIE = 23,
};

#define RCODE_TEXT_MAX 16

const char *rcode_word(unsigned rcode); /* the mnemonic; NULL: it has none */
/* The mnemonic, else "RCODE12". */
void rcode_to_text(unsigned rcode, char out[static RCODE_TEXT_MAX]);
