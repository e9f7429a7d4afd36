/* Zone text: odd but legal forms load, wrong ones name the line on which they begin. */
#include "tests/unit/zone_fixture.h"
#include "zones/rrtype.h"
#include "zones/zone_text.h"
#include <sys/stat.h>
#include <unistd.h>

#define SOA "@ 60 IN SOA ns h 1 2 3 4 5\n@ 60 IN NS ns.x.\n" /* two lines */

static struct zone *load(const char *text, char **ret_printed)
{
	struct err_list errors = {0};
	struct name apex = name_of("z");
	struct zone *zone = zone_load(&apex, NULL, text, "t", &errors);

	*ret_printed = printed(&errors);
	assert_int_equal(!zone, err_has_errors(&errors));
	err_done(&errors);
	return zone;
}

static const struct rrset *set_at(const struct zone *zone, const char *owner, uint16_t type)
{
	const struct zone_node *node = zone_find(zone, name_of(owner).octets, NULL);

	return node ? rrset_find(node->sets, type) : NULL;
}

/* The first record of the set: its data as text. */
static void expect_data(const struct zone *zone, const char *owner, uint16_t type, uint32_t ttl,
			const char *data)
{
	const struct rrset *set = set_at(zone, owner, type);
	char text[1024];

	if (!set)
		fail_msg("%s: no such set", owner);
	assert_int_equal(set->ttl, ttl);
	size_t length = (size_t)set->wire[10] << 8 | set->wire[11];
	rrtype_rdata_to_text(type, set->wire + 12, length, text, sizeof text);
	assert_string_equal(text, data);
}

static void refused_with_the_line(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{SOA "www 60 IN A 192.0.2.400\n",
		 "t:3: A record: address '192.0.2.400': invalid IPv4 address\n"},
		{SOA "www 60 IN A\n", "t:3: A record without data\n"},
		{SOA "www 60 IN A 192.0.2.1 x\n", "t:3: A record: 'x' behind the last field, address\n"},
		{SOA "www 60 IN FOO x\n", "t:3: unknown record type 'FOO'\n"},
		{SOA "www 60 IN\n", "t:3: record without a type\n"},
		{SOA "www 60 CH TXT x\n", "t:3: class CH: only IN is served\n"},
		{SOA "www CLASS3 60 TXT x\n", "t:3: class CLASS3: only IN is served\n"},
		{SOA "www 60x A 192.0.2.1\n", "t:3: '60x' is not a TTL (0 to 2147483647 seconds)\n"},
		{SOA "www 2147483648 A 192.0.2.1\n",
		 "t:3: '2147483648' is not a TTL (0 to 2147483647 seconds)\n"},
		{SOA "www 60 ANY x\n", "t:3: class ANY: only IN is served\n"},
		{SOA "www 60 OPT \\# 0\n", "t:3: type OPT cannot stand in a zone\n"},
		{SOA "www 60 TYPE0 \\# 0\n", "t:3: type TYPE0 cannot stand in a zone\n"},
		{SOA "www 60 TYPE251 \\# 0\n", "t:3: type TYPE251 cannot stand in a zone\n"},
		{SOA "www 60 TYPE65280 text\n",
		 "t:3: TYPE65280 record: only \\# is understood for this type (RFC 3597 section 5)\n"},
		{SOA "www 60 TYPE65280 \\# 3 0102\n",
		 "t:3: TYPE65280 record: 4 hexadecimal digits, and length 3 has 6\n"},
		{SOA "www 60 CNAME \\# 2 C00C\n", "t:3: CNAME record: data that the type does not allow\n"},
		{SOA "www 60 A \\# 3 010203\n", "t:3: A record: data that the type does not allow\n"},
		{SOA "a..b 60 A 192.0.2.1\n", "t:3: owner name 'a..b': empty label\n"},
		{SOA "a\\300b 60 A 192.0.2.1\n", "t:3: \\DDD above 255\n"},
		{SOA "w 60 NS a\\300b\n", "t:3: \\DDD above 255\n"},
		{SOA "\"\" 60 A 192.0.2.1\n", "t:3: owner name '\"\"': empty name\n"},
		{SOA "\"w\"x 60 A 192.0.2.1\n", "t:3: unknown record type 'x'\n"},
		{SOA "w\"x\" 60 A 192.0.2.1\n", "t:3: unknown record type '\"x\"'\n"},
		{SOA "$ORIGIN \"x\"\n", "t:3: $ORIGIN: a name has no quotes\n"},
		{SOA "w 60 TXT a\"b\n", "t:3: quoted text without its closing '\"'\n"},
		{SOA "w 60 SVCB 1 . alpn=h\"2\"\n", "t:3: SVCB record: unknown parameter '\"2\"'\n"},
		{SOA "w 60 TXT \"open\nx 60 A 192.0.2.1\n", "t:3: quoted text without its closing '\"'\n"},
		{SOA "w 60 TXT x\\\n", "t:3: '\\' at the end of a line\n"},
		{SOA "w 60 TXT (\n\n\"x\"\n", "t:3: '(' without ')'\n"},
		{SOA "w 60 TXT x )\n", "t:3: ')' without '('\n"},
		{SOA "$FOO x\n", "t:3: unknown directive '$FOO'\n"},
		{SOA "$GENERATE 1-9 a$ A 192.0.2.$\n",
		 "t:3: $GENERATE is not supported; write the records out\n"},
		{SOA "$TTL\n", "t:3: $TTL needs one time from 0 to 2147483647 seconds\n"},
		{SOA "$TTL 1x\n", "t:3: $TTL needs one time from 0 to 2147483647 seconds\n"},
		{SOA "$ORIGIN\n", "t:3: $ORIGIN: needs one name\n"},
		{SOA "$ORIGIN a..\n", "t:3: $ORIGIN: empty label\n"},
		{SOA "$INCLUDE x\n", "t:3: $INCLUDE is for zone files, not for `text`\n"},
		{" A 192.0.2.1\n" SOA, "t:1: record without an owner name, and none before it\n"},
		{"www A 192.0.2.1\n" SOA,
		 "t:1: no TTL: the record has none, and neither $TTL, an earlier record "
		 "nor a SOA gives one\n"},
		{"", "t:1: no SOA record of z.\n"},
		{"w 60 A 1\n",
		 "t:1: A record: address '1': invalid IPv4 address\nt:1: no SOA record of z.\n"},
		{"@ 60 SOA ns h 1 2\n", "t:1: SOA record: no RETRY\n"}, /* there is one */
		{"w 60 A 192.0.2.1\n", "t:1: no SOA record of z.\n"},
	};
	char *text;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		load(cases[i].text, &text);
		assert_string_equal(text, cases[i].printed);
		free(text);
	}
}

static void the_line_is_that_of_the_beginning(void **state)
{
	char *text;

	load(SOA "; comment\n\n"
		 "m 60 ( ; still line 5\n"
		 "  MX\n"
		 "  10 ; not a preference\n"
		 "  mail extra )\n"
		 "\"x\n"
		 "w 60 A 1\n",
	     &text);
	assert_string_equal(text, "t:5: MX record: 'extra' behind the last field, exchange\n"
				  "t:9: quoted text without its closing '\"'\n"
				  "t:10: A record: address '1': invalid IPv4 address\n");
	free(text);
	/* an error inside parentheses is one error */
	load(SOA "s 60 TXT ( a\n b\\999\n c\n d )\nw 60 A 1\n", &text);
	assert_string_equal(text, "t:4: \\DDD above 255\nt:7: A record: address '1': invalid IPv4 address\n");
	free(text);
}

static void reading_stops_after_a_hundred_errors(void **state)
{
	char many[150 * 16] = "", *text;
	struct err_list errors = {0};
	struct name apex = name_of("z");

	for (int i = 0; i < 150; i++)
		strcat(many, "w 60 A 1\n");
	assert_null(zone_load(&apex, NULL, many, "t", &errors));
	assert_int_equal(errors.errors, ZONE_ERRORS_MAX);
	text = printed(&errors);
	assert_null(strstr(text, "SOA"));
	free(text);
	err_done(&errors);
}

static void warnings_end_after_a_hundred(void **state)
{
	char many[4096] = SOA;
	struct err_list errors = {0};
	struct name apex = name_of("z");

	for (int i = 0; i < 150; i++)
		strcat(many, "\xc3\xbc 60 A 192.0.2.1\n");
	struct zone *zone = zone_load(&apex, NULL, many, "t", &errors);
	assert_non_null(zone);
	assert_int_equal(errors.count, ZONE_ERRORS_MAX);
	zone_unref(zone);
	err_done(&errors);
}

static void odd_but_legal(void **state)
{
	char *text;
	struct zone *zone = load("\xef\xbb\xbf$TTL 1h30m ; units\r\n"
				 "@\tSOA\tns h ( 1 ; serial\r\n"
				 "\t1d 2h\r\n"
				 "\t1w 5m )\r\n"
				 "   \r\n"
				 "\tNS ns\r\n"
				 "ttl-class 300 IN A 192.0.2.1\r\n"
				 "class-ttl IN 301 A 192.0.2.1\r\n"
				 "only-class in A 192.0.2.1\r\n"
				 "class1 CLASS1 A 192.0.2.1\r\n"
				 "UPPER a 192.0.2.1\r\n"
				 "TYPE1 TYPE1 192.0.2.2\r\n"
				 "generic TYPE65280 \\# 4 ( 0102\r\n 0304 )\r\n"
				 "empty TYPE65280 \\# 0\r\n"
				 "known A \\# 4 C0000203\r\n"
				 "\\000\\255\\.\\ x A 192.0.2.4\r\n"
				 "b\xc3\xbc"
				 "ro A 192.0.2.5\r\n"
				 "a+b!c CNAME d+e@f!\xff\r\n"
				 "txt TXT \"a;b(\" c\\;d \"\\\"\" \"\xc3\xa9\" \"\"\r\n"
				 "nested ((TXT) x (y))\r\n"
				 "$ORIGIN sub\r\n"
				 "@ A 192.0.2.6\r\n"
				 "  MX 10 @\r\n"
				 "$ORIGIN z.\r\n"
				 "case NS Ns.Mixed.Case\r\n"
				 "svc HTTPS 1 . alpn=\"h2,h3\" port=443\r\n"
				 "last 0 A 192.0.2.7",
				 &text);

	assert_string_equal(text,
			    "t:18: warning: owner name 'b\xc3\xbc"
			    "ro' is not ASCII; resolvers ask for 'xn--bro-hoa'\n"
			    "t:19: warning: CNAME record: target 'd+e@f!\\255' is not ASCII (not UTF-8); "
			    "no resolver asks for it\n");
	assert_non_null(zone);
	expect_data(zone, "z", RR_SOA, 5400, "ns.z. h.z. 1 86400 7200 604800 300");
	expect_data(zone, "z", RR_NS, 5400, "ns.z.");
	expect_data(zone, "ttl-class.z", RR_A, 300, "192.0.2.1");
	expect_data(zone, "class-ttl.z", RR_A, 301, "192.0.2.1");
	expect_data(zone, "only-class.z", RR_A, 5400, "192.0.2.1");
	expect_data(zone, "class1.z", RR_A, 5400, "192.0.2.1");
	expect_data(zone, "upper.z", RR_A, 5400, "192.0.2.1");
	expect_data(zone, "type1.z", RR_A, 5400, "192.0.2.2");
	expect_data(zone, "generic.z", 65280, 5400, "\\# 4 01020304");
	expect_data(zone, "empty.z", 65280, 5400, "\\# 0");
	expect_data(zone, "known.z", RR_A, 5400, "192.0.2.3");
	expect_data(zone, "\\000\\255\\.\\032x.z", RR_A, 5400, "192.0.2.4");
	expect_data(zone, "b\\195\\188ro.z", RR_A, 5400, "192.0.2.5");
	assert_non_null(set_at(zone, "a+b!c.z", RR_CNAME));
	assert_memory_equal(set_at(zone, "a+b!c.z", RR_CNAME)->wire + 12, "\7d+e@f!\xff\1z", 11);
	assert_memory_equal(set_at(zone, "txt.z", RR_TXT)->wire + 12, "\4a;b(\3c;d\1\"\2\xc3\xa9\0", 15);
	expect_data(zone, "nested.z", RR_TXT, 5400, "\"x\" \"y\"");
	expect_data(zone, "sub.z", RR_MX, 5400, "10 sub.z.");
	expect_data(zone, "case.z", RR_NS, 5400, "Ns.Mixed.Case.z.");
	expect_data(zone, "svc.z", RR_HTTPS, 5400, "1 . alpn=h2,h3 port=443");
	expect_data(zone, "last.z", RR_A, 0, "192.0.2.7");
	free(text);
	zone_unref(zone);
}

/* The name is served as it stands, octet by octet, but nobody asks for it: RFC 5890 §2.3.2.1. */
static void letters_beyond_ascii(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{SOA "b\xc3\xbc"
		     "cher 60 A 192.0.2.1\n",
		 "t:3: warning: owner name 'b\xc3\xbc"
		 "cher' is not ASCII; resolvers ask for 'xn--bcher-kva'\n"},
		{SOA "\"B\xc3\x9c"
		     "CHER.z.\" 60 A 192.0.2.1\n",
		 "t:3: warning: owner name 'B\xc3\x9c"
		 "CHER.z.' is not ASCII; resolvers ask for 'xn--bcher-kva.z.'\n"},
		{SOA "*.\xc3\xbc 60 A 192.0.2.1\n",
		 "t:3: warning: owner name '*.\xc3\xbc' is not ASCII; resolvers ask for '*.xn--tda'\n"},
		{SOA "w 60 MX 10 \xc3\xbc\nw 60 SRV 0 0 1 \xc3\xbc.\n",
		 "t:3: warning: MX record: exchange '\xc3\xbc' is not ASCII; resolvers ask for 'xn--tda'\n"
		 "t:4: warning: SRV record: target '\xc3\xbc.' is not ASCII; resolvers ask for 'xn--tda.'\n"},
		{SOA "$ORIGIN \xc3\xbc\nw 60 A 192.0.2.1\n",
		 "t:3: warning: $ORIGIN '\xc3\xbc' is not ASCII; resolvers ask for 'xn--tda'\n"},
		{SOA "b\xfc"
		     "cher 60 A 192.0.2.1\n",
		 "t:3: warning: owner name 'b\\252cher' is not ASCII (not UTF-8); no resolver asks for it\n"},
		{SOA "-\xc3\xbc 60 A 192.0.2.1\n", "t:3: warning: owner name '-\\195\\188' is not ASCII (no "
						   "internationalized name (RFC 5892)); no "
						   "resolver asks for it\n"},
		/* text is no name, and who writes escapes means octets */
		{SOA "w 60 TXT \xc3\xbc \"\xc3\xbc\"\nw 60 CAA 0 issue \xc3\xbc\n\\195\\188 60 A 192.0.2.1\n",
		 ""},
	};
	char *text;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct zone *zone = load(cases[i].text, &text);
		assert_string_equal(text, cases[i].printed);
		assert_non_null(zone);
		free(text);
		zone_unref(zone);
	}
}

/* A quote begins a text of its own and ends it, whatever stands next to it; only a parameter of SVCB is
 * one word with its value (RFC 9460 §2.1). */
static void quotes(void **state)
{
	char *text;
	struct zone *zone = load(SOA "a 60 TXT ef\"gh\"\n"
				     "b 60 TXT \"one\"two\"three\"\"four\"five\\\"six\n"
				     "\"c.z.\" 60 TXT \"v=spf1 -all\"\n"
				     "\"d e;(\\\"\" 60 TXT a=\"b\"\n"
				     "f 60 HINFO cpu\"os\"\n"
				     "g 60 SVCB 1 . alpn=\"h2\"port=53 key667=\"a b\"\n",
				 &text);
	assert_string_equal(text, "");
	expect_data(zone, "a.z", RR_TXT, 60, "\"ef\" \"gh\"");
	expect_data(zone, "b.z", RR_TXT, 60, "\"one\" \"two\" \"three\" \"four\" \"five\\\"six\"");
	expect_data(zone, "c.z", RR_TXT, 60, "\"v=spf1 -all\"");
	expect_data(zone, "d\\032e;(\".z", RR_TXT, 60, "\"a=\" \"b\"");
	expect_data(zone, "f.z", 13, 60, "\"cpu\" \"os\"");
	assert_memory_equal(set_at(zone, "g.z", RR_SVCB)->wire + 12,
			    "\0\1\0\0\1\0\3\2h2\0\3\0\2\0\65\2\233\0\3a b", 23);
	free(text);
	zone_unref(zone);
}

/* Names that the record scanner does not take unless every octet is escaped. */
static void origins_of_any_octet(void **state)
{
	static const char *const apexes[] = {"a|b", "\\000\\255", "under_score.x", "\\.\\\\.\\@", "."};
	struct err_list errors = {0};

	for (size_t i = 0; i < sizeof apexes / sizeof apexes[0]; i++) {
		struct name apex = name_of(apexes[i]), target = name_of("t");
		struct zone *zone = zone_load(&apex, NULL,
					      "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS t\n"
					      "$ORIGIN a!\\001\nw 60 CNAME t\n",
					      "t", &errors);
		assert_non_null(zone);
		assert_null(name_from_text("t", &apex, &target));
		assert_memory_equal(zone->ns->wire + 12, target.octets, target.length);
		zone_unref(zone);
	}
	char longest[NAME_TEXT_MAX];
	memset(longest, '|', sizeof longest);
	for (size_t i = 63; i < 254; i += 64)
		longest[i] = '.';
	longest[253] = '\0';
	struct name apex = name_of(longest);
	struct zone *zone = zone_load(&apex, NULL, "@ 60 SOA . . 1 2 3 4 5\n@ 60 NS @\n", "t", &errors);
	assert_non_null(zone);
	assert_memory_equal(zone->ns->wire + 12, apex.octets, 255);
	zone_unref(zone);
	assert_int_equal(errors.count, 0);
}

static void a_missing_ttl_has_an_order_of_sources(void **state)
{
	char *text;
	/* no $TTL: the SOA's MINIMUM until a record says its own, then that */
	struct zone *zone =
		load("@ SOA ns h 1 2 3 4 77\n NS ns.x.\na A 192.0.2.1\nb 88 A 192.0.2.1\nc A 192.0.2.1\n"
		     "$TTL 99\nd A 192.0.2.1\n",
		     &text);

	assert_string_equal(text, "");
	expect_data(zone, "z", RR_SOA, 77, "ns.z. h.z. 1 2 3 4 77");
	expect_data(zone, "a.z", RR_A, 77, "192.0.2.1");
	expect_data(zone, "b.z", RR_A, 88, "192.0.2.1");
	expect_data(zone, "c.z", RR_A, 88, "192.0.2.1");
	expect_data(zone, "d.z", RR_A, 99, "192.0.2.1");
	free(text);
	zone_unref(zone);
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
	snprintf(folder, sizeof folder, "/tmp/gslb-zone-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static const char *in_folder(const char *file)
{
	static char path[2][256];
	static unsigned turn;

	turn ^= 1;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder, file);
	return path[turn];
}

static void write_file(const char *file, const char *text)
{
	FILE *out = fopen(in_folder(file), "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"zone", "sub/a.inc", "sub/b.inc", "loop", "bad.inc"};

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		unlink(in_folder(files[i]));
	rmdir(in_folder("sub"));
	return rmdir(folder);
}

static struct zone *load_file(const char *file, struct err_list *errors)
{
	struct name apex = name_of("z");

	return zone_load(&apex, in_folder(file), NULL, NULL, errors);
}

static void includes_are_relative_to_their_file(void **state)
{
	struct err_list errors = {0};

	assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
	write_file(
		"zone", SOA
		"owner 60 A 192.0.2.1\n$INCLUDE \"sub/a.inc\" inner\n  TXT still-owner\nw 60 A 192.0.2.2\n");
	write_file("sub/a.inc", "@ 60 A 192.0.2.3\n$INCLUDE b.inc\nx 60 A 192.0.2.5\n$ORIGIN elsewhere.z.");
	write_file("sub/b.inc", "deep 60 A 192.0.2.4");
	struct zone *zone = load_file("zone", &errors);
	assert_non_null(zone);
	assert_int_equal(errors.count, 0);
	expect_data(zone, "inner.z", RR_A, 60, "192.0.2.3");
	expect_data(zone, "deep.inner.z", RR_A, 60, "192.0.2.4");
	expect_data(zone, "x.inner.z", RR_A, 60, "192.0.2.5");
	expect_data(zone, "owner.z", RR_TXT, 60, "\"still-owner\"");
	expect_data(zone, "w.z", RR_A, 60, "192.0.2.2");
	assert_int_not_equal(zone->modified_unix_s, 0);

	uint64_t before = zone->content_hash;
	zone_unref(zone);
	write_file("sub/b.inc", "deep 60 A 192.0.2.9");
	zone = load_file("zone", &errors);
	assert_int_not_equal(zone->content_hash, before);
	zone_unref(zone);
}

static void errors_name_the_included_file(void **state)
{
	struct err_list errors = {0};
	char expected[1024];

	write_file("zone", SOA
		   "$INCLUDE bad.inc\n$INCLUDE absent.inc\n$INCLUDE .\nw 60 A 1\n$INCLUDE\n$INCLUDE a ..\n");
	write_file("bad.inc", "\nw 60 A 2\n");
	assert_null(load_file("zone", &errors));
	char *text = printed(&errors);
	snprintf(expected, sizeof expected,
		 "%1$s/bad.inc:2: A record: address '2': invalid IPv4 address\n"
		 "%1$s/zone:4: $INCLUDE %1$s/absent.inc: No such file or directory\n"
		 "%1$s/zone:5: $INCLUDE %1$s/.: not a regular file\n"
		 "%1$s/zone:6: A record: address '1': invalid IPv4 address\n"
		 "%1$s/zone:7: $INCLUDE needs a file name, and perhaps an origin\n"
		 "%1$s/zone:8: $INCLUDE origin: empty label\n",
		 folder);
	assert_string_equal(text, expected);
	free(text);
	err_done(&errors);
}

static void a_file_that_includes_itself_ends(void **state)
{
	struct err_list errors = {0};

	write_file("loop", SOA "$INCLUDE loop\n$INCLUDE loop\n");
	assert_null(load_file("loop", &errors));
	assert_in_range(errors.errors, 1, ZONE_ERRORS_MAX);
	assert_non_null(strstr(errors.items[0].message, "nested deeper than 16 files"));
	err_done(&errors);
}

static void an_unreadable_file_is_named(void **state)
{
	struct err_list errors = {0};
	char expected[512];

	assert_null(load_file("absent", &errors));
	char *text = printed(&errors);
	snprintf(expected, sizeof expected, "%s: cannot be read: No such file or directory\n",
		 in_folder("absent"));
	assert_string_equal(text, expected);
	free(text);
	err_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_with_the_line),
		cmocka_unit_test(the_line_is_that_of_the_beginning),
		cmocka_unit_test(reading_stops_after_a_hundred_errors),
		cmocka_unit_test(odd_but_legal),
		cmocka_unit_test(quotes),
		cmocka_unit_test(letters_beyond_ascii),
		cmocka_unit_test(warnings_end_after_a_hundred),
		cmocka_unit_test(origins_of_any_octet),
		cmocka_unit_test(a_missing_ttl_has_an_order_of_sources),
		cmocka_unit_test(includes_are_relative_to_their_file),
		cmocka_unit_test(errors_name_the_included_file),
		cmocka_unit_test(a_file_that_includes_itself_ends),
		cmocka_unit_test(an_unreadable_file_is_named),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
