/*
 * Which tenants are treated alike: the policy of a tenant is what its service, regions, tier and suspension
 * come to, as numbers, and a million tenants have as many policies as there are different ones. Whatever is
 * compiled for tenants is compiled once for each of these. Control thread.
 */
#pragma once
#include "fleet/fleet.h"

struct fleet_policy {
	uint64_t regions; /* bits of the tenant's own; all where it names none */
	uint32_t service; /* number */
	uint32_t tier;	  /* number + 1; 0: none */
	bool is_resident; /* the tenant names regions */
	bool is_suspended;
};

#define FLEET_POLICY_NONE UINT32_MAX

struct fleet_policies { /* zero: empty */
	size_t count, capacity;
	struct fleet_policy_entry {
		struct fleet_policy policy;
		uint32_t users; /* tenants; 0: nobody has it, until it is used again */
	} * entries;		/* by number */
	uint32_t *slots;	/* hash of policies → number + 1; 0 = free; a power of two */
	size_t slot_count;
};

/* The tenant is of this fleet. */
struct fleet_policy fleet_policy_of(const struct fleet *fleet, const struct fleet_tenant *tenant);

/* The number of this policy, found or added, with one user more. */
uint32_t fleet_policies_use(struct fleet_policies *policies, const struct fleet_policy *policy);
/* One user less; returns how many are left. */
uint32_t fleet_policies_release(struct fleet_policies *policies, uint32_t number);
/* The number of a policy that somebody uses, or FLEET_POLICY_NONE. */
uint32_t fleet_policies_find(const struct fleet_policies *policies, const struct fleet_policy *policy);
void fleet_policies_done(struct fleet_policies *policies); /* empties; usable again */
