/* Names → pointers: open addressing with linear probing; removal closes the gap behind it. Control
 * thread. */
#include "fleet/names.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

struct slot {
	const uint8_t *name; /* NULL: empty */
	void *value;
	uint64_t hash;
};

struct names {
	struct slot *slots;
	size_t mask; /* slots - 1, a power of two */
	size_t count;
};

#define SLOTS_MIN 64

struct names *names_new(void)
{
	struct names *names = xcalloc(1, sizeof *names);

	names->slots = xcalloc(SLOTS_MIN, sizeof *names->slots);
	names->mask = SLOTS_MIN - 1;
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	free(names->slots);
	free(names);
}

size_t names_count(const struct names *names)
{
	return names->count;
}

/* The slot that holds the name, or the empty one where it belongs. */
static size_t find(const struct names *names, const uint8_t *name, uint64_t hash)
{
	size_t at = hash & names->mask;

	assert(names->count <= names->mask); /* a slot is empty, so the search ends */
	for (; names->slots[at].name; at = (at + 1) & names->mask)
		if (names->slots[at].hash == hash && name_equal(names->slots[at].name, name))
			break;
	return at;
}

static uint64_t hash_of(const uint8_t *name)
{
	return name_hash(name, name_length(name));
}

void *names_get(const struct names *names, const uint8_t *name)
{
	const struct slot *slot = &names->slots[find(names, name, hash_of(name))];

	return slot->name ? slot->value : NULL;
}

void *names_enclosing(const struct names *names, const uint8_t *name)
{
	for (;; name += *name + 1) {
		void *value = names_get(names, name);
		if (value || *name == 0)
			return value;
	}
}

static void grow(struct names *names)
{
	struct slot *old = names->slots;
	size_t old_count = names->mask + 1;

	names->slots = xcalloc(old_count * 2, sizeof *names->slots);
	names->mask = old_count * 2 - 1;
	for (size_t i = 0; i < old_count; i++)
		if (old[i].name)
			names->slots[find(names, old[i].name, old[i].hash)] = old[i];
	free(old);
}

void names_put(struct names *names, const uint8_t *name, void *value)
{
	uint64_t hash = hash_of(name);
	size_t at = find(names, name, hash);

	assert(value != NULL); /* that is what names_get() says of an absent name */
	if (!names->slots[at].name) {
		if ((names->count + 1) * 3 > (names->mask + 1) * 2) {
			grow(names);
			at = find(names, name, hash);
		}
		names->count++;
	}
	names->slots[at] = (struct slot){.name = name, .value = value, .hash = hash};
}

void names_remove(struct names *names, const uint8_t *name)
{
	size_t gap = find(names, name, hash_of(name));

	if (!names->slots[gap].name)
		return;
	names->count--;
	for (size_t at = (gap + 1) & names->mask; names->slots[at].name; at = (at + 1) & names->mask) {
		size_t home = names->slots[at].hash & names->mask;
		/* A slot may move back to the gap unless its home lies behind the gap. */
		if (((at - home) & names->mask) >= ((at - gap) & names->mask)) {
			names->slots[gap] = names->slots[at];
			gap = at;
		}
	}
	names->slots[gap] = (struct slot){.name = NULL};
}
