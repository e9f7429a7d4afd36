/* Look-ups as the RFCs describe them: wildcards, cuts, DNAME, nested zones, DS. */
#include "tests/unit/zone_fixture.h"
#include "zones/rrtype.h"

static struct index *index_of(const char *const *zones, size_t count) /* pairs: apex, text */
{
	struct index_edit *edit = index_edit_new(NULL);

	for (size_t i = 0; i < count; i += 2) {
		struct zone *zone = zone_of(zones[i], zones[i + 1]);
		index_edit_add_zone(edit, zone);
		zone_unref(zone);
	}
	return index_edit_done(edit);
}

#define INDEX(...)                                   \
	index_of((const char *const[]){__VA_ARGS__}, \
		 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void wildcards_of_rfc_4592(void **state)
{
	/* RFC 4592 §2.2.1 */
	struct index *index = INDEX("example", "$TTL 3600\n"
					       "example. SOA ns h 1 2 3 4 5\n"
					       "example. NS ns.example.com.\n"
					       "example. NS ns.example.net.\n"
					       "*.example. TXT \"this is a wildcard\"\n"
					       "*.example. MX 10 host1.example.\n"
					       "sub.*.example. TXT \"this is not a wildcard\"\n"
					       "host1.example. A 192.0.2.1\n"
					       "_ssh._tcp.host1.example. SRV 0 0 22 host1\n"
					       "_ssh._tcp.host2.example. SRV 0 0 22 host2\n"
					       "subdel.example. NS ns.example.com.\n"
					       "subdel.example. NS ns.example.net.\n");

	expect_find(find(index, "host3.example"), FIND_WILDCARD, "*.example.");
	expect_find(find(index, "foo.bar.example"), FIND_WILDCARD, "*.example.");
	expect_find(find(index, "host1.example"), FIND_EXACT, "host1.example.");
	expect_find(find(index, "sub.*.example"), FIND_EXACT, "sub.*.example.");
	expect_find(find(index, "*.example"), FIND_EXACT, "*.example.");
	expect_find(find(index, "_telnet._tcp.host1.example"), FIND_MISSING, "_tcp.host1.example.");
	expect_find(find(index, "host.subdel.example"), FIND_CUT, "subdel.example.");
	expect_find(find(index, "ghost.*.example"), FIND_MISSING, "*.example.");
	/* empty non-terminals exist, so nothing covers them */
	expect_find(find(index, "host2.example"), FIND_EXACT, "host2.example.");
	assert_null(find(index, "host2.example").node->sets);
	expect_find(find(index, "_tcp.host2.example"), FIND_EXACT, "_tcp.host2.example.");
	expect_find(find(index, "x.host2.example"), FIND_MISSING, "host2.example.");
	expect_find(find(index, "test"), FIND_NONE, "none");
	expect_find(find(index, "."), FIND_NONE, "none");
	index_unref(index);
}

static void an_empty_wildcard_still_covers(void **state)
{
	struct index *index = INDEX("z", SOA_NS "a.*.z. 60 A 192.0.2.1\n");

	/* RFC 4592 §4.9: "*.z" exists without data, and is the source of synthesis */
	expect_find(find(index, "b.z"), FIND_WILDCARD, "*.z.");
	assert_null(find(index, "b.z").node->sets);
	expect_find(find(index, "x.a.*.z"), FIND_MISSING, "a.*.z.");
	index_unref(index);
}

static void cuts(void **state)
{
	struct index *index = INDEX("z", SOA_NS "cut 60 NS ns.cut\n"
						"cut 60 DS 1 8 99 00\n"
						"ns.cut 60 A 192.0.2.1\n"
						"deeper.cut 60 NS ns.cut\n"
						"*.cut 60 A 192.0.2.1\n"
						"*.wild 60 NS ns.cut\n"
						"*.wild 60 A 192.0.2.1\n");

	expect_find(find(index, "z"), FIND_EXACT, "z."); /* the apex is no cut */
	expect_find(find(index, "cut.z"), FIND_CUT, "cut.z.");
	expect_find(find(index, "ns.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find(index, "x.y.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find(index, "x.deeper.cut.z"), FIND_CUT, "cut.z."); /* the topmost */
	expect_find(find(index, "deeper.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find(index, "*.cut.z"), FIND_CUT, "cut.z.");
	/* NS at a wildcard is undefined (RFC 4592 §4.2); it must only not break */
	expect_find(find(index, "*.wild.z"), FIND_CUT, "*.wild.z.");
	expect_find(find(index, "a.wild.z"), FIND_WILDCARD, "*.wild.z.");

	expect_find(find_ds(index, "cut.z"), FIND_EXACT, "cut.z.");
	expect_find(find_ds(index, "x.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find_ds(index, "deeper.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find_ds(index, "none.z"), FIND_MISSING, "z.");
	expect_find(find_ds(index, "z"), FIND_EXACT, "z."); /* the parent is not served */
	/* the glue is there for the additional section */
	assert_non_null(node_at(index, "ns.cut.z")->sets);
	assert_true(node_at(index, "ns.cut.z")->flags & ZONE_NODE_OCCLUDED);
	index_unref(index);
}

static void dnames(void **state)
{
	struct index *index = INDEX("z",
				    SOA_NS "d 60 DNAME elsewhere.\n"
					   "d 60 TXT x\n"
					   "below.d 60 A 192.0.2.1\n"
					   "*.w 60 DNAME elsewhere.\n",
				    "apex", SOA_NS "@ 60 DNAME elsewhere.\nwww 60 A 192.0.2.1\n");

	expect_find(find(index, "d.z"), FIND_EXACT, "d.z."); /* itself is not redirected */
	expect_find(find(index, "x.d.z"), FIND_DNAME, "d.z.");
	expect_find(find(index, "below.d.z"), FIND_DNAME, "d.z.");
	expect_find(find(index, "x.below.d.z"), FIND_DNAME, "d.z.");
	expect_find(find(index, "x.w.z"), FIND_WILDCARD, "*.w.z.");
	expect_find(find(index, "x.*.w.z"), FIND_DNAME, "*.w.z.");
	expect_find(find(index, "apex"), FIND_EXACT, "apex.");
	expect_find(find(index, "www.apex"), FIND_DNAME, "apex.");
	expect_find(find(index, "x.y.apex"), FIND_DNAME, "apex.");
	index_unref(index);
}

static void nested_zones(void **state)
{
	struct index *index =
		INDEX("z",
		      SOA_NS "child 60 NS ns.child\nchild 60 DS 1 8 99 00\nns.child 60 A 192.0.2.1\n"
			     "* 60 A 192.0.2.9\n"
			     "cut 60 NS elsewhere.\n",
		      "child.z", SOA_NS "www 60 A 192.0.2.2\n", "unknown.z",
		      SOA_NS, /* the parent does not delegate it */
		      "below.cut.z", SOA_NS);

	expect_find(find(index, "child.z"), FIND_EXACT, "child.z.");
	assert_ptr_equal(find(index, "child.z").node->zone, index_zone(index, name_of("child.z").octets));
	expect_find(find(index, "www.child.z"), FIND_EXACT, "www.child.z.");
	expect_find(find(index, "ns.child.z"), FIND_MISSING, "child.z."); /* the child has no such name */
	expect_find(find(index, "x.z"), FIND_WILDCARD, "*.z.");
	expect_find(find(index, "x.unknown.z"), FIND_MISSING, "unknown.z.");
	expect_find(find(index, "x.cut.z"), FIND_CUT, "cut.z.");
	expect_find(find(index, "x.below.cut.z"), FIND_MISSING, "below.cut.z.");

	struct find ds = find_ds(index, "child.z");
	expect_find(ds, FIND_EXACT, "child.z.");
	assert_ptr_equal(ds.node->zone, index_zone(index, name_of("z").octets));
	assert_non_null(rrset_find(ds.node->sets, RR_DS));
	expect_find(find_ds(index, "www.child.z"), FIND_EXACT, "www.child.z.");
	expect_find(find_ds(index, "unknown.z"), FIND_WILDCARD, "*.z.");
	expect_find(find_ds(index, "below.cut.z"), FIND_CUT, "cut.z.");
	assert_string_equal(
		(const char *)index_enclosing_zone(index, name_of("x.child.z").octets)->name.octets,
		"\5child\1z");
	assert_null(index_enclosing_zone(index, name_of("other").octets));
	assert_null(index_zone(index, name_of("www.child.z").octets));
	index_unref(index);
}

static void the_root_zone_encloses_everything(void **state)
{
	struct index *index =
		INDEX(".", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.\nns A 192.0.2.1\ncom NS ns.\n");

	expect_find(find(index, "."), FIND_EXACT, ".");
	expect_find(find(index, "ns"), FIND_EXACT, "ns.");
	expect_find(find(index, "x.ns"), FIND_MISSING, "ns.");
	expect_find(find(index, "x.y"), FIND_MISSING, ".");
	expect_find(find(index, "a.b.com"), FIND_CUT, "com.");
	expect_find(find_ds(index, "com"), FIND_EXACT, "com.");
	expect_find(find_ds(index, "."), FIND_EXACT, ".");
	index_unref(index);
}

static void long_names(void **state)
{
	struct index *index = INDEX("z", SOA_NS "*.w 60 A 192.0.2.1\nd 60 DNAME e.\n");
	char text[NAME_TEXT_MAX] = "";

	for (int i = 0; i < 125; i++)
		strcat(text, "x.");
	strcpy(text + strlen(text), "w.z.");
	text[0] = 'y';
	expect_find(find(index, text), FIND_WILDCARD, "*.w.z.");
	text[strlen(text) - 4] = 'd';
	expect_find(find(index, text), FIND_DNAME, "d.z.");
	text[strlen(text) - 4] = 'q';
	expect_find(find(index, text), FIND_MISSING, "z.");
	text[strlen(text) - 2] = 'q';
	expect_find(find(index, text), FIND_NONE, "none");

	/* a closest encloser so long that "*." before it would be no name: nothing there to cover it */
	char deep[NAME_TEXT_MAX], zone_text[2 * NAME_TEXT_MAX];
	memset(deep, 'a', 254);
	for (size_t i = 63; i < 254; i += 64)
		deep[i] = '.';
	strcpy(deep + 251, ".z.");
	snprintf(zone_text, sizeof zone_text, SOA_NS "%s 60 A 192.0.2.1\n", deep);
	struct index *edge = INDEX("z", zone_text);
	expect_find(find(edge, deep), FIND_EXACT, deep);
	index_unref(edge);
	index_unref(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wildcards_of_rfc_4592),
		cmocka_unit_test(an_empty_wildcard_still_covers),
		cmocka_unit_test(cuts),
		cmocka_unit_test(dnames),
		cmocka_unit_test(nested_zones),
		cmocka_unit_test(the_root_zone_encloses_everything),
		cmocka_unit_test(long_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
