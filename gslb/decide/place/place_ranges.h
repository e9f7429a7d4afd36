/*
 * The ranges of one address family: where each begins and which place it is, packed into some five octets a
 * range, for a city database has eight million of them. Appended in order of address, then read from the
 * beginning, or searched. Built on one thread, immutable afterwards.
 */
#pragma once
#include "gslb/decide/place/address_key.h"
#include <stdbool.h>
#include <stddef.h>

struct place_ranges {
	size_t count;
	size_t length, capacity; /* octets */
	uint8_t *bytes;
	size_t block_count, block_capacity;
	struct place_block *blocks; /* one for each few dozen ranges: where a search begins */
	address_key last_start;	    /* while it is built */
};

/* Starts ascend; the first is 0. */
void place_ranges_add(struct place_ranges *ranges, address_key start, uint32_t place);
void place_ranges_finish(struct place_ranges *ranges); /* gives spare memory back */
void place_ranges_done(struct place_ranges *ranges);
size_t place_ranges_bytes(const struct place_ranges *ranges);
/* The place of the range that holds the key. */
uint32_t place_ranges_find(const struct place_ranges *ranges, address_key key);

/* One range after the other:
 * place_cursor_init(&at, ranges); do … at.start, at.place … while (place_cursor_next(&at)); */
struct place_cursor {
	address_key start;
	uint32_t place;
	bool has_next;
	address_key next_start; /* with has_next */
	uint32_t next_place;	/* the rest is place_ranges.c's */
	size_t left;
	const uint8_t *bytes;
};
void place_cursor_init(struct place_cursor *cursor, const struct place_ranges *ranges);
bool place_cursor_next(struct place_cursor *cursor);
