/* See the header. Control thread. */
#include "gslb/compile/name_index.h"
#include <string.h>

/* ---- names ---- */

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

/* ---- serials ---- */

static void renew(struct fleet *fleet, const char *zone_id, int64_t now_unix_s)
{
	struct fleet_zone *zone = (struct fleet_zone *)fleet_get(fleet, FLEET_ZONE, zone_id);
	if (!zone || !zone->serial_is_change || now_unix_s <= zone->zone->serial)
		return;
	zone->changed_unix_s = now_unix_s;
	zone_renew_serial(zone->zone, (uint32_t)now_unix_s);
}

/* A new object with the serial of its text: the one that it replaces says how far the serials got. */
static void renew_of_zone(struct fleet *fleet, const struct fleet_touched *touched, int64_t now_unix_s)
{
	const struct fleet_zone *before = (const struct fleet_zone *)touched->before;
	if (before && before->serial_is_change && before->changed_unix_s > now_unix_s)
		now_unix_s = before->changed_unix_s;
	renew(fleet, touched->after->id, now_unix_s);
}

static void renew_of_tenant(struct fleet *fleet, const struct fleet_object *object, int64_t now_unix_s)
{
	char text[NAME_TEXT_MAX];
	if (!object)
		return;
	name_to_text(((const struct fleet_tenant *)object)->terms->zone, text);
	renew(fleet, text, now_unix_s);
}

void name_index_renew_serials(struct fleet *fleet, const struct fleet_result *result, int64_t now_unix_s)
{
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (touched->kind == FLEET_ZONE && touched->after)
			renew_of_zone(fleet, touched, now_unix_s);
		if (touched->kind != FLEET_TENANT)
			continue;
		renew_of_tenant(fleet, touched->before, now_unix_s);
		renew_of_tenant(fleet, touched->after, now_unix_s);
	}
}
