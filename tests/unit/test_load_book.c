/* What is left of a region by what its forwarders report, and what silence means. */
#include "fleet/words.h"
#include "health/load_book.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct load_book *book;
static unsigned changes;
static char changed[128];

static void on_changed(void *user, const char *region, const char *service)
{
	changes++;
	snprintf(changed, sizeof changed, "%s/%s", region, service);
}

static int setup(void **state)
{
	changes = 0;
	book = load_book_new(on_changed, NULL);
	return 0;
}

static int teardown(void **state)
{
	load_book_free(book);
	return 0;
}

/* A report of one service, "shop", with a number of its own. */
static enum load_outcome report(const char *node, const char *region, uint64_t seq, double weight,
				uint32_t max, uint64_t now_ms)
{
	struct load_service shop = {.service = "shop",
				    .current = max / 2,
				    .target = max / 10 * 8,
				    .max = max,
				    .weight = weight,
				    .requests = seq * 100};
	struct load_report made = {
		.epoch = 7, .seq = seq, .part = 1, .parts = 1, .service_count = 1, .services = &shop};
	snprintf(made.node, sizeof made.node, "%s", node);
	snprintf(made.region, sizeof made.region, "%s", region);
	return load_book_accept(book, &made, now_ms);
}

static enum load_outcome draining(const char *node, const char *region, uint64_t seq, uint64_t now_ms)
{
	struct load_report made = {.epoch = 7, .seq = seq, .part = 1, .parts = 1, .state = LOAD_DRAINING};
	snprintf(made.node, sizeof made.node, "%s", node);
	snprintf(made.region, sizeof made.region, "%s", region);
	return load_book_accept(book, &made, now_ms);
}

static const struct load_entry *shop(const char *region)
{
	return load_book_find(book, region, "shop");
}

static void test_each_node_counts_by_what_it_can_bear(void **state)
{
	assert_null(shop("eu"));
	report("a", "eu", 1, 1, 1000, 100);
	assert_int_equal(shop("eu")->scale, SCORE_FULL);
	assert_int_equal(changes, 0); /* nothing known and all well weigh the same */
	report("b", "eu", 1, 0, 3000, 200);
	assert_int_equal(shop("eu")->scale, 250);
	assert_int_equal(shop("eu")->changed_ms, 200);
	assert_string_equal(changed, "eu/shop");
	assert_int_equal(shop("eu")->max, 4000);
	assert_int_equal(shop("eu")->target, 3200);
	assert_int_equal(shop("eu")->current, 2000);
	report("b", "eu", 2, 0, 3000, 300);
	assert_int_equal(changes, 1); /* the same again */
	assert_int_equal(shop("eu")->changed_ms, 200);
	report("b", "eu", 3, 0.00001, 0, 400);
	assert_int_equal(shop("eu")->scale, SCORE_FULL); /* who can bear nothing has no say */
	report("a", "eu", 2, 0.5, 0, 500);
	assert_int_equal(shop("eu")->scale, 250); /* where nobody can, all have the same */
	report("a", "eu", 3, 0, 0, 600);
	assert_int_equal(shop("eu")->scale, 1); /* a little is not nothing */
	report("b", "eu", 4, 0, 0, 700);
	assert_int_equal(shop("eu")->scale, 0);
}

static void test_older_reports_are_refused(void **state)
{
	assert_int_equal(report("a", "eu", 5, 1, 100, 0), LOAD_ACCEPTED);
	assert_int_equal(report("a", "eu", 5, 0, 100, 1), LOAD_OLD);
	assert_int_equal(report("a", "eu", 4, 0, 100, 2), LOAD_OLD);
	assert_int_equal(shop("eu")->scale, SCORE_FULL);
	struct load_report next = {.node = "a", .region = "eu", .epoch = 8, .seq = 1, .part = 1, .parts = 2};
	assert_int_equal(load_book_accept(book, &next, 3), LOAD_ACCEPTED);
	next.part = 2;
	assert_int_equal(load_book_accept(book, &next, 4), LOAD_ACCEPTED);
	assert_int_equal(load_book_accept(book, &next, 5), LOAD_OLD);
	next.epoch = 7;
	next.seq = 99;
	assert_int_equal(load_book_accept(book, &next, 6), LOAD_OLD); /* of the process before */
}

static void test_silence_holds_what_was_said_last(void **state)
{
	report("a", "eu", 1, 0.5, 100, 1000);
	load_book_turn(book, 1000 + LOAD_FRESH_MS);
	assert_true(shop("eu")->is_fresh);
	load_book_turn(book, 1001 + LOAD_FRESH_MS);
	assert_false(shop("eu")->is_fresh);
	assert_int_equal(shop("eu")->scale, 500);
	assert_int_equal(shop("eu")->current, 50);
	size_t at = 0;
	assert_false(load_book_next_node(book, &at)->is_silent);
	load_book_turn(book, 1001 + LOAD_SILENT_MS);
	at = 0;
	assert_true(load_book_next_node(book, &at)->is_silent);
	load_book_turn(book, LOAD_FORGOTTEN_MS);
	assert_int_equal(shop("eu")->scale, 500);
	assert_int_equal(changes, 1);
	load_book_turn(book, 7000 + LOAD_FORGOTTEN_MS);
	assert_null(shop("eu"));
	assert_int_equal(changes, 2); /* the region is whole again, for all we know */
	at = 0;
	assert_null(load_book_next_node(book, &at));
	assert_int_equal(report("a", "eu", 1, 0.5, 100, 9000 + LOAD_FORGOTTEN_MS), LOAD_ACCEPTED);
}

static void test_of_two_the_one_that_speaks_counts(void **state)
{
	report("a", "eu", 1, 0, 100, 1000);
	report("b", "eu", 1, 1, 100, 1000);
	assert_int_equal(shop("eu")->scale, 500);
	report("b", "eu", 2, 1, 100, 4000);
	load_book_turn(book, 6500);
	assert_int_equal(shop("eu")->scale, SCORE_FULL);
	assert_int_equal(shop("eu")->nodes, 1);
	report("a", "eu", 2, 0, 100, 6600);
	assert_int_equal(shop("eu")->scale, 500);
}

static void test_who_drains_leaves_the_sum(void **state)
{
	report("a", "eu", 1, 1, 100, 1000);
	report("b", "eu", 1, 0.5, 300, 1000);
	draining("a", "eu", 2, 1500);
	assert_int_equal(shop("eu")->scale, 500);
	assert_int_equal(shop("eu")->max, 300);
	assert_int_equal(shop("eu")->draining, 1);
	draining("b", "eu", 2, 1600);
	assert_int_equal(shop("eu")->scale, 0); /* nobody takes new clients there */
	load_book_turn(book, 20000);
	assert_int_equal(shop("eu")->scale, 0);
	report("b", "eu", 3, 1, 300, 20100);
	assert_int_equal(shop("eu")->scale, SCORE_FULL);
}

static void test_a_node_moves_and_a_service_leaves(void **state)
{
	report("a", "eu", 1, 0.5, 100, 1000);
	report("b", "eu", 1, 1, 100, 1000);
	assert_int_equal(shop("eu")->scale, 750);
	report("a", "us", 2, 0.5, 100, 1100);
	assert_int_equal(shop("eu")->scale, SCORE_FULL);
	assert_int_equal(shop("us")->scale, 500);
	/* It reports, but of this service no more. */
	for (uint64_t seq = 3; seq < 20; seq++) {
		struct load_report none = {
			.node = "a", .region = "us", .epoch = 7, .seq = seq, .part = 1, .parts = 1};
		assert_int_equal(load_book_accept(book, &none, 1000 * seq), LOAD_ACCEPTED);
	}
	load_book_turn(book, 19000);
	assert_false(shop("us")->is_fresh);
}

static void test_rates(void **state)
{
	uint64_t now_ms = 0;
	for (uint64_t seq = 0; seq < 30; seq++, now_ms += 1000)
		report("a", "eu", seq + 1, 1, 100, now_ms);
	struct load_rates rates = load_record_rates(shop("eu")->records[0]);
	assert_true(rates.requests > 99.9 && rates.requests < 100.1);
	struct load_service fewer = {.service = "shop", .requests = 5, .max = 1};
	struct load_report anew = {.node = "a",
				   .region = "eu",
				   .epoch = 8,
				   .part = 1,
				   .parts = 1,
				   .service_count = 1,
				   .services = &fewer};
	assert_int_equal(load_book_accept(book, &anew, now_ms), LOAD_ACCEPTED);
	assert_true(load_record_rates(shop("eu")->records[0]).requests == 0);
}

static void test_there_is_a_bound(void **state)
{
	char node[32];
	for (unsigned i = 0; i < LOAD_NODES_MAX; i++) {
		snprintf(node, sizeof node, "n%u", i);
		assert_int_equal(draining(node, "eu", 1, 0), LOAD_ACCEPTED);
	}
	assert_int_equal(draining("one-more", "eu", 1, 0), LOAD_TOO_MANY);
	assert_int_equal(draining("n7", "eu", 2, 0), LOAD_ACCEPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_node_counts_by_what_it_can_bear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older_reports_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence_holds_what_was_said_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_two_the_one_that_speaks_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_drains_leaves_the_sum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_node_moves_and_a_service_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_there_is_a_bound, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
