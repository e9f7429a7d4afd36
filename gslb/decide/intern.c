/* Numbers for values, by open addressing at half load. Runs on the thread that builds a table. */
#include "gslb/decide/intern.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

void intern_init(struct intern *intern, size_t size)
{
	*intern = (struct intern){.size = size, .slot_count = 64};
	intern->slots = xcalloc(intern->slot_count, sizeof(*intern->slots));
}

void intern_done(struct intern *intern)
{
	free(intern->items);
	free(intern->slots);
	*intern = (struct intern){.size = 0};
}

static uint32_t *find_slot(const struct intern *intern, const void *value)
{
	size_t at = hash_bytes(value, intern->size, 0) & (intern->slot_count - 1);
	while (intern->slots[at] != 0 &&
	       memcmp(intern->items + (intern->slots[at] - 1) * intern->size, value, intern->size) != 0)
		at = (at + 1) & (intern->slot_count - 1);
	return &intern->slots[at];
}

static void grow_slots(struct intern *intern)
{
	free(intern->slots);
	intern->slot_count *= 2;
	intern->slots = xcalloc(intern->slot_count, sizeof(*intern->slots));
	for (size_t i = 0; i < intern->count; i++)
		*find_slot(intern, intern->items + i * intern->size) = (uint32_t)i + 1;
}

uint32_t intern_put(struct intern *intern, const void *value)
{
	uint32_t *slot = find_slot(intern, value);
	if (*slot != 0)
		return *slot - 1;
	assert(intern->count < UINT32_MAX - 1);
	uint32_t number = (uint32_t)intern->count;
	*slot = number + 1;
	xgrow((void **)&intern->items, &intern->capacity, intern->count + 1, intern->size);
	memcpy(intern->items + intern->count * intern->size, value, intern->size);
	intern->count++;
	if (intern->count * 2 > intern->slot_count)
		grow_slots(intern);
	return number;
}
