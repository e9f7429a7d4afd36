/* One sender, one receiver: each writes its own position and reads the other's. Those two threads. */
#include "forwarder/io/ring.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Before each record; what is left at the end of the memory is skipped, so that records never wrap. */
struct ring_mark {
	uint32_t length; /* of the record; RING_SKIP: go to the start */
	uint32_t unused;
};
#define RING_SKIP UINT32_MAX
static_assert(sizeof(struct ring_mark) == 8, "records are aligned to 8");

struct ring {
	char *octets;
	size_t size;
	/* the sender's; `taken_seen` spares it the receiver's cache line */
	_Alignas(MEM_APART) _Atomic uint64_t put;
	uint64_t taken_seen, next_put;
	_Alignas(MEM_APART) _Atomic uint64_t taken;
	uint64_t put_seen, next_taken;
};

struct ring *ring_new(size_t size)
{
	assert(size >= 4096 && (size & (size - 1)) == 0);
	struct ring *ring = xcalloc_apart(sizeof *ring);

	ring->size = size;
	ring->octets = xmap(size);
	return ring;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	xunmap(ring->octets, ring->size);
	free(ring);
}

static size_t stride(size_t length)
{
	return sizeof(struct ring_mark) + ((length + 7) & ~(size_t)7);
}

static struct ring_mark *mark_at(const struct ring *ring, uint64_t position)
{
	return (struct ring_mark *)(ring->octets + (position & (ring->size - 1)));
}

static bool has_room(struct ring *ring, uint64_t end)
{
	if (end - ring->taken_seen <= ring->size)
		return true;
	ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
	return end - ring->taken_seen <= ring->size;
}

void *ring_room(struct ring *ring, size_t length)
{
	assert(length < ring->size / 4);
	uint64_t at = atomic_load_explicit(&ring->put, memory_order_relaxed);
	size_t need = stride(length), left = ring->size - (at & (ring->size - 1));
	bool skips = left < need;

	if (!has_room(ring, at + (skips ? left : 0) + need))
		return NULL;
	if (skips) {
		mark_at(ring, at)->length = RING_SKIP;
		at += left;
	}
	mark_at(ring, at)->length = (uint32_t)length;
	ring->next_put = at + need;
	return mark_at(ring, at) + 1;
}

void ring_put(struct ring *ring)
{
	assert(ring->next_put > atomic_load_explicit(&ring->put, memory_order_relaxed));
	atomic_store_explicit(&ring->put, ring->next_put, memory_order_release);
}

const void *ring_peek(struct ring *ring, size_t *ret_length)
{
	uint64_t at = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	if (at == ring->put_seen)
		ring->put_seen = atomic_load_explicit(&ring->put, memory_order_acquire);
	if (at == ring->put_seen)
		return NULL;
	if (mark_at(ring, at)->length == RING_SKIP)
		at += ring->size - (at & (ring->size - 1));
	ring->next_taken = at + stride(mark_at(ring, at)->length);
	*ret_length = mark_at(ring, at)->length;
	return mark_at(ring, at) + 1;
}

void ring_next(struct ring *ring)
{
	assert(ring->next_taken > atomic_load_explicit(&ring->taken, memory_order_relaxed));
	atomic_store_explicit(&ring->taken, ring->next_taken, memory_order_release);
}
