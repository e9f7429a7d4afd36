/* Telling whose a slot is. A worker's thread. */
#include "forwarder/io/tenant_notice.h"
#include "forwarder/io/ring.h"
#include <assert.h>
#include <string.h>

void tenant_notice_send(struct tenant_notices *notices, struct request_stats *stats, uint32_t slot,
			uint64_t hash, const char *id, size_t id_length)
{
	assert(hash != 0 && id_length <= TENANT_NOTICE_ID_MAX);
	struct request_stats_tenant *tenant = &stats->tenants[slot];
	struct tenant_notice *notice = ring_room(notices->ring, sizeof *notice);

	if (!notice) {
		/* Nobody's until there is room: rather counted for none than for another. */
		atomic_fetch_add_explicit(&notices->lost, 1, memory_order_relaxed);
		atomic_store_explicit(&tenant->owner, 0, memory_order_release);
		return;
	}
	notice->slot = slot;
	notice->id_length = (uint8_t)id_length;
	memcpy(notice->id, id, id_length);
	notice->hash = hash;
	request_stats_billed(tenant, notice->before);
	atomic_store_explicit(&tenant->owner, hash, memory_order_release);
	atomic_thread_fence(memory_order_release); /* what is counted from here on is seen after it */
	ring_put(notices->ring);
}
