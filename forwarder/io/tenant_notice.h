/*
 * Which tenant a slot of the counters is of, told by a worker to who sums up what tenants use: slots are
 * given to others in time, and only here does the name of a tenant stand beside its slot. One notice a tenant
 * and worker; and a mark where something was counted since the last look. A worker sends, the writer
 * receives.
 */
#pragma once
#include "forwarder/plan/request_stats.h"

#define TENANT_NOTICE_RING ((size_t)4 << 20) /* octets */
#define TENANT_NOTICE_ID_MAX 63

struct ring;

struct tenant_notice {
	uint32_t slot;
	uint8_t id_length;
	char id[TENANT_NOTICE_ID_MAX];
	uint64_t hash;			       /* never 0 */
	uint64_t before[REQUEST_STATS_BILLED]; /* what stood there already: another tenant's */
};

struct tenant_notices {
	struct ring *ring;
	_Atomic uint64_t lost;
};

/* Before something of the tenant is counted. */
void tenant_notice_send(struct tenant_notices *notices, struct request_stats *stats, uint32_t slot,
			uint64_t hash, const char *id, size_t id_length);

static inline void tenant_notice_touch(struct tenant_notices *notices, struct request_stats *stats,
				       uint32_t slot, uint64_t hash, const char *id, size_t id_length)
{
	if (atomic_load_explicit(&stats->tenants[slot].owner, memory_order_relaxed) != hash)
		tenant_notice_send(notices, stats, slot, hash, id, id_length);
	request_stats_mark(stats, slot);
}
