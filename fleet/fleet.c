/* The collections of a fleet: by kind, by name, in pages. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const fleet_kind_key[FLEET_KINDS] = {"regions",  "locations", "checks", "maps",
						 "services", "zones",	  "tiers",  "tenants"};
const char *const fleet_kind_name[FLEET_KINDS] = {"region",  "location", "check", "map",
						  "service", "zone",	 "tier",  "tenant"};

struct fleet *fleet_new(void)
{
	struct fleet *fleet = xcalloc(1, sizeof *fleet);

	fleet->kinds = xcalloc(FLEET_KINDS, sizeof *fleet->kinds);
	fleet->zones = names_new();
	fleet->tenants = names_new();
	fleet->wildcards = names_new();
	fleet->profile = fleet_profile_pool_new();
	fleet->slab = slab_new();
	return fleet;
}

void fleet_free(struct fleet *fleet)
{
	struct fleet_object *object;

	if (!fleet)
		return;
	for (int kind = 0; kind < FLEET_KINDS; kind++) {
		for (size_t at = 0; (object = fleet_next(fleet, (enum fleet_kind)kind, &at)) != NULL;)
			fleet_object_free(object);
		fleet_collection_done(&fleet->kinds[kind]);
	}
	free(fleet->kinds);
	names_free(fleet->zones);
	names_free(fleet->tenants);
	names_free(fleet->wildcards);
	fleet_profile_pool_free(fleet->profile);
	slab_free(fleet->slab);
	for (size_t i = 0; i < fleet->file_count; i++)
		free(fleet->files[i]);
	free(fleet->files);
	free(fleet);
}

struct fleet_object *fleet_get(const struct fleet *fleet, enum fleet_kind kind, const char *id)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;
	struct name name;

	if (kind == FLEET_ZONE)
		return !name_from_text(id, NULL, &name) ? names_get(fleet->zones, name.octets) : NULL;
	if (kind == FLEET_LOCATION) {
		if (!prefix_parse(id, &prefix))
			return NULL;
		prefix_format(&prefix, text);
		id = text;
	}
	return fleet_collection_get(&fleet->kinds[kind], id);
}

struct fleet_object *fleet_numbered(const struct fleet *fleet, enum fleet_kind kind, uint32_t number)
{
	const struct fleet_collection *collection = &fleet->kinds[kind];

	assert(kind < FLEET_KINDS);
	return number < collection->end ? collection->objects[number] : NULL;
}

uint32_t fleet_number_end(const struct fleet *fleet, enum fleet_kind kind)
{
	return (uint32_t)fleet->kinds[kind].end;
}

size_t fleet_count(const struct fleet *fleet, enum fleet_kind kind)
{
	return fleet->kinds[kind].count;
}

struct fleet_object *fleet_next(const struct fleet *fleet, enum fleet_kind kind, size_t *at)
{
	const struct fleet_collection *collection = &fleet->kinds[kind];

	assert(kind < FLEET_KINDS);
	while (*at < collection->end) {
		struct fleet_object *object = collection->objects[(*at)++];
		if (object)
			return object;
	}
	return NULL;
}

const char *fleet_known(const struct fleet *fleet, enum fleet_kind kind, const char *id,
			char out[static TEXT_KNOWN_MAX])
{
	const char **ids = xcalloc(fleet_count(fleet, kind) + 1, sizeof *ids);
	const struct fleet_object *object;
	size_t count = 0;

	for (size_t at = 0; (object = fleet_next(fleet, kind, &at)) != NULL;)
		ids[count++] = object->id;
	const char *nearest = text_known(id, ids, count, out);
	free(ids);
	return nearest;
}

size_t fleet_page(const struct fleet *fleet, enum fleet_kind kind, const char *after, size_t limit,
		  struct fleet_object **ret)
{
	return fleet_collection_page(&fleet->kinds[kind], after, limit, ret);
}

/* ---- names ---- */

/* The tenant whose id is the first label, if it has the name because of that. */
static struct fleet_tenant *implied_owner(const struct fleet *fleet, const uint8_t *name)
{
	char id[64];

	assert(*name < sizeof id);
	memcpy(id, name + 1, *name);
	id[*name] = '\0';
	struct fleet_object *object = fleet_collection_get(&fleet->kinds[FLEET_TENANT], id);
	struct fleet_tenant *tenant = (struct fleet_tenant *)object;
	return tenant != NULL && fleet_tenant_is_implied(tenant, name) ? tenant : NULL;
}

struct fleet_tenant *fleet_tenant_of(const struct fleet *fleet, const uint8_t *name)
{
	struct fleet_tenant *tenant = names_get(fleet->tenants, name);

	return tenant ? tenant : implied_owner(fleet, name);
}

const struct fleet_tenant *fleet_other_owner(const struct fleet *fleet, const struct fleet_tenant *tenant,
					     const uint8_t *name)
{
	const struct fleet_tenant *owner = names_get(fleet->tenants, name);

	if (!owner || owner == tenant)
		owner = implied_owner(fleet, name);
	return owner != tenant ? owner : NULL;
}

struct fleet_tenant *fleet_closest_wildcard(const struct fleet *fleet, const uint8_t *name,
					    size_t apex_length, const uint8_t **ret_top)
{
	const uint8_t *top = name;

	assert(name_length(name) >= apex_length);
	for (size_t length = name_length(name); length > apex_length; length -= *top + 1u, top += *top + 1) {
		struct fleet_tenant *tenant = names_get(fleet->wildcards, top + *top + 1);
		bool is_wildcard_itself = top == name && name_is_wildcard(name);
		if (!tenant || is_wildcard_itself)
			continue;
		*ret_top = top;
		return tenant;
	}
	return NULL;
}

struct fleet_tenant *fleet_wildcard_above(const struct fleet *fleet, const uint8_t *name,
					  const uint8_t **ret_top)
{
	const struct fleet_zone *zone = names_enclosing(fleet->zones, name);

	return zone ? fleet_closest_wildcard(fleet, name, zone->name.length, ret_top) : NULL;
}
