/* A worker's statistics begin at zero, to the last element of each array (gslb/decide/stats.c). */
#include "gslb/decide/stats.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_zero_to_the_end(void **state)
{
	struct stats *stats = stats_new();
	counter *last[] = {&stats->tenant[STATS_TENANTS_MAX - 1],
			   &stats->answers[STATS_SERVICES_MAX * STATS_REGIONS - 1],
			   &stats->fallback[STATS_SERVICES_MAX * STATS_STEPS - 1],
			   &stats->transport[1].latency_ns, &stats->dropped[DROP_REASONS - 1]};
	for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
		assert_int_equal(counter_read(last[i]), 0);
		counter_add(last[i], 2);
		assert_int_equal(counter_read(last[i]), 2);
	}
	stats_free(stats);
	stats_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_zero_to_the_end)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
