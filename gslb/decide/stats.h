/*
 * A worker's counters: the worker writes, the metrics page reads (lib/counter.h). Here and not in serve/
 * because both serve/ and control/ see the layout, and they never include each other.
 */
#pragma once
#include "gslb/decide/sample.h"
#include "gslb/decide/shed.h"
#include "lib/counter.h"
#include "zones/rrtype.h"

#define STATS_RCODES 25		     /* 0..23 and "other" */
#define STATS_TENANTS_MAX (1u << 20) /* tenants with a higher number count as "other" */
#define STATS_SERVICES_MAX 10000u
#define STATS_REGIONS 64u
#define STATS_STEPS 7u
#define STATS_SHED_SLOTS 256u	 /* regions of services that shed at a time, and are counted */
#define STATS_LATENCY_BUCKETS 24 /* bucket b: up to 2^b microseconds; the last is +Inf */

enum limited_reason { LIMITED_CLIENT, LIMITED_TENANT, LIMITED_REASONS }; /* truncated replies */
enum drop_reason { DROP_MALFORMED, DROP_RESPONSE, DROP_SOCKET, DROP_LIMIT, DROP_REASONS };

struct stats_transport {
	counter queries[RRTYPE_KNOWN + 1];
	counter responses[STATS_RCODES];
	counter latency[STATS_LATENCY_BUCKETS]; /* queries, by the time from receive to send */
	counter latency_ns;			/* sum over queries */
};

struct stats {
	struct stats_transport transport[2]; /* enum transport */
	counter dropped[DROP_REASONS];
	counter limited[LIMITED_REASONS];
	counter ecs_queries[2]; /* IPv4, IPv6 */
	counter tenant_other;
	counter *tenant;   /* [STATS_TENANTS_MAX] */
	counter *answers;  /* [STATS_ANSWERS] */
	counter *fallback; /* [STATS_SERVICES_MAX * STATS_STEPS] */
	counter *shed;	   /* [STATS_SHED_SLOTS * SHED_BUCKETS]: clients that left, by bucket */
	struct sample_ring *samples;
};

#define STATS_ANSWERS                                                                        \
	(STATS_SERVICES_MAX * STATS_REGIONS + 1u) /* the last: of services that are too many \
						   */

/* Which counter of `answers` is that of a region of a service. */
static inline uint32_t stats_answers_counter(uint32_t service, unsigned region)
{
	return service < STATS_SERVICES_MAX ? service * STATS_REGIONS + region : STATS_ANSWERS - 1;
}

struct stats *stats_new(void); /* control thread */
void stats_free(struct stats *stats);
