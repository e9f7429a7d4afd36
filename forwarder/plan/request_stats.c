/* Counting requests. The worker's thread adds. */
#include "forwarder/plan/request_stats.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define BUCKET_BASE_BITS 6 /* 64 µs */

struct request_stats *request_stats_new(void)
{
	struct request_stats *stats = xcalloc_apart(sizeof *stats);

	stats->services = xmap(REQUEST_STATS_SERVICES * sizeof *stats->services);
	stats->tenants = xmap(REQUEST_STATS_TENANTS * sizeof *stats->tenants);
	return stats;
}

void request_stats_free(struct request_stats *stats)
{
	if (!stats)
		return;
	xunmap(stats->services, REQUEST_STATS_SERVICES * sizeof *stats->services);
	xunmap(stats->tenants, REQUEST_STATS_TENANTS * sizeof *stats->tenants);
	free(stats);
}

uint64_t request_stats_bucket_us(unsigned bucket)
{
	assert(bucket < REQUEST_STATS_BUCKETS);
	return bucket == REQUEST_STATS_BUCKETS - 1 ? UINT64_MAX : (uint64_t)1 << (bucket + BUCKET_BASE_BITS);
}

static void add_seconds(struct request_stats_seconds *seconds, uint64_t us)
{
	unsigned bits = us > 1 ? 64 - (unsigned)__builtin_clzll(us - 1) : 0;
	unsigned bucket = bits > BUCKET_BASE_BITS ? bits - BUCKET_BASE_BITS : 0;

	counter_add(&seconds->bucket[bucket < REQUEST_STATS_BUCKETS ? bucket : REQUEST_STATS_BUCKETS - 1], 1);
	counter_add(&seconds->sum_us, us);
	counter_add(&seconds->count, 1);
}

static bool is_limit(enum reason reason)
{
	return reason_status(reason) == 429;
}

static void add_tenant(struct request_stats_tenant *tenant, const struct request_stats_item *request,
		       unsigned class)
{
	counter_add(&tenant->requests, 1);
	counter_add(&tenant->classes[class], 1);
	if (request->bytes_in)
		counter_add(&tenant->bytes_in, request->bytes_in);
	if (request->bytes_out)
		counter_add(&tenant->bytes_out, request->bytes_out);
	if (is_limit(request->reason))
		counter_add(&tenant->limited, 1);
	if (request->websocket_ms)
		counter_add(&tenant->websocket_ms, request->websocket_ms);
}

#define MARK_END 1
#define MARK_BASE 2 /* of a slot's number */

void request_stats_add_mark(struct request_stats *stats, uint32_t slot)
{
	struct request_stats_tenant *tenant = &stats->tenants[slot];
	uint32_t first = atomic_load_explicit(&stats->marked, memory_order_relaxed);

	assert(slot < REQUEST_STATS_TENANTS);
	do
		atomic_store_explicit(&tenant->marked_next, first ? first : MARK_END, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&stats->marked, &first, slot + MARK_BASE,
						      memory_order_release, memory_order_relaxed));
}

void request_stats_take_marks(struct request_stats *stats, void (*found)(void *user, uint32_t slot),
			      void *user)
{
	uint32_t at = atomic_exchange_explicit(&stats->marked, 0, memory_order_acquire);

	while (at >= MARK_BASE) {
		uint32_t slot = at - MARK_BASE;
		at = atomic_exchange(&stats->tenants[slot].marked_next, 0);
		found(user, slot);
	}
}

void request_stats_add(struct request_stats *stats, const struct request_stats_item *request)
{
	assert(request->reason < REASON_COUNT);
	/* The last service counts what is no tenant's, and numbers beyond the table. */
	uint32_t number = request->has_service && request->service < REQUEST_STATS_SERVICES - 1
				  ? request->service
				  : REQUEST_STATS_SERVICES - 1;
	struct request_stats_service *service = &stats->services[number];
	unsigned class = request->status < 600 ? request->status / 100 : 0;

	if (request->reason == REASON_NONE)
		counter_add(&service->answered[class], 1);
	else
		counter_add(&service->reasons[request->reason], 1);
	add_seconds(&service->request, request->us_total);
	if (request->us_origin)
		add_seconds(&service->origin, request->us_origin);
	if (request->has_service && request->tenant < REQUEST_STATS_TENANTS)
		add_tenant(&stats->tenants[request->tenant], request, class);
}
