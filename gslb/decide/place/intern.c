/* Numbers for values, by open addressing at half load. Runs on the thread that builds a table. */
#include "gslb/decide/place/intern.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

void intern_init(struct intern *intern, size_t size)
{
	assert(size > 0);
	*intern = (struct intern){.size = size, .slot_count = 64};
	intern->slots = xcalloc(intern->slot_count, sizeof(*intern->slots));
}

void intern_done(struct intern *intern)
{
	free(intern->items);
	free(intern->slots);
	*intern = (struct intern){.size = 0};
}

static void grow_slots(struct intern *intern)
{
	struct intern_slot *old = intern->slots;
	size_t old_count = intern->slot_count;
	assert((old_count & (old_count - 1)) == 0); /* positions wrap by a mask */
	intern->slot_count *= 2;
	intern->slots = xcalloc(intern->slot_count, sizeof(*intern->slots));
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].number == 0)
			continue;
		size_t at = old[i].hash & (intern->slot_count - 1);
		while (intern->slots[at].number != 0)
			at = (at + 1) & (intern->slot_count - 1);
		intern->slots[at] = old[i];
	}
	free(old);
}

uint32_t intern_put(struct intern *intern, const void *value)
{
	uint32_t hash = (uint32_t)hash_bytes(value, intern->size, 0);
	size_t at = hash & (intern->slot_count - 1);
	for (; intern->slots[at].number != 0; at = (at + 1) & (intern->slot_count - 1)) {
		uint32_t known = intern->slots[at].number - 1;
		if (intern->slots[at].hash == hash &&
		    memcmp(intern->items + known * intern->size, value, intern->size) == 0)
			return known;
	}
	assert(intern->count < UINT32_MAX - 1);
	uint32_t number = (uint32_t)intern->count;
	intern->slots[at] = (struct intern_slot){hash, number + 1};
	xgrow((void **)&intern->items, &intern->capacity, intern->count + 1, intern->size);
	memcpy(intern->items + intern->count * intern->size, value, intern->size);
	intern->count++;
	if (intern->count * 2 > intern->slot_count)
		grow_slots(intern);
	return number;
}
