/* Regions of one size of piece each, at addresses that are multiples of their size, which is how a piece
 * finds its region. An empty region goes back to the system. One thread at a time. */
#include "lib/slab.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STEP ((size_t)8)
#define CLASSES (SLAB_SIZE_MAX / STEP)
#define REGION_OCTETS ((size_t)1 << 20)
static_assert(SLAB_SIZE_MAX % STEP == 0, "each size has its class");

struct region {
	struct slab *slab;
	struct region *next, *previous; /* among those of the class that have room */
	void *released;			/* the last piece that came back; each holds the one before */
	size_t size;			/* of a piece */
	size_t used;			/* pieces */
	size_t fresh;			/* octets behind this were never given out */
};

struct slab {
	struct region *with_room[CLASSES];
	size_t region_count;
};

struct slab *slab_new(void)
{
	return xcalloc(1, sizeof(struct slab));
}

void slab_free(struct slab *slab)
{
	assert(!slab || slab->region_count == 0);
	free(slab);
}

/* ---- regions ---- */

static struct region **list_of(const struct region *region)
{
	return &region->slab->with_room[region->size / STEP - 1];
}

static void put_in_list(struct region *region)
{
	struct region **list = list_of(region);

	region->previous = NULL;
	region->next = *list;
	if (*list)
		(*list)->previous = region;
	*list = region;
}

static void take_from_list(struct region *region)
{
	assert(region->previous || *list_of(region) == region);
	if (region->previous)
		region->previous->next = region->next;
	else
		*list_of(region) = region->next;
	if (region->next)
		region->next->previous = region->previous;
}

static bool has_room(const struct region *region)
{
	return region->released || region->fresh + region->size <= REGION_OCTETS;
}

static struct region *region_new(struct slab *slab, size_t size)
{
	uint8_t *memory = xmap(2 * REGION_OCTETS);
	size_t before = (REGION_OCTETS - (uintptr_t)memory % REGION_OCTETS) % REGION_OCTETS;
	struct region *region = (struct region *)(void *)(memory + before);

	if (before > 0)
		munmap(memory, before);
	munmap(memory + before + REGION_OCTETS, REGION_OCTETS - before);
	*region = (struct region){.slab = slab, .size = size, .fresh = sizeof *region};
	slab->region_count++;
	put_in_list(region);
	return region;
}

/* ---- pieces ---- */

void *slab_alloc(struct slab *slab, size_t size)
{
	assert(size > 0 && size <= SLAB_SIZE_MAX);
	size = (size + STEP - 1) / STEP * STEP;
	struct region *region = slab->with_room[size / STEP - 1];
	if (!region)
		region = region_new(slab, size);
	assert(region->size == size && has_room(region));
	void *piece = region->released;
	if (piece) {
		region->released = *(void **)piece;
	} else {
		piece = (uint8_t *)region + region->fresh;
		region->fresh += size;
	}
	region->used++;
	if (!has_room(region))
		take_from_list(region);
	return piece;
}

void slab_release(void *piece)
{
	struct region *region = (struct region *)((uintptr_t)piece & ~(uintptr_t)(REGION_OCTETS - 1));
	bool had_room = has_room(region);

	assert(region->used > 0);
	assert((size_t)((uint8_t *)piece - (uint8_t *)region) < region->fresh); /* it was given out */
	*(void **)piece = region->released;
	region->released = piece;
	region->used--;
	if (!had_room)
		put_in_list(region);
	if (region->used > 0)
		return;
	take_from_list(region);
	region->slab->region_count--;
	munmap(region, REGION_OCTETS);
}
