/*
 * What one worker counts of requests: by service, and by tenant for limits shown and for billing. Memory is
 * taken where it is touched. The worker adds, any thread reads.
 */
#pragma once
#include "forwarder/plan/reason.h"
#include "lib/counter.h"
#include <assert.h>
#include <stdbool.h>

#define REQUEST_STATS_CLASSES 6	 /* of a status: hundreds, 0 for none */
#define REQUEST_STATS_BUCKETS 20 /* 2^b × 64 µs at most; the last takes the rest */
#define REQUEST_STATS_SERVICES 16384
#define REQUEST_STATS_TENANTS ((size_t)1 << 24) /* slots of states */

struct request_stats_seconds {
	counter bucket[REQUEST_STATS_BUCKETS];
	counter sum_us, count;
};

struct request_stats_service {
	counter answered[REQUEST_STATS_CLASSES]; /* by origins */
	counter reasons[REASON_COUNT];		 /* by us, or cut short */
	struct request_stats_seconds request, origin;
};

struct request_stats_tenant {
	counter requests, limited;
	counter bytes_in, bytes_out; /* of bodies */
	counter classes[REQUEST_STATS_CLASSES];
	counter websocket_ms, handshakes;
	_Atomic uint64_t owner;	      /* hash of the tenant that this is of; 0: nobody's yet */
	_Atomic uint32_t marked_next; /* in the list of marked ones, slot + 2; 1: its end; 0: not in it */
};

struct request_stats {
	counter opened[2], closed[2]; /* connections: plain, TLS */
	counter refused_full, refused_client, refused_proxy;
	counter idle_origin_links, origin_connects;
	struct request_stats_service *services; /* by the fleet's number */
	struct request_stats_tenant *tenants;	/* by slot */
	_Atomic uint32_t marked;		/* the first of the list, slot + 2; 0: none */
};

struct request_stats_item {
	uint32_t service, tenant;
	bool has_service; /* false: it was no tenant's */
	unsigned status;
	enum reason reason;
	uint64_t us_total, us_origin; /* us_origin 0: no origin answered */
	uint64_t bytes_in, bytes_out;
	uint64_t websocket_ms;
};

struct request_stats *request_stats_new(void);
void request_stats_free(struct request_stats *stats); /* NULL is fine */
void request_stats_add(struct request_stats *stats, const struct request_stats_item *request);

/* What is billed of a tenant, in the order of usage records. */
#define REQUEST_STATS_BILLED 10
static inline void request_stats_billed(const struct request_stats_tenant *tenant,
					uint64_t ret[static REQUEST_STATS_BILLED])
{
	const counter *counters[] = {&tenant->requests,	  &tenant->bytes_in,   &tenant->bytes_out,
				     &tenant->classes[2], &tenant->classes[3], &tenant->classes[4],
				     &tenant->classes[5], &tenant->limited,    &tenant->websocket_ms,
				     &tenant->handshakes};

	static_assert(sizeof counters / sizeof counters[0] == REQUEST_STATS_BILLED, "one each");
	for (unsigned i = 0; i < REQUEST_STATS_BILLED; i++)
		ret[i] = counter_read(counters[i]);
}

/* So that who sums up looks at the tenants alone that something was counted of. The worker. */
void request_stats_add_mark(struct request_stats *stats, uint32_t slot);
static inline void request_stats_mark(struct request_stats *stats, uint32_t slot)
{
	if (atomic_load_explicit(&stats->tenants[slot].marked_next, memory_order_relaxed) == 0)
		request_stats_add_mark(stats, slot);
}
/* Who sums up: calls `found` with each slot that was marked, and unmarks it. What is counted at this very
 * moment may be seen a little later: read the counters after a while. */
void request_stats_take_marks(struct request_stats *stats, void (*found)(void *user, uint32_t slot),
			      void *user);
/* The upper end of a bucket in µs; UINT64_MAX of the last. */
uint64_t request_stats_bucket_us(unsigned bucket);
