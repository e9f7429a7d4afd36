/*
 * What the workers count of one tenant: shared words of one process, each changed by one atomic operation.
 * 128 octets, zero until the tenant is seen first; the layout is what a hand-over passes on. Any thread.
 */
#pragma once
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

struct tenant_state {
	_Atomic uint64_t rate_tat_ns; /* CLOCK_MONOTONIC, see lib/gcra.h */
	_Atomic uint64_t connections_tat_ns;
	_Atomic uint64_t up_tat_ns, down_tat_ns;
	_Atomic uint64_t granted_interval_ns; /* 0: the tier's */
	_Atomic uint32_t in_flight[2];	      /* a lane for each of two processes */
	_Atomic uint32_t websockets[2];
	_Atomic uint32_t queued, flags;
	_Atomic uint64_t id_hash;
	_Atomic uint64_t offered, limited; /* requests that came, requests that a limit refused */
	_Atomic uint32_t peak_in_flight, handshakes_pending;
	_Atomic uint64_t spare[4];
};
static_assert(sizeof(struct tenant_state) == 128, "the layout is passed on");
