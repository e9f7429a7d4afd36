/* What changed since when; how a program follows it is in live_feed. */
#include "gslb/control/journal.h"
#include "tests/unit/fleet_fixture.h"
#include <stdio.h>

static struct journal *journal;
static struct fleet *fleet;
static unsigned told;

static void on_changed(void *user)
{
	(*(unsigned *)user)++;
}

static int setup(void **state)
{
	told = 0;
	fleet = fleet_new();
	journal = journal_new();
	journal_listen(journal, on_changed, &told);
	return 0;
}

static int teardown(void **state)
{
	journal_free(journal);
	fleet_free(fleet);
	return 0;
}

static void change(const char *yaml)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, FLEET_STORE, yaml, &result);
	assert_string_equal(errors, "");
	free(errors);
	journal_add_fleet(journal, &result);
	fleet_result_done(&result);
}

static void control(const char *region, const char *service, const char *address)
{
	struct control_row row = {0};
	snprintf(row.region, sizeof row.region, "%s", region);
	snprintf(row.service, sizeof row.service, "%s", service);
	snprintf(row.address, sizeof row.address, "%s", address);
	journal_add_control(journal, &row);
}

static void assert_object(uint64_t position, enum fleet_kind kind, const char *id)
{
	struct journal_entry entry = journal_at(journal, position);
	assert_false(entry.is_control);
	assert_int_equal(entry.kind, kind);
	assert_string_equal(entry.key, id);
}

static void test_changes_in_their_order(void **state)
{
	assert_true(journal_reaches(journal, 0));
	assert_false(journal_reaches(journal, 1));
	change("regions: {eu: {at: [50, 8]}, us: {at: [40, -80]}}\n");
	assert_int_equal(told, 1);
	change("regions: {us: {at: [41, -80]}, eu: {at: [50, 8]}}\n"); /* one of them is as before */
	assert_int_equal(journal_end(journal), 3);
	assert_object(0, FLEET_REGION, "eu");
	assert_object(1, FLEET_REGION, "us");
	assert_object(2, FLEET_REGION, "us");
	control("eu", "shop", "");
	control("eu", "", "192.0.2.1");
	assert_int_equal(told, 4);
	struct journal_entry entry = journal_at(journal, 3);
	assert_true(entry.is_control);
	assert_memory_equal(entry.key, "eu\0shop\0", 9);
	assert_memory_equal(journal_at(journal, 4).key,
			    "eu\0\0"
			    "192.0.2.1",
			    14);
}

static void test_what_was_removed_has_its_name(void **state)
{
	change("regions: {eu: {at: [50, 8]}}\n");
	struct fleet_change *removal = fleet_change_new(FLEET_STORE);
	struct fleet_result result;
	struct err_list errors = {0};
	fleet_change_remove(removal, FLEET_REGION, "eu");
	assert_true(fleet_apply(fleet, removal, 2, false, &result, &errors));
	journal_add_fleet(journal, &result);
	fleet_result_done(&result);
	fleet_change_free(removal);
	err_done(&errors);
	assert_object(1, FLEET_REGION, "eu");
}

static void test_the_oldest_is_forgotten(void **state)
{
	char region[16];
	for (uint64_t i = 0; i < JOURNAL_ENTRIES + 300; i++) {
		snprintf(region, sizeof region, "r%llu", (unsigned long long)i);
		control(region, "", "");
		if (i % 1000 == 0 && i < JOURNAL_ENTRIES) /* while it grows nothing is lost */
			assert_string_equal(
				journal_at(journal, i / 2).key,
				(snprintf(region, sizeof region, "r%llu", (unsigned long long)i / 2),
				 region));
	}
	uint64_t end = journal_end(journal);
	assert_int_equal(end, JOURNAL_ENTRIES + 300);
	assert_false(journal_reaches(journal, 299));
	assert_true(journal_reaches(journal, 300));
	assert_string_equal(journal_at(journal, 300).key, "r300");
	assert_string_equal(journal_at(journal, end - 1).key, region);
	assert_true(journal_reaches(journal, end));
	assert_false(journal_reaches(journal, end + 1));
}

static void test_after_a_reset_nothing_of_before_is_reached(void **state)
{
	control("eu", "", "");
	uint64_t before = journal_end(journal);
	journal_reset(journal);
	assert_int_equal(told, 2);
	assert_false(journal_reaches(journal, before));
	assert_true(journal_reaches(journal, journal_end(journal)));
	control("us", "", "");
	assert_string_equal(journal_at(journal, before + 1).key, "us");
	struct journal *other = journal_new();
	assert_string_not_equal(journal_instance(journal), journal_instance(other));
	journal_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changes_in_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_removed_has_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_oldest_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_reset_nothing_of_before_is_reached, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
