/* Tenants keep their slots, and a slot is given to another only when nobody can count in it any more. */
#include "forwarder/build/slots.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

static struct slots *slots;

static int set_up(void **state)
{
	slots = slots_new();
	return 0;
}

static int tear_down(void **state)
{
	slots_free(slots);
	return 0;
}

static void test_a_slot_lives_as_long_as_its_references(void **state)
{
	uint32_t a = slots_take(slots, 0), b = slots_take(slots, 0);
	assert_int_not_equal(a, b);
	slots_share(slots, a);
	slots_give(slots, a, 1000);
	assert_int_equal(slots_used(slots), 2);
	slots_give(slots, a, 1000);
	assert_int_equal(slots_used(slots), 1);
	slots_give(slots, b, 1000);
	assert_int_equal(slots_used(slots), 0);
}

static void test_a_slot_that_was_left_comes_back_empty_after_the_grace(void **state)
{
	uint32_t a = slots_take(slots, 0);
	struct tenant_state *states = slots_states(slots);
	atomic_store(&states[a].rate_tat_ns, 77);
	atomic_store(&states[a].limited, 5);
	slots_give(slots, a, 10000);
	uint32_t b = slots_take(slots, 10000 + SLOTS_GRACE_MS - 1);
	assert_int_not_equal(a, b);
	assert_int_equal(atomic_load(&states[a].rate_tat_ns), 77);
	uint32_t c = slots_take(slots, 11000 + SLOTS_GRACE_MS);
	assert_int_equal(a, c);
	assert_int_equal(atomic_load(&states[a].rate_tat_ns), 0);
	assert_int_equal(atomic_load(&states[a].limited), 0);
}

static void test_a_slot_in_use_waits(void **state)
{
	struct tenant_state *states = slots_states(slots);
	uint32_t busy = slots_take(slots, 0), idle = slots_take(slots, 0);
	uint64_t later_ms = 3 * SLOTS_GRACE_MS;
	atomic_store(&states[busy].in_flight[1], 1);
	slots_give(slots, busy, 0);
	slots_give(slots, idle, 0);
	assert_int_equal(slots_take(slots, later_ms), idle);
	assert_int_equal(slots_take(slots, later_ms), 2);
	atomic_store(&states[busy].in_flight[1], 0);
	atomic_store(&states[busy].websockets[0], 1);
	assert_int_equal(slots_take(slots, later_ms), 3);
	atomic_store(&states[busy].websockets[0], 0);
	assert_int_equal(slots_take(slots, later_ms), busy);
}

static void test_many_leave_and_come(void **state)
{
	static uint32_t taken[1000];
	for (uint64_t round = 0; round < 20; round++) {
		uint64_t now_ms = round * 2 * SLOTS_GRACE_MS;
		bool is_seen[4000] = {false};
		for (unsigned i = 0; i < 1000; i++) {
			taken[i] = slots_take(slots, now_ms);
			assert_true(taken[i] < 1000); /* the same again and again */
			assert_false(is_seen[taken[i]]);
			is_seen[taken[i]] = true;
		}
		for (unsigned i = 0; i < 1000; i++)
			slots_give(slots, taken[i], now_ms);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_slot_lives_as_long_as_its_references),
		TEST(test_a_slot_that_was_left_comes_back_empty_after_the_grace),
		TEST(test_a_slot_in_use_waits),
		TEST(test_many_leave_and_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
