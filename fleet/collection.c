/*
 * The objects of one kind, by number, by id and in pages. The table of ids holds numbers only and finds the
 * ids in the objects: at a million tenants it is 8 MB. Nothing is sorted as a whole, for that would stop the
 * control thread: a window holds the smallest ids behind a cursor. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16
#define WINDOW_OBJECTS 16384 /* 128 KB; all pages of a million tenants take 62 walks */

void fleet_collection_done(struct fleet_collection *collection)
{
	free(collection->objects);
	free(collection->slots);
	free(collection->window.objects);
	free(collection->window.after);
}

/* ---- by id ---- */

static size_t home_of(const struct fleet_collection *collection, const char *id)
{
	return hash_bytes(id, strlen(id), 0) & (collection->slot_count - 1);
}

static struct fleet_object *in_slot(const struct fleet_collection *collection, size_t slot)
{
	uint32_t number = collection->slots[slot];

	assert(slot < collection->slot_count && number <= collection->end);
	return number > 0 ? collection->objects[number - 1] : NULL;
}

/* The slot that holds the id, or the empty one where it belongs. */
static size_t find_slot(const struct fleet_collection *collection, const char *id)
{
	size_t slot = home_of(collection, id);
	const struct fleet_object *object;

	assert(collection->count < collection->slot_count); /* else no slot is empty, and this never ends */
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
	collection->slots = xcalloc(collection->slot_count, sizeof *collection->slots);
	for (size_t i = 0; i < collection->end; i++)
		if (collection->objects[i])
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

/* ---- pages ---- */

static int compare_ids(const void *a, const void *b)
{
	const struct fleet_object *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* Repairs a heap with the greatest id on top, in which only the object at `at` may be smaller than those
 * below it. */
static void sift_down(struct fleet_object **heap, size_t count, size_t at)
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && compare_ids(&heap[child + 1], &heap[child]) > 0)
			child++;
		if (compare_ids(&heap[at], &heap[child]) >= 0)
			return;
		struct fleet_object *object = heap[at];
		heap[at] = heap[child];
		heap[child] = object;
	}
}

/* Finds the `most` smallest ids behind `after` in one walk. */
static void fill_window(struct fleet_collection *collection, const char *after, size_t most)
{
	struct fleet_window *window = &collection->window;
	size_t count = 0, found = 0;

	xgrow((void **)&window->objects, &window->capacity, most, sizeof *window->objects);
	for (size_t i = 0; i < collection->end; i++) {
		struct fleet_object *object = collection->objects[i];
		if (!object || (after && strcmp(object->id, after) <= 0))
			continue;
		found++;
		if (count < most) {
			window->objects[count++] = object;
			for (size_t at = count / 2; count == most && at > 0; at--)
				sift_down(window->objects, count, at - 1);
		} else if (strcmp(object->id, window->objects[0]->id) < 0) {
			window->objects[0] = object;
			sift_down(window->objects, count, 0);
		}
	}
	if (count > 0)
		qsort(window->objects, count, sizeof *window->objects, compare_ids);
	free(window->after);
	window->after = after ? xstrdup(after) : NULL;
	window->count = count;
	window->is_end = found == count;
	window->is_filled = true;
}

/* How many ids of the window are smaller than `id`. */
static size_t window_place(const struct fleet_window *window, const char *id)
{
	size_t low = 0;

	for (size_t high = window->count; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(window->objects[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Finds where the page behind `after` begins in the window; false: it may begin before the window. */
static bool find_page(const struct fleet_window *window, const char *after, size_t *ret_first)
{
	if (!window->is_filled || (window->after && (!after || strcmp(after, window->after) < 0)))
		return false;
	size_t first = after ? window_place(window, after) : 0;
	*ret_first =
		first + (after && first < window->count && strcmp(window->objects[first]->id, after) == 0);
	return true;
}

size_t fleet_collection_page(struct fleet_collection *collection, const char *after, size_t limit,
			     struct fleet_object **ret)
{
	const struct fleet_window *window = &collection->window;
	size_t first;

	if (!find_page(window, after, &first) || (!window->is_end && window->count - first < limit)) {
		fill_window(collection, after, limit > WINDOW_OBJECTS ? limit : WINDOW_OBJECTS);
		first = 0;
	}
	assert(first <= window->count);
	size_t count = window->count - first < limit ? window->count - first : limit;
	if (count > 0)
		memcpy(ret, window->objects + first, count * sizeof *ret);
	return count;
}

/* Behind its last id the window knows nothing, unless that is the last of all. */
static void window_add(struct fleet_window *window, struct fleet_object *object)
{
	size_t at;

	if (!find_page(window, object->id, &at) || (at == window->count && !window->is_end))
		return;
	if (window->count == window->capacity) {
		window->count--;
		window->is_end = false;
	}
	if (at > window->count)
		return;
	memmove(window->objects + at + 1, window->objects + at,
		(window->count - at) * sizeof *window->objects);
	window->objects[at] = object;
	window->count++;
}

/* `by` takes the place of the object with its id; NULL: that object leaves. */
static void window_replace(struct fleet_window *window, const char *id, struct fleet_object *by)
{
	size_t at = window_place(window, id);

	if (at == window->count || strcmp(window->objects[at]->id, id) != 0)
		return;
	if (by) {
		window->objects[at] = by;
		return;
	}
	window->count--;
	memmove(window->objects + at, window->objects + at + 1,
		(window->count - at) * sizeof *window->objects);
}

/* ---- changing ---- */

static void put(struct fleet_collection *collection, struct fleet_object *object)
{
	if ((collection->count + 1) * 4 > collection->slot_count * 3)
		grow_slots(collection);
	collection->objects[object->number] = object;
	put_slot(collection, object);
	window_add(&collection->window, object);
	collection->count++;
}

void fleet_collection_add(struct fleet_collection *collection, struct fleet_object *object)
{
	size_t number = collection->first_free;

	while (number < collection->end && collection->objects[number])
		number++;
	if (number == collection->end) {
		xgrow((void **)&collection->objects, &collection->capacity, number + 1,
		      sizeof *collection->objects);
		collection->objects[collection->end++] = NULL;
	}
	assert(number < UINT32_MAX);
	collection->first_free = number + 1;
	object->number = (uint32_t)number;
	put(collection, object);
}

void fleet_collection_replace(struct fleet_collection *collection, struct fleet_object *object)
{
	const struct fleet_object *old = fleet_collection_get(collection, object->id);

	assert(old && old != object && old->kind == object->kind);
	object->number = old->number;
	window_replace(&collection->window, object->id, object);
	collection->objects[object->number] = object;
}

void fleet_collection_remove(struct fleet_collection *collection, const struct fleet_object *object)
{
	assert(collection->count > 0 && collection->objects[object->number] == object);
	clear_slot(collection, object->id);
	collection->objects[object->number] = NULL;
	window_replace(&collection->window, object->id, NULL);
	collection->count--;
	if (object->number < collection->first_free)
		collection->first_free = object->number;
}

void fleet_collection_restore(struct fleet_collection *collection, struct fleet_object *object)
{
	assert(!collection->objects[object->number]);
	put(collection, object);
}
