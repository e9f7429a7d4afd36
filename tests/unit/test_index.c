/* Edits of the name index: what they share, what they leave behind, what they cost. */
#include "lib/clock.h"
#include "lib/rng.h"
#include "tests/unit/zone_fixture.h"

static void set(struct index_edit *edit, const char *text, uint32_t number)
{
	struct name name = name_of(text);

	index_edit_set_tenant(edit, &name, number, number);
}

static struct index *served(const char *apex, const char *text)
{
	struct index_edit *edit = index_edit_new(NULL);
	struct zone *zone = zone_of(apex, text);

	index_edit_add_zone(edit, zone);
	zone_unref(zone); /* the index keeps it */
	return index_edit_done(edit);
}

static void an_empty_index_knows_nothing(void **state)
{
	struct index *index = index_edit_done(index_edit_new(NULL));

	expect_find(find(index, "a.b"), FIND_NONE, "none");
	expect_find(find_ds(index, "."), FIND_NONE, "none");
	assert_null(node_at(index, "."));
	assert_null(index_zone(index, name_of("z").octets));
	assert_int_equal(index_names(index), 0);
	index_unref(index);
	index_unref(NULL);
}

static void tenants_come_and_go(void **state)
{
	struct index *before = served("z", SOA_NS "static 60 TXT x\n*.w 60 A 192.0.2.1\n");
	size_t names = index_names(before);
	struct index_edit *edit = index_edit_new(before);
	set(edit, "acme.z", 1);
	set(edit, "static.z", 2);
	set(edit, "*.static.z", 2);
	set(edit, "a.b.c.z", 3);
	set(edit, "*.b.c.z", 4);
	set(edit, "z", 5);
	set(edit, "x.w.z", 6);
	struct index *after = index_edit_done(edit);

	/* the old index is as it was */
	assert_int_equal(index_names(before), names);
	expect_find(find(before, "acme.z"), FIND_MISSING, "z.");
	assert_int_equal(node_at(before, "static.z")->policy, INDEX_NONE);
	expect_find(find(before, "x.w.z"), FIND_WILDCARD, "*.w.z.");

	assert_int_equal(index_names(after), names + 7);
	assert_true(node_at(after, "static.z")->flags & NODE_HAS_WILDCARD);
	assert_int_equal(node_at(after, "acme.z")->policy, 1);
	assert_int_equal(node_at(after, "static.z")->policy, 2);
	assert_non_null(node_at(after, "static.z")->sets);
	expect_find(find(after, "b.c.z"), FIND_EXACT, "b.c.z.");
	assert_int_equal(node_at(after, "b.c.z")->children, 2);
	assert_int_equal(node_at(after, "b.c.z")->policy, INDEX_NONE);
	assert_true(node_at(after, "b.c.z")->flags & NODE_HAS_WILDCARD);
	expect_find(find(after, "q.b.c.z"), FIND_WILDCARD, "*.b.c.z.");
	assert_int_equal(find(after, "q.b.c.z").node->policy, 4);
	assert_int_equal(node_at(after, "z")->policy, 5);
	expect_find(find(after, "x.w.z"), FIND_EXACT, "x.w.z."); /* hides the wildcard */
	expect_find(find(after, "y.x.w.z"), FIND_MISSING, "x.w.z.");

	edit = index_edit_new(after);
	static const char *const all[] = {"acme.z", "static.z", "*.static.z", "a.b.c.z",
					  "z",	    "x.w.z",	"never.z"};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		set(edit, all[i], INDEX_NONE);
	struct index *less = index_edit_done(edit);
	assert_int_equal(index_names(less), names + 3); /* c, b.c and *.b.c */
	set(edit = index_edit_new(less), "*.b.c.z", INDEX_NONE);
	struct index *last = index_edit_done(edit);
	assert_int_equal(index_names(last), names);
	assert_null(node_at(last, "c.z"));
	assert_false(node_at(last, "static.z")->flags & NODE_HAS_WILDCARD);
	assert_non_null(node_at(last, "static.z")->sets);
	expect_find(find(last, "x.w.z"), FIND_WILDCARD, "*.w.z.");
	index_unref(before);
	index_unref(after);
	index_unref(less);
	expect_find(find(last, "static.z"), FIND_EXACT, "static.z.");
	index_unref(last);
}

static void a_cancelled_edit_changes_nothing(void **state)
{
	struct index *index = served("z", SOA_NS);
	struct index_edit *edit = index_edit_new(index);
	struct zone *zone = zone_of("other", SOA_NS);

	set(edit, "acme.z", 1);
	index_edit_add_zone(edit, zone);
	zone_unref(zone);
	index_edit_cancel(edit);
	index_edit_cancel(NULL);
	expect_find(find(index, "acme.z"), FIND_MISSING, "z.");
	expect_find(find(index, "other"), FIND_NONE, "none");
	index_unref(index);
}

static void a_new_zone_takes_its_names_over(void **state)
{
	struct index *base = served("z", SOA_NS "www.c 60 A 192.0.2.1\nc 60 NS ns.c\nb.q 60 A 192.0.2.1\n");
	struct index_edit *edit = index_edit_new(base);
	set(edit, "shop.q.z", 1);
	struct zone *child = zone_of("c.z", SOA_NS "only 60 A 192.0.2.1\n");
	index_edit_add_zone(edit, child);
	set(edit, "t.c.z", 2);
	struct index *index = index_edit_done(edit);

	assert_int_equal(node_at(index, "shop.q.z")->policy, 1); /* carried over */
	assert_ptr_equal(node_at(index, "t.c.z")->zone, child);
	expect_find(find(index, "www.c.z"), FIND_MISSING, "c.z.");
	expect_find(find(index, "only.c.z"), FIND_EXACT, "only.c.z.");

	/* a new version of a zone replaces the old one */
	struct zone *newer = zone_of("c.z", SOA_NS);
	index_edit_add_zone(edit = index_edit_new(index), newer);
	struct index *next = index_edit_done(edit);
	assert_ptr_equal(index_zone(next, name_of("c.z").octets), newer);
	assert_ptr_equal(index_zone(index, name_of("c.z").octets), child);
	expect_find(find(next, "only.c.z"), FIND_MISSING, "c.z.");
	assert_ptr_equal(node_at(next, "t.c.z")->zone, newer);
	zone_unref(child);
	zone_unref(newer);
	index_unref(base);
	index_unref(index);
	index_unref(next);
}

/* Enough names that shards grow, collide, empty and are compacted; against one flag a name. */
static void churn(void **state)
{
	enum { NAMES = 60000, STEPS = 40, CHANGES = 20000 };
	bool *is_set = calloc(NAMES, sizeof *is_set);
	struct index *index = served("z", SOA_NS);
	size_t count = 0;
	struct rng rng;
	char text[64];

	rng_seed(&rng, 7);
	for (int step = 0; step < STEPS; step++) {
		struct index_edit *edit = index_edit_new(index);
		bool is_growing = step < STEPS / 2;
		for (int change = 0; change < CHANGES; change++) {
			size_t number = rng_next(&rng) % NAMES;
			bool want = rng_next(&rng) % 8 ? is_growing : !is_growing;
			snprintf(text, sizeof text, "t%zu.z", number);
			set(edit, text, want ? (uint32_t)number : INDEX_NONE);
			count += (size_t)want - (size_t)is_set[number];
			is_set[number] = want;
		}
		index_unref(index);
		index = index_edit_done(edit);
		assert_int_equal(index_names(index), count + 1);
		assert_int_equal(node_at(index, "z")->children, count);
	}
	for (size_t number = 0; number < NAMES; number++) {
		snprintf(text, sizeof text, "t%zu.z", number);
		const struct node *node = node_at(index, text);
		assert_int_equal(node != NULL, is_set[number]);
		if (node)
			assert_int_equal(node->policy, number);
	}
	/* about a seventh is left, and the memory of the rest was given back */
	assert_in_range(index_bytes(index), 1, count * 250 + (1 << 20));
	index_unref(index);
	free(is_set);
}

static size_t octets_of(size_t names, size_t expected)
{
	struct zone *zone = zone_of("app.example.net", SOA_NS);
	struct index_edit *edit = index_edit_new(NULL);
	char text[64];

	index_edit_expect(edit, expected);
	index_edit_add_zone(edit, zone);
	zone_unref(zone);
	for (uint32_t i = 0; i < names; i++) {
		snprintf(text, sizeof text, "t%07u.app.example.net", i);
		set(edit, text, i);
	}
	struct index *index = index_edit_done(edit);
	size_t octets = index_bytes(index);
	assert_int_equal(index_names(index), names + 1);
	assert_int_equal(find(index, "t0000077.app.example.net").node->tenant, 77);
	index_unref(index);
	return octets;
}

static void what_is_expected_costs_no_more(void **state)
{
	size_t usual = octets_of(60000, 0);

	assert_in_range(octets_of(60000, 60000), usual / 2, usual + usual / 20);
	assert_in_range(octets_of(60000, 1000), usual / 2, usual + usual / 20);
}

static void many_names_are_small(void **state)
{
	enum { NAMES = 1000000 };
	struct index *index = served("app.example.net", SOA_NS);
	struct index_edit *edit = index_edit_new(index);
	char text[64];
	struct name name;

	for (uint32_t i = 0; i < NAMES; i++) {
		snprintf(text, sizeof text, "tenant-%u.app.example.net", i);
		assert_null(name_from_text(text, NULL, &name));
		index_edit_set_tenant(edit, &name, i % 40, i);
	}
	index_unref(index);
	index = index_edit_done(edit);
	assert_int_equal(index_names(index), NAMES + 1);
	assert_in_range(index_bytes(index), 50u << 20, 110000000);

	uint64_t start = clock_mono_ns();
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "late-%u.app.example.net", i);
		edit = index_edit_new(index);
		set(edit, text, i);
		struct index *next = index_edit_done(edit);
		index_unref(index);
		index = next;
	}
	print_message("%zu octets a name; %.1f us to add one to a million\n", index_bytes(index) / NAMES,
		      (double)(clock_mono_ns() - start) / 100 / 1000);
	assert_int_equal(index_names(index), NAMES + 101);
	assert_int_equal(find(index, "late-99.app.example.net").node->policy, 99);
	assert_int_equal(find(index, "tenant-999999.app.example.net").node->tenant, 999999);
	index_unref(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_index_knows_nothing),
		cmocka_unit_test(tenants_come_and_go),
		cmocka_unit_test(a_cancelled_edit_changes_nothing),
		cmocka_unit_test(a_new_zone_takes_its_names_over),
		cmocka_unit_test(churn),
		cmocka_unit_test(what_is_expected_costs_no_more),
		cmocka_unit_test(many_names_are_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
