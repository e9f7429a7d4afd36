/* Compiled orders: shared where the steering is the same, dropped when nobody uses them. */
#include "gslb/compile/order_cache.h"
#include "gslb/compile/steering.h"
#include "gslb/decide/place/place_build.h"
#include "tests/unit/fleet_fixture.h"

#define VIPS "vips: {eu: [192.0.2.1], us: [192.0.2.2], ap: [192.0.2.3]}"

static struct fleet *fleet;
static struct order_cache *cache;
static struct places *places;

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}, ap: {at: [1, 103]}}\n"
		   "maps:\n"
		   "  one: {EU: [eu, us], \"as:64500\": [[us, eu], [ap]], \"192.0.2.0/24\": nearest, "
		   "default: [ap]}\n"
		   "  odd: {default: [us]}\n"
		   "services:\n"
		   "  near: {" VIPS "}\n"
		   "  same: {steering: {split: random, answers: 3}, ttl: 1s, " VIPS "}\n"
		   "  wide: {steering: {tolerance: 300km}, " VIPS "}\n"
		   "  line: {steering: {order: listed}, " VIPS "}\n"
		   "  turn: {steering: {order: listed, regions: [us, eu, ap]}, " VIPS "}\n"
		   "  slack: {steering: {order: listed, tolerance: 300km}, " VIPS "}\n"
		   "  flat: {steering: {order: none}, " VIPS "}\n"
		   "  mapped: {steering: {order: map, map: one}, " VIPS "}\n"
		   "  again: {steering: {order: map, map: one}, " VIPS "}\n"
		   "  other: {steering: {order: map, map: odd}, " VIPS "}\n");
	cache = order_cache_new();
	places = places_new_empty();
	return 0;
}

static int teardown(void **state)
{
	order_cache_free(cache);
	places_unref(places);
	fleet_free(fleet);
	return 0;
}

#define ALL (~(region_set)0)

static struct order *get(const char *id, region_set allowed)
{
	const struct fleet_object *service = fleet_get(fleet, FLEET_SERVICE, id);
	return order_cache_get(cache, fleet, (const struct fleet_service *)service, allowed, places);
}

static region_set bit(const char *id)
{
	return (region_set)1 << fleet_get(fleet, FLEET_REGION, id)->number;
}

static void test_the_same_steering_is_one_order(void **state)
{
	assert_ptr_equal(get("near", ALL), get("same", ALL));
	assert_ptr_equal(get("mapped", ALL), get("again", ALL));
	assert_ptr_equal(get("line", ALL), get("slack", ALL)); /* tolerance means nothing to it */
	assert_ptr_equal(get("near", bit("eu")), get("same", bit("eu")));
}

static void test_different_steering_is_not(void **state)
{
	static const char *const ids[] = {"near", "wide", "line", "turn", "flat", "mapped", "other"};
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(get(ids[i], ALL), get(ids[j], ALL));
	assert_ptr_not_equal(get("near", ALL), get("near", bit("eu") | bit("us")));
}

/* The numbers of the tiers' regions as "0 1 | 2". */
static const char *tiers_of(struct order *order, const char *client)
{
	static char text[256];
	struct ip ip;
	size_t used = 0;
	assert_true(ip_parse(client, &ip));
	struct order_result found = order_find(order, &ip, NULL);
	text[0] = '\0';
	for (unsigned i = 0; i < found.tiers->count; i++) {
		unsigned number = found.tiers->item[i] & (REGIONS_MAX - 1);
		bool starts = i > 0 && found.tiers->item[i] & TIER_START;
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%u", starts ? " |" : "",
					 i > 0 ? " " : "", number);
	}
	return text;
}

static void test_orders_say_what_the_fleet_says(void **state)
{
	assert_string_equal(tiers_of(get("line", ALL), "10.0.0.1"), "0 | 1 | 2");
	assert_string_equal(tiers_of(get("turn", ALL), "10.0.0.1"), "1 | 0 | 2");
	assert_string_equal(tiers_of(get("turn", bit("eu") | bit("ap")), "10.0.0.1"), "0 | 2");
	assert_string_equal(tiers_of(get("flat", ALL), "10.0.0.1"), "0 1 2");
	assert_string_equal(tiers_of(get("mapped", ALL), "10.0.0.1"), "2");
	assert_string_equal(tiers_of(get("mapped", bit("eu")), "10.0.0.1"), "");
	assert_string_equal(tiers_of(get("other", ALL), "10.0.0.1"), "1");
}

static void test_maps_keep_their_tiers(void **state)
{
	struct ip client;
	assert_true(ip_parse("198.51.100.1", &client));
	struct location location = {.has_asn = true, .place.asn = 64500};
	assert_true(prefix_parse("198.51.100.0/24", &location.prefix));
	struct places *laid = places_overlay(places, &location, 1);
	const struct fleet_service *mapped =
		(const struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, "mapped");
	struct order *order = order_cache_get(cache, fleet, mapped, ALL, laid);
	assert_string_equal(tiers_of(order, "198.51.100.1"), "1 0 | 2");
	const struct map_rule *rule = order_explain_rule(order, laid, &client, NULL);
	const struct fleet_map *map = (const struct fleet_map *)fleet_get(fleet, FLEET_MAP, "one");
	assert_string_equal(steering_rule_key(map, rule), "as:64500");
	places_unref(laid);
}

static void test_a_sweep_drops_what_nobody_holds(void **state)
{
	struct order *near = order_ref(get("near", ALL));
	get("line", ALL);
	assert_int_equal(order_cache_count(cache), 2);
	order_cache_sweep(cache);
	assert_int_equal(order_cache_count(cache), 1);
	assert_ptr_equal(get("near", ALL), near);
	order_unref(near);
	order_cache_sweep(cache);
	assert_int_equal(order_cache_count(cache), 0);
}

static void test_other_places_are_other_orders(void **state)
{
	struct order *near = order_ref(get("near", ALL));
	struct places *old = places;
	places = places_new_empty();
	struct order *again = get("near", ALL);
	assert_ptr_not_equal(again, near);
	assert_ptr_equal(get("near", ALL), again);
	places_unref(old);
	order_unref(near);
}

static void test_a_clone_shares_the_orders(void **state)
{
	struct order *near = get("near", ALL), *mapped = get("mapped", ALL);
	struct order_cache *clone = order_cache_clone(cache);
	order_cache_free(cache);
	cache = clone;
	assert_ptr_equal(get("near", ALL), near);
	assert_ptr_equal(get("mapped", ALL), mapped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_same_steering_is_one_order),  TEST(test_different_steering_is_not),
		TEST(test_orders_say_what_the_fleet_says),  TEST(test_maps_keep_their_tiers),
		TEST(test_a_sweep_drops_what_nobody_holds), TEST(test_other_places_are_other_orders),
		TEST(test_a_clone_shares_the_orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
