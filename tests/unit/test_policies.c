/* Tenants that are treated alike have one policy, and its number stays. */
#include "fleet/policies.h"
#include "tests/unit/fleet_fixture.h"

static void test_alike_is_one_policy(void **state)
{
	struct fleet_policies policies = {0};
	struct fleet_policy policy = {.regions = 3, .service = 5}, other;
	assert_int_equal(fleet_policies_use(&policies, &policy), 0);
	assert_int_equal(fleet_policies_use(&policies, &policy), 0);
	other = policy;
	other.regions = 1;
	assert_int_equal(fleet_policies_use(&policies, &other), 1);
	other = policy;
	other.service = 6;
	assert_int_equal(fleet_policies_use(&policies, &other), 2);
	other = policy;
	other.is_resident = true;
	assert_int_equal(fleet_policies_use(&policies, &other), 3);
	other = policy;
	other.is_suspended = true;
	assert_int_equal(fleet_policies_use(&policies, &other), 4);
	other = policy;
	other.tier = 1;
	assert_int_equal(fleet_policies_use(&policies, &other), 5);
	assert_int_equal(fleet_policies_use(&policies, &policy), 0);
	assert_int_equal(policies.count, 6);
	fleet_policies_done(&policies);
	assert_int_equal(fleet_policies_use(&policies, &other), 0); /* usable again */
	fleet_policies_done(&policies);
}

static void test_many_keep_their_numbers(void **state)
{
	struct fleet_policies policies = {0};
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < 5000; i++) {
			struct fleet_policy policy = {.regions = (uint64_t)(i % 70) << 20, .service = i / 70};
			assert_int_equal(fleet_policies_use(&policies, &policy), i);
		}
	assert_int_equal(policies.count, 5000);
	assert_true(policies.slot_count >= 10000);
	fleet_policies_done(&policies);
}

static void test_the_last_user_leaves_the_number(void **state)
{
	struct fleet_policies policies = {0};
	struct fleet_policy policy = {.regions = 3, .service = 5}, other = {.regions = 1, .service = 5};
	assert_int_equal(fleet_policies_find(&policies, &policy), FLEET_POLICY_NONE);
	uint32_t number = fleet_policies_use(&policies, &policy);
	fleet_policies_use(&policies, &policy);
	fleet_policies_use(&policies, &other);
	assert_int_equal(fleet_policies_release(&policies, number), 1);
	assert_int_equal(fleet_policies_find(&policies, &policy), number);
	assert_int_equal(fleet_policies_release(&policies, number), 0);
	assert_int_equal(fleet_policies_find(&policies, &policy), FLEET_POLICY_NONE);
	assert_int_equal(fleet_policies_use(&policies, &policy), number);
	assert_int_equal(fleet_policies_find(&policies, &policy), number);
	fleet_policies_done(&policies);
}

/* ---- of tenants ---- */

static struct fleet *fleet;

static struct fleet_policy of(const char *tenant)
{
	return fleet_policy_of(fleet, (const struct fleet_tenant *)fleet_get(fleet, FLEET_TENANT, tenant));
}

static uint64_t bit(const char *region)
{
	return (uint64_t)1 << fleet_get(fleet, FLEET_REGION, region)->number;
}

static void test_policies_of_tenants(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}, ap: {at: [1, 103]}}\n"
		   "services: {blog: {vips: {eu: [192.0.2.1]}}, shop: {vips: {us: [192.0.2.1]}}}\n"
		   "tiers: {free: {dns_queries: 10/s}, gold: {dns_queries: 99/s}}\n"
		   "zones: {app.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.x.\\n\"}}\n"
		   "tenants:\n"
		   "  all: {zone: app.test, service: shop}\n"
		   "  gone: {zone: app.test, service: blog, state: suspended}\n"
		   "  rich: {zone: app.test, service: shop, tier: gold}\n"
		   "  some: {zone: app.test, service: shop, regions: [us, ap]}\n");
	struct fleet_policy all = of("all"), some = of("some"), gone = of("gone"), rich = of("rich");
	assert_true(all.regions == UINT64_MAX && !all.is_resident && !all.is_suspended);
	assert_int_equal(all.service, fleet_get(fleet, FLEET_SERVICE, "shop")->number);
	assert_int_equal(all.tier, 0);
	assert_true(some.regions == (bit("us") | bit("ap")) && some.is_resident);
	assert_true(gone.is_suspended);
	assert_int_equal(gone.service, fleet_get(fleet, FLEET_SERVICE, "blog")->number);
	assert_int_equal(rich.tier, fleet_get(fleet, FLEET_TIER, "gold")->number + 1);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike_is_one_policy),
		cmocka_unit_test(test_many_keep_their_numbers),
		cmocka_unit_test(test_the_last_user_leaves_the_number),
		cmocka_unit_test(test_policies_of_tenants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
