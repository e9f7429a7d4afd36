/*
 * From a client's place to the order of regions: the rules of configuration.md one by one. Random
 * fleets against a plain evaluation stand in test_order_random.c.
 */
#include "gslb/decide/order.h"
#include "gslb/decide/place/place_build.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { EU, US, AP }; /* Frankfurt, Ashburn, Singapore */

static struct ip ip(const char *text)
{
	struct ip parsed;
	assert_true(ip_parse(text, &parsed));
	return parsed;
}

static struct location at(const char *prefix, double latitude, double longitude)
{
	struct location location = {.has_at = true};
	assert_true(prefix_parse(prefix, &location.prefix));
	location.place.latitude = latitude;
	location.place.longitude = longitude;
	return location;
}

static struct location in(const char *prefix, const char *continent, const char *country,
			  const char *subdivision, uint32_t asn)
{
	struct location location = {.has_continent = true,
				    .has_country = true,
				    .has_subdivision = true,
				    .has_asn = true,
				    .place.asn = asn};
	assert_true(prefix_parse(prefix, &location.prefix));
	strcpy(location.place.continent, continent);
	strcpy(location.place.country, country);
	strcpy(location.place.subdivision, subdivision);
	return location;
}

static struct places *places_from(const struct location *locations, size_t count)
{
	struct places *empty = places_new_empty(), *places = places_overlay(empty, locations, count);
	places_unref(empty);
	return places;
}

static struct order_spec spec(enum order_kind kind)
{
	struct order_spec spec = {.kind = kind, .listed_count = 3, .listed = {US, EU, AP}};
	spec.latitude[EU] = 50.11, spec.longitude[EU] = 8.68;
	spec.latitude[US] = 38.95, spec.longitude[US] = -77.45;
	spec.latitude[AP] = 1.35, spec.longitude[AP] = 103.82;
	return spec;
}

/* "eu us|ap": tiers separated by |. */
static const char *text(const struct tiers *tiers)
{
	static char out[256];
	static const char *const names[] = {"eu", "us", "ap"};
	out[0] = '\0';
	for (unsigned i = 0; i < tiers->count; i++) {
		if (i > 0)
			strcat(out, tiers->item[i] & TIER_START ? "|" : " ");
		strcat(out, names[tiers->item[i] & ~TIER_START]);
	}
	return out;
}

static void expect(const struct order *order, const char *client, const char *resolver, const char *tiers,
		   unsigned depth, bool used_resolver)
{
	struct ip address = ip(client), peer = resolver ? ip(resolver) : (struct ip){.family = 0};
	struct order_result result = order_find(order, &address, resolver ? &peer : NULL);
	assert_string_equal(text(result.tiers), tiers);
	assert_int_equal(result.depth, depth);
	assert_int_equal(result.used_resolver, used_resolver);
}

static struct places *three_cities(void)
{
	struct location list[] = {
		at("10.1.0.0/16", 48.85, 2.35),	   /* Paris */
		at("10.2.0.0/16", 40.7, -74.0),	   /* New York */
		at("10.3.128.0/17", 35.7, 139.7),  /* Tokyo */
		at("2001:db8:1::/48", 52.5, 13.4), /* Berlin */
		in("10.4.0.0/16", "EU", "", "", 0), in("10.5.0.0/16", "", "", "", 64500),
		in("10.6.0.0/16", "", "JP", "", 0),
	};
	return places_from(list, sizeof list / sizeof list[0]);
}

static void nearest_goes_by_distance(void **state)
{
	struct places *places = three_cities();
	struct order_spec s = spec(ORDER_NEAREST);
	struct order *order = order_compile(&s, places);
	expect(order, "10.1.2.3", NULL, "eu|us|ap", 16, false);
	expect(order, "10.2.2.3", NULL, "us|eu|ap", 16, false);
	expect(order, "10.3.200.1", NULL, "ap|eu|us", 17, false);
	expect(order, "2001:db8:1:2::3", NULL, "eu|us|ap", 48, false);
	/* A country alone counts as its middle; a continent alone has no distance. */
	expect(order, "10.6.0.1", NULL, "ap|eu|us", 16, false);
	expect(order, "10.4.0.1", "10.1.0.1", "us|eu|ap", 16, false);
	order_unref(order);
	places_unref(places);
}

static void an_unlocated_client_is_where_its_resolver_is(void **state)
{
	struct places *places = three_cities();
	struct order_spec s = spec(ORDER_NEAREST);
	struct order *order = order_compile(&s, places);
	expect(order, "10.3.0.1", "10.1.0.1", "eu|us|ap", 17, true);
	expect(order, "10.3.0.1", "2001:db8:1::1", "eu|us|ap", 17, true);
	expect(order, "10.3.0.1", "10.4.0.1", "us|eu|ap", 17, true); /* located, without distance */
	expect(order, "10.3.0.1", "10.3.0.2", "us|eu|ap", 17, false);
	expect(order, "10.3.0.1", NULL, "us|eu|ap", 17, false);
	/* An AS number alone is no location. */
	expect(order, "10.5.0.1", "10.1.0.1", "eu|us|ap", 16, true);
	expect(order, "2001:db8::1", "10.1.0.1", "eu|us|ap", 48, true);
	order_unref(order);
	places_unref(places);
}

static void tolerance_joins_tiers(void **state)
{
	struct location list[] = {at("10.0.0.0/8", 0, 0)};
	struct places *places = places_from(list, 1);
	struct order_spec s = spec(ORDER_NEAREST);
	s.latitude[EU] = s.latitude[US] = s.latitude[AP] = 0;
	s.longitude[EU] = 1, s.longitude[US] = 3, s.longitude[AP] = 5;
	double step = place_distance_km(0, 0, 0, 3) - place_distance_km(0, 0, 0, 1); /* 222.39 km */
	assert_true(step > 222 && step < 223);
	s.tolerance_km = 223;
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu us|ap", 8, false);
	order_unref(order);
	s.tolerance_km = 222;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us|ap", 8, false);
	order_unref(order);
	/* Equal distances are within a tolerance of 0 and keep the order of the list. */
	s.longitude[EU] = -3, s.tolerance_km = 0;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "us eu|ap", 8, false);
	order_unref(order);
	places_unref(places);
}

static void a_bias_stretches_the_distance(void **state)
{
	struct location list[] = {at("10.0.0.0/8", 0, 0)};
	struct places *places = places_from(list, 1);
	struct order_spec s = spec(ORDER_NEAREST);
	s.latitude[EU] = s.latitude[US] = s.latitude[AP] = 0;
	s.longitude[EU] = 10, s.longitude[US] = 15, s.longitude[AP] = 25;
	s.bias[US] = 32; /* 15 degrees count as 10.2 */
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us|ap", 8, false);
	order_unref(order);
	s.bias[US] = 34; /* as 9.9 */
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "us|eu|ap", 0, false);
	order_unref(order);
	s.bias[US] = 0, s.bias[EU] = 60, s.bias[AP] = 60; /* 4, 15, 10 */
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|ap|us", 8, false);
	order_unref(order);
	/* Below 0 the distance is divided by 1 − |b|/100: 10 degrees count as 14.9 and as 15.2. */
	s.bias[EU] = -33, s.bias[AP] = 0;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us|ap", 8, false);
	order_unref(order);
	s.bias[EU] = -34;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "us|eu|ap", 0, false);
	order_unref(order);
	s.bias[EU] = -99; /* 1,000 degrees: behind all others */
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "us|ap|eu", 8, false);
	order_unref(order);
	s.bias[EU] = 0;
	/* Tolerance is measured on the biased distances, too: 10 and 10.05 degrees. */
	s.bias[US] = 33, s.longitude[US] = 15, s.tolerance_km = 10;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu us|ap", 8, false);
	order_unref(order);
	places_unref(places);
}

/* Of 41 clients on the way from eu to us, those that eu gets. */
static unsigned clients_of_eu(const struct places *places, int bias)
{
	struct order_spec s = spec(ORDER_NEAREST);
	s.listed_count = 2;
	s.latitude[EU] = s.latitude[US] = 0;
	s.longitude[EU] = 0, s.longitude[US] = 40;
	s.bias[EU] = (int8_t)bias;
	struct order *order = order_compile(&s, places);
	unsigned count = 0;
	for (unsigned i = 0; i <= 40; i++) {
		struct ip client = {4, {10, (uint8_t)i, 0, 1}};
		count += (order_find(order, &client, NULL).tiers->item[0] & (TIER_START - 1)) == EU;
	}
	order_unref(order);
	return count;
}

/* What an operator turns it for: the more of it, the more clients; below 0 fewer than without. */
static void a_bias_draws_above_zero_and_sends_away_below(void **state)
{
	struct location list[41];
	char prefix[41][PREFIX_TEXT_MAX];
	for (unsigned i = 0; i <= 40; i++) {
		snprintf(prefix[i], sizeof prefix[i], "10.%u.0.0/16", i);
		list[i] = at(prefix[i], 0, i);
	}
	struct places *places = places_from(list, 41);
	unsigned before = 0, plain = clients_of_eu(places, 0);
	assert_in_range(plain, 20, 21); /* half of them, and the one in the middle */
	for (int bias = -99; bias <= 99; bias++) {
		unsigned count = clients_of_eu(places, bias);
		assert_true(count >= before);
		assert_true(bias > -10 || count < plain);
		assert_true(bias < 10 || count > plain);
		before = count;
	}
	/* 99 takes all but those at the other region's door. */
	assert_int_equal(clients_of_eu(places, -99), 1);
	assert_int_equal(clients_of_eu(places, 99), 40);
	places_unref(places);
}

static void listed_and_none_need_no_place(void **state)
{
	struct places *places = three_cities();
	struct order_spec s = spec(ORDER_LISTED);
	struct order *order = order_compile(&s, places);
	expect(order, "10.1.0.1", "10.2.0.1", "us|eu|ap", 0, false);
	expect(order, "2001:db8::1", NULL, "us|eu|ap", 0, false);
	order_unref(order);
	s.kind = ORDER_NONE;
	order = order_compile(&s, places);
	expect(order, "10.1.0.1", NULL, "us eu ap", 0, false);
	order_unref(order);
	s = spec(ORDER_NEAREST);
	s.listed_count = 1;
	order = order_compile(&s, places);
	expect(order, "10.1.0.1", NULL, "us", 0, false);
	order_unref(order);
	s.listed_count = 0;
	order = order_compile(&s, places);
	expect(order, "10.1.0.1", NULL, "", 0, false);
	assert_true(order_ref(order) == order);
	order_unref(order);
	order_unref(order);
	order_unref(NULL);
	places_unref(places);
}

static void without_geography_everybody_gets_the_list(void **state)
{
	struct places *places = places_new_empty();
	struct order_spec s = spec(ORDER_NEAREST);
	struct order *order = order_compile(&s, places);
	expect(order, "10.1.0.1", "10.2.0.1", "us|eu|ap", 0, false);
	expect(order, "2001:db8::1", NULL, "us|eu|ap", 0, false);
	order_unref(order);
	places_unref(places);
}

#define ONE(region) .tiers = {.count = 1, .item = {(region) | TIER_START}}
#define TWO(a, b) .tiers = {.count = 2, .item = {(a) | TIER_START, (b) | TIER_START}}

static void check_rule(const struct order *order, const struct places *places, const char *client,
		       const char *resolver, enum map_rule_kind kind)
{
	struct ip address = ip(client), peer = resolver ? ip(resolver) : (struct ip){.family = 0};
	const struct map_rule *rule = order_explain_rule(order, places, &address, resolver ? &peer : NULL);
	assert_non_null(rule);
	assert_int_equal(rule->kind, kind);
}

static void map_takes_the_most_specific_rule(void **state)
{
	struct location list[] = {
		in("10.0.0.0/8", "NA", "US", "CA", 64500), in("11.0.0.0/8", "NA", "US", "CA", 0),
		in("12.0.0.0/8", "NA", "US", "NY", 0),	   in("13.0.0.0/8", "", "CA", "", 0),
		in("14.0.0.0/8", "AS", "", "", 0),
	};
	struct places *places = places_from(list, 5);
	struct map_rule rules[] = {
		{.kind = MAP_DEFAULT, TWO(US, EU)},
		{.kind = MAP_CONTINENT, .continent = "NA", ONE(EU)},
		{.kind = MAP_COUNTRY, .country = "US", ONE(US)},
		{.kind = MAP_SUBDIVISION, .country = "US", .subdivision = "CA", ONE(AP)},
		{.kind = MAP_ASN, .asn = 64500, TWO(AP, US)},
		{.kind = MAP_PREFIX, TWO(EU, AP)},
		{.kind = MAP_PREFIX, TWO(AP, EU)},
		{.kind = MAP_PREFIX, .tiers = {.count = 0}},
	};
	assert_true(prefix_parse("10.1.0.0/16", &rules[5].prefix));
	assert_true(prefix_parse("10.1.2.0/24", &rules[6].prefix));
	assert_true(prefix_parse("10.1.2.128/25", &rules[7].prefix));
	struct order_spec s = spec(ORDER_MAP);
	s.rules = rules, s.rule_count = 8;
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "ap|us", 16, false);
	expect(order, "10.1.0.1", NULL, "eu|ap", 23, false);
	expect(order, "10.1.2.1", NULL, "ap|eu", 25, false);
	expect(order, "10.1.2.129", NULL, "", 25, false); /* the empty list: no answer */
	expect(order, "11.0.0.1", NULL, "ap", 8, false);
	expect(order, "12.0.0.1", NULL, "us", 8, false);
	expect(order, "13.0.0.1", NULL, "eu", 8, false); /* continent of the country */
	expect(order, "14.0.0.1", NULL, "us|eu", 8, false);
	/* Without location: the resolver's place, but neither its prefix nor its AS. */
	expect(order, "20.0.0.1", "12.0.0.1", "us", 4, true);
	expect(order, "20.0.0.1", "10.1.2.129", "ap", 4, true);
	expect(order, "20.0.0.1", "20.0.0.2", "us|eu", 4, false);
	expect(order, "20.0.0.1", NULL, "us|eu", 4, false);

	check_rule(order, places, "10.0.0.1", NULL, MAP_ASN);
	check_rule(order, places, "10.1.2.129", NULL, MAP_PREFIX);
	check_rule(order, places, "11.0.0.1", NULL, MAP_SUBDIVISION);
	check_rule(order, places, "12.0.0.1", NULL, MAP_COUNTRY);
	check_rule(order, places, "13.0.0.1", NULL, MAP_CONTINENT);
	check_rule(order, places, "14.0.0.1", NULL, MAP_DEFAULT);
	check_rule(order, places, "20.0.0.1", "12.0.0.1", MAP_COUNTRY);
	check_rule(order, places, "20.0.0.1", NULL, MAP_DEFAULT);
	order_unref(order);
	places_unref(places);
}

static void a_rule_may_say_nearest(void **state)
{
	struct location list[] = {at("10.0.0.0/8", 48.85, 2.35), at("11.0.0.0/8", 40.7, -74.0)};
	struct places *places = places_from(list, 2);
	struct map_rule rules[] = {{.kind = MAP_PREFIX, .is_nearest = true}, {.kind = MAP_DEFAULT, ONE(AP)}};
	assert_true(prefix_parse("0.0.0.0/4", &rules[0].prefix));
	struct order_spec s = spec(ORDER_MAP);
	s.rules = rules, s.rule_count = 2;
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us|ap", 8, false);
	expect(order, "11.0.0.1", NULL, "us|eu|ap", 8, false);
	/* The rule is the client's, the distance its resolver's. */
	expect(order, "1.0.0.1", "10.0.0.1", "eu|us|ap", 5, true);
	expect(order, "1.0.0.1", "200.0.0.1", "us|eu|ap", 5, false);
	expect(order, "1.0.0.1", NULL, "us|eu|ap", 5, false);
	/* Outside the prefix nobody's place matters, so all of it is one leaf. */
	expect(order, "200.0.0.1", "10.0.0.1", "ap", 1, false);
	expect(order, "2001:db8::1", "10.0.0.1", "ap", 0, false);
	order_unref(order);
	places_unref(places);
}

static void a_rule_may_say_nearest_of_some(void **state)
{
	struct location list[] = {at("10.0.0.0/8", 48.85, 2.35), at("11.0.0.0/8", 40.7, -74.0),
				  at("12.0.0.0/8", 1.3, 103.8)};
	struct places *places = places_from(list, 3);
	struct tiers eu_and_ap = {.count = 3, .item = {AP | TIER_START, 5 | TIER_START, EU | TIER_START}};
	struct map_rule rules[] = {
		{.kind = MAP_PREFIX, .is_nearest = true, .tiers = eu_and_ap},
		{.kind = MAP_DEFAULT, .is_nearest = true, .tiers = {.count = 1, .item = {US | TIER_START}}},
	};
	assert_true(prefix_parse("0.0.0.0/4", &rules[0].prefix));
	struct order_spec s = spec(ORDER_MAP);
	s.rules = rules, s.rule_count = 2;
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|ap", 7, false); /* as for New York */
	expect(order, "12.0.0.1", NULL, "ap|eu", 8, false);
	/* The distance may be that of the resolver; without any the order is that of steering.regions. */
	expect(order, "1.0.0.1", "12.0.0.1", "ap|eu", 5, true);
	expect(order, "1.0.0.1", NULL, "eu|ap", 5, false);
	/* Nearest of one. */
	expect(order, "200.0.0.1", "10.0.0.1", "us", 1, false);
	order_unref(order);
	/* Of none that is a candidate. */
	rules[0].tiers = (struct tiers){.count = 1, .item = {5 | TIER_START}};
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "", 4, false);
	expect(order, "1.0.0.1", "10.0.0.1", "", 4, false);
	order_unref(order);
	places_unref(places);
}

static void a_map_names_only_candidates(void **state)
{
	struct places *places = places_new_empty();
	struct map_rule rules[] = {
		{.kind = MAP_DEFAULT,
		 .tiers = {.count = 4, .item = {EU | TIER_START, AP, US | TIER_START, 5 | TIER_START}}},
		{.kind = MAP_PREFIX, ONE(AP)},
	};
	assert_true(prefix_parse("2001:db8::/32", &rules[1].prefix));
	struct order_spec s = spec(ORDER_MAP);
	s.rules = rules, s.rule_count = 2;
	s.listed_count = 2;
	s.listed[0] = US, s.listed[1] = AP;
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "ap|us", 0, false); /* EU began the tier, AP does now */
	order_unref(order);
	s.listed[1] = EU;
	order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us", 0, false);
	expect(order, "2001:db8::1", NULL, "", 32, false); /* nothing of the list is a candidate */
	order_unref(order);
	places_unref(places);
}

static void equal_neighbours_fold(void **state)
{
	/* Two halves in two cities that both are nearest to one region; different rules, equal tiers. */
	struct location list[] = {at("10.0.0.0/9", 48.85, 2.35), at("10.128.0.0/9", 52.5, 13.4),
				  at("11.0.0.0/8", 40.7, -74.0), at("2001:db8::/127", 48.85, 2.35),
				  at("2001:db8::2/128", 40.7, -74.0)};
	struct places *places = places_from(list, 5);
	struct order_spec s = spec(ORDER_NEAREST);
	struct order *order = order_compile(&s, places);
	expect(order, "10.0.0.1", NULL, "eu|us|ap", 8, false);
	expect(order, "10.200.0.1", NULL, "eu|us|ap", 8, false);
	expect(order, "2001:db8::1", NULL, "eu|us|ap", 127, false);
	expect(order, "2001:db8::2", NULL, "us|eu|ap", 128, false);
	expect(order, "2001:db8::3", "10.0.0.1", "eu|us|ap", 128, true);
	assert_true(order_bytes(order) < 1 << 20);
	order_unref(order);
	places_unref(places);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_goes_by_distance),
		cmocka_unit_test(an_unlocated_client_is_where_its_resolver_is),
		cmocka_unit_test(tolerance_joins_tiers),
		cmocka_unit_test(a_bias_stretches_the_distance),
		cmocka_unit_test(a_bias_draws_above_zero_and_sends_away_below),
		cmocka_unit_test(listed_and_none_need_no_place),
		cmocka_unit_test(without_geography_everybody_gets_the_list),
		cmocka_unit_test(map_takes_the_most_specific_rule),
		cmocka_unit_test(a_rule_may_say_nearest),
		cmocka_unit_test(a_rule_may_say_nearest_of_some),
		cmocka_unit_test(a_map_names_only_candidates),
		cmocka_unit_test(equal_neighbours_fold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
