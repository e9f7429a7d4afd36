/*
 * Pools: of the origins of a service those of this node's region. Several services' pools of one name are
 * several pools, each with origins and checks of its own. Control thread.
 */
#include "forwarder/build/build_internal.h"
#include "forwarder/certificates/origin_tls.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)POOL_ROUND_ROBIN == FLEET_ROUND_ROBIN && (int)POOL_WEIGHTED == FLEET_WEIGHTED &&
		      (int)POOL_LEAST_REQUESTS == FLEET_LEAST_REQUESTS && (int)POOL_EWMA == FLEET_EWMA &&
		      (int)POOL_HASH == FLEET_HASH && (int)POOL_RANDOM == FLEET_RANDOM,
	      "values are copied");
static_assert((int)POOL_HASH_CLIENT == FLEET_HASH_CLIENT && (int)POOL_HASH_COOKIE == FLEET_HASH_COOKIE &&
		      (int)POOL_HASH_HEADER == FLEET_HASH_HEADER,
	      "values are copied");
static_assert(POOL_ORIGINS_MAX == FLEET_ORIGINS_PER_REGION_MAX, "all that are written have room");

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

/* ---- members ---- */

struct members {
	struct build *build;
	const struct pool_state *state;
	struct pool_member *items; /* room for POOL_ORIGINS_MAX */
	uint32_t count, weight_total;
};

/* One address is one origin; where it is written twice the first counts. */
static void add_member(struct members *members, const struct ip *ip, const struct fleet_origin *from)
{
	struct origins *origins = members->build->shared.origins;

	if (members->count == POOL_ORIGINS_MAX)
		return;
	struct origin *origin = origins_take(origins, members->state, ip, from->port, from->text);
	for (uint32_t i = 0; i < members->count; i++) {
		if (members->items[i].origin == origin) {
			origins_give(origins, origin);
			return;
		}
	}
	members->items[members->count++] = (struct pool_member){origin, from->weight};
	members->weight_total += from->weight;
}

/* Absolute. */
static char *name_of(const struct fleet_origin *origin)
{
	size_t length = strlen(origin->name);

	return xasprintf("%s%s", origin->name, length > 0 && origin->name[length - 1] == '.' ? "" : ".");
}

/* Each address of a name is an origin of the written weight. */
static void add_origin(struct members *members, const struct fleet_origin *from)
{
	const struct build_shared *shared = &members->build->shared;
	const struct ip *ips = NULL;

	if (!from->name) {
		add_member(members, &from->ip, from);
		return;
	}
	char *name = name_of(from);
	size_t count = shared->addresses ? shared->addresses(shared->addresses_user, name, &ips) : 0;
	free(name);
	for (size_t i = 0; i < count; i++)
		add_member(members, &ips[i], from);
}

static const struct fleet_pool_region *region_of(const struct build *build, const struct fleet_pool *pool)
{
	for (size_t i = 0; i < pool->region_count; i++)
		if (strcmp(pool->regions[i].region, build->shared.region) == 0)
			return &pool->regions[i];
	return NULL;
}

/* What is broken leaves the origins of the pool unbelieved, and is said. */
static const struct pool_tls *make_tls(const struct build_service *service, const struct fleet_pool *pool)
{
	struct err_list errors = {0};

	if (!pool->tls)
		return NULL;
	const struct pool_tls *settings = origin_tls_new(pool->tls, &errors);
	for (size_t i = 0; i < errors.count; i++) {
		char *line = err_line(&errors, i);
		log_error("services.%s.origins.%s.tls: %s", service->from->object.id, pool->id, line);
		free(line);
	}
	err_done(&errors);
	return settings;
}

static void make_pool(struct build *build, struct build_service *service, const struct fleet_pool *from,
		      struct pool *ret)
{
	struct arena *arena = service->arena;
	const struct fleet_pool_region *region = region_of(build, from);
	struct pool_member items[POOL_ORIGINS_MAX];
	struct members members = {.build = build, .items = items};

	members.state = origins_take_pool(build->shared.origins, service->from->object.id, from->id);
	for (size_t i = 0; region && i < region->origin_count; i++) {
		add_origin(&members, &region->origins[i]);
		service->has_names |= region->origins[i].name != NULL;
	}
	*ret = (struct pool){
		.name = copy(arena, from->id),
		.service = service->from->object.number,
		.state = (struct pool_state *)(uintptr_t)members.state,
		.balance = (enum pool_balance)from->balance,
		.hash = (enum pool_hash)from->hash,
		.hash_name = copy(arena, from->hash_name),
		.sticky_cookie = copy(arena, from->sticky_cookie),
		.sticky_ttl_s = from->sticky_ttl_s,
		.concurrency = from->concurrency,
		.connect_ms = from->connect_ms,
		.idle_ms = from->idle_ms,
		.slow_start_ms = from->slow_start_ms,
		.max_ejected_hundredths = from->max_ejected_hundredths,
		.panic_hundredths = from->panic_hundredths,
		.sends_proxy = from->sends_proxy,
		.tls = make_tls(service, from),
		.member_count = members.count,
		.weight_total = members.weight_total,
		.members = arena_dup(arena, items, members.count * sizeof *items),
	};
}

void build_pools_make(struct build *build, struct build_service *service)
{
	service->pool_count = service->from->pool_count;
	service->pools = arena_alloc(service->arena, (service->pool_count + 1) * sizeof *service->pools);
	for (size_t i = 0; i < service->pool_count; i++)
		make_pool(build, service, &service->from->pools[i], &service->pools[i]);
}

void build_pools_give(struct build *build, struct build_service *service)
{
	struct origins *origins = build->shared.origins;

	for (size_t i = 0; i < service->pool_count; i++) {
		const struct pool *pool = &service->pools[i];
		for (uint32_t m = 0; m < pool->member_count; m++)
			origins_give(origins, pool->members[m].origin);
		origin_tls_free(pool->tls);
		origins_give_pool(origins, pool->state);
	}
}

size_t build_names(const struct build *build, char ***ret)
{
	char **names = NULL;
	size_t count = 0, capacity = 0;

	for (size_t i = 0; i < build->services.count; i++) {
		const struct build_service *service = build->services.items[i];
		if (!service || !service->has_names)
			continue;
		for (size_t p = 0; p < service->pool_count; p++) {
			const struct fleet_pool_region *region = region_of(build, &service->from->pools[p]);
			for (size_t o = 0; region && o < region->origin_count; o++) {
				if (!region->origins[o].name)
					continue;
				xgrow((void **)&names, &capacity, count + 1, sizeof *names);
				names[count++] = name_of(&region->origins[o]);
			}
		}
	}
	*ret = names;
	return count;
}

/* ---- checks ---- */

/* Of all that the check asks and how: its own words. */
static uint64_t digest_of(const struct fleet_check *check)
{
	json_t *json = fleet_object_to_json(&check->object);
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t digest = hash_bytes(text, strlen(text), 0);

	free(text);
	json_decref(json);
	return digest;
}

static void check_pool(const struct build *build, const struct fleet_pool *from, const struct pool *pool)
{
	const struct fleet_check *check =
		from->check ? (const void *)fleet_get(build->fleet, FLEET_CHECK, from->check) : NULL;
	struct origins_check wanted;

	assert(check || !from->check);
	if (check)
		wanted = (struct origins_check){.spec = check->spec,
						.limits = {check->rise, check->fall, check->clear},
						.digest = digest_of(check)};
	for (uint32_t i = 0; i < pool->member_count; i++)
		origins_set_check(build->shared.origins, pool->members[i].origin, check ? &wanted : NULL);
}

void build_services_check(struct build *build)
{
	for (size_t i = 0; i < build->services.count; i++) {
		struct build_service *service = build->services.items[i];
		if (!service || service->is_checked)
			continue;
		for (size_t p = 0; p < service->pool_count; p++)
			check_pool(build, &service->from->pools[p], &service->pools[p]);
		service->is_checked = true;
	}
}
