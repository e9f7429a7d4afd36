/*
 * From files to a fleet, zones, geography and compiled orders, on a helper thread, so that probes,
 * API and answers go on meanwhile. The control thread starts it and gets the result on its loop.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/compile/order_cache.h"
#include "gslb/control/gslb_config.h"
#include <event2/event.h>

struct load_result {
	struct gslb_config *config; /* NULL when unreadable */
	struct fleet *fleet;	    /* base objects only */
	struct places *places;	    /* geo files, without `locations:` */
	struct places *laid;	    /* with the base's `locations:` laid over; may be `places` */
	uint64_t locations_hash;    /* of those in `laid` */
	struct order_cache *orders; /* compiled over `laid` for the base's services and tenants */
	char *geo_signature;
	struct err_list errors;
};

/* Steps of load_run, for the caller that needs only some of them. */
enum load_depth { LOAD_CHECK /* no orders */, LOAD_ALL };

/* What is in use and serves again where the files are the same. NULL where there is nothing. */
struct load_previous {
	struct places *places; /* as load_result's, one reference each */
	struct places *laid;
	struct order_cache *orders; /* own */
	char *geo_signature;	    /* own */
	uint64_t locations_hash;
};
void load_previous_done(struct load_previous *previous);

/* On the calling thread. Errors of all files are collected; geography is read only when the fleet is
 * good. Takes what it can use out of `previous`. */
void load_run(const char *config_path, enum load_depth depth, struct load_previous *previous,
	      struct load_result *ret);
void load_result_done(struct load_result *result);

struct loader;
typedef void load_done_fn(void *user, struct load_result *result); /* takes what it moves out */
/* Takes over `previous` and empties it. `done` runs on the base's thread, after which the loader is gone.
 * NULL, with errno: no thread or descriptor is left. */
struct loader *load_start(struct event_base *base, const char *config_path, struct load_previous *previous,
			  load_done_fn *done, void *user);
void load_free(struct loader *loader); /* waits for the thread; `done` is not called; NULL is fine */
