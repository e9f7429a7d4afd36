/*
 * Random corrections, rules, regions and tolerances: the compiled order against a plain evaluation
 * of every address, and the depth against the definition of the ECS scope: the shortest prefix
 * inside which everybody gets the same tiers, whatever the resolver.
 */
#include "gslb/decide/order.h"
#include "gslb/decide/place/address_key.h"
#include "gslb/decide/place/place_build.h"
#include "lib/hash.h"
#include "lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROUNDS 120
#define LOCATIONS 24
#define RULES 20
#define POINTS (2 * (LOCATIONS + RULES) + 1)

struct fleet {
	struct location locations[LOCATIONS];
	struct map_rule rules[RULES];
	struct order_spec spec;
	size_t point_count[2]; /* of IPv4, IPv6: where the place or the rule may change, sorted */
	struct ip points[2][POINTS];
	uint64_t behaviour[2][POINTS]; /* of the addresses from a point to the next */
};

static struct rng rng;

static unsigned below(unsigned n)
{
	return (unsigned)(rng_next(&rng) % n);
}

/* Most prefixes share their first bits, so that they nest and touch. */
static struct prefix random_prefix(void)
{
	struct prefix prefix = {.ip.family = below(2) ? 4 : 6};
	unsigned bits = ip_bits(&prefix.ip), fixed = below(4) == 0 ? 0 : below(2) ? bits / 2 + 6 : bits - 6;
	static const uint8_t base[16] = {0x20, 0x01, 0x0d, 0xb8};
	struct ip ip = prefix.ip;
	for (unsigned i = 0; i < bits / 8; i++)
		ip.bytes[i] = (uint8_t)below(256);
	struct ip head = {.family = ip.family};
	memcpy(head.bytes, base, bits / 8);
	head = ip_cut(&head, fixed);
	address_key key = address_key_of(&head) | (address_key_of(&ip) & address_key_tail(fixed));
	for (unsigned i = 0; i < bits / 8; i++)
		ip.bytes[i] = (uint8_t)(key >> (120 - 8 * i));
	unsigned most = bits - fixed;
	prefix.length = (uint8_t)(fixed + below(most + 1));
	prefix.ip = ip_cut(&ip, prefix.length);
	return prefix;
}

static const char *const countries[] = {"DE", "US", "BR", "ZZ"};
static const char *const continents[] = {"EU", "NA", "SA"};
static const char *const subdivisions[] = {"BY", "CA"};

static struct location random_location(void)
{
	struct location location = {.prefix = random_prefix()};
	location.has_at = below(3) == 0;
	location.place.latitude = (double)below(180) - 90;
	location.place.longitude = (double)below(360) - 180;
	location.has_country = below(3) == 0;
	memcpy(location.place.country, countries[below(4)], 2);
	location.has_continent = below(4) == 0;
	memcpy(location.place.continent, continents[below(3)], 2);
	location.has_subdivision = below(4) == 0;
	memcpy(location.place.subdivision, subdivisions[below(2)], 2);
	location.has_asn = below(3) == 0;
	location.place.asn = 64500 + below(3);
	return location;
}

static void random_value(struct map_rule *rule)
{
	rule->is_nearest = below(4) == 0;
	unsigned count = below(4), first = below(5);
	for (unsigned i = 0; i < count; i++) /* region 5 is never a candidate */
		rule->tiers.item[i] = (uint8_t)((first + i) % 6 | (i == 0 || below(2) ? TIER_START : 0));
	rule->tiers.count = (uint8_t)count;
}

static size_t random_rules(struct map_rule *rules)
{
	size_t count = 0;
	memset(rules, 0, RULES * sizeof *rules);
	rules[count++].kind = MAP_DEFAULT;
	for (unsigned i = 0; i < 3; i++) {
		if (below(3) == 0)
			rules[count++] = (struct map_rule){.kind = MAP_ASN, .asn = 64500 + i};
		if (below(3) == 0) {
			rules[count].kind = MAP_CONTINENT;
			memcpy(rules[count++].continent, continents[i], 2);
		}
		if (below(3) == 0) {
			rules[count].kind = MAP_COUNTRY;
			memcpy(rules[count++].country, countries[i], 2);
		}
	}
	if (below(2)) {
		rules[count].kind = MAP_SUBDIVISION;
		memcpy(rules[count].country, "US", 2);
		memcpy(rules[count++].subdivision, "CA", 2);
	}
	for (unsigned prefixes = below(3) ? 8 : 0; prefixes > 0; prefixes--)
		rules[count++] = (struct map_rule){.kind = MAP_PREFIX, .prefix = random_prefix()};
	bool all_nearest = below(8) == 0;
	for (size_t i = 0; i < count; i++) {
		random_value(&rules[i]);
		rules[i].is_nearest = rules[i].is_nearest || all_nearest;
	}
	return count;
}

/* ---- the plain evaluation ---- */

static struct place naive_place(const struct fleet *fleet, const struct ip *ip)
{
	struct place place = {.asn = 0};
	for (unsigned length = 0; length <= 128; length++) {
		for (size_t i = 0; i < LOCATIONS; i++) {
			const struct location *l = &fleet->locations[i];
			if (l->prefix.length != length || !prefix_contains(&l->prefix, ip))
				continue;
			if (l->has_at) {
				place.has_at = true;
				place.latitude = l->place.latitude;
				place.longitude = l->place.longitude;
			}
			if (l->has_country)
				memcpy(place.country, l->place.country, 3);
			if (l->has_continent)
				memcpy(place.continent, l->place.continent, 3);
			if (l->has_subdivision)
				memcpy(place.subdivision, l->place.subdivision, 12);
			if (l->has_asn)
				place.asn = l->place.asn;
		}
	}
	return place;
}

static bool rule_holds(const struct map_rule *rule, enum map_rule_kind kind, unsigned length,
		       const struct ip *client, const struct place *own, const struct place *place)
{
	if (rule->kind != kind)
		return false;
	switch (kind) {
	case MAP_PREFIX:
		return rule->prefix.length == length && prefix_contains(&rule->prefix, client);
	case MAP_ASN:
		return rule->asn == own->asn;
	case MAP_SUBDIVISION:
		return strcmp(rule->country, place->country) == 0 &&
		       strcmp(rule->subdivision, place->subdivision) == 0;
	case MAP_COUNTRY:
		return strcmp(rule->country, place->country) == 0;
	case MAP_CONTINENT:
		return strcmp(rule->continent, place_continent(place)) == 0;
	case MAP_DEFAULT:
		return true;
	}
	return false;
}

static const struct map_rule *naive_rule(const struct fleet *fleet, const struct ip *client,
					 const struct place *own, const struct place *place)
{
	for (enum map_rule_kind kind = MAP_PREFIX; kind <= MAP_DEFAULT; kind++)
		for (int length = 128; length >= 0; length--)
			for (size_t i = 0; i < fleet->spec.rule_count; i++)
				if (rule_holds(&fleet->rules[i], kind, (unsigned)length, client, own, place))
					return &fleet->rules[i];
	return NULL;
}

static bool is_named(const struct map_rule *rule, uint8_t region)
{
	for (unsigned i = 0; i < rule->tiers.count; i++)
		if ((rule->tiers.item[i] & (TIER_START - 1)) == region)
			return true;
	return false;
}

/* Of the candidates that the rule names; of all where there is no rule, or it names none. */
static struct tiers naive_nearest(const struct order_spec *spec, const struct map_rule *rule,
				  const struct place *place)
{
	struct tiers tiers = {.count = 0};
	double latitude, longitude, nearest = 0;
	bool is_placed = place_coordinates(place, &latitude, &longitude), is_used[REGIONS_MAX] = {false};
	for (unsigned i = 0; i < spec->listed_count; i++) {
		is_used[i] = rule && rule->tiers.count > 0 && !is_named(rule, spec->listed[i]);
		tiers.count += !is_used[i];
	}
	for (unsigned n = 0; n < tiers.count; n++) {
		unsigned best = UINT32_MAX;
		double best_distance = 0;
		for (unsigned i = 0; i < spec->listed_count; i++) {
			uint8_t region = spec->listed[i];
			double distance =
				is_placed ? place_distance_km(latitude, longitude, spec->latitude[region],
							      spec->longitude[region])
					  : i;
			if (!is_used[i] && (best == UINT32_MAX || distance < best_distance))
				best = i, best_distance = distance;
		}
		is_used[best] = true;
		bool is_start = n == 0 || !is_placed || best_distance > nearest + spec->tolerance_km;
		if (is_start)
			nearest = best_distance;
		tiers.item[n] = spec->listed[best] | (is_start ? TIER_START : 0);
	}
	return tiers;
}

static bool is_candidate(const struct order_spec *spec, uint8_t region)
{
	return memchr(spec->listed, region, spec->listed_count) != NULL;
}

static struct tiers naive_tiers(const struct fleet *fleet, const struct ip *client, const struct ip *resolver)
{
	struct place own = naive_place(fleet, client), place = own;
	if (!place_is_located(&own) && resolver) {
		struct place theirs = naive_place(fleet, resolver);
		if (place_is_located(&theirs))
			place = theirs;
	}
	if (fleet->spec.kind == ORDER_NEAREST)
		return naive_nearest(&fleet->spec, NULL, &place);
	const struct map_rule *rule = naive_rule(fleet, client, &own, &place);
	if (rule->is_nearest)
		return naive_nearest(&fleet->spec, rule, &place);
	struct tiers tiers = {.count = 0};
	unsigned tier = 0, last = 0;
	for (unsigned i = 0; i < rule->tiers.count; i++) {
		uint8_t region = rule->tiers.item[i] & (TIER_START - 1);
		tier += (rule->tiers.item[i] & TIER_START) != 0;
		if (!is_candidate(&fleet->spec, region))
			continue;
		tiers.item[tiers.count++] = region | (tier != last ? TIER_START : 0);
		last = tier;
	}
	return tiers;
}

/* ---- fleets ---- */

static int compare_points(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static void put_point(struct fleet *fleet, const struct ip *ip)
{
	unsigned family = ip->family == 6;
	for (size_t i = 0; i < fleet->point_count[family]; i++)
		if (ip_equal(&fleet->points[family][i], ip))
			return;
	fleet->points[family][fleet->point_count[family]++] = *ip;
}

static struct ip ip_of(address_key key, unsigned family)
{
	struct ip ip = {.family = family ? 6 : 4};
	for (unsigned i = 0; i < 16; i++)
		ip.bytes[i] = (uint8_t)(key >> (120 - 8 * i));
	return family ? ip : ip_cut(&ip, 32);
}

static void put_prefix(struct fleet *fleet, const struct prefix *prefix)
{
	put_point(fleet, &prefix->ip);
	address_key last = address_key_of(&prefix->ip) | address_key_tail(prefix->length);
	if (last == ADDRESS_KEY_LAST)
		return;
	struct ip next = ip_of(last + 1, prefix->ip.family == 6);
	put_point(fleet, &next);
}

static void random_fleet(struct fleet *fleet)
{
	*fleet = (struct fleet){.spec = {.kind = below(3) ? ORDER_MAP : ORDER_NEAREST}};
	struct order_spec *spec = &fleet->spec;
	static const uint32_t tolerances[] = {0, 0, 300, 3000, 20000};
	spec->tolerance_km = tolerances[below(5)];
	spec->listed_count = (uint8_t)(1 + below(5));
	for (uint8_t i = 0; i < spec->listed_count; i++)
		spec->listed[i] = (uint8_t)(spec->listed_count - 1 - i);
	for (unsigned i = 0; i < 5; i++) {
		spec->latitude[i] = (double)below(180) - 90;
		spec->longitude[i] = (double)below(360) - 180;
	}
	spec->rules = fleet->rules;
	if (spec->kind == ORDER_MAP)
		spec->rule_count = random_rules(fleet->rules);
	put_point(fleet, &(struct ip){.family = 4});
	put_point(fleet, &(struct ip){.family = 6});
	for (size_t i = 0; i < LOCATIONS; i++) {
		bool is_double = true;
		while (is_double) { /* two of one prefix would leave open which one wins */
			fleet->locations[i] = random_location();
			is_double = false;
			for (size_t j = 0; j < i; j++)
				is_double |= fleet->locations[j].prefix.length ==
						     fleet->locations[i].prefix.length &&
					     ip_equal(&fleet->locations[j].prefix.ip,
						      &fleet->locations[i].prefix.ip);
		}
		put_prefix(fleet, &fleet->locations[i].prefix);
	}
	for (size_t i = 0; i < spec->rule_count; i++)
		if (fleet->rules[i].kind == MAP_PREFIX)
			put_prefix(fleet, &fleet->rules[i].prefix);
	for (unsigned family = 0; family < 2; family++)
		qsort(fleet->points[family], fleet->point_count[family], sizeof(struct ip), compare_points);
}

static bool has_double_rules(const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->spec.rule_count; i++)
		for (size_t j = 0; j < i; j++)
			if (fleet->rules[i].kind == MAP_PREFIX && fleet->rules[j].kind == MAP_PREFIX &&
			    fleet->rules[i].prefix.length == fleet->rules[j].prefix.length &&
			    ip_equal(&fleet->rules[i].prefix.ip, &fleet->rules[j].prefix.ip))
				return true;
	return false;
}

/* One resolver of each family's points and none at all. */
static const struct ip *resolver_number(const struct fleet *fleet, size_t i)
{
	if (i < fleet->point_count[0])
		return &fleet->points[0][i];
	i -= fleet->point_count[0];
	return i < fleet->point_count[1] ? &fleet->points[1][i] : NULL;
}

static void find_behaviours(struct fleet *fleet)
{
	size_t resolvers = fleet->point_count[0] + fleet->point_count[1] + 1;
	for (unsigned family = 0; family < 2; family++) {
		for (size_t i = 0; i < fleet->point_count[family]; i++) {
			uint64_t hash = 0;
			for (size_t r = 0; r < resolvers; r++) {
				struct tiers tiers = naive_tiers(fleet, &fleet->points[family][i],
								 resolver_number(fleet, r));
				hash = hash_bytes(tiers.item, tiers.count, hash);
			}
			fleet->behaviour[family][i] = hash;
		}
	}
}

static size_t segment_of(const struct fleet *fleet, unsigned family, address_key key)
{
	size_t i = 0;
	while (i + 1 < fleet->point_count[family] && address_key_of(&fleet->points[family][i + 1]) <= key)
		i++;
	return i;
}

static bool is_uniform(const struct fleet *fleet, unsigned family, address_key first, address_key last)
{
	size_t from = segment_of(fleet, family, first), to = segment_of(fleet, family, last);
	for (size_t i = from; i <= to; i++)
		if (fleet->behaviour[family][i] != fleet->behaviour[family][from])
			return false;
	return true;
}

static void check_client(const struct fleet *fleet, const struct order *order, const struct places *places,
			 const struct ip *client)
{
	const struct ip *resolver =
		resolver_number(fleet, below((unsigned)(fleet->point_count[0] + fleet->point_count[1] + 1)));
	struct order_result result = order_find(order, client, resolver);
	struct tiers tiers = naive_tiers(fleet, client, resolver);
	assert_int_equal(result.tiers->count, tiers.count);
	assert_memory_equal(result.tiers->item, tiers.item, tiers.count);
	if (result.used_resolver)
		assert_false(place_is_located(places_find(places, client)));
	if (fleet->spec.kind == ORDER_MAP) {
		const struct map_rule *rule = order_explain_rule(order, places, client, resolver);
		struct place own = naive_place(fleet, client), place = own;
		if (!place_is_located(&own) && resolver)
			place = naive_place(fleet, resolver);
		const struct map_rule *expected = naive_rule(fleet, client, &own, &place);
		assert_int_equal(rule->kind, expected->kind);
		assert_int_equal(rule->prefix.length, expected->prefix.length);
		assert_string_equal(rule->country, expected->country);
	}

	unsigned family = client->family == 6;
	address_key key = address_key_of(client), tail = address_key_tail(result.depth);
	assert_true(is_uniform(fleet, family, key & ~tail, key | tail));
	if (result.depth == 0)
		return;
	tail = address_key_tail(result.depth - 1u);
	assert_false(is_uniform(fleet, family, key & ~tail, key | tail));
}

static void compiled_orders_agree_with_the_plain_evaluation(void **state)
{
	static struct fleet fleet;
	uint64_t seed = 20240607;
	rng_seed(&rng, seed);
	struct places *empty = places_new_empty();
	for (unsigned round = 0; round < ROUNDS; round++) {
		do
			random_fleet(&fleet);
		while (has_double_rules(&fleet));
		find_behaviours(&fleet);
		struct places *places = places_overlay(empty, fleet.locations, LOCATIONS);
		struct order *order = order_compile(&fleet.spec, places);
		for (unsigned family = 0; family < 2; family++) {
			for (size_t i = 0; i < fleet.point_count[family]; i++) {
				address_key key = address_key_of(&fleet.points[family][i]);
				check_client(&fleet, order, places, &fleet.points[family][i]);
				struct ip before = ip_of(key - 1, family);
				check_client(&fleet, order, places, &before);
				struct prefix near = random_prefix();
				check_client(&fleet, order, places, &near.ip);
			}
		}
		order_unref(order);
		places_unref(places);
	}
	places_unref(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiled_orders_agree_with_the_plain_evaluation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
