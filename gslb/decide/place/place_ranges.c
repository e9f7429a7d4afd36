/*
 * See the header. A range is one octet that says how many of the distance's low octets are zero and how many
 * follow, these octets, and the place's number seven bits at a time. Distances are those to the start before,
 * so that a /24 among its like takes one octet for it, in either family.
 */
#include "gslb/decide/place/place_ranges.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define BLOCK_RANGES 64
#define RANGE_OCTETS_MAX (1 + 16 + 5)

struct place_block {
	uint64_t start[2]; /* of its first range: upper and lower half */
	size_t at;	   /* the octets behind that range's */
	uint32_t place;
};

static address_key block_start(const struct place_block *block)
{
	return (address_key)block->start[0] << 64 | block->start[1];
}

static unsigned low_zero_bits(address_key key)
{
	uint64_t low = (uint64_t)key;
	return low ? (unsigned)__builtin_ctzll(low) : 64 + (unsigned)__builtin_ctzll((uint64_t)(key >> 64));
}

static uint8_t *put_range(uint8_t *at, address_key distance, uint32_t place)
{
	unsigned zeros = low_zero_bits(distance) / 8;
	uint8_t *head = at++;
	for (distance >>= 8 * zeros; distance; distance >>= 8)
		*at++ = (uint8_t)distance;
	*head = (uint8_t)(zeros << 4 | (at - head - 2));
	for (; place >= 0x80; place >>= 7)
		*at++ = (uint8_t)(place | 0x80);
	*at++ = (uint8_t)place;
	return at;
}

static const uint8_t *get_range(const uint8_t *at, address_key *start, uint32_t *ret_place)
{
	unsigned zeros = *at >> 4, octets = (*at & 15) + 1u;
	address_key distance = 0;
	at++;
	for (unsigned i = 0; i < octets; i++)
		distance |= (address_key)*at++ << 8 * (zeros + i);
	*start += distance;
	uint32_t place = 0;
	unsigned shift = 0;
	for (; *at & 0x80; shift += 7)
		place |= (uint32_t)(*at++ & 0x7f) << shift;
	*ret_place = place | (uint32_t)*at++ << shift;
	return at;
}

/* At millions of ranges doubling would waste memory. */
static void reserve(struct place_ranges *ranges)
{
	if (ranges->length + RANGE_OCTETS_MAX <= ranges->capacity)
		return;
	ranges->capacity = ranges->capacity + ranges->capacity / 4 + 4096;
	ranges->bytes = xrealloc(ranges->bytes, ranges->capacity);
}

void place_ranges_add(struct place_ranges *ranges, address_key start, uint32_t place)
{
	if (ranges->count % BLOCK_RANGES == 0) {
		xgrow((void **)&ranges->blocks, &ranges->block_capacity, ranges->block_count + 1,
		      sizeof(*ranges->blocks));
		ranges->blocks[ranges->block_count++] =
			(struct place_block){.start = {(uint64_t)(start >> 64), (uint64_t)start},
					     .at = ranges->length,
					     .place = place};
	}
	assert(ranges->count == 0 ? start == 0 : start > ranges->last_start);
	if (ranges->count > 0) {
		reserve(ranges);
		uint8_t *end = put_range(ranges->bytes + ranges->length, start - ranges->last_start, place);
		ranges->length = (size_t)(end - ranges->bytes);
		if ((ranges->count % BLOCK_RANGES) == 0)
			ranges->blocks[ranges->block_count - 1].at = ranges->length;
	}
	ranges->last_start = start;
	ranges->count++;
}

void place_ranges_finish(struct place_ranges *ranges)
{
	ranges->capacity = ranges->length;
	ranges->bytes = xrealloc(ranges->bytes, ranges->length + 1);
	ranges->block_capacity = ranges->block_count;
	ranges->blocks = xrealloc(ranges->blocks, ranges->block_count * sizeof(*ranges->blocks));
}

void place_ranges_done(struct place_ranges *ranges)
{
	free(ranges->bytes);
	free(ranges->blocks);
}

size_t place_ranges_bytes(const struct place_ranges *ranges)
{
	return ranges->length + ranges->block_count * sizeof(*ranges->blocks);
}

uint32_t place_ranges_find(const struct place_ranges *ranges, address_key key)
{
	/* Block `low` begins at or before the key, block `high` behind it. */
	size_t low = 0, high = ranges->block_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (block_start(&ranges->blocks[middle]) <= key)
			low = middle;
		else
			high = middle;
	}
	const struct place_block *block = &ranges->blocks[low];
	size_t left = ranges->count - low * BLOCK_RANGES;
	const uint8_t *at = ranges->bytes + block->at;
	address_key start = block_start(block);
	uint32_t place = block->place, next_place;
	for (size_t i = 1; i < BLOCK_RANGES && i < left; i++) {
		at = get_range(at, &start, &next_place);
		if (start > key)
			break;
		place = next_place;
	}
	return place;
}

static void look_ahead(struct place_cursor *cursor)
{
	cursor->has_next = cursor->left > 0;
	if (!cursor->has_next)
		return;
	cursor->left--;
	cursor->bytes = get_range(cursor->bytes, &cursor->next_start, &cursor->next_place);
}

void place_cursor_init(struct place_cursor *cursor, const struct place_ranges *ranges)
{
	*cursor = (struct place_cursor){
		.place = ranges->blocks[0].place, .left = ranges->count - 1, .bytes = ranges->bytes};
	look_ahead(cursor);
}

bool place_cursor_next(struct place_cursor *cursor)
{
	if (!cursor->has_next)
		return false;
	cursor->start = cursor->next_start;
	cursor->place = cursor->next_place;
	look_ahead(cursor);
	return true;
}
