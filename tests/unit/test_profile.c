/* Profiles of tenants: equal ones become one object, different ones never do, and the last user frees them.
 */
#include "fleet/fleet_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static struct fleet_profile *make(const char *service, const char *tier, char *region, bool is_suspended)
{
	struct name zone;

	assert_null(name_from_text("z.example", NULL, &zone));
	return fleet_profile_new(&(struct fleet_profile){.zone = zone.octets,
							 .service = service,
							 .tier = tier,
							 .has_regions = region != NULL,
							 .region_count = region != NULL,
							 .regions = &region,
							 .is_suspended = is_suspended});
}

static void test_equal_profiles_are_one(void **state)
{
	struct fleet_profile_pool *pool = fleet_profile_pool_new();
	struct fleet_profile *first = fleet_profile_share(pool, make("shop", NULL, (char *)"eu", false));

	assert_ptr_equal(fleet_profile_share(pool, make("shop", NULL, (char *)"eu", false)), first);
	assert_string_equal(first->service, "shop");
	assert_string_equal(first->regions[0], "eu");
	assert_null(first->tier);
	fleet_profile_unref(first);
	fleet_profile_unref(first);
	fleet_profile_pool_free(pool); /* it asserts that nothing is left */
}

static void test_different_profiles_stay_apart(void **state)
{
	struct fleet_profile_pool *pool = fleet_profile_pool_new();
	/* The same letters at other places are another profile. */
	struct fleet_profile *all[] = {
		make("shop", NULL, (char *)"eu", false), make("shop", NULL, (char *)"us", false),
		make("shop", NULL, NULL, false),	 make("shop", "eu", NULL, false),
		make("shop", NULL, (char *)"eu", true),	 make("sho", NULL, (char *)"peu", false),
		make("eu", "shop", NULL, false),	 make("shop", "gold", (char *)"eu", false),
	};
	size_t count = sizeof all / sizeof all[0];

	for (size_t i = 0; i < count; i++)
		all[i] = fleet_profile_share(pool, all[i]);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			assert_int_equal(fleet_profile_equal(all[i], all[j]), i == j);
	for (size_t i = 0; i < count; i++)
		fleet_profile_unref(all[i]);
	fleet_profile_pool_free(pool);
}

static void test_many_move_from_pool_to_pool(void **state)
{
	struct fleet_profile_pool *change = fleet_profile_pool_new(), *fleet = fleet_profile_pool_new();
	struct fleet_profile *users[3000];
	char service[16];

	for (size_t i = 0; i < 3000; i++) {
		snprintf(service, sizeof service, "s%zu", i % 1000);
		users[i] = fleet_profile_share(change, make(service, NULL, NULL, false));
	}
	for (size_t i = 0; i < 3000; i++)
		users[i] = fleet_profile_share(fleet, users[i]);
	fleet_profile_pool_free(change);
	for (size_t i = 0; i < 3000; i++) {
		snprintf(service, sizeof service, "s%zu", i % 1000);
		assert_string_equal(users[i]->service, service);
		assert_ptr_equal(users[i], users[i % 1000]);
	}
	for (size_t i = 0; i < 3000; i++)
		fleet_profile_unref(users[i]);
	fleet_profile_pool_free(fleet);
}

static void test_what_was_found_good_holds_for_one_validation(void **state)
{
	struct fleet_profile *profile = make("shop", NULL, NULL, false);

	assert_false(fleet_profile_is_good(profile, 1));
	fleet_profile_set_good(profile, 1);
	assert_true(fleet_profile_is_good(profile, 1));
	assert_false(fleet_profile_is_good(profile, 2));
	fleet_profile_unref(profile);
}

/* What the forwarder has of a tenant makes profiles different too. */
static void test_own_terms_tell_apart(void **state)
{
	struct fleet_profile_pool *pool = fleet_profile_pool_new();
	struct fleet_limits slow, fast;
	struct fleet_key keys[2] = {{.id = "ci"}, {.id = "app", .sha256 = {1}}};

	fleet_limits_init(&slow);
	slow.given = FLEET_LIMIT_BURST;
	fast = slow;
	slow.burst = 1;
	fast.burst = 2;
	const struct fleet_profile from[] = {
		{.service = "s"},
		{.service = "s", .limits = &slow},
		{.service = "s", .limits = &fast},
		{.service = "s", .redirects_to_https = true},
		{.service = "s", .is_in_maintenance = true, .maintenance_status = 503},
		{.service = "s", .is_in_maintenance = true, .maintenance_status = 500},
		{.service = "s",
		 .is_in_maintenance = true,
		 .maintenance_status = 503,
		 .maintenance_body = ""},
		{.service = "s",
		 .is_in_maintenance = true,
		 .maintenance_status = 503,
		 .maintenance_body = "x"},
		{.service = "s", .keys = keys, .key_count = 1},
		{.service = "s", .keys = keys, .key_count = 2},
		{.service = "s", .keys = keys + 1, .key_count = 1},
	};
	size_t count = sizeof from / sizeof from[0];
	struct fleet_profile *all[sizeof from / sizeof from[0]];

	for (size_t i = 0; i < count; i++) {
		all[i] = fleet_profile_share(pool, fleet_profile_new(&from[i]));
		assert_ptr_equal(fleet_profile_share(pool, fleet_profile_new(&from[i])), all[i]);
		fleet_profile_unref(all[i]);
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			assert_int_equal(all[i] == all[j], i == j);
	assert_int_equal(all[2]->limits->burst, 2);
	assert_string_equal(all[7]->maintenance_body, "x");
	assert_string_equal(all[9]->keys[1].id, "app");
	for (size_t i = 0; i < count; i++)
		fleet_profile_unref(all[i]);
	fleet_profile_pool_free(pool);
}

/* Numbers are used again, serials never. */
static void test_numbers(void **state)
{
	struct fleet_profile_pool *pool = fleet_profile_pool_new();
	struct fleet_profile *a = fleet_profile_share(pool, make("a", NULL, NULL, false));
	struct fleet_profile *b = fleet_profile_share(pool, make("b", NULL, NULL, false));

	assert_int_equal(a->number, 0);
	assert_int_equal(b->number, 1);
	uint64_t serial = a->serial;
	fleet_profile_unref(a);
	a = fleet_profile_share(pool, make("c", NULL, NULL, false));
	assert_int_equal(a->number, 0);
	assert_true(a->serial > serial && a->serial > b->serial);
	fleet_profile_unref(a);
	fleet_profile_unref(b);
	fleet_profile_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_profiles_are_one),
		cmocka_unit_test(test_different_profiles_stay_apart),
		cmocka_unit_test(test_own_terms_tell_apart),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_many_move_from_pool_to_pool),
		cmocka_unit_test(test_what_was_found_good_holds_for_one_validation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
