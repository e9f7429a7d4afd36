/* What the operator wrote about steering, for the decision: see the header. */
#include "gslb/compile/steering.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(FLEET_REGIONS_MAX == REGIONS_MAX, "a bit for each region");

static region_set region_bit(const struct fleet *fleet, const char *id)
{
	const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, id);
	assert(!region || region->number < REGIONS_MAX);
	return region ? (region_set)1 << region->number : 0;
}

region_set steering_candidates(const struct fleet *fleet, const struct fleet_service *service)
{
	region_set named = 0, with_vips = 0;
	for (size_t i = 0; i < service->region_count; i++)
		named |= region_bit(fleet, service->regions[i]);
	for (size_t i = 0; i < service->vip_region_count; i++)
		with_vips |= region_bit(fleet, service->vips[i].region);
	return named & with_vips;
}

/* ---- orders ---- */

static void fill_tiers(const struct fleet *fleet, const struct fleet_tiers *from, struct tiers *to)
{
	region_set seen = 0;
	bool starts_tier = false;
	for (size_t i = 0; i < from->count && to->count < REGIONS_MAX; i++) {
		const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, from->items[i].region);
		starts_tier |= from->items[i].starts_tier;
		if (!region || (seen & ((region_set)1 << region->number)))
			continue;
		seen |= (region_set)1 << region->number;
		to->item[to->count++] = (uint8_t)(region->number | (starts_tier ? TIER_START : 0));
		starts_tier = false;
	}
}

static struct map_rule *build_rules(const struct fleet *fleet, const struct fleet_map *map)
{
	struct map_rule *rules = xcalloc(map->rule_count + 1, sizeof *rules);
	for (size_t i = 0; i < map->rule_count; i++) {
		const struct fleet_map_rule *from = &map->rules[i];
		rules[i].kind = from->kind;
		rules[i].prefix = from->prefix;
		rules[i].asn = from->asn;
		memcpy(rules[i].country, from->country, sizeof from->country);
		memcpy(rules[i].continent, from->continent, sizeof from->continent);
		memcpy(rules[i].subdivision, from->subdivision, sizeof from->subdivision);
		rules[i].is_nearest = from->tiers.is_nearest;
		fill_tiers(fleet, &from->tiers, &rules[i].tiers);
	}
	return rules;
}

void steering_order_spec(const struct fleet *fleet, const struct fleet_service *service, region_set allowed,
			 struct order_spec *ret)
{
	memset(ret, 0, sizeof *ret); /* specs are compared octet by octet */
	ret->kind = service->order;
	bool uses_distance = fleet_order_uses_place(service->order);
	ret->tolerance_km = uses_distance ? service->tolerance_km : 0;
	for (size_t i = 0; uses_distance && i < service->bias_count; i++) {
		const struct fleet_object *object = fleet_get(fleet, FLEET_REGION, service->bias[i].region);
		if (object && (allowed & ((region_set)1 << object->number)))
			ret->bias[object->number] = service->bias[i].percent;
	}
	for (size_t i = 0; i < service->region_count; i++) {
		const struct fleet_object *object = fleet_get(fleet, FLEET_REGION, service->regions[i]);
		if (!object || !(allowed & ((region_set)1 << object->number)))
			continue;
		const struct fleet_region *region = (const struct fleet_region *)object;
		assert(ret->listed_count < REGIONS_MAX);
		ret->listed[ret->listed_count++] = (uint8_t)object->number;
		ret->latitude[object->number] = region->latitude;
		ret->longitude[object->number] = region->longitude;
	}
	if (service->order != ORDER_MAP)
		return;
	const struct fleet_map *map = (const struct fleet_map *)fleet_get(fleet, FLEET_MAP, service->map);
	assert(map); /* else the service had been refused */
	ret->rules = build_rules(fleet, map);
	ret->rule_count = map->rule_count;
}

const char *steering_rule_key(const struct fleet_map *map, const struct map_rule *rule)
{
	for (size_t i = 0; i < map->rule_count; i++) {
		const struct fleet_map_rule *from = &map->rules[i];
		if (from->kind == rule->kind && from->asn == rule->asn &&
		    strcmp(from->country, rule->country) == 0 &&
		    strcmp(from->continent, rule->continent) == 0 &&
		    strcmp(from->subdivision, rule->subdivision) == 0 &&
		    memcmp(&from->prefix, &rule->prefix, sizeof rule->prefix) == 0)
			return from->key;
	}
	return NULL;
}

/* ---- locations ---- */

struct location *steering_locations(const struct fleet *fleet, size_t *ret_count)
{
	size_t count = fleet_count(fleet, FLEET_LOCATION), i = 0, at = 0;
	struct location *locations = xcalloc(count + 1, sizeof *locations);
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_LOCATION, &at)); i++) {
		const struct fleet_location *from = (const struct fleet_location *)object;
		struct location *to = &locations[i];
		assert(i < count);
		to->prefix = from->prefix;
		to->has_at = from->has_at;
		to->has_country = from->has_country;
		to->has_subdivision = from->has_subdivision;
		to->has_continent = from->has_continent;
		to->has_asn = from->has_asn;
		to->place.has_at = from->has_at;
		to->place.latitude = (float)from->latitude;
		to->place.longitude = (float)from->longitude;
		to->place.asn = from->asn;
		to->place.source = PLACE_FROM_LOCATIONS;
		memcpy(to->place.country, from->country, sizeof from->country);
		memcpy(to->place.continent, from->continent, sizeof from->continent);
		memcpy(to->place.subdivision, from->subdivision, sizeof from->subdivision);
	}
	*ret_count = count;
	return locations;
}

uint64_t steering_locations_hash(const struct fleet *fleet)
{
	uint64_t hash = 0;
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_LOCATION, &at));) {
		json_t *json = fleet_object_to_json(object);
		char *text = json_dumps(json, JSON_COMPACT);
		hash = hash_bytes(object->id, strlen(object->id), hash);
		hash = hash_bytes(text, strlen(text), hash);
		free(text);
		json_decref(json);
	}
	return hash;
}

struct places *steering_lay_locations(struct places *places, const struct fleet *fleet)
{
	size_t count;
	if (fleet_count(fleet, FLEET_LOCATION) == 0)
		return places_ref(places);
	struct location *locations = steering_locations(fleet, &count);
	struct places *laid = places_overlay(places, locations, count);
	free(locations);
	return laid;
}
