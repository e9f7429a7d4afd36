/* The timer wheel. A worker's thread. */
#include "forwarder/io/wheel.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>

#define PLACE_MASK (WHEEL_PLACES - 1)
#define LEVEL_BITS 8
#define SPAN_TICKS ((uint64_t)1 << (LEVEL_BITS * WHEEL_LEVELS))

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	memset(wheel, 0, sizeof *wheel);
	wheel->tick = now_ms / WHEEL_TICK_MS;
}

/* Level 0 holds what is due in its 256 ticks, each further level what is due in the round of the one below.
 */
static void insert(struct wheel *wheel, struct wheel_node *node)
{
	uint64_t due = node->due_tick;
	unsigned level = 0;

	assert(due >= wheel->tick);
	if (due - wheel->tick >= SPAN_TICKS)
		due = wheel->tick + SPAN_TICKS - 1; /* looked at again when it fires */
	while (level < WHEEL_LEVELS - 1 &&
	       due >> (LEVEL_BITS * (level + 1)) != wheel->tick >> (LEVEL_BITS * (level + 1)))
		level++;
	unsigned place = due >> (LEVEL_BITS * level) & PLACE_MASK;
	struct wheel_node **head = &wheel->place[level][place];
	node->next = *head;
	node->link = head;
	if (*head)
		(*head)->link = &node->next;
	*head = node;
	wheel->filled[level][place / 64] |= (uint64_t)1 << place % 64;
}

static void unlink_node(struct wheel_node *node)
{
	*node->link = node->next;
	if (node->next)
		node->next->link = node->link;
	node->next = NULL;
	node->link = NULL;
}

void wheel_set(struct wheel *wheel, struct wheel_node *node, uint64_t due_ms)
{
	wheel_remove(wheel, node);
	node->due_tick = due_ms / WHEEL_TICK_MS + 1; /* a tick has passed when its number is over */
	if (node->due_tick < wheel->tick)
		node->due_tick = wheel->tick;
	insert(wheel, node);
	wheel->count++;
}

void wheel_set_no_later(struct wheel *wheel, struct wheel_node *node, uint64_t due_ms)
{
	if (!node->link || node->due_tick > due_ms / WHEEL_TICK_MS + 1)
		wheel_set(wheel, node, due_ms);
}

void wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
	if (!node->link)
		return;
	unlink_node(node);
	wheel->count--;
}

static struct wheel_node *take_place(struct wheel *wheel, unsigned level, unsigned place)
{
	struct wheel_node *list = wheel->place[level][place];

	wheel->place[level][place] = NULL;
	wheel->filled[level][place / 64] &= ~((uint64_t)1 << place % 64);
	return list;
}

/* A round of a level begins: what the level above holds for it is spread over it. */
static void cascade(struct wheel *wheel)
{
	for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
		unsigned place = wheel->tick >> (LEVEL_BITS * level) & PLACE_MASK;
		struct wheel_node *list = take_place(wheel, level, place), *next;
		for (; list; list = next) {
			next = list->next;
			insert(wheel, list);
		}
		if (place != 0)
			break;
	}
}

static void fire_place(struct wheel *wheel, unsigned place)
{
	wheel->fired = take_place(wheel, 0, place);
	if (wheel->fired)
		wheel->fired->link = &wheel->fired;
}

/* The first place from `from` on that may hold something; WHEEL_PLACES: none in this round. */
static unsigned next_filled(const struct wheel *wheel, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_PLACES / 64; word++) {
		uint64_t bits = wheel->filled[0][word];
		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_PLACES;
}

struct wheel_node *wheel_take(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t now = now_ms / WHEEL_TICK_MS;

	for (;;) {
		struct wheel_node *node = wheel->fired;
		if (node && node->due_tick > now) { /* beyond the span when it was set */
			unlink_node(node);
			insert(wheel, node);
			continue;
		}
		if (node) {
			unlink_node(node);
			wheel->count--;
			return node;
		}
		if (wheel->tick > now)
			return NULL;
		unsigned place = next_filled(wheel, wheel->tick & PLACE_MASK);
		uint64_t tick = (wheel->tick & ~(uint64_t)PLACE_MASK) + place;
		if (place < WHEEL_PLACES && tick <= now) {
			wheel->tick = tick + 1;
			fire_place(wheel, place);
		} else {
			wheel->tick = tick <= now ? tick : now + 1;
		}
		if ((wheel->tick & PLACE_MASK) == 0)
			cascade(wheel);
	}
}

int wheel_sleep_ms(const struct wheel *wheel, uint64_t now_ms)
{
	if (wheel->count == 0)
		return -1;
	unsigned place = next_filled(wheel, wheel->tick & PLACE_MASK);
	/* The end of the round, where nothing stands before it: the next level is looked at then. */
	uint64_t due_ms = ((wheel->tick & ~(uint64_t)PLACE_MASK) + place) * WHEEL_TICK_MS;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}
