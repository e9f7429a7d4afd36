/* What a zone may hold, and what it offers: sets in wire form, names, cuts, the serial. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/zone_fixture.h"
#include "zones/rrtype.h"

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

static void refused(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{SOA_NS "@ 60 SOA ns h 2 2 3 4 5\n", "t:3: z.: two SOA records\n"},
		{SOA_NS "@ 60 SOA ns h 1 2 3 4 5\n", "t:3: z.: two SOA records\n"},
		{SOA_NS "sub 60 SOA ns h 1 2 3 4 5\n", "t:3: SOA of sub.z. is not at the apex of the zone\n"},
		{"other. 60 SOA ns h 1 2 3 4 5\n", "t:1: SOA of other. is not at the apex of the zone\n"},
		{SOA_NS "c 60 CNAME a\nc 60 CNAME b\n", "t:4: c.z.: two CNAME records\n"},
		{SOA_NS "d 60 DNAME a\nd 60 DNAME b\n", "t:4: d.z.: two DNAME records\n"},
		{SOA_NS "c 60 CNAME a\nc 60 A 192.0.2.1\n", "t:4: c.z.: CNAME with other data (A)\n"},
		{SOA_NS "c 60 TXT a\nc 60 CNAME a\n", "t:3: c.z.: CNAME with other data (TXT)\n"},
		{SOA_NS "c 60 DNAME a\nc 60 CNAME a\n", "t:3: c.z.: CNAME with other data (DNAME)\n"},
		{SOA_NS "@ 60 CNAME a\n", "t:2: z.: CNAME with other data (NS)\n"},
		{SOA_NS "* 60 CNAME a\n* 60 MX 1 a\n", "t:4: *.z.: CNAME with other data (MX)\n"},
		/* all at once */
		{SOA_NS "c 60 CNAME a\nc 60 CNAME b\nx 60 A 1\ne 60 CNAME a\ne 60 TXT a\n",
		 "t:5: A record: address '1': invalid IPv4 address\nt:4: c.z.: two CNAME records\n"
		 "t:7: e.z.: CNAME with other data (TXT)\n"},
	};
	char *text;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		load(cases[i].text, &text);
		assert_string_equal(text, cases[i].printed);
		free(text);
	}
}

static void warned(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{SOA_NS "www.other. 60 A 192.0.2.1\n",
		 "t:3: warning: www.other.: outside the zone, ignored\n"},
		{SOA_NS "w 60 A 192.0.2.1\nw 60 A 192.0.2.2\nw 50 A 192.0.2.3\nw 40 A 192.0.2.4\n",
		 "t:5: warning: w.z.: TTL differs from that of the other records of the set; the lowest is "
		 "used\n"},
		{"@ 60 SOA ns h 1 2 3 4 5\n", "t:1: warning: z.: no NS record at the apex\n"},
		{SOA_NS "@ 60 NS 192.0.2.53\n@ 60 MX 10 192.0.2.1.\n_sip._tcp 60 SRV 1 1 5060 2001:db8::1\n",
		 "t:4: warning: z.: MX points to the name 192.0.2.1.; an address cannot stand there\n"
		 "t:3: warning: z.: NS points to the name 192.0.2.53.z.; an address cannot stand there\n"
		 "t:5: warning: _sip._tcp.z.: SRV points to the name 2001:db8::1.z.; an address cannot stand "
		 "there\n"},
		{SOA_NS
		 "a 60 CNAME 10.0.0.1\nb 60 DNAME 10.0.0.2\nc 60 PTR 10.0.0.3\nd 60 HTTPS 1 10.0.0.4\n",
		 "t:3: warning: a.z.: CNAME points to the name 10.0.0.1.z.; an address cannot stand there\n"
		 "t:4: warning: b.z.: DNAME points to the name 10.0.0.2.z.; an address cannot stand there\n"
		 "t:5: warning: c.z.: PTR points to the name 10.0.0.3.z.; an address cannot stand there\n"
		 "t:6: warning: d.z.: HTTPS points to the name 10.0.0.4.z.; an address cannot stand there\n"},
		/* Digits that are a name: of a provider, of too few labels or too large, and what is no
		   target. */
		{SOA_NS "a 60 PTR 4.3.2.1.dyn.isp.example.\nb 60 CNAME 3.2.1\nc 60 MX 10 300.0.0.1\nd 60 TXT "
			"192.0.2.1\n"
			"e 60 CNAME 1.2.3.4.e\nf 60 MX 0 .\n",
		 ""},
		{SOA_NS "c 60 NS ns.c\nns.c 60 A 192.0.2.1\nns.c 60 TXT dead\n",
		 "t:5: warning: ns.c.z.: below a delegation, occluded\n"},
		{SOA_NS "c 60 NS ns.c\nx.c 60 NS ns.c\n",
		 "t:4: warning: x.c.z.: below a delegation, occluded\n"},
		{SOA_NS "c 60 NS ns.c\nc 60 MX 1 a\n",
		 "t:4: warning: c.z.: data beside a delegation is occluded\n"},
		{SOA_NS "d 60 DNAME e.\na.d 60 A 192.0.2.1\n",
		 "t:4: warning: a.d.z.: below a DNAME, occluded\n"},
		{SOA_NS "@ 60 DNAME e.\na 60 A 192.0.2.1\n", "t:4: warning: a.z.: below a DNAME, occluded\n"},
	};
	char *text;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct zone *zone = load(cases[i].text, &text);
		assert_non_null(zone);
		assert_string_equal(text, cases[i].printed);
		free(text);
		zone_unref(zone);
	}
}

static void legal_without_a_word(void **state)
{
	static const char *const texts[] = {
		SOA_NS "c 60 NS ns.c\n", /* missing glue */
		SOA_NS "c 60 NS ns.c\nc 60 DS 1 8 99 00\nns.c 60 A 192.0.2.1\nns.c 60 AAAA ::1\n",
		SOA_NS "d 60 DNAME e.\nd 60 A 192.0.2.1\n",
		SOA_NS "*.w 60 NS ns\n*.v 60 DNAME e.\n*.u 60 CNAME a\n",
		SOA_NS "c 60 CNAME a\nc 60 RRSIG CNAME 8 2 60 20300101000000 20200101000000 1 z. AAAA\n"
		       "c 60 NSEC d.z. CNAME RRSIG NSEC\n",
	};
	char *text;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct zone *zone = load(texts[i], &text);
		assert_string_equal(text, "");
		free(text);
		zone_unref(zone);
	}
}

static void sets_are_ready_to_send(void **state)
{
	struct zone *zone = zone_of("Z", SOA_NS "w 60 A 192.0.2.2\n"
						"w 60 MX 10 Mail\n"
						"W 30 A 192.0.2.1\n"
						"w 60 A 192.0.2.2 ; twice\n"
						"w 60 MX 10 mAIL ; twice, names have no case\n"
						"w 60 TXT a\n"
						"w 60 TXT A\n");
	const struct zone_node *node = zone_find(zone, name_of("w.z").octets, NULL);
	const struct rrset *a = rrset_find(node->sets, RR_A), *mx = rrset_find(node->sets, RR_MX);

	/* in the order of the text, with the lowest TTL */
	assert_int_equal(a->count, 2);
	assert_int_equal(a->ttl, 30);
	assert_int_equal(a->wire_length, 32);
	assert_memory_equal(a->wire,
			    "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\2"
			    "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\1",
			    32);
	assert_int_equal(mx->count, 1);
	assert_int_equal(mx->wire_length, 12 + 2 + 8);
	assert_memory_equal(mx->wire + 12, "\0\xa\4Mail\1z", 10);
	assert_int_equal(rrset_find(node->sets, RR_TXT)->count, 2);
	assert_null(rrset_find(node->sets, RR_AAAA));
	assert_int_equal(zone->record_count, 7);
	assert_int_equal(zone->node_count, 2);
	zone_unref(zone);
}

static void the_apex_is_at_hand(void **state)
{
	struct zone *zone = zone_of("z", "@ 60 SOA ns h 4294967295 2 3 4 50\n@ 70 NS a.\n@ 70 NS b.\n");

	assert_int_equal(zone->soa->type, RR_SOA);
	assert_int_equal(zone->ns->count, 2);
	assert_int_equal(zone->serial, 4294967295u);
	assert_int_equal(zone->negative_ttl, 50);
	assert_int_equal(zone->nodes->flags, ZONE_NODE_APEX);
	zone_set_serial(zone, 0x01020304);
	assert_int_equal(zone->serial, 0x01020304);
	assert_memory_equal(zone->soa->wire + 12 + 6 + 5, "\1\2\3\4", 4); /* behind ns.z. and h.z. */
	zone_unref(zone);

	zone = zone_of("z", "@ 60 SOA ns h 1 2 3 4 5000\n@ 70 NS a.\n");
	assert_int_equal(zone->negative_ttl, 60);
	assert_ptr_equal(zone_ref(zone), zone);
	zone_unref(zone);
	assert_int_equal(zone->serial, 1);
	zone_unref(zone);
	zone_unref(NULL);
}

static unsigned flags_at(const struct zone *zone, const char *name)
{
	const struct zone_node *node = zone_find(zone, name_of(name).octets, NULL);

	return node ? node->flags : ~0u;
}

static const char *cut_above(const struct zone *zone, const char *name)
{
	static char text[NAME_TEXT_MAX];
	const struct zone_node *cut;

	zone_find(zone, name_of(name).octets, &cut);
	if (!cut)
		return "none";
	name_to_text(cut->name, text);
	return text;
}

static void names_cuts_and_empty_non_terminals(void **state)
{
	struct zone *zone = zone_of("z", SOA_NS "a.b.c 60 A 192.0.2.1\n"
						"cut 60 NS ns.x.cut\n"
						"ns.x.cut 60 A 192.0.2.1\n"
						"in.cut 60 NS ns\n"
						"d 60 DNAME e.\n"
						"cn 60 CNAME e.\n");

	assert_non_null(zone_find(zone, name_of("b.c.z").octets, NULL));
	assert_null(zone_find(zone, name_of("b.c.z").octets, NULL)->sets);
	assert_int_equal(flags_at(zone, "b.c.z"), 0);
	assert_null(zone_find(zone, name_of("x.b.c.z").octets, NULL));
	assert_int_equal(flags_at(zone, "cut.z"), ZONE_NODE_CUT);
	assert_int_equal(flags_at(zone, "x.cut.z"), ZONE_NODE_OCCLUDED);
	assert_int_equal(flags_at(zone, "ns.x.cut.z"), ZONE_NODE_OCCLUDED);
	assert_int_equal(flags_at(zone, "in.cut.z"), ZONE_NODE_CUT | ZONE_NODE_OCCLUDED);
	assert_int_equal(flags_at(zone, "d.z"), ZONE_NODE_DNAME);
	assert_int_equal(flags_at(zone, "cn.z"), ZONE_NODE_CNAME);

	assert_string_equal(cut_above(zone, "cut.z"), "none"); /* strictly above */
	assert_string_equal(cut_above(zone, "x.in.cut.z"), "cut.z.");
	assert_string_equal(cut_above(zone, "new.cut.z"), "cut.z.");
	assert_string_equal(cut_above(zone, "d.z"), "none");
	assert_string_equal(cut_above(zone, "x.y.d.z"), "d.z.");
	assert_string_equal(cut_above(zone, "new.z"), "none");
	zone_unref(zone);
}

/* `count` records of one owner, with four hexadecimal digits in their data. The caller frees. */
static char *many_records(size_t count, const char *before, const char *behind)
{
	char *text = malloc(count * 64 + 256), *at = text + sprintf(text, "%s", SOA_NS);

	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "big 60 %s%04x%s\n", before, (unsigned)i, behind);
	return text;
}

/* A set goes into one message or is never answered: 65,535 octets less header and question. */
static void sets_that_no_message_holds_are_refused(void **state)
{
	static const char warned_mx[] = "t:3: warning: big.z.: the set of 2900 MX records has 121800 octets; "
					"a DNS message holds 65535, "
					"and it may not fit\n";
	static const struct {
		size_t count;
		const char *before, *behind, *printed;
	} cases[] = {
		{4050, "TYPE65280 \\# 4 0000", "", ""},
		{4090, "TYPE65280 \\# 4 0000", "",
		 "t:3: warning: big.z.: the set of 4090 TYPE65280 records has 65440 octets; a DNS message "
		 "holds "
		 "65535, and it may not fit\n"},
		{4095, "TYPE65280 \\# 4 0000", "",
		 "t:3: big.z.: the set of 4095 TYPE65280 records has 65520 octets; a DNS message holds "
		 "65535\n"},
		{4095, "AAAA 2001:db8::", "",
		 "t:3: big.z.: the set of 4095 AAAA records has 114660 octets; a DNS message holds 65535\n"},
		{1500, "MX 10 mail", ".elsewhere.example.", ""},
		/* names are compressed, nobody knows how well */
		{2900, "MX 10 mail", ".elsewhere.example.", warned_mx},
		{4100, "MX 10 mail", ".elsewhere.example.",
		 "t:3: big.z.: the set of 4100 MX records has 172200 octets; a DNS message holds 65535\n"},
		{70000, "MX 10 mail", ".elsewhere.example.",
		 "t:3: big.z.: the set of 70000 MX records has 2944464 octets; a DNS message holds 65535\n"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = many_records(cases[i].count, cases[i].before, cases[i].behind), *said;
		struct zone *zone = load(text, &said);
		assert_int_equal(zone != NULL, !*cases[i].printed || strstr(cases[i].printed, "warning"));
		assert_string_equal(said, cases[i].printed);
		free(said);
		free(text);
		zone_unref(zone);
	}
}

static void the_largest_record_fits(void **state)
{
	size_t size = 65535 - 12 - 7 - 4 - 12; /* header, "big.z.", type and class, the record's head */
	char *text, *printed_text;

	for (size_t more = 0; more < 2; more++) {
		size_t length;
		FILE *out = open_memstream(&text, &length);
		fprintf(out, SOA_NS "big 60 TYPE65280 \\# %zu ", size + more);
		for (size_t i = 0; i < size + more; i++)
			fputs("ab", out);
		fputc('\n', out);
		fclose(out);
		struct zone *zone = load(text, &printed_text);
		free(printed_text);
		free(text);
		assert_int_equal(!zone, more);
		if (zone) {
			const struct rrset *set = zone_find(zone, name_of("big.z").octets, NULL)->sets;
			assert_int_equal(set->wire_length, 12 + size);
			assert_int_equal(set->wire[12 + size - 1], 0xab);
		}
		zone_unref(zone);
	}
}

/* Also the worst shape: all records at one name. */
static void twenty_thousand_records_load_at_once(void **state)
{
	for (int shape = 0; shape < 2; shape++) {
		char *text = malloc(20000 * 64), *at = text;
		at += sprintf(at, "%s", SOA_NS);
		for (unsigned i = 0; i < 20000; i++) {
			if (shape)
				at += sprintf(at, "same 60 AAAA 2001:db8::%x\n", i);
			else
				at += sprintf(at, "h%u.sub%u 60 A 192.0.%u.%u\n", i, i % 100, i >> 8,
					      i & 255);
		}
		uint64_t start = clock_mono_ms();
		char *said;
		struct zone *zone = load(text, &said);
		assert_in_range(clock_mono_ms() - start, 0, 1000);
		assert_int_equal(!zone, shape); /* a set that no message holds */
		if (zone)
			assert_int_equal(zone->record_count, 20002);
		zone_unref(zone);
		free(said);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(warned),
		cmocka_unit_test(legal_without_a_word),
		cmocka_unit_test(sets_are_ready_to_send),
		cmocka_unit_test(the_apex_is_at_hand),
		cmocka_unit_test(names_cuts_and_empty_non_terminals),
		cmocka_unit_test(sets_that_no_message_holds_are_refused),
		cmocka_unit_test(the_largest_record_fits),
		cmocka_unit_test(twenty_thousand_records_load_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
