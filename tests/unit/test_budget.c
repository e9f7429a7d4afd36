/* Budgets of tenants: each has its own, names that do not exist have theirs. */
#include "gslb/serve/budget.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW_NS ((uint64_t)100 * 1000000000)

static struct budget_buckets *buckets;

static unsigned ask(const struct plan_budget *budget, uint32_t number, bool is_nxdomain, unsigned times)
{
	unsigned granted = 0;

	for (unsigned i = 0; i < times; i++)
		granted += budget_take(buckets, budget, number, is_nxdomain, NOW_NS);
	return granted;
}

static int begin(void **state)
{
	buckets = xmap(sizeof *buckets);
	return 0;
}

static int end(void **state)
{
	xunmap(buckets, sizeof *buckets);
	return 0;
}

static void test_each_tenant_has_its_own(void **state)
{
	struct plan_budget budget = {.queries_interval_ns = gcra_interval_ns(50, 1)};

	assert_int_equal(ask(&budget, 0, false, 500), 50);
	assert_int_equal(ask(&budget, 0, true, 10), 0);
	assert_int_equal(ask(&budget, 1, false, 500), 50);
	assert_int_equal(ask(&budget, BUDGET_TENANTS - 1, false, 500), 50);
}

static void test_random_names_leave_the_queries_alone(void **state)
{
	struct plan_budget budget = {gcra_interval_ns(50, 1), gcra_interval_ns(10, 1)};

	assert_int_equal(ask(&budget, 0, true, 500), 10);
	assert_int_equal(ask(&budget, 0, false, 500), 40); /* the ten were queries, too */
}

static void test_one_budget_alone(void **state)
{
	struct plan_budget nxdomain = {.nxdomain_interval_ns = GCRA_NOTHING};

	assert_int_equal(ask(&nxdomain, 0, true, 100), 0);
	assert_int_equal(ask(&nxdomain, 0, false, 100), 100);
}

/* Beyond the tenants that are counted one by one, buckets are shared; none lies outside the memory. */
static void test_high_numbers(void **state)
{
	struct plan_budget budget = {.queries_interval_ns = gcra_interval_ns(50, 1)};

	assert_int_equal(ask(&budget, UINT32_MAX - 1, false, 500), 50);
	assert_int_equal(ask(&budget, BUDGET_TENANTS, false, 500), 50);
	for (uint32_t i = 0; i < 100000; i++)
		ask(&budget, BUDGET_TENANTS + i * 37, true, 1);
	assert_int_equal(ask(&budget, 0, false, 500), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_tenant_has_its_own, begin, end),
		cmocka_unit_test_setup_teardown(test_random_names_leave_the_queries_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_one_budget_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_high_numbers, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
