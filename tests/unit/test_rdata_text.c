/* RDATA as it is written → its octets, or the field that is wrong. */
#include "tests/unit/zone_fixture.h"
#include "zones/rdata/rdata_text.h"
#include "zones/rrtype.h"
#include "zones/zone_lex.h"

static struct rdata_text *reader;

/* "MX 10 mail" → the octets in hexadecimal, or what is wrong. */
static const char *read_record(const char *record)
{
	static char result[1024];
	struct zone_lex lex;
	struct zone_entry entry;
	struct rdata rdata;
	uint16_t type;

	zone_lex_init(&lex, record, strlen(record));
	assert_true(zone_lex_next(&lex, &entry));
	assert_null(entry.reason);
	assert_true(rrtype_from_text(entry.words[0].text, &type));
	const char *reason = rdata_text_read(reader, type, entry.words + 1, entry.count - 1, &rdata);
	if (reason) {
		snprintf(result, sizeof result, "%s", reason);
	} else {
		assert_true(rdata.length * 2 < sizeof result);
		result[0] = '\0';
		for (size_t i = 0; i < rdata.length; i++)
			sprintf(result + i * 2, "%02x", rdata.octets[i]);
	}
	zone_lex_done(&lex);
	return result;
}

struct expected {
	const char *record, *result;
};

static void expect_all(const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *result = read_record(cases[i].record);
		if (strcmp(result, cases[i].result) != 0)
			fail_msg("%s: %s, not %s", cases[i].record, result, cases[i].result);
	}
}
#define EXPECT_ALL(cases) expect_all(cases, sizeof(cases) / sizeof((cases)[0]))

static void a_missing_field_is_named(void **state)
{
	static const struct expected cases[] = {
		{"SOA ns 2017042745 7200 3600 1209600 3600", "no RNAME (mailbox name)"},
		{"SOA 2017042745 7200 3600 1209600 3600", "no MNAME (primary server)"},
		{"SOA ns h 7200 3600", "no RETRY"},
		{"SOA ns h 1 2 3 4", "no MINIMUM"},
		{"SOA ns", "no RNAME (mailbox name)"},
		{"MX 10", "no exchange"},
		{"MX mail", "no preference"},
		{"SRV 0 0 sip", "no port"},
		{"SRV 0 0 5060", "no target"},
		{"NAPTR 1 2 s x .", "no replacement"},
		{"HINFO cpu", "no OS"},
		{"RP mailbox", "no name of texts"},
		{"DS 1 13 2", "no digest"},
		{"DS 1 13", "no digest type"},
		{"DNSKEY 257 3 13", "no key"},
		{"RRSIG A 13 2 60 20300101000000 20200101000000 1 z.", "no signature"},
		{"TLSA 3 1 1", "no data"},
		{"SSHFP 1 1", "no fingerprint"},
		{"CAA 0 issue", "no value"},
		{"URI 10 1", "no target"},
		{"SVCB 1", "no target"},
		{"SVCB svc", "no priority"},
		{"NSEC3PARAM 1 0 0", "no salt"},
		{"CERT 1 1 8", "no certificate"},
	};

	EXPECT_ALL(cases);
}

static void what_is_too_much_is_named(void **state)
{
	static const struct expected cases[] = {
		{"A 192.0.2.1 192.0.2.2", "'192.0.2.2' behind the last field, address"},
		{"MX 10 mail 20", "'20' behind the last field, exchange"},
		{"SOA ns h 1 2 3 4 5 6", "'6' behind the last field, MINIMUM"},
		{"SOA ns h m 1 2 3 4 5", "'5' behind the last field, MINIMUM"},
		{"HINFO a \"b\"c", "'c' behind the last field, OS"},
		{"CAA 0 issue a b", "'b' behind the last field, value"},
	};

	EXPECT_ALL(cases);
}

static void a_wrong_field_is_named(void **state)
{
	static const struct expected cases[] = {
		{"A 192.0.2.400", "address '192.0.2.400': invalid IPv4 address"},
		{"MX mail 10", "preference 'mail': invalid number"},
		{"MX 65536 mail", "preference '65536': number is bigger than 16 bits"},
		{"SOA ns h 1 2x 3 4 5", "REFRESH '2x': invalid time unit"},
		{"SOA ns h 1 2 3 4 5y", "MINIMUM '5y': invalid time unit"},
		{"SOA 1 2 3 4 5 6 h", "MINIMUM 'h': invalid number"},
		{"SRV 1 2 http www", "port 'http': invalid number"},
		{"SRV 1 2 3 a..b", "target 'a..b': empty label"},
		{"DS 1 13 2 ABXD", "digest 'ABXD': invalid hexadecimal character"},
		{"DNSKEY 257 3 RSA/MD5 AAAA", "algorithm 'RSA/MD5': invalid algorithm"},
		{"NSEC a A FOO", "type 'FOO': invalid bitmap"},
		{"AAAA 1::2::3", "address '1::2::3': invalid IPv6 address"},
		{"CNAME \"y\"", "target '\"y\"': a name has no quotes"},
		{"RRSIG A 8 2 60 20301301000000 20200101000000 1 z. AAAA",
		 "expiration '20301301000000': invalid date"},
		{"LOC 42 N 71 W 0x", "position '0x': invalid zone location data"},
	};

	EXPECT_ALL(cases);
}

static void names_of_any_character(void **state)
{
	static const struct expected cases[] = {
		{"CNAME a!b.", "0361216200"},
		{"SRV 1 2 3 a@b", "00010002000303614062017a00"},
		{"SVCB 1 a!b.", "00010361216200"},
		{"NAPTR 1 2 a b c d!e.", "000100020161016201630364216500"},
		{"NSEC a&b. A", "0361266200000140"},
		{"LP 10 a,b.", "000a03612c6200"},
		{"MX 10 @", "000a017a00"},
		{"MX 10 \\@", "000a0140017a00"},
	};

	EXPECT_ALL(cases);
}

static void long_texts_may_be_broken(void **state)
{
	static const struct expected cases[] = {
		{"OPENPGPKEY AAAA", "000000"},
		{"OPENPGPKEY AA AA", "000000"},
		{"DNSKEY 256 3 8 Aw EA AQ==", "0100030803010001"},
		{"DS 1 8 99 a bcd e f", "00010863abcdef"},
		{"CERT 1 2 8 AAA A", "0001000208000000"},
		{"DNSKEY 256 3 8 AwEAAa==", "key 'AwEAAa==': not base64 (RFC 4648 section 4)"},
		{"DNSKEY 256 3 8 AwEAAQ", "key 'AwEAAQ': not base64 (RFC 4648 section 4)"},
		{"DS 1 8 99 abc", "digest 'abc': an odd number of hexadecimal digits"},
		{"IPSECKEY 10 1 0 192.0.2.38", "0a0100c0000226"},
		{"SVCB 1 . alpn=\"h2\"", "00010000010003026832"},
	};

	EXPECT_ALL(cases);
}

static void types_written_like_others(void **state)
{
	static const struct expected cases[] = {
		{"MB y", "0179017a00"},
		{"MR y.", "017900"},
		{"X25 311061700956", "0c333131303631373030393536"},
		{"ISDN 15 004", "02313503303034"},
		{"ISDN 15", "023135"},
		{"ISDN 1 2 3", "'3' behind the last field, subaddress"},
		{"AVC a b", "01610162"},
		{"SIG A 8 2 60 1 2 3 z. AAAA", "000108020000003c00000001000000020003017a00000000"},
	};

	EXPECT_ALL(cases);
}

static void any_type_in_generic_form(void **state)
{
	static const struct expected cases[] = {
		{"A \\# 4 C0000201", "c0000201"},
		{"A \\# 4 c0 00020 1", "c0000201"},
		{"MX \\# 5 000a016100", "000a016100"},
		{"TYPE65280 \\# 0", ""},
		{"TYPE65280 \\# 002 0102", "0102"},
		{"TYPE65280 \\# 3 010203", "010203"},
		{"A \\#", "no length behind \\#"},
		{"A \\# x", "length 'x': not a number from 0 to 65535"},
		{"A \\# -1", "length '-1': not a number from 0 to 65535"},
		{"A \\# 65536", "length '65536': not a number from 0 to 65535"},
		{"A \\# 4 0xc0000201", "data '0xc0000201': not hexadecimal"},
		{"A \\# 4 c000020", "7 hexadecimal digits, and length 4 has 8"},
		{"TYPE65280 \\# 1", "0 hexadecimal digits, and length 1 has 2"},
		{"TYPE65280 \\# 1 \"00\"", "data '\"00\"': not hexadecimal"},
		{"TYPE65280 text", "only \\# is understood for this type (RFC 3597 section 5)"},
		{"A \\# 3 010203", "data that the type does not allow"},
		{"CNAME \\# 2 C00C", "data that the type does not allow"},
	};

	EXPECT_ALL(cases);
}

static int make_reader(void **state)
{
	struct name origin = name_of("z");

	reader = rdata_text_new(&origin);
	return 0;
}

static int free_reader(void **state)
{
	rdata_text_free(reader);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_field_is_named),  cmocka_unit_test(what_is_too_much_is_named),
		cmocka_unit_test(a_wrong_field_is_named),    cmocka_unit_test(names_of_any_character),
		cmocka_unit_test(types_written_like_others), cmocka_unit_test(long_texts_may_be_broken),
		cmocka_unit_test(any_type_in_generic_form),
	};
	return cmocka_run_group_tests(tests, make_reader, free_reader);
}
