/*
 * Slots of tenants. Memory is taken where it is touched, so a tenant that nobody asks for has none. Control
 * thread; workers count in the states.
 */
#include "forwarder/build/slots.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct left {
	uint32_t slot;
	uint32_t since_s;
};

struct slots {
	struct tenant_state *states;
	uint8_t *references; /* mapped like the states */
	uint32_t end;	     /* slots below it were in use some time */
	size_t used;
	struct left *left; /* a ring, the oldest first */
	size_t left_first, left_count, left_capacity;
};

struct slots *slots_new(void)
{
	struct slots *slots = xcalloc(1, sizeof *slots);

	slots->states = xmap((size_t)SLOTS_MAX * sizeof *slots->states);
	slots->references = xmap(SLOTS_MAX);
	return slots;
}

void slots_free(struct slots *slots)
{
	if (!slots)
		return;
	xunmap(slots->states, (size_t)SLOTS_MAX * sizeof *slots->states);
	xunmap(slots->references, SLOTS_MAX);
	free(slots->left);
	free(slots);
}

struct tenant_state *slots_states(const struct slots *slots)
{
	return slots->states;
}

static void push_left(struct slots *slots, struct left left)
{
	if (slots->left_count == slots->left_capacity) {
		size_t capacity = slots->left_capacity ? slots->left_capacity * 2 : 64;
		struct left *ring = xcalloc(capacity, sizeof *ring);
		for (size_t i = 0; i < slots->left_count; i++)
			ring[i] = slots->left[(slots->left_first + i) % slots->left_capacity];
		free(slots->left);
		slots->left = ring;
		slots->left_first = 0;
		slots->left_capacity = capacity;
	}
	slots->left[(slots->left_first + slots->left_count++) % slots->left_capacity] = left;
}

static struct left pop_left(struct slots *slots)
{
	assert(slots->left_count > 0);
	struct left left = slots->left[slots->left_first];

	slots->left_first = (slots->left_first + 1) % slots->left_capacity;
	slots->left_count--;
	return left;
}

static bool is_idle(const struct tenant_state *state)
{
	return atomic_load(&state->in_flight[0]) == 0 && atomic_load(&state->in_flight[1]) == 0 &&
	       atomic_load(&state->websockets[0]) == 0 && atomic_load(&state->websockets[1]) == 0 &&
	       atomic_load(&state->queued) == 0;
}

/* One that was left long enough ago, and in which nothing is counted any more. */
static bool find_left(struct slots *slots, uint64_t now_ms, uint32_t *ret)
{
	for (size_t tries = slots->left_count < 16 ? slots->left_count : 16; tries > 0; tries--) {
		if (now_ms / 1000 < slots->left[slots->left_first].since_s + SLOTS_GRACE_MS / 1000)
			return false;
		struct left left = pop_left(slots);
		if (is_idle(&slots->states[left.slot])) {
			*ret = left.slot;
			return true;
		}
		push_left(slots, left);
	}
	return false;
}

uint32_t slots_take(struct slots *slots, uint64_t now_ms)
{
	uint32_t slot;

	if (find_left(slots, now_ms, &slot)) {
		/* Octet by octet as good as an atomic store: nobody has the slot. */
		if (atomic_load(&slots->states[slot].offered) ||
		    atomic_load(&slots->states[slot].rate_tat_ns) ||
		    atomic_load(&slots->states[slot].id_hash))
			memset(&slots->states[slot], 0, sizeof slots->states[slot]);
	} else {
		slot = slots->end++;
		assert(slot < SLOTS_MAX); /* FLEET_TENANTS_MAX, and as many as leave in a minute */
	}
	assert(slots->references[slot] == 0);
	slots->references[slot] = 1;
	slots->used++;
	return slot;
}

void slots_share(struct slots *slots, uint32_t slot)
{
	assert(slot < slots->end && slots->references[slot] > 0 && slots->references[slot] < UINT8_MAX);
	slots->references[slot]++;
}

void slots_give(struct slots *slots, uint32_t slot, uint64_t now_ms)
{
	assert(slot < slots->end && slots->references[slot] > 0);
	if (--slots->references[slot])
		return;
	assert(slots->used > 0);
	slots->used--;
	push_left(slots, (struct left){slot, (uint32_t)(now_ms / 1000) + 1});
}

size_t slots_used(const struct slots *slots)
{
	return slots->used;
}
