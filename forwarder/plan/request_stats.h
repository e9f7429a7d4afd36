/*
 * What one worker counts of requests: by service, and by tenant for limits shown and for billing. Memory is
 * taken where it is touched. The worker adds, any thread reads.
 */
#pragma once
#include "forwarder/plan/reason.h"
#include "lib/counter.h"
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
};

struct request_stats {
	counter opened[2], closed[2]; /* connections: plain, TLS */
	counter refused_full, refused_client, refused_proxy;
	counter idle_origin_links, origin_connects;
	struct request_stats_service *services; /* by the fleet's number */
	struct request_stats_tenant *tenants;	/* by slot */
};

struct request_stats_item {
	uint32_t service, tenant;
	bool has_service; /* false: it was no tenant's */
	unsigned status;
	enum reason reason;
	uint64_t us_total, us_origin; /* us_origin 0: no origin answered */
	uint64_t bytes_in, bytes_out;
};

struct request_stats *request_stats_new(void);
void request_stats_free(struct request_stats *stats); /* NULL is fine */
void request_stats_add(struct request_stats *stats, const struct request_stats_item *request);
/* The upper end of a bucket in µs; UINT64_MAX of the last. */
uint64_t request_stats_bucket_us(unsigned bucket);
