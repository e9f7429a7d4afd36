/*
 * The store's objects over a fleet of base objects, a batch at a time: what one batch costs in time and
 * memory does not depend on how many tenants there are, and the loop turns between two. Control thread.
 */
#pragma once
#include "store/store.h"

struct store_load;

enum store_misfit {
	STORE_MISFIT_REFUSED,	/* an object that does not fit the files is an error */
	STORE_MISFIT_SET_ASIDE, /* it is left out, and the log says so: the node must come up */
};

/* Store and fleet stay the caller's. `version` is the fleet's. */
struct store_load *store_load_new(struct store *store, struct fleet *fleet, uint64_t version,
				  enum store_misfit misfit);
void store_load_free(struct store_load *load); /* NULL is fine */
/* Loads one batch. False: it was the last; then it went well if errors holds none. */
bool store_load_step(struct store_load *load, struct err_list *errors);
/* The store changed meanwhile: so does what was loaded already. */
void store_load_follow(struct store_load *load, const struct fleet_result *result, struct err_list *errors);
size_t store_load_count(const struct store_load *load);	    /* objects read so far */
size_t store_load_set_aside(const struct store_load *load); /* of those, left out */
