/* What is counted of requests. */
#include "forwarder/plan/request_stats.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void an_answer_counts_for_service_and_tenant(void **state)
{
	struct request_stats *stats = request_stats_new();
	request_stats_add(stats, &(struct request_stats_item){.service = 3,
							      .tenant = 70000,
							      .has_service = true,
							      .status = 204,
							      .us_total = 900,
							      .us_origin = 800,
							      .bytes_in = 10,
							      .bytes_out = 20});
	assert_int_equal(counter_read(&stats->services[3].answered[2]), 1);
	assert_int_equal(counter_read(&stats->services[3].request.count), 1);
	assert_int_equal(counter_read(&stats->services[3].origin.sum_us), 800);
	assert_int_equal(counter_read(&stats->tenants[70000].requests), 1);
	assert_int_equal(counter_read(&stats->tenants[70000].bytes_in), 10);
	assert_int_equal(counter_read(&stats->tenants[70000].bytes_out), 20);
	assert_int_equal(counter_read(&stats->tenants[70000].limited), 0);
	request_stats_free(stats);
}

static void a_refusal_counts_by_its_reason(void **state)
{
	struct request_stats *stats = request_stats_new();
	request_stats_add(stats,
			  &(struct request_stats_item){
				  .tenant = 1, .has_service = true, .status = 429, .reason = REASON_RATE});
	request_stats_add(stats, &(struct request_stats_item){.status = 404, .reason = REASON_NO_TENANT});
	assert_int_equal(counter_read(&stats->services[0].reasons[REASON_RATE]), 1);
	assert_int_equal(counter_read(&stats->services[0].answered[4]), 0);
	assert_int_equal(counter_read(&stats->tenants[1].limited), 1);
	assert_int_equal(counter_read(&stats->services[REQUEST_STATS_SERVICES - 1].reasons[REASON_NO_TENANT]),
			 1);
	assert_int_equal(counter_read(&stats->tenants[0].requests), 0);
	request_stats_free(stats);
}

static void buckets_hold_what_is_at_most_their_end(void **state)
{
	static const uint64_t times[] = {0, 1, 63, 64, 65, 128, 129, 1000, 1000000, (uint64_t)1 << 40};
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct request_stats *stats = request_stats_new();
		unsigned bucket = 0;
		request_stats_add(stats,
				  &(struct request_stats_item){.has_service = true, .us_total = times[i]});
		while (counter_read(&stats->services[0].request.bucket[bucket]) == 0)
			bucket++;
		assert_true(times[i] <= request_stats_bucket_us(bucket));
		assert_true(bucket == 0 || times[i] > request_stats_bucket_us(bucket - 1));
		request_stats_free(stats);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_counts_for_service_and_tenant),
		cmocka_unit_test(a_refusal_counts_by_its_reason),
		cmocka_unit_test(buckets_hold_what_is_at_most_their_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
