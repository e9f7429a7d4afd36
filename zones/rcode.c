/* The table of response codes, as IANA has it; 16 is BADVERS here, for TSIG is not spoken. Any thread. */
#include "zones/rcode.h"
#include <stddef.h>
#include <stdio.h>

static const char *const mnemonics[] = {
	[RCODE_NOERROR] = "NOERROR",
	[RCODE_FORMERR] = "FORMERR",
	[RCODE_SERVFAIL] = "SERVFAIL",
	[RCODE_NXDOMAIN] = "NXDOMAIN",
	[RCODE_NOTIMP] = "NOTIMP",
	[RCODE_REFUSED] = "REFUSED",
	[RCODE_YXDOMAIN] = "YXDOMAIN",
	[7] = "YXRRSET",
	[8] = "NXRRSET",
	[9] = "NOTAUTH",
	[10] = "NOTZONE",
	[11] = "DSOTYPENI",
	[RCODE_BADVERS] = "BADVERS",
	[17] = "BADKEY",
	[18] = "BADTIME",
	[19] = "BADMODE",
	[20] = "BADNAME",
	[21] = "BADALG",
	[22] = "BADTRUNC",
	[RCODE_BADCOOKIE] = "BADCOOKIE",
};

const char *rcode_word(unsigned rcode)
{
	return rcode < sizeof mnemonics / sizeof *mnemonics ? mnemonics[rcode] : NULL;
}

void rcode_to_text(unsigned rcode, char out[static RCODE_TEXT_MAX])
{
	const char *word = rcode_word(rcode);
	if (word)
		snprintf(out, RCODE_TEXT_MAX, "%s", word);
	else
		snprintf(out, RCODE_TEXT_MAX, "RCODE%u", rcode);
}
