/* See the header. Control thread. */
#include "forwarder/control/report_sums.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_MS 5000	  /* times are those of the last 5 to 10 s */
#define TARGET_PERCENT 80 /* of the max: a region that is full has shed too late */

struct times {
	uint64_t bucket[REQUEST_STATS_BUCKETS];
};

struct report_sums {
	size_t capacity; /* of the arrays, by number of the service */
	struct times *recent, *older;
	uint64_t moved_ms; /* when `recent` was taken */
};

struct report_sums *report_sums_new(void)
{
	return xcalloc(1, sizeof(struct report_sums));
}

void report_sums_free(struct report_sums *sums)
{
	if (!sums)
		return;
	free(sums->recent);
	free(sums->older);
	free(sums);
}

/* ---- origins ---- */

static bool is_usable(const struct origin *origin)
{
	uint32_t state = atomic_load_explicit(&origin->state, memory_order_relaxed);
	return (state == ORIGIN_UP || state == ORIGIN_PROBATION) &&
	       !atomic_load_explicit(&origin->is_draining, memory_order_relaxed);
}

uint64_t report_sums_digest(const struct world *world)
{
	uint64_t digest = 0;
	for (size_t i = 0; i < world->pool_count; i++) {
		const struct pool *pool = world->pools[i];
		uint64_t usable = 0;
		for (uint32_t m = 0; pool && m < pool->member_count; m++)
			usable |= (uint64_t)is_usable(pool->members[m].origin) << m;
		digest = hash_mix(digest + i, usable);
	}
	return digest;
}

/* Of one pool: usable weight, 0 to 1; where all weights are 0, by number. */
static double pool_weight(const struct pool *pool, uint32_t usable, uint64_t usable_weight)
{
	if (pool->weight_total == 0)
		return (double)usable / pool->member_count;
	return (double)usable_weight / pool->weight_total;
}

/* A service is as well off as its worst pool: who needs that one is not helped by the others. */
static void add_pool(struct load_service *service, const struct pool *pool, uint64_t *concurrency)
{
	uint32_t usable = 0;
	uint64_t usable_weight = 0, in_flight = 0;
	if (pool->member_count == 0)
		return; /* it has no origins in this region */
	assert(pool->member_count <= POOL_ORIGINS_MAX);
	for (uint32_t m = 0; m < pool->member_count; m++) {
		const struct pool_member *member = &pool->members[m];
		in_flight += atomic_load_explicit(&member->origin->in_flight, memory_order_relaxed);
		if (!is_usable(member->origin))
			continue;
		usable++;
		usable_weight += member->weight;
	}
	double weight = pool_weight(pool, usable, usable_weight);
	uint32_t queued = atomic_load_explicit(&pool->state->queued, memory_order_relaxed);
	if (service->origins_total == 0 || weight < service->weight)
		service->weight = weight < 1 ? weight : 1;
	service->origins_total += pool->member_count;
	service->origins_usable += usable;
	service->queued += queued;
	service->current += (uint32_t)in_flight + queued;
	service->is_in_panic |= atomic_load_explicit(&pool->state->is_in_panic, memory_order_relaxed) != 0;
	*concurrency += (uint64_t)pool->concurrency * pool->member_count;
}

static void set_bounds(struct load_service *service, uint64_t concurrency, uint32_t capacity)
{
	uint64_t max = capacity > 0 && capacity < concurrency ? capacity : concurrency;
	service->max = (uint32_t)(max < LOAD_REPORT_ROOM_MAX ? max : LOAD_REPORT_ROOM_MAX);
	service->target = (uint32_t)((uint64_t)service->max * TARGET_PERCENT / 100);
}

/* ---- requests ---- */

static void count_requests(const struct report_view *view, uint32_t number, struct load_service *service)
{
	for (size_t i = 0; i < view->stats_count; i++) {
		const struct request_stats_service *stats = &view->stats[i]->services[number];
		for (unsigned class = 0; class < REQUEST_STATS_CLASSES; class ++)
			service->requests += counter_read(&stats->answered[class]);
		service->errors += counter_read(&stats->answered[5]);
		for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
			uint64_t count = counter_read(&stats->reasons[reason]);
			unsigned status = reason_status((enum reason)reason);
			service->requests += count;
			service->errors += status >= 500 ? count : 0;
			service->limited += status == 429 ? count : 0;
		}
	}
}

static void read_times(const struct report_view *view, uint32_t number, struct times *ret)
{
	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < view->stats_count; i++)
		for (unsigned b = 0; b < REQUEST_STATS_BUCKETS; b++)
			ret->bucket[b] += counter_read(&view->stats[i]->services[number].request.bucket[b]);
}

/* The upper end of the bucket that the part of all requests lies in; 0: there were none. */
static uint64_t quantile_us(const struct times *now, const struct times *before, double part)
{
	uint64_t all = 0, passed = 0;
	for (unsigned b = 0; b < REQUEST_STATS_BUCKETS; b++)
		all += now->bucket[b] - before->bucket[b];
	for (unsigned b = 0; b < REQUEST_STATS_BUCKETS && all > 0; b++) {
		passed += now->bucket[b] - before->bucket[b];
		if ((double)passed < part * (double)all)
			continue;
		/* The last bucket has no end: at least the one before it. */
		return request_stats_bucket_us(b + 1 < REQUEST_STATS_BUCKETS ? b : b - 1);
	}
	return 0;
}

static void make_room(struct report_sums *sums, size_t count)
{
	if (count <= sums->capacity)
		return;
	sums->recent = xrealloc(sums->recent, count * sizeof *sums->recent);
	sums->older = xrealloc(sums->older, count * sizeof *sums->older);
	memset(sums->recent + sums->capacity, 0, (count - sums->capacity) * sizeof *sums->recent);
	memset(sums->older + sums->capacity, 0, (count - sums->capacity) * sizeof *sums->older);
	sums->capacity = count;
}

static void tell_requests(struct report_sums *sums, const struct report_view *view, uint32_t number,
			  bool moves, struct load_service *service)
{
	struct times now;
	if (number >= REQUEST_STATS_SERVICES || view->stats_count == 0)
		return;
	make_room(sums, number + 1);
	count_requests(view, number, service);
	read_times(view, number, &now);
	service->p50_us = quantile_us(&now, &sums->older[number], 0.5);
	service->p99_us = quantile_us(&now, &sums->older[number], 0.99);
	if (!moves)
		return;
	sums->older[number] = sums->recent[number];
	sums->recent[number] = now;
}

/* ---- the whole ---- */

void report_sums_fill(struct report_sums *sums, const struct report_view *view, uint64_t now_ms,
		      struct load_report *ret)
{
	const struct world *world = view->world;
	struct load_service *services = xcalloc(world->service_count + 1, sizeof *services);
	uint64_t *concurrency = xcalloc(world->service_count + 1, sizeof *concurrency);
	bool moves = now_ms - sums->moved_ms >= RECENT_MS;
	for (size_t i = 0; i < world->pool_count; i++) {
		const struct pool *pool = world->pools[i];
		if (!pool)
			continue;
		assert(pool->service < world->service_count);
		add_pool(&services[pool->service], pool, &concurrency[pool->service]);
	}
	ret->services = services;
	ret->service_count = 0;
	for (size_t i = 0; i < world->service_count; i++) {
		const struct route_service *from = world->services[i];
		struct load_service service = services[i];
		if (!from || service.origins_total == 0 || ret->service_count == LOAD_REPORT_SERVICES_MAX)
			continue;
		snprintf(service.service, sizeof service.service, "%s", from->id);
		set_bounds(&service, concurrency[i], view->capacity);
		tell_requests(sums, view, from->number, moves, &service);
		services[ret->service_count++] = service; /* never behind the one that is read */
	}
	if (moves)
		sums->moved_ms = now_ms;
	free(concurrency);
}
