/* See the header. */
#include "gslb/compile/load_warn.h"
#include "gslb/compile/place_facts.h"
#include "lib/country.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

static bool can_match(const struct place_facts *facts, const struct fleet_map_rule *rule)
{
	switch (rule->kind) {
	case MAP_ASN:
		return place_facts_have_asn(facts, rule->asn);
	case MAP_SUBDIVISION:
		return place_facts_have_subdivision(facts, rule->country, rule->subdivision);
	case MAP_COUNTRY:
		return place_facts_have_country(facts, rule->country);
	case MAP_CONTINENT:
		return place_facts_have_continent(facts, rule->continent);
	case MAP_PREFIX:
	case MAP_DEFAULT:
		return true;
	}
	assert(!"no such kind of rule");
	return true;
}

/* Why a rule never matches. malloc'ed. */
static char *reason_of(const struct place_facts *facts, const struct fleet_map_rule *rule)
{
	static const char *const lacking[] = {[MAP_ASN] = "an AS number",
					      [MAP_SUBDIVISION] = "a subdivision",
					      [MAP_COUNTRY] = "a country",
					      [MAP_CONTINENT] = "a continent"};
	static const char nobody[] = "the loaded geography knows nobody there";
	const char *example = NULL, *nearest = NULL;
	if (!place_facts_have_any(facts, rule->kind))
		return xasprintf("no geo file and no location has %s", lacking[rule->kind]);
	if (rule->kind == MAP_SUBDIVISION)
		nearest = place_facts_near_subdivision(facts, rule->country, rule->subdivision, &example);
	if (nearest)
		return xasprintf("%s; did you mean '%s-%s'?", nobody, rule->country, nearest);
	if (example)
		return xasprintf("%s; of %s it knows '%s', for example", nobody, rule->country, example);
	return xstrdup(nobody);
}

static void warn_of_rule(const struct load_parts *parts, struct err_list *errors, const struct fleet_map *map,
			 const struct fleet_map_rule *rule)
{
	bool is_base = map->object.source == FLEET_BASE;
	char *reason = reason_of(parts->facts, rule);
	err_warn_topic(errors, "rules that never match", is_base ? map->object.where->file : NULL,
		       is_base ? rule->line : 0, is_base ? rule->column : 0,
		       "map '%s': '%s' matches no client: %s", map->object.id, rule->key, reason);
	free(reason);
}

static void warn_of_rules(const struct load_parts *parts, struct err_list *errors)
{
	const struct fleet_object *object;
	for (size_t at = 0; (object = fleet_next(parts->fleet, FLEET_MAP, &at));) {
		const struct fleet_map *map = (const struct fleet_map *)object;
		for (size_t i = 0; i < map->rule_count; i++) {
			const struct fleet_map_rule *rule = &map->rules[i];
			/* Of a country that there is not the reader has warned. */
			bool is_told = rule->country[0] && !country_find(rule->country);
			if (!is_told && !can_match(parts->facts, rule))
				warn_of_rule(parts, errors, map, rule);
		}
	}
}

static bool knows_family(const struct places *places, unsigned family)
{
	struct place_cursor range;
	place_cursor_init(&range, places_ranges(places, family));
	do {
		if (range.place != PLACE_NONE)
			return true;
	} while (place_cursor_next(&range));
	return false;
}

static bool goes_by_place(const struct fleet *fleet)
{
	const struct fleet_object *object;
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));)
		if (fleet_order_uses_place(((const struct fleet_service *)object)->order))
			return true;
	return false;
}

/* Two files of one family each are the usual case; one of them is easily forgotten. */
static void warn_of_families(const struct load_parts *parts, struct err_list *errors)
{
	bool has4 = knows_family(parts->places, 4), has6 = knows_family(parts->places, 6);
	if (parts->places->file_count == 0 || has4 == has6 || !goes_by_place(parts->fleet))
		return;
	unsigned missing = has4 ? 6 : 4;
	err_warn(errors, parts->places->files[0].path, 0, 0,
		 "no geo file knows an IPv%u address, so that clients over IPv%u have no location", missing,
		 missing);
}

void load_warn(const struct load_parts *parts, struct err_list *errors)
{
	assert(parts->fleet && parts->places && parts->facts);
	fleet_warn(parts->fleet, errors);
	warn_of_rules(parts, errors);
	warn_of_families(parts, errors);
}
