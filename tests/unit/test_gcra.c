/* Budgets per second: how much fits, when, and after the rate has changed. */
#include "lib/gcra.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (100 * SECOND_NS)

/* Asked for `per_second` times a second over so many seconds; how many fit. */
static unsigned ask(uint64_t *due_ns, uint64_t interval_ns, uint64_t start_ns, unsigned per_second,
		    unsigned seconds)
{
	unsigned fitting = 0;

	for (uint64_t i = 0; i < (uint64_t)per_second * seconds; i++)
		fitting += gcra_take(due_ns, interval_ns, start_ns + i * SECOND_NS / per_second);
	return fitting;
}

static void test_the_rate_holds_and_a_second_may_come_at_once(void **state)
{
	uint64_t due_ns = 0;

	assert_in_range(ask(&due_ns, gcra_interval_ns(100, 1), START_NS, 1000, 10), 1099, 1101);
	due_ns = 0; /* nothing is lost below the rate */
	assert_int_equal(ask(&due_ns, gcra_interval_ns(100, 1), START_NS, 100, 10), 1000);
	due_ns = 0;
	unsigned at_once = 0;
	for (int i = 0; i < 1000; i++)
		at_once += gcra_take(&due_ns, gcra_interval_ns(100, 1), START_NS);
	assert_int_equal(at_once, 100);
}

static void test_slow_rates_give_one_at_a_time(void **state)
{
	uint64_t due_ns = 0, interval_ns = gcra_interval_ns(1.0 / 60, 1);

	assert_true(gcra_take(&due_ns, interval_ns, START_NS));
	assert_false(gcra_take(&due_ns, interval_ns, START_NS + 59 * SECOND_NS));
	assert_true(gcra_take(&due_ns, interval_ns, START_NS + 60 * SECOND_NS));
}

static void test_sharers_have_the_rate_together(void **state)
{
	uint64_t due_ns[4] = {0};
	unsigned fitting = 0;

	for (int i = 0; i < 4; i++)
		fitting += ask(&due_ns[i], gcra_interval_ns(1000, 4), START_NS, 1000, 10);
	assert_in_range(fitting, 10990, 11010);
}

static void test_the_rate_of_0_gives_nothing(void **state)
{
	uint64_t due_ns = 0;

	assert_false(gcra_take(&due_ns, gcra_interval_ns(0, 1), START_NS));
	assert_false(gcra_take(&due_ns, gcra_interval_ns(0, 1), UINT64_MAX));
}

static void test_a_faster_rate_forgives_old_debts(void **state)
{
	uint64_t due_ns = 0;

	assert_true(gcra_take(&due_ns, gcra_interval_ns(1.0 / 3600, 1), START_NS));
	assert_false(gcra_take(&due_ns, gcra_interval_ns(10, 1), START_NS));
	assert_true(gcra_take(&due_ns, gcra_interval_ns(10, 1), START_NS + SECOND_NS / 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_rate_holds_and_a_second_may_come_at_once),
		cmocka_unit_test(test_slow_rates_give_one_at_a_time),
		cmocka_unit_test(test_sharers_have_the_rate_together),
		cmocka_unit_test(test_the_rate_of_0_gives_nothing),
		cmocka_unit_test(test_a_faster_rate_forgives_old_debts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
