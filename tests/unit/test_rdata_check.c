/* What RDATA of each type may hold: layouts, and fields whose length another field decides. */
#include "zones/rdata/rdata_check.h"
#include "zones/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOT_ALLOWED "data that the type does not allow"

struct expected {
	const char *type, *rdata; /* in hexadecimal; "aa*20" stands for twenty octets aa */
	const char *reason;	  /* NULL: good */
};

static size_t octets_of(const char *text, uint8_t *out)
{
	size_t length = 0;

	while (*text) {
		char pair[3] = {text[0], text[1], '\0'};
		unsigned long times = 1;
		uint8_t octet = (uint8_t)strtoul(pair, NULL, 16);
		text += 2;
		if (*text == '*') {
			char *end;
			times = strtoul(text + 1, &end, 10);
			text = end;
		}
		while (*text == ' ')
			text++;
		for (; times > 0; times--)
			out[length++] = octet;
	}
	return length;
}

static void expect_all(const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t rdata[1024];
		char reason[RDATA_REASON_MAX];
		uint16_t type;
		assert_true(rrtype_from_text(cases[i].type, &type));
		size_t length = octets_of(cases[i].rdata, rdata);
		const char *found = rdata_check(type, rdata, length, reason) ? NULL : reason;
		if (!found != !cases[i].reason || (found && strcmp(found, cases[i].reason) != 0))
			fail_msg("%s %s: %s", cases[i].type, cases[i].rdata, found ? found : "good");
	}
}
#define EXPECT_ALL(cases) expect_all(cases, sizeof(cases) / sizeof((cases)[0]))

static void layouts(void **state)
{
	static const struct expected cases[] = {
		{"SOA", "00 00 11*20", NULL},
		{"SOA", "00 00 11*19", NOT_ALLOWED},
		{"SOA", "00 00 11*21", NOT_ALLOWED},
		{"TXT", "", NOT_ALLOWED},
		{"TXT", "00", NULL},
		{"TXT", "0141 00 0142", NULL},
		{"TXT", "0141 0242", NOT_ALLOWED},
		{"NAPTR", "0001 0001 0161 00 00 00", NULL},
		{"NAPTR", "0001 0001 0161 00 00", NOT_ALLOWED},
		{"TYPE65280", "", NULL},
		{"NS", "01*300", NOT_ALLOWED},
		{"NS", "01*254 00", NULL},
		{"NS", "01*256 00", NOT_ALLOWED},
		{"NS", "c00c", NOT_ALLOWED},
		{"A", "c0000201", NULL},
		{"A", "c00002", NOT_ALLOWED},
		{"LOC", "00 12 16 13 80*12", NULL},
		{"LOC", "01 12 16 13 80*12", NOT_ALLOWED},
		{"OPENPGPKEY", "", NOT_ALLOWED},
		{"DHCID", "00", NULL},
	};

	EXPECT_ALL(cases);
}

static void the_length_that_another_field_decides(void **state)
{
	static const struct expected cases[] = {
		{"DS", "3039 08 01 aa*20", NULL},
		{"DS", "3039 08 01 aa*19", "digest of 19 octets; digest type 1 (SHA-1) has 20"},
		{"DS", "3039 08 02 aa*32", NULL},
		{"DS", "3039 08 02 aa*10", "digest of 10 octets; digest type 2 (SHA-256) has 32"},
		{"DS", "3039 08 04 aa*47", "digest of 47 octets; digest type 4 (SHA-384) has 48"},
		{"DS", "3039 08 05 aa*33", "digest of 33 octets; digest type 5 (GOST R 34.11-2012) has 32"},
		{"DS", "3039 08 63 aa", NULL},
		{"DS", "3039 08 63", "digest of 0 octets; it has at least 1"},
		{"DS", "3039 08", NOT_ALLOWED},
		{"CDS", "0000 00 00 00", NULL},
		{"CDS", "3039 08 02 aa*20", "digest of 20 octets; digest type 2 (SHA-256) has 32"},
		{"SSHFP", "01 01 aa*20", NULL},
		{"SSHFP", "01 01 aabb", "fingerprint of 2 octets; fingerprint type 1 (SHA-1) has 20"},
		{"SSHFP", "01 02 aa*20", "fingerprint of 20 octets; fingerprint type 2 (SHA-256) has 32"},
		{"SSHFP", "01 03 aabb", NULL},
		{"ZONEMD", "00000001 01 01 aa*48", NULL},
		{"ZONEMD", "00000001 01 01 aa*3", "digest of 3 octets; hash algorithm 1 (SHA-384) has 48"},
		{"ZONEMD", "00000001 01 02 aa*48", "digest of 48 octets; hash algorithm 2 (SHA-512) has 64"},
		{"ZONEMD", "00000001 01 f0 aa*12", NULL},
		{"ZONEMD", "00000001 01 f0 aa*11", "digest of 11 octets; it has at least 12"},
		{"TLSA", "03 01 00 aabb", NULL},
		{"TLSA", "03 01 01 aa*32", NULL},
		{"TLSA", "03 01 01 aabb", "data of 2 octets; matching type 1 (SHA-256) has 32"},
		{"SMIMEA", "03 01 02 aa*32", "data of 32 octets; matching type 2 (SHA-512) has 64"},
		{"DNSKEY", "0101 03 08 aa", NULL},
		{"DNSKEY", "0101 03 0d aa*64", NULL},
		{"DNSKEY", "0101 03 0d aa*65", "key of 65 octets; algorithm 13 (ECDSA P-256) has 64"},
		{"CDNSKEY", "0101 03 0f aa*31", "key of 31 octets; algorithm 15 (Ed25519) has 32"},
		{"CDNSKEY", "0000 03 00 00", NULL},
		{"KEY", "c000 03 08", NULL},
		{"RRSIG", "0001 0d 02 0000003c 5a*8 0001 00 aa*64", NULL},
		{"RRSIG", "0001 0d 02 0000003c 5a*8 0001 017a00 aa*63",
		 "signature of 63 octets; algorithm 13 (ECDSA P-256) has 64"},
		{"NSEC3", "01 00 0000 00 14 aa*20 000140", NULL},
		{"NSEC3", "01 00 0000 02aabb 13 aa*19 000140",
		 "next hash of 19 octets; hash algorithm 1 (SHA-1) has 20"},
	};

	EXPECT_ALL(cases);
}

static void forms_of_their_own(void **state)
{
	static const struct expected cases[] = {
		{"NSEC", "00", NULL},
		{"NSEC", "00 0001 40 0101 80", NULL},
		{"NSEC", "00 0101 80 0001 40", NOT_ALLOWED}, /* windows ascend */
		{"NSEC", "00 0000", NOT_ALLOWED},
		{"NSEC", "00 0002 4000", NOT_ALLOWED},
		{"NSEC", "00 0002 40", NOT_ALLOWED},
		{"CSYNC", "00000001 0003 0001 40", NULL},
		{"CAA", "00 05 6973737565 6361", NULL},
		{"CAA", "00 05 6973737565", NULL},
		{"CAA", "00 00 6361", NOT_ALLOWED},
		{"CAA", "00 06 6973732d7565 6361",
		 "a tag has letters and digits only (RFC 8659 section 4.1)"},
		{"APL", "", NULL},
		{"APL", "0001 15 03 c0a820 0002 08 81 ff", NULL},
		{"APL", "0001 21 04 c0a82001", NOT_ALLOWED},
		{"APL", "0001 15 04 c0a82000", NOT_ALLOWED}, /* no zeros at the end */
		{"APL", "0003 08 01 ff", NOT_ALLOWED},
		{"IPSECKEY", "0a 00 02 aa", NULL},
		{"IPSECKEY", "0a 01 02 c0000201 aa", NULL},
		{"IPSECKEY", "0a 01 02 c00002", NOT_ALLOWED},
		{"IPSECKEY", "0a 03 02 026777 00", NULL},
		{"IPSECKEY", "0a 03 02 0367", NOT_ALLOWED},
		{"IPSECKEY", "0a 04 02 00", NOT_ALLOWED},
		{"HIP", "02 02 0001 aabb cc", NULL},
		{"HIP", "02 02 0001 aabb cc 017a00", NULL},
		{"HIP", "02 02 0001 aabb", NOT_ALLOWED},
		{"HIP", "02 02 0001 aabb cc 017a", NOT_ALLOWED},
	};

	EXPECT_ALL(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(the_length_that_another_field_decides),
		cmocka_unit_test(forms_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
