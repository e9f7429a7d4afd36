/* plan_*: what health, weights and controls compile into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/plan_fixture.h"

static void test_healthy_share_counts_weights_of_both_families(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 100,
		 4,
		 {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_DOWN),
		  fixture_vip("2001:db8::1", VIP_UP), fixture_vip("192.0.2.3", VIP_DOWN)}}};
	regions[0].vips[0].weight = 3;
	regions[0].vips[3].is_drained = true; /* no part of the share */
	struct plan_service *service = fixture_service(regions, 1, NULL);
	const struct plan_region *region = &service->regions[0];
	assert_int_equal(region->healthy_permille, 800); /* (3 + 1) / (3 + 1 + 1) */
	assert_int_equal(region->weight[PICK_REGULAR], 3 * SCORE_FULL);
	assert_int_equal(region->picks[PICK_REGULAR][0].count, 1);
	assert_int_equal(region->picks[PICK_REGULAR][1].count, 1);
	assert_int_equal(service->ok, 1);
	plan_service_unref(service);
}

static void test_min_healthy_is_exact(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_DOWN)}}};
	struct plan_service_input tune = {
		.id = "shop", .prefix4 = 24, .prefix6 = 56, .answers = 1, .min_healthy_hundredths = 5000};
	struct plan_service *service = fixture_service(regions, 1, &tune);
	assert_int_equal(service->ok, 1); /* exactly 50 % is enough */
	plan_service_unref(service);
	tune.min_healthy_hundredths = 5001;
	service = fixture_service(regions, 1, &tune);
	assert_int_equal(service->ok, 0);
	assert_int_equal(service->healthy, 1);
	plan_service_unref(service);
}

static void test_weight_zero_is_the_spare(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_UP)}}};
	regions[0].vips[1].weight = 0;
	struct plan_service *service = fixture_service(regions, 1, NULL);
	assert_int_equal(service->regions[0].picks[PICK_REGULAR][0].count, 1);
	assert_int_equal(service->regions[0].picks[PICK_REGULAR][0].pick[0].vip, 0);
	plan_service_unref(service);

	regions[0].vips[0].state = VIP_DOWN;
	service = fixture_service(regions, 1, NULL);
	assert_int_equal(service->regions[0].picks[PICK_REGULAR][0].count, 1);
	assert_int_equal(service->regions[0].picks[PICK_REGULAR][0].pick[0].vip, 1);
	assert_int_equal(service->healthy, 1);
	plan_service_unref(service);
}

/* Two addresses of a name of weight 3 weigh one and a half each, beside one of weight 1. */
static void test_addresses_of_a_name_share_its_weight(void **state)
{
	struct fixture_region eu = {"eu",
				    100,
				    3,
				    {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_DOWN),
				     fixture_vip("192.0.2.3", VIP_UP)}};
	eu.vips[0].weight = eu.vips[1].weight = 3;
	eu.vips[0].shares = eu.vips[1].shares = 2;
	struct plan_service *service = fixture_service(&eu, 1, NULL);
	const struct plan_picks *picks = &service->regions[0].picks[PICK_REGULAR][0];
	assert_int_equal(picks->count, 2);
	assert_int_equal(picks->pick[0].weight * 2, picks->pick[1].weight * 3);
	assert_int_equal(service->regions[0].healthy_permille, 625); /* 2.5 of 4 */
	plan_service_unref(service);
	eu.vips[0].shares = eu.vips[1].shares = 1; /* nothing shared: whole weights, as without names */
	service = fixture_service(&eu, 1, NULL);
	assert_int_equal(service->regions[0].picks[PICK_REGULAR][0].pick[0].weight, 3 * SCORE_FULL);
	plan_service_unref(service);
}

static void test_drained_vip_serves_in_panic_alone(void **state)
{
	struct fixture_region regions[] = {{"eu", 100, 1, {fixture_vip("192.0.2.1", VIP_UP)}}};
	regions[0].vips[0].is_drained = true;
	struct plan_service *service = fixture_service(regions, 1, NULL);
	assert_int_equal(service->healthy, 0);
	assert_int_equal(service->open, 0);
	assert_int_equal(service->panic, 1);
	assert_int_equal(service->regions[0].picks[PICK_PANIC][0].count, 1);
	plan_service_unref(service);
}

/* A service that may have to choose for one family alone has that family's VIPs by themselves. */
static void test_a_family_alone(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 40,
		 4,
		 {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_DOWN),
		  fixture_vip("192.0.2.3", VIP_DOWN), fixture_vip("2001:db8::1", VIP_UP)}},
		{"us", 100, 1, {fixture_vip("192.0.2.4", VIP_UP)}},
	};
	regions[0].vips[1].weight = 0;
	regions[0].vips[3].ttl = 9;
	struct plan_service *service = fixture_service(regions, 2, NULL);
	assert_int_equal(service->holds[0], 3);
	assert_int_equal(service->holds[1], 1);
	assert_null(service->alone[0]); /* whatever region is chosen has it */
	const struct plan_service *ipv6 = service->alone[1];
	assert_int_equal(ipv6->region_count, 1);
	assert_int_equal(ipv6->slot[1], UINT8_MAX);
	assert_int_equal(ipv6->regions[0].number, 0);
	assert_int_equal(ipv6->regions[0].share, 40);
	assert_int_equal(ipv6->regions[0].share_salt, service->regions[0].share_salt);
	assert_int_equal(ipv6->regions[0].vip_count, 1);
	assert_int_equal(ipv6->regions[0].healthy_permille, 1000);
	assert_int_equal(ipv6->regions[0].ttl, 9);
	assert_int_equal(ipv6->partial, 1);
	assert_null(ipv6->alone[0]);
	plan_service_unref(service);

	regions[0].vips[0].state = VIP_DOWN;
	service = fixture_service(regions, 2, NULL);
	assert_int_equal(service->alone[0]->ok, 2);
	assert_int_equal(service->alone[0]->regions[0].vip_count, 3);
	plan_service_unref(service);
}

/* What the configuration alone says: no state and no control changes it. */
static void test_as_configured(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 SHARE_DOWN,
		 3,
		 {fixture_vip("192.0.2.1", VIP_DOWN), fixture_vip("192.0.2.2", VIP_UP),
		  fixture_vip("2001:db8::1", VIP_UP)}},
		{"us", 100, 1, {fixture_vip("192.0.2.4", VIP_DOWN)}},
	};
	regions[0].vips[0].weight = 3;
	regions[0].vips[1].is_drained = true;
	regions[0].vips[2].weight = 0; /* in answers only where nothing else of the region is */
	regions[1].vips[0].weight = 0;
	struct plan_service *service = fixture_service(regions, 2, NULL);
	assert_int_equal(service->regions[0].weight[WEIGHT_CONFIGURED], 4 * SCORE_FULL);
	assert_int_equal(service->regions[1].weight[WEIGHT_CONFIGURED], 1);
	assert_int_equal(service->gives[0], 3);
	assert_int_equal(service->gives[1], 0);
	assert_int_equal(service->holds[1], 1);
	plan_service_unref(service);
}

static void test_shares_become_sets(void **state)
{
	struct fixture_region regions[] = {{"eu", 100, 1, {fixture_vip("192.0.2.1", VIP_UP)}},
					   {"us", 40, 1, {fixture_vip("192.0.2.2", VIP_UP)}},
					   {"ap", 0, 1, {fixture_vip("192.0.2.3", VIP_UP)}},
					   {"sa", SHARE_DOWN, 1, {fixture_vip("192.0.2.4", VIP_UP)}}};
	struct plan_service *service = fixture_service(regions, 4, NULL);
	assert_int_equal(service->positive, 3);
	assert_int_equal(service->partial, 2);
	assert_int_equal(service->down, 8);
	plan_service_unref(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy_share_counts_weights_of_both_families),
		cmocka_unit_test(test_min_healthy_is_exact),
		cmocka_unit_test(test_weight_zero_is_the_spare),
		cmocka_unit_test(test_addresses_of_a_name_share_its_weight),
		cmocka_unit_test(test_drained_vip_serves_in_panic_alone),
		cmocka_unit_test(test_a_family_alone),
		cmocka_unit_test(test_as_configured),
		cmocka_unit_test(test_shares_become_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
