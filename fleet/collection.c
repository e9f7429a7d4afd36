/*
 * The objects of one kind, by number and by id. The table of ids holds numbers only and finds the ids
 * in the objects: at a million tenants it is 8 MB. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16
#define SORTED_EDITS 64 /* moving a part of the list costs a hundredth of sorting it */

void fleet_collection_done(struct fleet_collection *collection)
{
	free(collection->objects);
	free(collection->slots);
	free(collection->sorted);
}

/* ---- by id ---- */

static size_t home_of(const struct fleet_collection *collection, const char *id)
{
	return hash_bytes(id, strlen(id), 0) & (collection->slot_count - 1);
}

static struct fleet_object *in_slot(const struct fleet_collection *collection, size_t slot)
{
	uint32_t number = collection->slots[slot];

	return number > 0 ? collection->objects[number - 1] : NULL;
}

/* The slot that holds the id, or the empty one where it belongs. */
static size_t find_slot(const struct fleet_collection *collection, const char *id)
{
	size_t slot = home_of(collection, id);
	const struct fleet_object *object;

	while ((object = in_slot(collection, slot)) != NULL && strcmp(object->id, id) != 0)
		slot = (slot + 1) & (collection->slot_count - 1);
	return slot;
}

struct fleet_object *fleet_collection_get(const struct fleet_collection *collection, const char *id)
{
	return collection->count > 0 ? in_slot(collection, find_slot(collection, id)) : NULL;
}

static void put_slot(struct fleet_collection *collection, const struct fleet_object *object)
{
	collection->slots[find_slot(collection, object->id)] = object->number + 1;
}

static void grow_slots(struct fleet_collection *collection)
{
	free(collection->slots);
	collection->slot_count = collection->slot_count > 0 ? collection->slot_count * 2 : SLOTS_MIN;
	collection->slots = xcalloc(collection->slot_count, sizeof(*collection->slots));
	for (size_t i = 0; i < collection->end; i++)
		if (collection->objects[i] != NULL)
			put_slot(collection, collection->objects[i]);
}

/* The slots behind it close up, so that no search ends early. */
static void clear_slot(struct fleet_collection *collection, const char *id)
{
	size_t mask = collection->slot_count - 1, gap = find_slot(collection, id);

	for (size_t at = (gap + 1) & mask; collection->slots[at] > 0; at = (at + 1) & mask) {
		size_t home = home_of(collection, in_slot(collection, at)->id);
		/* It may move back to the gap unless its home lies behind the gap. */
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		collection->slots[gap] = collection->slots[at];
		gap = at;
	}
	collection->slots[gap] = 0;
}

/* ---- sorted ---- */

static int compare_ids(const void *a, const void *b)
{
	const struct fleet_object *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

struct fleet_object *const *fleet_collection_sorted(struct fleet_collection *collection)
{
	size_t count = 0;

	if (collection->sorted_edits > 0) {
		collection->sorted_edits = SORTED_EDITS;
		return collection->sorted;
	}
	xgrow((void **)&collection->sorted, &collection->sorted_capacity, collection->count + 1,
	      sizeof(*collection->sorted));
	for (size_t i = 0; i < collection->end; i++)
		if (collection->objects[i] != NULL)
			collection->sorted[count++] = collection->objects[i];
	qsort(collection->sorted, count, sizeof(*collection->sorted), compare_ids);
	collection->sorted_edits = SORTED_EDITS;
	return collection->sorted;
}

/* Where the id is in the sorted list, or would be. `count`: objects in the list. */
static size_t sorted_place(const struct fleet_collection *collection, const char *id, size_t count)
{
	size_t low = 0;

	for (size_t high = count; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(collection->sorted[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `count`: objects in the list before. */
static void sorted_insert(struct fleet_collection *collection, struct fleet_object *object, size_t count)
{
	if (collection->sorted_edits == 0 || --collection->sorted_edits == 0)
		return;
	xgrow((void **)&collection->sorted, &collection->sorted_capacity, count + 1,
	      sizeof(*collection->sorted));
	size_t at = sorted_place(collection, object->id, count);
	memmove(collection->sorted + at + 1, collection->sorted + at,
		(count - at) * sizeof(*collection->sorted));
	collection->sorted[at] = object;
}

static void sorted_remove(struct fleet_collection *collection, const char *id, size_t count)
{
	if (collection->sorted_edits == 0 || --collection->sorted_edits == 0)
		return;
	size_t at = sorted_place(collection, id, count);
	memmove(collection->sorted + at, collection->sorted + at + 1,
		(count - at - 1) * sizeof(*collection->sorted));
}

/* ---- changing ---- */

static void put(struct fleet_collection *collection, struct fleet_object *object)
{
	if ((collection->count + 1) * 4 > collection->slot_count * 3)
		grow_slots(collection);
	collection->objects[object->number] = object;
	put_slot(collection, object);
	sorted_insert(collection, object, collection->count);
	collection->count++;
}

void fleet_collection_add(struct fleet_collection *collection, struct fleet_object *object)
{
	size_t number = collection->first_free;

	while (number < collection->end && collection->objects[number] != NULL)
		number++;
	if (number == collection->end) {
		xgrow((void **)&collection->objects, &collection->capacity, number + 1,
		      sizeof(*collection->objects));
		collection->objects[collection->end++] = NULL;
	}
	collection->first_free = number + 1;
	object->number = (uint32_t)number;
	put(collection, object);
}

void fleet_collection_replace(struct fleet_collection *collection, struct fleet_object *object)
{
	const struct fleet_object *old = fleet_collection_get(collection, object->id);

	assert(old != NULL);
	object->number = old->number;
	if (collection->sorted_edits > 0)
		collection->sorted[sorted_place(collection, object->id, collection->count)] = object;
	collection->objects[object->number] = object;
}

void fleet_collection_remove(struct fleet_collection *collection, const struct fleet_object *object)
{
	clear_slot(collection, object->id);
	collection->objects[object->number] = NULL;
	sorted_remove(collection, object->id, collection->count);
	collection->count--;
	if (object->number < collection->first_free)
		collection->first_free = object->number;
}

void fleet_collection_restore(struct fleet_collection *collection, struct fleet_object *object)
{
	assert(collection->objects[object->number] == NULL);
	put(collection, object);
}
