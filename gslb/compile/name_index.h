/* Zones and tenants of the fleet → name index, and the ways in which tenants are answered. Control thread. */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/plan.h"
#include "zones/index.h"

/* ---- policies: numbered ways of answering, shared by all tenants that are answered alike ---- */

struct policy_key {
	region_set regions; /* the tenant's own; all where it names none */
	uint32_t service;   /* number */
	uint32_t tier;	    /* number + 1; 0: none */
	bool is_resident, is_suspended;
};

struct policies {
	size_t count, capacity;
	struct policy_entry {
		struct policy_key key;
		uint32_t users;	     /* tenants; 0: nobody is answered by it, until it is used again */
		struct order *order; /* one reference; NULL: looked up when a plan is made */
	} * entries;
	uint32_t *slots; /* hash of keys → number + 1; 0 = free; a power of two */
	size_t slot_count;
};

uint32_t policies_use(struct policies *policies, const struct policy_key *key); /* finds or adds */
void policies_release(struct policies *policies, uint32_t number);		/* one policies_use less */
/* The used policy with this key; NULL: there is none. */
const struct policy_entry *policies_find(const struct policies *policies, const struct policy_key *key);
/* What their orders depend on has changed. */
void policies_drop_orders(struct policies *policies);
void policies_done(struct policies *policies); /* empties; usable again */

/* ---- names ---- */

void name_index_add_zones(struct index_edit *edit, const struct fleet *fleet);
/* Hosts, and the custom domains that a served zone holds. */
void name_index_add_tenant(struct index_edit *edit, const struct fleet *fleet,
			   const struct fleet_tenant *tenant, uint32_t policy);
void name_index_remove_tenant(struct index_edit *edit, const struct fleet_tenant *tenant);
/* Zones with `serial: change` whose text or tenants were touched get the time as their serial, answered
 * from now on (RFC 1982: never backwards). */
void name_index_renew_serials(struct fleet *fleet, const struct fleet_result *result, int64_t now_unix_s);
