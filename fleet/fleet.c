/* The collections of a fleet: by id, by number, by name, in pages. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <stdlib.h>
#include <string.h>

const char *const fleet_kind_key[FLEET_KINDS] = {"regions",  "locations", "checks", "maps",
						 "services", "zones",	  "tiers",  "tenants"};
const char *const fleet_kind_name[FLEET_KINDS] = {"region",  "location", "check", "map",
						  "service", "zone",	 "tier",  "tenant"};

struct fleet *fleet_new(void)
{
	struct fleet *fleet = xcalloc(1, sizeof(*fleet));

	fleet->kinds = xcalloc(FLEET_KINDS, sizeof(*fleet->kinds));
	for (int kind = 0; kind < FLEET_KINDS; kind++)
		fleet->kinds[kind].objects = map_new();
	fleet->zones = names_new();
	fleet->tenants = names_new();
	return fleet;
}

void fleet_free(struct fleet *fleet)
{
	struct fleet_object *object;

	if (fleet == NULL)
		return;
	for (int kind = 0; kind < FLEET_KINDS; kind++) {
		struct fleet_collection *collection = &fleet->kinds[kind];
		for (size_t at = 0; (object = map_next(collection->objects, &at, NULL)) != NULL;)
			fleet_object_free(object);
		map_free(collection->objects);
		free(collection->taken);
		free(collection->sorted);
	}
	free(fleet->kinds);
	names_free(fleet->zones);
	names_free(fleet->tenants);
	for (size_t i = 0; i < fleet->file_count; i++)
		free(fleet->files[i]);
	free(fleet->files);
	free(fleet);
}

static struct fleet_object *if_staying(struct fleet_object *object)
{
	return object != NULL && !object->is_leaving ? object : NULL;
}

struct fleet_object *fleet_get(const struct fleet *fleet, enum fleet_kind kind, const char *id)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;
	struct name name;

	if (kind == FLEET_ZONE)
		return name_from_text(id, NULL, &name) == NULL
			       ? if_staying(names_get(fleet->zones, name.octets))
			       : NULL;
	if (kind == FLEET_LOCATION) {
		if (!prefix_parse(id, &prefix))
			return NULL;
		prefix_format(&prefix, text);
		id = text;
	}
	return if_staying(map_get(fleet->kinds[kind].objects, id));
}

size_t fleet_count(const struct fleet *fleet, enum fleet_kind kind)
{
	return map_count(fleet->kinds[kind].objects) - fleet->kinds[kind].leaving;
}

struct fleet_object *fleet_next(const struct fleet *fleet, enum fleet_kind kind, size_t *at)
{
	struct fleet_object *object;

	while ((object = map_next(fleet->kinds[kind].objects, at, NULL)) != NULL)
		if (!object->is_leaving)
			return object;
	return NULL;
}

static int compare_ids(const void *a, const void *b)
{
	const struct fleet_object *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* The order is kept from page to page, until an id comes or goes. */
static void sort(struct fleet_collection *collection)
{
	struct fleet_object *object;
	size_t count = 0;

	xgrow((void **)&collection->sorted, &collection->sorted_capacity, map_count(collection->objects) + 1,
	      sizeof(*collection->sorted));
	for (size_t at = 0; (object = map_next(collection->objects, &at, NULL)) != NULL;)
		if (!object->is_leaving)
			collection->sorted[count++] = object;
	qsort(collection->sorted, count, sizeof(*collection->sorted), compare_ids);
	collection->sorted_count = count;
	collection->is_sorted = true;
}

size_t fleet_page(const struct fleet *fleet, enum fleet_kind kind, const char *after, size_t limit,
		  struct fleet_object **ret)
{
	struct fleet_collection *collection = &fleet->kinds[kind];
	size_t low = 0, count;

	if (!collection->is_sorted)
		sort(collection);
	for (size_t high = collection->sorted_count; after != NULL && low < high;) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(collection->sorted[middle]->id, after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	count = collection->sorted_count - low;
	if (count > limit)
		count = limit;
	if (count > 0)
		memcpy(ret, collection->sorted + low, count * sizeof(*ret));
	return count;
}

struct fleet_tenant *fleet_tenant_of(const struct fleet *fleet, const uint8_t *name)
{
	return names_get(fleet->tenants, name);
}

/* ---- numbers ---- */

void fleet_number_claim(struct fleet_collection *collection, uint32_t number)
{
	size_t word = number / 64, old = collection->taken_words;

	xgrow((void **)&collection->taken, &collection->taken_words, word + 1, sizeof(*collection->taken));
	if (collection->taken_words > old)
		memset(collection->taken + old, 0,
		       (collection->taken_words - old) * sizeof(*collection->taken));
	collection->taken[word] |= UINT64_C(1) << (number % 64);
}

void fleet_number_take(struct fleet_collection *collection, struct fleet_object *object)
{
	size_t word = collection->first_free_word;

	while (word < collection->taken_words && collection->taken[word] == UINT64_MAX)
		word++;
	collection->first_free_word = word;
	uint64_t bits = word < collection->taken_words ? collection->taken[word] : 0;
	object->number = (uint32_t)(word * 64 + (unsigned)__builtin_ctzll(~bits));
	fleet_number_claim(collection, object->number);
}

void fleet_number_release(struct fleet_collection *collection, uint32_t number)
{
	collection->taken[number / 64] &= ~(UINT64_C(1) << (number % 64));
	if (number / 64 < collection->first_free_word)
		collection->first_free_word = number / 64;
}
