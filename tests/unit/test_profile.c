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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_profiles_are_one),
		cmocka_unit_test(test_different_profiles_stay_apart),
		cmocka_unit_test(test_many_move_from_pool_to_pool),
		cmocka_unit_test(test_what_was_found_good_holds_for_one_validation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
