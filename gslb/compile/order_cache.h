/*
 * Steering of the fleet → compiled orders, shared by content: a million tenants on forty services
 * have as many orders as there are different ways of steering. Control thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/order.h"

struct order_cache;

struct order_cache *order_cache_new(void);
void order_cache_free(struct order_cache *cache); /* NULL is fine */
/* The same entries, with references of its own: for the load helper. */
struct order_cache *order_cache_clone(const struct order_cache *cache);
/* The order of the service's candidates among `allowed`, over these places; borrowed from the cache
 * until the next sweep. */
struct order *order_cache_get(struct order_cache *cache, const struct fleet *fleet,
			      const struct fleet_service *service, region_set allowed, struct places *places);
/* Orders over them are compiled, and locations laid over them, in 2 ms or so. */
bool order_cache_is_quick_over(const struct places *places);
/* Puts it on the list of `wanted` where it is not in the cache and would keep the calling thread for long. */
void order_cache_want(const struct order_cache *cache, const struct fleet *fleet,
		      const struct fleet_service *service, region_set allowed, struct places *places,
		      struct order_cache *wanted);
/* The same for all tenants of the fleet. */
void order_cache_want_all(const struct order_cache *cache, const struct fleet *fleet, struct places *places,
			  struct order_cache *wanted);
/* Compiles what is wanted; on any one thread. */
void order_cache_compile(struct order_cache *wanted);
/* Moves all of it into the cache; `compiled` is freed. */
void order_cache_take(struct order_cache *cache, struct order_cache *compiled);
/* Drops what nobody else holds a reference to. */
void order_cache_sweep(struct order_cache *cache);
size_t order_cache_count(const struct order_cache *cache);
