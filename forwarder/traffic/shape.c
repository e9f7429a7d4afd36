/* Bandwidth as time: what passed costs the time that it would take at the tenant's rate. */
#include "forwarder/traffic/shape.h"
#include <assert.h>

#define SECOND_NS 1000000000u
#define BURST_BYTES 65536u
#define BURST_NS 100000000u
#define JITTER_NS 5000000u
#define PAUSE_LONGEST_NS 1000000000u /* then look again: a faster rate may have been configured */
/* Small messages go on whatever is owed: beyond this the rest of their cost is forgiven. */
#define DEBT_LONGEST_NS 60000000000u

static uint64_t cost_ns(uint64_t bytes, uint64_t bytes_s)
{
	return (uint64_t)((__uint128_t)bytes * SECOND_NS / bytes_s);
}

static uint64_t burst_ns(uint64_t bytes_s)
{
	uint64_t least_ns = cost_ns(BURST_BYTES, bytes_s);
	return least_ns > BURST_NS ? least_ns : BURST_NS;
}

static uint64_t pause_of(uint64_t tat_ns, uint64_t bytes_s, uint64_t now_ns, uint64_t random)
{
	uint64_t free_until_ns = now_ns + burst_ns(bytes_s);
	if (tat_ns <= free_until_ns)
		return 0;
	uint64_t pause_ns = tat_ns - free_until_ns + random % JITTER_NS;
	return pause_ns < PAUSE_LONGEST_NS ? pause_ns : PAUSE_LONGEST_NS;
}

uint64_t shape_charge(_Atomic uint64_t *tat_ns, uint64_t bytes_s, uint64_t bytes, uint64_t message_bytes,
		      uint64_t now_ns, uint64_t random)
{
	if (bytes_s == SHAPE_UNLIMITED)
		return 0;
	assert(bytes_s > 0);
	uint64_t old_ns = atomic_load_explicit(tat_ns, memory_order_relaxed), new_ns;
	uint64_t spent_ns = cost_ns(bytes, bytes_s), latest_ns = now_ns + burst_ns(bytes_s) + DEBT_LONGEST_NS;
	do {
		new_ns = (old_ns > now_ns ? old_ns : now_ns) + spent_ns;
		if (new_ns > latest_ns)
			new_ns = latest_ns;
	} while (!atomic_compare_exchange_weak_explicit(tat_ns, &old_ns, new_ns, memory_order_relaxed,
							memory_order_relaxed));
	return message_bytes <= SHAPE_FREE_BYTES ? 0 : pause_of(new_ns, bytes_s, now_ns, random);
}

uint64_t shape_pause(const _Atomic uint64_t *tat_ns, uint64_t bytes_s, uint64_t now_ns, uint64_t random)
{
	if (bytes_s == SHAPE_UNLIMITED)
		return 0;
	assert(bytes_s > 0);
	return pause_of(atomic_load_explicit((_Atomic uint64_t *)tat_ns, memory_order_relaxed), bytes_s,
			now_ns, random);
}
