/* See the header. Control thread. */
#include "gslb/compile/name_index.h"
#include <assert.h>
#include <string.h>

void name_index_add_zones(struct index_edit *edit, const struct fleet *fleet)
{
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_ZONE, &at));)
		index_edit_add_zone(edit, ((struct fleet_zone *)object)->zone);
}

/* The served zone that encloses the name, by asking for each of its suffixes. */
static bool is_served(const struct fleet *fleet, const uint8_t *name)
{
	char text[NAME_TEXT_MAX];
	for (const uint8_t *at = name;; at += *at + 1) {
		name_to_text(at, text);
		if (fleet_get(fleet, FLEET_ZONE, text))
			return true;
		if (*at == 0)
			return false;
	}
}

static void set_tenant(struct index_edit *edit, const uint8_t *octets, uint32_t policy, uint32_t tenant)
{
	struct name name = {.length = (uint8_t)name_length(octets)};
	assert(name.length <= NAME_MAX_OCTETS && (policy == INDEX_NONE) == (tenant == INDEX_NONE));
	memcpy(name.octets, octets, name.length);
	index_edit_set_tenant(edit, &name, policy, tenant);
}

void name_index_add_tenant(struct index_edit *edit, const struct fleet *fleet,
			   const struct fleet_tenant *tenant, uint32_t policy)
{
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);)
		if (!at.is_domain || is_served(fleet, at.name))
			set_tenant(edit, at.name, policy, tenant->object.number);
}

void name_index_remove_tenant(struct index_edit *edit, const struct fleet_tenant *tenant)
{
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);)
		set_tenant(edit, at.name, INDEX_NONE, INDEX_NONE);
}
