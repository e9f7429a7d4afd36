/* Documents → maps. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/country.h"
#include "lib/map.h"
#include "lib/text.h"
#include <assert.h>
#include <ctype.h>
#include <string.h>

/* One region of a rule; regions are few, so a rule names each once. */
static void add_item(const struct doc_reader *reader, const struct doc_node *node, struct fleet_tiers *tiers,
		     bool starts_tier, struct arena *arena)
{
	const char *id;

	if (!doc_read_id(reader, node, &id))
		return;
	for (size_t i = 0; i < tiers->count; i++) {
		if (strcmp(tiers->items[i].region, id) == 0) {
			doc_err(reader->errors, reader->doc, node, "region '%s' is listed twice", id);
			return;
		}
	}
	if (tiers->count == FLEET_REGIONS_MAX) {
		doc_err(reader->errors, reader->doc, node, "at most %d regions", FLEET_REGIONS_MAX);
		return;
	}
	assert(tiers->items && tiers->count < FLEET_REGIONS_MAX);
	tiers->items[tiers->count++] = (struct fleet_tier_item){
		.region = arena_strndup(arena, id, strlen(id)), .starts_tier = starts_tier};
}

static void read_nested(const struct doc_reader *reader, const struct doc_node *value,
			struct fleet_tiers *tiers, struct arena *arena)
{
	for (const struct doc_node *tier = value->first; tier; tier = tier->next) {
		if (tier->kind == DOC_SCALAR)
			doc_err(reader->errors, reader->doc, tier,
				"must be a tier [a, b]: either all members of the list are tiers or none");
		if (tier->kind == DOC_SCALAR || !doc_read_is_sequence(reader, tier, "a tier [a, b]"))
			continue;
		if (tier->count == 0)
			doc_err(reader->errors, reader->doc, tier, "must not be an empty tier");
		for (const struct doc_node *item = tier->first; item; item = item->next)
			add_item(reader, item, tiers, item == tier->first, arena);
	}
}

static bool is_nearest_word(const struct doc_node *node)
{
	return node->kind == DOC_SCALAR && strcmp(node->text, "nearest") == 0;
}

/* [nearest, a, b]: in the order of distance, so that tiers have no place in it. */
static void read_nearest_of(const struct doc_reader *reader, const struct doc_node *value,
			    struct fleet_tiers *tiers, struct arena *arena)
{
	tiers->is_nearest = true;
	if (value->count == 1)
		doc_err(reader->errors, reader->doc, value,
			"names no region behind nearest; nearest alone, without a list, is of all regions");
	for (const struct doc_node *item = value->first->next; item; item = item->next) {
		if (item->kind == DOC_SEQUENCE)
			doc_err(reader->errors, reader->doc, item,
				"must be a region: the order of [nearest, a, b] is that of the distances");
		else
			add_item(reader, item, tiers, true, arena);
	}
}

static void read_items(const struct doc_reader *reader, const struct doc_node *value,
		       struct fleet_tiers *tiers, struct arena *arena)
{
	if (is_nearest_word(value)) {
		tiers->is_nearest = true;
		return;
	}
	if (!doc_read_is_sequence(reader, value,
				  "a list of regions, a list of tiers [[a, b], [c]], or nearest"))
		return;
	tiers->items = arena_alloc(arena, (FLEET_REGIONS_MAX + 1) * sizeof *tiers->items);
	if (value->first && is_nearest_word(value->first)) {
		read_nearest_of(reader, value, tiers, arena);
		return;
	}
	for (const struct doc_node *item = value->first; item; item = item->next)
		if (item->kind == DOC_SEQUENCE)
			tiers->has_nested_tiers = true;
	if (tiers->has_nested_tiers) {
		read_nested(reader, value, tiers, arena);
		return;
	}
	for (const struct doc_node *item = value->first; item; item = item->next)
		add_item(reader, item, tiers, true, arena);
}

/* Of a rule with errors nothing is kept: its other regions would seem to stand elsewhere in the list. */
static void read_tiers(const struct doc_reader *reader, const struct doc_node *value,
		       struct fleet_tiers *tiers, struct arena *arena)
{
	size_t errors = reader->errors->errors;

	read_items(reader, value, tiers, arena);
	if (reader->errors->errors != errors)
		tiers->count = 0;
}

/* "US-CA": the part behind the country is kept as geo data have it. */
static bool parse_subdivision(const char *text, struct fleet_map_rule *rule)
{
	char country[3];

	if (strlen(text) < 4 || text[2] != '-')
		return false;
	memcpy(country, text, 2);
	country[2] = '\0';
	if (!fleet_is_country(country) || !fleet_is_subdivision(text + 3))
		return false;
	assert(strlen(text + 3) < sizeof rule->subdivision);
	memcpy(rule->country, country, 3);
	snprintf(rule->subdivision, sizeof rule->subdivision, "%s", text + 3);
	return true;
}

static const char *after(const char *text, const char *begin)
{
	size_t length = strlen(begin);

	return strncmp(text, begin, length) == 0 ? text + length : NULL;
}

static bool parse_key(const char *key, struct fleet_map_rule *rule)
{
	const char *rest;
	uint64_t asn;

	if (strcmp(key, "default") == 0) {
		rule->kind = MAP_DEFAULT;
		return true;
	}
	if ((rest = after(key, "country:")) != NULL) {
		rule->kind = MAP_COUNTRY;
		snprintf(rule->country, sizeof rule->country, "%.2s", rest);
		return fleet_is_country(rest);
	}
	if ((rest = after(key, "subdivision:")) != NULL) {
		rule->kind = MAP_SUBDIVISION;
		return parse_subdivision(rest, rule);
	}
	if ((rest = after(key, "as:")) != NULL) {
		rule->kind = MAP_ASN;
		if (!text_to_uint(rest, &asn) || asn > UINT32_MAX)
			return false;
		rule->asn = (uint32_t)asn;
		return true;
	}
	if (country_is_continent(key)) {
		rule->kind = MAP_CONTINENT;
		memcpy(rule->continent, key, 3);
		return true;
	}
	rule->kind = MAP_PREFIX;
	return strchr(key, '/') != NULL && prefix_parse(key, &rule->prefix);
}

#define MEANT_MAX 32

static bool is_kind(const char *key, const char *kind)
{
	return !strchr(key, ':') || after(key, kind);
}

/* The key that was meant by a place without its kind, or in small letters: "country:DE" for "DE" and for
 * "country:de". */
static bool find_meant(const char *key, char out[static MEANT_MAX])
{
	const char *colon = strchr(key, ':'), *place = colon ? colon + 1 : key;
	struct fleet_map_rule rule = {.key = NULL};
	char upper[16];
	size_t length = strlen(place);

	if (length + 1 > sizeof upper)
		return false;
	for (size_t i = 0; i <= length; i++)
		upper[i] = (char)toupper((unsigned char)place[i]);
	if (country_is_continent(upper) && (is_kind(key, "country:") || is_kind(key, "continent:")))
		snprintf(out, MEANT_MAX, "%s", upper);
	else if (length == 2 && country_find(upper) && is_kind(key, "country:"))
		snprintf(out, MEANT_MAX, "country:%s", upper);
	else if (parse_subdivision(upper, &rule) && country_find(rule.country))
		snprintf(out, MEANT_MAX, "subdivision:%s", upper);
	else if (!colon && strncmp(upper, "AS", 2) == 0)
		snprintf(out, MEANT_MAX, "as:%s", upper + 2);
	else
		return false;
	return parse_key(out, &rule);
}

static void report_meant(const struct doc_reader *reader, const struct doc_node *node, const char *quoted,
			 const char *meant)
{
	struct err *err = doc_err_key(reader->errors, reader->doc, node,
				      "unknown map key %s; did you mean '%s'?", quoted, meant);
	err_set_nearest(err, meant);
}

static void report_key(const struct doc_reader *reader, const struct doc_node *node)
{
	static const char *const words[] = {"default", "country", "subdivision", "as"};
	char quoted[TEXT_QUOTE_MAX], kind[64], meant[MEANT_MAX];

	text_quote(node->key, quoted);
	if (strchr(node->key, '/')) {
		doc_err_key(reader->errors, reader->doc, node,
			    "%s is not a prefix (192.0.2.0/24, 2001:db8::/32; no bits beyond its length)",
			    quoted);
		return;
	}
	if (find_meant(node->key, meant)) {
		report_meant(reader, node, quoted, meant);
		return;
	}
	snprintf(kind, sizeof kind, "%.*s", (int)strcspn(node->key, ":"), node->key);
	const char *nearest = text_nearest(kind, words, sizeof words / sizeof words[0]);
	if (nearest && strcmp(nearest, kind) != 0) {
		report_meant(reader, node, quoted, nearest);
		return;
	}
	doc_err_key(reader->errors, reader->doc, node,
		    "unknown map key %s; a key is a prefix, as:N, subdivision:US-CA, country:BR, a continent "
		    "(AF, AN, AS, EU, NA, OC, SA) or default",
		    quoted);
}

static void read_rule(const struct doc_reader *reader, const struct doc_node *node, struct fleet_map *map,
		      struct map *prefixes)
{
	struct fleet_map_rule *rule = &map->rules[map->rule_count++];
	char prefix[PREFIX_TEXT_MAX];

	rule->key = arena_strndup(fleet_object_arena(&map->object), node->key, strlen(node->key));
	rule->line = node->key_line;
	rule->column = node->key_column;
	if (!parse_key(node->key, rule)) {
		report_key(reader, node);
	} else if (rule->country[0] != '\0') {
		fleet_warn_of_country(reader, node, FLEET_READ_AT_KEY, rule->country);
	} else if (rule->kind == MAP_PREFIX) {
		/* The document refuses equal keys; a prefix can be written in more than one way. */
		prefix_format(&rule->prefix, prefix);
		if (map_put(prefixes, prefix, rule))
			doc_err_key(reader->errors, reader->doc, node, "prefix %s stands in this map twice",
				    prefix);
	}
	read_tiers(reader, node, &rule->tiers, fleet_object_arena(&map->object));
}

/* Also in another order. */
static bool is_same_set(const struct fleet_tiers *a, const struct fleet_tiers *b)
{
	size_t found = 0;

	for (size_t i = 0; a->count == b->count && i < a->count; i++)
		for (size_t j = 0; j < b->count; j++)
			found += strcmp(a->items[i].region, b->items[j].region) == 0;
	return a->count == b->count && found == a->count;
}

static void check_nearest_lists(const struct doc_reader *reader, const struct doc_node *node,
				const struct fleet_map *map)
{
	const struct fleet_tiers *lists[FLEET_NEAREST_LISTS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < map->rule_count; i++, node = node->next) {
		const struct fleet_map_rule *rule = &map->rules[i];
		bool needs_table = rule->kind == MAP_PREFIX || rule->kind == MAP_ASN;
		if (!needs_table || !rule->tiers.is_nearest || rule->tiers.count == 0)
			continue;
		size_t at = 0;
		while (at < count && !is_same_set(lists[at], &rule->tiers))
			at++;
		if (at < count)
			continue;
		if (count == FLEET_NEAREST_LISTS_MAX) {
			doc_err(reader->errors, reader->doc, node,
				"is one too many: the prefixes and AS numbers of a map have at most %d "
				"different "
				"lists [nearest, a, b]",
				FLEET_NEAREST_LISTS_MAX);
			return;
		}
		assert(count < FLEET_NEAREST_LISTS_MAX);
		lists[count++] = &rule->tiers;
	}
}

struct fleet_object *fleet_read_map(const struct doc_reader *reader, const struct doc_node *node,
				    const char *id)
{
	struct fleet_map *map = fleet_object_new(sizeof *map, FLEET_MAP, id);

	if (doc_read_is_mapping(reader, node, "a mapping of places to lists of regions")) {
		struct map *prefixes = map_new();
		map->rules =
			arena_alloc(fleet_object_arena(&map->object), (node->count + 1) * sizeof *map->rules);
		for (const struct doc_node *item = node->first; item; item = item->next)
			read_rule(reader, item, map, prefixes);
		assert(map->rule_count == node->count);
		check_nearest_lists(reader, node->first, map);
		map_free(prefixes);
		if (!doc_get(node, "default"))
			doc_err(reader->errors, reader->doc, node, "missing key 'default'");
	}
	return &map->object;
}
