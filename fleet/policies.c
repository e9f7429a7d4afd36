/* Policies by number, found by hash with open addressing at half load. Control thread. */
#include "fleet/policies.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t regions_of(const struct fleet *fleet, const struct fleet_tenant *tenant)
{
	uint64_t regions = 0;

	if (!tenant->profile->has_regions)
		return UINT64_MAX;
	for (size_t i = 0; i < tenant->profile->region_count; i++) {
		const struct fleet_object *region =
			fleet_get(fleet, FLEET_REGION, tenant->profile->regions[i]);
		assert(!region || region->number < FLEET_REGIONS_MAX);
		regions |= region ? (uint64_t)1 << region->number : 0;
	}
	return regions;
}

struct fleet_policy fleet_policy_of(const struct fleet *fleet, const struct fleet_tenant *tenant)
{
	const struct fleet_object *service = fleet_get(fleet, FLEET_SERVICE, tenant->profile->service);
	const struct fleet_object *tier =
		tenant->profile->tier ? fleet_get(fleet, FLEET_TIER, tenant->profile->tier) : NULL;

	assert(service && (tier || !tenant->profile->tier)); /* else the tenant had been refused */
	return (struct fleet_policy){
		.regions = regions_of(fleet, tenant),
		.service = service->number,
		.tier = tier ? tier->number + 1 : 0,
		.is_resident = tenant->profile->has_regions,
		.is_suspended = tenant->profile->is_suspended,
	};
}

static uint64_t hash_of(const struct fleet_policy *policy)
{
	uint64_t bits =
		(uint64_t)policy->service << 2 | (uint64_t)policy->is_resident << 1 | policy->is_suspended;

	return hash_mix(hash_mix(policy->regions, bits), policy->tier);
}

static bool is_equal(const struct fleet_policy *a, const struct fleet_policy *b)
{
	return a->regions == b->regions && a->service == b->service && a->is_resident == b->is_resident &&
	       a->is_suspended == b->is_suspended && a->tier == b->tier;
}

static void put_into_slot(struct fleet_policies *policies, uint32_t number)
{
	size_t mask = policies->slot_count - 1;
	size_t at = hash_of(&policies->entries[number].policy) & mask;

	while (policies->slots[at])
		at = (at + 1) & mask;
	policies->slots[at] = number + 1;
}

static void grow_slots(struct fleet_policies *policies)
{
	free(policies->slots);
	policies->slot_count = policies->slot_count ? policies->slot_count * 2 : 64;
	policies->slots = xcalloc(policies->slot_count, sizeof *policies->slots);
	for (uint32_t i = 0; i < policies->count; i++)
		put_into_slot(policies, i);
}

/* Used or not. */
static uint32_t number_of(const struct fleet_policies *policies, const struct fleet_policy *policy)
{
	if (policies->slot_count == 0)
		return FLEET_POLICY_NONE;
	size_t mask = policies->slot_count - 1;
	for (size_t at = hash_of(policy) & mask; policies->slots[at]; at = (at + 1) & mask)
		if (is_equal(&policies->entries[policies->slots[at] - 1].policy, policy))
			return policies->slots[at] - 1;
	return FLEET_POLICY_NONE;
}

uint32_t fleet_policies_use(struct fleet_policies *policies, const struct fleet_policy *policy)
{
	uint32_t number = number_of(policies, policy);

	if (number == FLEET_POLICY_NONE) {
		if (policies->count * 2 >= policies->slot_count)
			grow_slots(policies);
		number = (uint32_t)policies->count++;
		xgrow((void **)&policies->entries, &policies->capacity, policies->count,
		      sizeof *policies->entries);
		policies->entries[number] = (struct fleet_policy_entry){.policy = *policy};
		put_into_slot(policies, number);
	}
	policies->entries[number].users++;
	return number;
}

uint32_t fleet_policies_release(struct fleet_policies *policies, uint32_t number)
{
	assert(number < policies->count && policies->entries[number].users > 0);
	return --policies->entries[number].users;
}

uint32_t fleet_policies_find(const struct fleet_policies *policies, const struct fleet_policy *policy)
{
	uint32_t number = number_of(policies, policy);
	bool is_used = number != FLEET_POLICY_NONE && policies->entries[number].users > 0;

	return is_used ? number : FLEET_POLICY_NONE;
}

void fleet_policies_done(struct fleet_policies *policies)
{
	free(policies->entries);
	free(policies->slots);
	memset(policies, 0, sizeof *policies);
}
