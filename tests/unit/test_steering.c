/* What an operator wrote about steering → regions as bits, specs of orders, places. */
#include "gslb/compile/steering.h"
#include "gslb/decide/place/place_build.h"
#include "tests/unit/fleet_fixture.h"

#define VIPS "vips: {eu: [192.0.2.1], us: [192.0.2.2], ap: [192.0.2.3]}"

static struct fleet *fleet;

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}, ap: {at: [1, 103]}, sa: {at: [-23, "
		   "-46]}}\n"
		   "maps:\n"
		   "  one: {EU: [eu, us], \"as:64500\": [[us, eu], [ap]], \"192.0.2.0/24\": nearest, "
		   "default: [ap]}\n"
		   "services:\n"
		   "  near: {steering: {tolerance: 300km, bias: {us: 20, ap: -30}, regions: [us, eu]}, " VIPS
		   "}\n"
		   "  line: {steering: {order: listed, tolerance: 300km, bias: {us: 20}, regions: [us, sa, "
		   "eu]},\n"
		   "         " VIPS "}\n"
		   "  mapped: {steering: {order: map, map: one}, " VIPS "}\n");
	return 0;
}

static int teardown(void **state)
{
	fleet_free(fleet);
	return 0;
}

static const struct fleet_service *service(const char *id)
{
	return (const struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, id);
}

static unsigned number(const char *region)
{
	return fleet_get(fleet, FLEET_REGION, region)->number;
}

static region_set bit(const char *region)
{
	return (region_set)1 << number(region);
}

static void test_candidates_are_named_and_have_vips(void **state)
{
	assert_true(steering_candidates(fleet, service("near")) == (bit("us") | bit("eu")));
	assert_true(steering_candidates(fleet, service("line")) ==
		    (bit("us") | bit("eu"))); /* sa has no VIP */
	assert_true(steering_candidates(fleet, service("mapped")) == (bit("eu") | bit("us") | bit("ap")));
}

static void test_specs(void **state)
{
	struct order_spec spec;
	steering_order_spec(fleet, service("near"), ~(region_set)0, &spec);
	assert_int_equal(spec.kind, ORDER_NEAREST);
	assert_int_equal(spec.tolerance_km, 300);
	assert_int_equal(spec.listed_count, 2);
	assert_int_equal(spec.listed[0], number("us"));
	assert_int_equal(spec.listed[1], number("eu"));
	assert_int_equal(spec.bias[number("us")], 20);
	assert_int_equal(spec.bias[number("ap")], -30);
	assert_true(spec.latitude[number("us")] == 39 && spec.longitude[number("us")] == -77);
	assert_null(spec.rules);
	steering_order_spec(fleet, service("near"), bit("eu"), &spec);
	assert_int_equal(spec.listed_count, 1);
	assert_int_equal(spec.listed[0], number("eu"));
	assert_int_equal(spec.bias[number("us")], 0);
}

/* So that services which differ in nothing that counts share an order. */
static void test_a_spec_holds_nothing_that_does_not_count(void **state)
{
	struct order_spec spec;
	steering_order_spec(fleet, service("line"), ~(region_set)0, &spec);
	assert_int_equal(spec.kind, ORDER_LISTED);
	assert_int_equal(spec.tolerance_km, 0);
	assert_int_equal(spec.bias[number("us")], 0);
}

static void test_rules_of_a_map(void **state)
{
	struct order_spec spec;
	const struct fleet_map *map = (const struct fleet_map *)fleet_get(fleet, FLEET_MAP, "one");
	steering_order_spec(fleet, service("mapped"), ~(region_set)0, &spec);
	assert_int_equal(spec.rule_count, 4);
	for (size_t i = 0; i < spec.rule_count; i++) {
		const struct map_rule *rule = &spec.rules[i];
		assert_string_equal(steering_rule_key(map, rule), map->rules[i].key);
		assert_int_equal(rule->is_nearest, rule->kind == MAP_PREFIX);
		if (rule->kind != MAP_ASN)
			continue;
		assert_int_equal(rule->asn, 64500);
		assert_int_equal(rule->tiers.count, 3);
		assert_int_equal(rule->tiers.item[0], number("us") | TIER_START);
		assert_int_equal(rule->tiers.item[1], number("eu"));
		assert_int_equal(rule->tiers.item[2], number("ap") | TIER_START);
	}
	free((struct map_rule *)spec.rules);
}

static void test_locations_are_laid_over(void **state)
{
	struct places *places = places_new_empty();
	struct places *same = steering_lay_locations(places, fleet);
	assert_ptr_equal(same, places);
	places_unref(same);
	uint64_t nothing = steering_locations_hash(fleet);
	apply_good(fleet, FLEET_STORE,
		   "locations: {192.0.2.0/24: {at: [1.5, 2.5], country: DE, subdivision: HE, continent: EU, "
		   "asn: 7},\n"
		   "            \"2001:db8::/32\": {country: FR}}\n");
	struct places *laid = steering_lay_locations(places, fleet);
	struct ip ip;
	ip_parse("192.0.2.9", &ip);
	const struct place *place = places_find(laid, &ip);
	assert_true(place->has_at && place->latitude == 1.5 && place->longitude == 2.5);
	assert_string_equal(place->country, "DE");
	assert_string_equal(place->subdivision, "HE");
	assert_string_equal(place->continent, "EU");
	assert_int_equal(place->asn, 7);
	assert_int_equal(place->source, PLACE_FROM_LOCATIONS);
	ip_parse("2001:db8::1", &ip);
	assert_string_equal(places_find(laid, &ip)->country, "FR");
	assert_false(places_find(laid, &ip)->has_at);
	uint64_t two = steering_locations_hash(fleet);
	assert_true(two != nothing);
	apply_good(fleet, FLEET_STORE, "locations: {\"2001:db8::/32\": {country: ES}}\n");
	assert_true(steering_locations_hash(fleet) != two);
	places_unref(laid);
	places_unref(places);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_candidates_are_named_and_have_vips),
		TEST(test_specs),
		TEST(test_a_spec_holds_nothing_that_does_not_count),
		TEST(test_rules_of_a_map),
		TEST(test_locations_are_laid_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
