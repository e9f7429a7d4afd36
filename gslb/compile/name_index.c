/* See the header. Control thread. */
#include "gslb/compile/name_index.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- policies ---- */

static uint64_t key_hash(const struct policy_key *key)
{
	uint64_t bits = (uint64_t)key->service << 2 | (uint64_t)key->is_resident << 1 | key->is_suspended;
	return hash_mix(hash_mix(key->regions, bits), key->tier);
}

static bool key_equal(const struct policy_key *a, const struct policy_key *b)
{
	return a->regions == b->regions && a->service == b->service && a->is_resident == b->is_resident &&
	       a->is_suspended == b->is_suspended && a->tier == b->tier;
}

static void place_slot(struct policies *policies, uint32_t number)
{
	size_t mask = policies->slot_count - 1;
	size_t at = key_hash(&policies->entries[number].key) & mask;
	while (policies->slots[at])
		at = (at + 1) & mask;
	policies->slots[at] = number + 1;
}

static void grow_slots(struct policies *policies)
{
	free(policies->slots);
	policies->slot_count = policies->slot_count ? policies->slot_count * 2 : 64;
	policies->slots = xcalloc(policies->slot_count, sizeof *policies->slots);
	for (uint32_t i = 0; i < policies->count; i++)
		place_slot(policies, i);
}

/* Its number, or INDEX_NONE. */
static uint32_t number_of(const struct policies *policies, const struct policy_key *key)
{
	if (policies->slot_count == 0)
		return INDEX_NONE;
	size_t mask = policies->slot_count - 1;
	for (size_t at = key_hash(key) & mask; policies->slots[at]; at = (at + 1) & mask)
		if (key_equal(&policies->entries[policies->slots[at] - 1].key, key))
			return policies->slots[at] - 1;
	return INDEX_NONE;
}

uint32_t policies_use(struct policies *policies, const struct policy_key *key)
{
	uint32_t number = number_of(policies, key);
	if (number == INDEX_NONE) {
		if (policies->count * 2 >= policies->slot_count)
			grow_slots(policies);
		number = (uint32_t)policies->count++;
		xgrow((void **)&policies->entries, &policies->capacity, policies->count,
		      sizeof *policies->entries);
		policies->entries[number] = (struct policy_entry){.key = *key};
		place_slot(policies, number);
	}
	policies->entries[number].users++;
	return number;
}

static void drop_order(struct policy_entry *entry)
{
	order_unref(entry->order);
	entry->order = NULL;
}

void policies_release(struct policies *policies, uint32_t number)
{
	struct policy_entry *entry = &policies->entries[number];
	assert(number < policies->count && entry->users > 0);
	if (--entry->users == 0)
		drop_order(entry);
}

const struct policy_entry *policies_find(const struct policies *policies, const struct policy_key *key)
{
	uint32_t number = number_of(policies, key);
	bool is_used = number != INDEX_NONE && policies->entries[number].users > 0;
	return is_used ? &policies->entries[number] : NULL;
}

void policies_drop_orders(struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		drop_order(&policies->entries[i]);
}

void policies_done(struct policies *policies)
{
	policies_drop_orders(policies);
	free(policies->entries);
	free(policies->slots);
	memset(policies, 0, sizeof *policies);
}

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
