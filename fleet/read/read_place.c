/* Documents → regions, locations, and the values that they share with others. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/country.h"
#include "lib/mem.h"
#include <assert.h>
#include <ctype.h>
#include <string.h>

bool fleet_read_at(const struct doc_reader *reader, const struct doc_node *node, double *ret_latitude,
		   double *ret_longitude)
{
	double latitude, longitude;

	static const char what[] = "[latitude, longitude], as [50.11, 8.68]";

	if (!doc_read_is_sequence(reader, node, what))
		return false;
	if (node->count != 2) {
		doc_err(reader->errors, reader->doc, node, "must be %s", what);
		return false;
	}
	bool is_good = doc_read_double(reader, node->first, -90, 90, &latitude);
	if (!doc_read_double(reader, node->first->next, -180, 180, &longitude) || !is_good)
		return false;
	*ret_latitude = latitude;
	*ret_longitude = longitude;
	return true;
}

bool fleet_is_country(const char *text)
{
	return strlen(text) == 2 && isupper((unsigned char)text[0]) && isupper((unsigned char)text[1]);
}

void fleet_warn_of_country(const struct doc_reader *reader, const struct doc_node *node,
			   enum fleet_read_part part, const char country[static 3])
{
	static const char topic[] = "unknown country";
	const char *meant = country_meant(country);
	char hint[64] = "";

	if (country_find(country))
		return;
	if (meant)
		snprintf(hint, sizeof hint, "; did you mean '%s'?", meant);
	else if (country_is_continent(country))
		snprintf(hint, sizeof hint, "; '%s' is a continent", country);
	struct err *err = part == FLEET_READ_AT_KEY
				  ? doc_warn_key(reader->errors, topic, reader->doc, node,
						 "ISO 3166-1 has no country '%s'%s", country, hint)
				  : doc_warn(reader->errors, topic, reader->doc, node,
					     "ISO 3166-1 has no country '%s'%s", country, hint);
	if (err)
		err_set_nearest(err, meant);
}

bool fleet_is_subdivision(const char *text)
{
	size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	return text[length] == '\0' && length >= 1 && length <= 3;
}

bool fleet_read_country(const struct doc_reader *reader, const struct doc_node *node, char ret[static 3])
{
	static const char what[] = "a country's two capital letters (ISO 3166-1)";
	const char *text;

	if (!doc_read_text(reader, node, what, &text))
		return false;
	if (!fleet_is_country(text)) {
		doc_err(reader->errors, reader->doc, node, "must be %s", what);
		return false;
	}
	fleet_warn_of_country(reader, node, FLEET_READ_AT_VALUE, text);
	memcpy(ret, text, 3);
	return true;
}

bool fleet_read_ids(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		    size_t max, struct arena *arena, char ***ret, size_t *ret_count)
{
	char list[80];
	bool is_good = true;

	snprintf(list, sizeof list, "a list of %s ids", what);
	if (!doc_read_is_sequence(reader, node, list))
		return false;
	if (node->count > max) {
		doc_err(reader->errors, reader->doc, node, "lists %u %ss; at most %zu", node->count, what,
			max);
		return false;
	}
	char **ids = arena_alloc(arena, (node->count + 1) * sizeof *ids);
	size_t count = 0;
	for (const struct doc_node *item = node->first; item; item = item->next) {
		const char *id;
		if (!doc_read_id(reader, item, &id)) {
			is_good = false;
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			if (strcmp(ids[i], id) == 0) {
				doc_err(reader->errors, reader->doc, item, "%s '%s' is listed twice", what,
					id);
				is_good = false;
				break;
			}
		}
		ids[count++] = arena_strndup(arena, id, strlen(id));
	}
	if (!is_good)
		return false;
	assert(count == node->count && count <= max);
	*ret = ids;
	*ret_count = count;
	return true;
}

/* ---- regions ---- */

static void read_region_at(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_region *region = target;

	fleet_read_at(reader, value, &region->latitude, &region->longitude);
}

static void read_region_country(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_country(reader, value, ((struct fleet_region *)target)->country);
}

static void read_region_capacity(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t capacity;

	if (doc_read_uint(reader, value, 1, UINT32_MAX, &capacity))
		((struct fleet_region *)target)->capacity = (uint32_t)capacity;
}

static void read_region_tags(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_region *region = target;

	fleet_read_ids(reader, value, "tag", FLEET_TAGS_MAX, fleet_object_arena(&region->object),
		       &region->tags, &region->tag_count);
}

static const struct doc_key region_keys[] = {
	{"at", read_region_at, true},
	{"country", read_region_country},
	{"capacity", read_region_capacity},
	{"tags", read_region_tags},
	{"peers", NULL},
	{NULL},
};

struct fleet_object *fleet_read_region(const struct doc_reader *reader, const struct doc_node *node,
				       const char *id)
{
	struct fleet_region *region = fleet_object_new(sizeof *region, FLEET_REGION, id);

	if (doc_read_mapping(reader, node, region_keys, region))
		return &region->object;
	fleet_object_free(&region->object);
	return NULL;
}

/* ---- locations ---- */

static void read_location_at(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_location *location = target;

	location->has_at = fleet_read_at(reader, value, &location->latitude, &location->longitude);
}

static void read_location_country(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_location *location = target;

	location->has_country = fleet_read_country(reader, value, location->country);
}

static void read_location_subdivision(const struct doc_reader *reader, const struct doc_node *value,
				      void *target)
{
	static const char what[] =
		"a subdivision's one to three capital letters and digits (ISO 3166-2 without the country)";
	struct fleet_location *location = target;
	const char *text;

	if (!doc_read_text(reader, value, what, &text))
		return;
	if (!fleet_is_subdivision(text)) {
		doc_err(reader->errors, reader->doc, value, "must be %s", what);
		return;
	}
	assert(strlen(text) < sizeof location->subdivision);
	location->has_subdivision = true;
	snprintf(location->subdivision, sizeof location->subdivision, "%s", text);
}

static void read_location_continent(const struct doc_reader *reader, const struct doc_node *value,
				    void *target)
{
	struct fleet_location *location = target;
	unsigned word;

	if (!doc_read_word(reader, value, "continent", country_continents, NULL, &word))
		return;
	assert(word < COUNTRY_CONTINENTS);
	location->has_continent = true;
	memcpy(location->continent, country_continents[word], 3);
}

static void read_location_asn(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_location *location = target;
	uint64_t asn;

	if (!doc_read_uint(reader, value, 0, UINT32_MAX, &asn))
		return;
	location->has_asn = true;
	location->asn = (uint32_t)asn;
}

static const struct doc_key location_keys[] = {
	{"at", read_location_at},
	{"country", read_location_country},
	{"subdivision", read_location_subdivision},
	{"continent", read_location_continent},
	{"asn", read_location_asn},
	{NULL},
};

struct fleet_object *fleet_read_location(const struct doc_reader *reader, const struct doc_node *node,
					 const char *id)
{
	/* A block of its own, not an arena: corrections may be many. */
	size_t length = strlen(id) + 1;
	struct fleet_location *location = xcalloc(1, sizeof *location + length);

	location->object.kind = FLEET_LOCATION;
	location->object.id = memcpy(location + 1, id, length);
	bool is_prefix = prefix_parse(id, &location->prefix);
	assert(is_prefix); /* it is canonical */
	if (is_prefix && doc_read_mapping(reader, node, location_keys, location))
		return &location->object;
	fleet_object_free(&location->object);
	return NULL;
}
