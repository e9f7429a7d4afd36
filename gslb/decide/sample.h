/*
 * Samples of answered queries for somebody who looks on: one ring a worker, which the worker writes and the
 * control thread reads. Nobody looking costs the worker one load and one branch; a full ring costs the
 * sample, which is counted.
 */
#pragma once
#include "lib/counter.h"
#include "lib/net.h"
#include "zones/name.h"
#include <stdbool.h>

#define SAMPLE_RING 1024 /* between two turns of the reader */
#define SAMPLE_ADDRESSES 4
#define SAMPLE_ANY UINT32_MAX
#define SAMPLE_NO_REGION UINT8_MAX

struct sample {
	uint64_t at_ns; /* monotonic */
	struct ip client, resolver;
	uint32_t tenant, service; /* numbers, or SAMPLE_ANY: none */
	uint32_t ttl;
	uint16_t type;
	int16_t ede;
	uint8_t source_bits, scope, rcode, transport, region, step, name_length, address_count;
	bool is_ecs, is_truncated, is_decided; /* decided: a tenant's rule chose */
	struct ip address[SAMPLE_ADDRESSES];
	uint8_t name[NAME_MAX_OCTETS + 1];
};

struct sample_ring {
	/* The reader's: whether anybody looks, and at one tenant only. */
	_Alignas(64) atomic_bool is_wanted;
	_Atomic uint32_t tenant; /* number, SAMPLE_ANY: all */
	_Atomic uint64_t tail;
	/* The worker's. */
	_Alignas(64) _Atomic uint64_t head;
	counter lost; /* the ring was full */
	struct sample sample[SAMPLE_RING];
};

static inline bool sample_is_wanted(const struct sample_ring *ring, uint32_t tenant)
{
	if (__builtin_expect(!atomic_load_explicit(&ring->is_wanted, memory_order_relaxed), 1))
		return false;
	uint32_t wanted = atomic_load_explicit(&ring->tenant, memory_order_relaxed);
	return wanted == SAMPLE_ANY || wanted == tenant;
}

/* Worker: the place to fill, NULL: no room. sample_push makes it visible. */
static inline struct sample *sample_next(struct sample_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) < SAMPLE_RING)
		return &ring->sample[head % SAMPLE_RING];
	counter_add(&ring->lost, 1);
	return NULL;
}

static inline void sample_push(struct sample_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* Reader: the oldest one, NULL: none. sample_pop gives its place back. */
static inline const struct sample *sample_peek(struct sample_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
		return NULL;
	return &ring->sample[tail % SAMPLE_RING];
}

static inline void sample_pop(struct sample_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}
