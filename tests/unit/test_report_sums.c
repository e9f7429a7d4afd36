/* What a forwarder says of its services: how full they are, which origins are usable, how long requests took.
 */
#include "forwarder/control/report_sums.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ORIGINS 4

static struct origin *origins[ORIGINS];
static struct pool_member members[ORIGINS];
static struct pool_state states[2];
static struct pool web, api;
static const struct pool *const pools[] = {&web, NULL, &api};
static const struct route_service shop = {.id = "shop", .number = 3}, empty = {.id = "empty", .number = 4};
static const struct route_service *const services[] = {&empty, &shop};
static const struct world world = {.pool_count = 3, .pools = pools, .service_count = 2, .services = services};
static struct report_sums *sums;
static struct request_stats *worker;

static int setup(void **state)
{
	memset(states, 0, sizeof states);
	for (unsigned i = 0; i < ORIGINS; i++) {
		origins[i] = xcalloc_apart(sizeof *origins[i]);
		members[i] = (struct pool_member){origins[i], i == 0 ? 2 : 1};
	}
	web = (struct pool){.name = "web",
			    .service = 1,
			    .state = &states[0],
			    .concurrency = 100,
			    .member_count = 3,
			    .weight_total = 4,
			    .members = members};
	api = (struct pool){.name = "api",
			    .service = 1,
			    .state = &states[1],
			    .concurrency = 50,
			    .member_count = 1,
			    .weight_total = 1,
			    .members = &members[3]};
	sums = report_sums_new();
	worker = request_stats_new();
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < ORIGINS; i++)
		free(origins[i]);
	report_sums_free(sums);
	request_stats_free(worker);
	return 0;
}

/* The one service that has origins. */
static struct load_service fill(uint32_t capacity, uint64_t now_ms)
{
	struct request_stats *const workers[] = {worker};
	const struct report_view view = {
		.world = &world, .stats = workers, .stats_count = 1, .capacity = capacity};
	struct load_report report = {0};
	report_sums_fill(sums, &view, now_ms, &report);
	assert_int_equal(report.service_count, 1);
	struct load_service service = report.services[0];
	assert_string_equal(service.service, "shop");
	load_report_done(&report);
	return service;
}

static void test_what_it_can_bear(void **state)
{
	struct load_service service = fill(0, 1000);
	assert_int_equal(service.max, 350); /* of its origins */
	assert_int_equal(service.target, 280);
	assert_int_equal(fill(200, 1000).max, 200);
	assert_int_equal(fill(9000, 1000).max, 350);
	origins[0]->in_flight = 7;
	origins[3]->in_flight = 2;
	states[0].queued = 4;
	service = fill(0, 2000);
	assert_int_equal(service.current, 13);
	assert_int_equal(service.queued, 4);
}

static void test_a_service_is_as_well_off_as_its_worst_pool(void **state)
{
	assert_true(fill(0, 1000).weight == 1);
	uint64_t well = report_sums_digest(&world);
	origins[0]->state = ORIGIN_DOWN;
	struct load_service service = fill(0, 1000);
	assert_true(service.weight == 0.5 && service.origins_usable == 3 && service.origins_total == 4);
	assert_true(report_sums_digest(&world) != well);
	origins[0]->state = ORIGIN_PROBATION;
	assert_true(fill(0, 1000).weight == 1);
	assert_true(report_sums_digest(&world) == well);
	origins[1]->is_draining = 1;
	assert_true(fill(0, 1000).weight == 0.75);
	origins[1]->is_draining = 0;
	origins[3]->state = ORIGIN_EJECTED;
	assert_true(fill(0, 1000).weight == 0); /* of api nothing is left */
	states[1].is_in_panic = 1;
	assert_true(fill(0, 1000).is_in_panic);
}

static void test_spare_origins_count_by_number(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		members[i].weight = 0;
	web.weight_total = 0;
	origins[2]->state = ORIGIN_DOWN;
	double weight = fill(0, 1000).weight;
	assert_true(weight > 0.66 && weight < 0.67);
}

static void add(unsigned count, unsigned status, enum reason reason, uint64_t us)
{
	const struct request_stats_item item = {
		.service = 3, .has_service = true, .status = status, .reason = reason, .us_total = us};
	for (unsigned i = 0; i < count; i++)
		request_stats_add(worker, &item);
}

static void test_requests_and_their_times(void **state)
{
	assert_int_equal(fill(0, 1000).p50_us, 0);
	add(98, 200, REASON_NONE, 1000);
	add(1, 500, REASON_NONE, 1000);
	add(4, 429, REASON_RATE, 10);
	add(2, 503, REASON_NO_ORIGIN, 900000);
	struct load_service service = fill(0, 2000);
	assert_int_equal(service.requests, 105);
	assert_int_equal(service.errors, 3);
	assert_int_equal(service.limited, 4);
	assert_int_equal(service.p50_us, 1024);
	assert_true(service.p99_us > 900000 && service.p99_us < 2000000);
	/* Only the last ones count. */
	for (uint64_t now_ms = 7000; now_ms < 20000; now_ms += 1000)
		service = fill(0, now_ms);
	assert_int_equal(service.p50_us, 0);
	assert_int_equal(service.requests, 105);
	add(10, 200, REASON_NONE, 50);
	assert_int_equal(fill(0, 20000).p99_us, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_it_can_bear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_service_is_as_well_off_as_its_worst_pool, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_spare_origins_count_by_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests_and_their_times, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
