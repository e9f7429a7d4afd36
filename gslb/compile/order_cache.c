/* See the header. Control thread. */
#include "gslb/compile/order_cache.h"
#include "fleet/policies.h"
#include "gslb/compile/steering.h"
#include "gslb/decide/place/intern.h"
#include "gslb/decide/place/place_ranges.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUICK_RANGES 50000 /* in places that are compiled in 2 ms */

struct cached {
	struct order_spec spec;
	struct map_rule *rules; /* NULL: it has none */
	struct places *places;	/* compared by identity; referenced, so that it is not reused */
	uint64_t hash;		/* of spec */
	struct order *order;
};

struct order_cache {
	struct cached *items;
	size_t count, capacity;
};

struct order_cache *order_cache_new(void)
{
	return xcalloc(1, sizeof(struct order_cache));
}

struct order_cache *order_cache_clone(const struct order_cache *cache)
{
	struct order_cache *clone = order_cache_new();
	xgrow((void **)&clone->items, &clone->capacity, cache->count + 1, sizeof *clone->items);
	for (size_t i = 0; i < cache->count; i++) {
		struct cached *to = &clone->items[clone->count++];
		*to = cache->items[i];
		if (to->rules)
			to->rules = xmemdup(to->rules, (to->spec.rule_count + 1) * sizeof *to->rules);
		to->places = places_ref(to->places);
		to->order = order_ref(to->order);
	}
	return clone;
}

static void cached_done(struct cached *cached)
{
	order_unref(cached->order);
	places_unref(cached->places);
	free(cached->rules);
}

void order_cache_free(struct order_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->count; i++)
		cached_done(&cache->items[i]);
	free(cache->items);
	free(cache);
}

void order_cache_sweep(struct order_cache *cache)
{
	size_t kept = 0;
	for (size_t i = 0; i < cache->count; i++) {
		if (order_is_shared(cache->items[i].order))
			cache->items[kept++] = cache->items[i];
		else
			cached_done(&cache->items[i]);
	}
	cache->count = kept;
}

size_t order_cache_count(const struct order_cache *cache)
{
	return cache->count;
}

static bool is_same(const struct cached *cached, const struct cached *wanted)
{
	if (cached->places != wanted->places || cached->hash != wanted->hash ||
	    memcmp(&cached->spec, &wanted->spec, sizeof cached->spec) != 0)
		return false;
	return !wanted->rules ||
	       memcmp(cached->rules, wanted->rules, wanted->spec.rule_count * sizeof *wanted->rules) == 0;
}

/* Without references. */
static struct cached describe(const struct fleet *fleet, const struct fleet_service *service,
			      region_set allowed, struct places *places)
{
	struct cached wanted = {.places = places};
	steering_order_spec(fleet, service, allowed, &wanted.spec);
	wanted.rules = (struct map_rule *)wanted.spec.rules;
	wanted.spec.rules = NULL; /* compared by content, as is the rest */
	wanted.hash = hash_bytes((const uint8_t *)&wanted.spec, sizeof wanted.spec, 0);
	return wanted;
}

static struct cached *find(const struct order_cache *cache, const struct cached *wanted)
{
	for (size_t i = 0; i < cache->count; i++)
		if (is_same(&cache->items[i], wanted))
			return &cache->items[i];
	return NULL;
}

static struct cached *add(struct order_cache *cache, const struct cached *wanted)
{
	xgrow((void **)&cache->items, &cache->capacity, cache->count + 1, sizeof *cache->items);
	places_ref(wanted->places);
	cache->items[cache->count] = *wanted;
	return &cache->items[cache->count++];
}

static void compile(struct cached *cached)
{
	assert(!cached->order);
	struct order_spec spec = cached->spec;
	spec.rules = cached->rules;
	cached->order = order_compile(&spec, cached->places);
}

struct order *order_cache_get(struct order_cache *cache, const struct fleet *fleet,
			      const struct fleet_service *service, region_set allowed, struct places *places)
{
	struct cached wanted = describe(fleet, service, allowed, places);
	struct cached *known = find(cache, &wanted);
	if (known) {
		free(wanted.rules);
		return known->order;
	}
	known = add(cache, &wanted);
	compile(known);
	return known->order;
}

bool order_cache_is_quick_over(const struct places *places)
{
	return places_ranges(places, 4)->count + places_ranges(places, 6)->count <= QUICK_RANGES;
}

void order_cache_want(const struct order_cache *cache, const struct fleet *fleet,
		      const struct fleet_service *service, region_set allowed, struct places *places,
		      struct order_cache *wanted)
{
	struct cached item = describe(fleet, service, allowed, places);
	if (order_is_constant(&item.spec) || order_cache_is_quick_over(places) || find(cache, &item) ||
	    find(wanted, &item))
		free(item.rules);
	else
		add(wanted, &item);
}

void order_cache_want_all(const struct order_cache *cache, const struct fleet *fleet, struct places *places,
			  struct order_cache *wanted)
{
	struct intern seen; /* of profiles: a million tenants share a few hundred */
	intern_init(&seen, sizeof(const struct fleet_profile *));
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_TENANT, &at));) {
		const struct fleet_tenant *tenant = (const struct fleet_tenant *)object;
		size_t known = seen.count;
		intern_put(&seen, &tenant->profile);
		if (seen.count == known)
			continue;
		const struct fleet_service *service = (const struct fleet_service *)fleet_get(
			fleet, FLEET_SERVICE, tenant->profile->service);
		region_set allowed =
			steering_candidates(fleet, service) & fleet_policy_of(fleet, tenant).regions;
		order_cache_want(cache, fleet, service, allowed, places, wanted);
	}
	intern_done(&seen);
}

void order_cache_compile(struct order_cache *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		compile(&wanted->items[i]);
}

void order_cache_take(struct order_cache *cache, struct order_cache *compiled)
{
	assert(cache != compiled);
	xgrow((void **)&cache->items, &cache->capacity, cache->count + compiled->count, sizeof *cache->items);
	for (size_t i = 0; i < compiled->count; i++) {
		assert(compiled->items[i].order);
		cache->items[cache->count++] = compiled->items[i];
	}
	compiled->count = 0;
	order_cache_free(compiled);
}
