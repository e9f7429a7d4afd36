/* RR types: mnemonics, metrics rows, where names stand, presentation form. */
#include "zones/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void mnemonics_go_both_ways(void **state)
{
	static const struct {
		const char *text;
		uint16_t type;
	} cases[] = {{"A", 1},		 {"AAAA", 28},	       {"HTTPS", 65},
		     {"CAA", 257},	 {"NSEC3PARAM", 51},   {"URI", 256},
		     {"OPENPGPKEY", 61}, {"TYPE65280", 65280}, {"TYPE65535", 65535},
		     {"TYPE0", 0},	 {"ANY", 255}};
	char out[16];
	uint16_t type;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(rrtype_from_text(cases[i].text, &type));
		assert_int_equal(type, cases[i].type);
		rrtype_to_text(type, out);
		assert_string_equal(out, cases[i].text);
	}
	for (unsigned number = 0; number <= UINT16_MAX; number++) {
		rrtype_to_text((uint16_t)number, out);
		assert_true(rrtype_from_text(out, &type));
		assert_int_equal(type, number);
	}
	assert_true(rrtype_from_text("cNaMe", &type));
	assert_int_equal(type, RR_CNAME);
	assert_true(rrtype_from_text("type1", &type));
	assert_int_equal(type, RR_A);
	static const char *const bad[] = {"",	"TYPE", "TYPE65536", "TYPE1x",	       "TYPE-1",
					  "AA", "FOO",	"TYPE 1",    "TYPE99999999999"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(rrtype_from_text(bad[i], &type));
}

static void metric_rows_have_names(void **state)
{
	assert_string_equal(rrtype_metric_name(0), "other");
	for (unsigned row = 1; row <= RRTYPE_KNOWN; row++) {
		uint16_t type;
		assert_string_not_equal(rrtype_metric_name(row), "other");
		assert_true(rrtype_from_text(rrtype_metric_name(row), &type));
		assert_int_equal(rrtype_metric_row(type), row);
	}
	assert_string_equal(rrtype_metric_name(RRTYPE_KNOWN + 1), "other");
	assert_int_equal(rrtype_metric_row(0), 0);
	assert_int_equal(rrtype_metric_row(258), 0);
	assert_int_equal(rrtype_metric_row(65535), 0);
}

static void names_in_rdata(void **state)
{
	uint8_t prefix, names, offset;

	assert_true(rrtype_compressible(RR_NS, &prefix, &names));
	assert_int_equal(prefix, 0);
	assert_int_equal(names, 1);
	assert_true(rrtype_compressible(RR_SOA, &prefix, &names));
	assert_int_equal(prefix, 0);
	assert_int_equal(names, 2);
	assert_true(rrtype_compressible(RR_MX, &prefix, &names));
	assert_int_equal(prefix, 2);
	assert_int_equal(names, 1);
	/* defined after RFC 1035, or without names: never compressed (RFC 3597 §4) */
	static const uint16_t never[] = {RR_A,	   RR_AAAA,  RR_TXT,   RR_SRV, RR_DNAME,
					 RR_NAPTR, RR_RRSIG, RR_HTTPS, 65280};
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		assert_false(rrtype_compressible(never[i], &prefix, &names));

	assert_true(rrtype_additional_offset(RR_NS, &offset) && offset == 0);
	assert_true(rrtype_additional_offset(RR_MX, &offset) && offset == 2);
	assert_true(rrtype_additional_offset(RR_SRV, &offset) && offset == 6);
	assert_true(rrtype_additional_offset(RR_HTTPS, &offset) && offset == 2);
	assert_false(rrtype_additional_offset(RR_A, &offset));
}

#define RDATA(s) (const uint8_t *)(s), sizeof(s) - 1

static void presentation(void **state)
{
	static const struct {
		uint16_t type;
		const char *rdata;
		size_t length;
		const char *text;
	} good[] = {
		{RR_A, "\300\0\2\1", 4, "192.0.2.1"},
		{RR_AAAA, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, "2001:db8::1"},
		{RR_MX, "\0\12\4mail\7example\0", 16, "10 mail.example."},
		{RR_TXT, "\3a\"b\2cd", 7, "\"a\\\"b\" \"cd\""},
		{RR_SRV, "\0\1\0\2\0\3\0", 7, "1 2 3 ."},
		{RR_HTTPS, "\0\1\0\0\1\0\3\2h2", 10, "1 . alpn=h2"},
		{65280, "\1\2", 2, "\\# 2 0102"},
		{65280, "", 0, "\\# 0"},
	};
	static const struct {
		uint16_t type;
		const char *rdata;
		size_t length;
		const char *text;
	} bad[] = {
		{RR_A, "\300\0\2", 3, "\\# 3 C00002"}, {RR_CNAME, "\xc0\xc", 2, "\\# 2 C00C"},
		{RR_MX, "\0", 1, "\\# 1 00"},	       {RR_TXT, "\5ab", 3, "\\# 3 056162"},
		{RR_CNAME, "\0\0", 2, "\\# 2 0000"},
	};
	char out[256];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(rrtype_rdata_to_text(good[i].type, (const uint8_t *)good[i].rdata, good[i].length,
						 out, sizeof out));
		assert_string_equal(out, good[i].text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(rrtype_rdata_to_text(bad[i].type, (const uint8_t *)bad[i].rdata, bad[i].length,
						  out, sizeof out));
		assert_string_equal(out, bad[i].text);
	}
	/* what does not fit is cut, never written beyond */
	memset(out, '!', sizeof out);
	rrtype_rdata_to_text(65280, RDATA("\1\2\3\4\5"), out, 10);
	assert_string_equal(out, "\\# 5 0102");
	assert_int_equal(out[10], '!');
	rrtype_rdata_to_text(RR_AAAA, RDATA("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), out, 5);
	assert_string_equal(out, "2001");
}

static void equality_ignores_case_in_names_only(void **state)
{
	assert_true(rrtype_rdata_equal(RR_NS, (const uint8_t *)"\2Ns", (const uint8_t *)"\2nS", 4));
	assert_true(rrtype_rdata_equal(RR_MX, (const uint8_t *)"\0A\1b", (const uint8_t *)"\0A\1B", 5));
	assert_false(rrtype_rdata_equal(RR_MX, (const uint8_t *)"\0A\1b", (const uint8_t *)"\0a\1b", 5));
	assert_false(rrtype_rdata_equal(RR_TXT, (const uint8_t *)"\1a", (const uint8_t *)"\1A", 2));
	assert_false(rrtype_rdata_equal(RR_SOA, (const uint8_t *)"\0\0aaaabbbbccccddddeeee",
					(const uint8_t *)"\0\0Aaaabbbbccccddddeeee", 22));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mnemonics_go_both_ways),
		cmocka_unit_test(metric_rows_have_names),
		cmocka_unit_test(names_in_rdata),
		cmocka_unit_test(presentation),
		cmocka_unit_test(equality_ignores_case_in_names_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
