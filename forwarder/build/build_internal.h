/* What a build holds, for the files of forwarder/build/build*.c alone. */
#pragma once
#include "forwarder/build/build.h"
#include "lib/arena.h"

struct build_policy {
	struct policy policy; /* first: a world's array points here */
	uint64_t serial;      /* of its profile */
	const struct fleet_profile *profile;
	uint32_t users; /* tenants */
			/* keys and texts follow */
};

struct build_service {
	struct route_service service; /* first */
	struct arena *arena;
	const struct fleet_service *from;
	size_t pool_count;
	struct pool *pools; /* as many, in the arena */
	bool has_names;	    /* an origin of it is written by name */
	bool is_checked;    /* its origins have their checks */
};

/* Numbered pointers, of which a world gets a copy. */
struct build_array {
	void **items;
	size_t count, capacity;
	void **published; /* NULL: none yet */
	bool is_changed;
};

struct build {
	struct build_shared shared;
	const struct fleet *fleet;
	const struct build *previous;
	/* tenants */
	struct hosts *hosts;	 /* of the last world; NULL: none yet */
	struct hosts_edit *edit; /* NULL: nothing of it is to be changed */
	uint32_t *slots;	 /* by the number of the tenant */
	size_t slot_capacity, tenants;
	struct build_array policies, services, pools;
	size_t policy_count, service_count, pool_count; /* that are there */
	/* build_step() */
	bool has_services;
	size_t at;
	struct build_retired {
		void (*give)(struct build *build, void *part);
		void *part;
	} * retired;
	size_t retired_count, retired_capacity;
};

#define BUILD_NO_SLOT UINT32_MAX

/* ---- build_parts.c ---- */

/* To be given back by build_settle(). */
void build_retire(struct build *build, void (*give)(struct build *build, void *part), void *part);
void build_parts_settle(struct build *build);
void build_array_set(struct build_array *array, size_t number, void *item);
void *const *build_array_publish(struct build *build, struct build_array *array);
void build_array_done(struct build_array *array);
/* Rates as the data path takes them; burst 0: what comes in a second, at least 1. */
struct policy_rate build_rate(const struct fleet_rate *rate, uint32_t burst);

/* ---- build_policies.c ---- */

/* One user more or less of the profile's policy. */
void build_policies_use(struct build *build, const struct fleet_profile *profile);
void build_policies_release(struct build *build, const struct fleet_profile *profile);
void build_policies_follow_tier(struct build *build, const char *tier);
void build_policies_done(struct build *build);

/* ---- build_services.c, build_pools.c ---- */

void build_services_put(struct build *build, const struct fleet_service *from);
void build_services_remove(struct build *build, uint32_t number);
/* Those with a pool of this check; NULL: with a name. */
void build_services_again(struct build *build, const char *check);
void build_services_check(struct build *build); /* gives their origins their checks */
void build_services_done(struct build *build);
void build_pools_make(struct build *build, struct build_service *service);
void build_pools_give(struct build *build, struct build_service *service);

/* ---- build_hosts.c ---- */

void build_hosts_remove(struct build *build, const struct fleet_tenant *tenant, bool keeps_slot);
void build_hosts_put(struct build *build, const struct fleet_tenant *tenant);
void build_hosts_done(struct build *build);
