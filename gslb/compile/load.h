/*
 * From files to the parts of a coming world: fleet and zones, geography, compiled orders. Takes as long as
 * reading and compiling take; any one thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/compile/order_cache.h"
#include "gslb/compile/place_facts.h"

struct load_files { /* paths */
	size_t fleet_count, geo_count;
	char *const *fleet, *const *geo;
};

struct load_parts {
	struct fleet *fleet;	    /* base objects only */
	struct places *places;	    /* geo files, without `locations:` */
	struct places *laid;	    /* with the base's `locations:` laid over; may be `places` */
	uint64_t locations_hash;    /* of those in `laid` */
	struct place_facts *facts;  /* of `laid` */
	struct order_cache *orders; /* LOAD_ALL: compiled over `laid` for the base's services and tenants */
	char *geo_signature;
};
void load_parts_done(struct load_parts *parts);

/* Steps of load_run, for the caller that needs only some of them. */
enum load_depth { LOAD_CHECK /* no orders */, LOAD_ALL };

/* What is in use and serves again where the files are the same. NULL where there is nothing. */
struct load_previous {
	struct places *places; /* as in struct load_parts, one reference each */
	struct places *laid;
	struct order_cache *orders; /* own */
	char *geo_signature;	    /* own */
	uint64_t locations_hash;
};
void load_previous_done(struct load_previous *previous);

/* Errors of all files are collected behind those that are in `errors` already; with any, no orders are
 * compiled, and geography is read for LOAD_CHECK alone. Takes what it can use out of `previous`. */
void load_run(const struct load_files *files, enum load_depth depth, struct load_previous *previous,
	      struct load_parts *ret, struct err_list *errors);
