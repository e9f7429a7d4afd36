/* Budgets per second: how much fits, when, and after the rate has changed. */
#include "lib/gcra.h"
#include <pthread.h>
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

static void test_shared_words_take_any_burst_and_cost(void **state)
{
	_Atomic uint64_t tat_ns = 0;
	uint64_t interval_ns = SECOND_NS / 10;

	for (unsigned i = 0; i < 25; i++) {
		struct gcra_answer answer = gcra_shared_take(&tat_ns, interval_ns, 25, 1, START_NS);
		assert_true(answer.fits);
		assert_int_equal(gcra_remaining(answer.debt_ns, interval_ns, 25), 24 - i);
	}
	struct gcra_answer refused = gcra_shared_take(&tat_ns, interval_ns, 25, 4, START_NS);
	assert_false(refused.fits);
	assert_int_equal(refused.wait_ns, 4 * interval_ns);
	assert_false(gcra_shared_take(&tat_ns, interval_ns, 25, 4, START_NS + refused.wait_ns - 1).fits);
	assert_true(gcra_shared_take(&tat_ns, interval_ns, 25, 4, START_NS + refused.wait_ns).fits);
	/* what can never fit says so, and an unlimited rate fits always */
	assert_int_equal(gcra_shared_take(&tat_ns, interval_ns, 25, 26, START_NS).wait_ns, UINT64_MAX);
	assert_int_equal(gcra_shared_take(&tat_ns, GCRA_NOTHING, 25, 1, START_NS).wait_ns, UINT64_MAX);
	assert_true(gcra_shared_take(&tat_ns, 0, 1, 1, START_NS).fits);
	/* a burst that is longer than the clock is no error */
	assert_true(gcra_shared_take(&tat_ns, SECOND_NS * 86400, UINT64_MAX, 1, START_NS).fits);
}

static void test_refused_flood_is_served_as_much_as_the_modest(void **state)
{
	for (unsigned offered = 50; offered <= 50000; offered *= 10) {
		_Atomic uint64_t tat_ns = 0;
		unsigned served = 0;
		for (uint64_t i = 0; i < offered * 20ull; i++)
			served += gcra_shared_take(&tat_ns, SECOND_NS / 50, 1, 1,
						   START_NS + i * SECOND_NS / offered)
					  .fits;
		assert_in_range(served, 995, 1001);
	}
}

static void test_debts_are_no_more_than_the_burst_of_today(void **state)
{
	_Atomic uint64_t tat_ns = 0;

	assert_true(gcra_shared_take(&tat_ns, SECOND_NS * 3600, 1, 1, START_NS).fits);
	struct gcra_answer answer = gcra_shared_take(&tat_ns, SECOND_NS / 10, 2, 1, START_NS);
	assert_false(answer.fits);
	assert_int_equal(answer.wait_ns, SECOND_NS / 10);
	assert_true(tat_ns > START_NS + SECOND_NS * 3000); /* the refusal wrote nothing */
}

#define TAKERS 4
#define TAKES 200000

static _Atomic uint64_t shared_tat_ns;

static void *take_many(void *argument)
{
	unsigned *fitting = argument;

	for (uint64_t i = 0; i < TAKES; i++)
		*fitting += gcra_shared_take(&shared_tat_ns, 1000, 10, 1, START_NS + i * 1000).fits;
	return NULL;
}

static void test_threads_that_race_are_served_the_rate_together(void **state)
{
	pthread_t threads[TAKERS];
	unsigned fitting[TAKERS] = {0}, all = 0;

	shared_tat_ns = 0;
	for (int i = 0; i < TAKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &fitting[i]), 0);
	for (int i = 0; i < TAKERS; i++) {
		pthread_join(threads[i], NULL);
		all += fitting[i];
	}
	/* A thread whose clock is behind sees a debt of more than a burst; never is more than the rate given.
	 */
	assert_in_range(all, TAKES / 2, TAKES + 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_words_take_any_burst_and_cost),
		cmocka_unit_test(test_refused_flood_is_served_as_much_as_the_modest),
		cmocka_unit_test(test_debts_are_no_more_than_the_burst_of_today),
		cmocka_unit_test(test_threads_that_race_are_served_the_rate_together),
		cmocka_unit_test(test_the_rate_holds_and_a_second_may_come_at_once),
		cmocka_unit_test(test_slow_rates_give_one_at_a_time),
		cmocka_unit_test(test_sharers_have_the_rate_together),
		cmocka_unit_test(test_the_rate_of_0_gives_nothing),
		cmocka_unit_test(test_a_faster_rate_forgives_old_debts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
