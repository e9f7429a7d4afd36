/*
 * Hash map from text to pointer: an array of entries in order of insertion and an open-addressed
 * table of indexes into it. Control threads; one at a time.
 */
#include "lib/map.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define SLOT_EMPTY UINT32_MAX

struct entry {
	char *key; /* NULL: removed */
	void *value;
	uint64_t hash;
};

struct map {
	struct entry *entries;
	size_t used, capacity; /* entries, removed ones included */
	size_t count;	       /* without the removed ones */
	uint32_t *slots;       /* index into entries, or SLOT_EMPTY */
	size_t slot_count;     /* a power of two, or 0 */
};

struct map *map_new(void)
{
	return xcalloc(1, sizeof(struct map));
}

void map_free(struct map *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->used; i++)
		free(map->entries[i].key);
	free(map->entries);
	free(map->slots);
	free(map);
}

static uint64_t hash_key(const char *key)
{
	return hash_bytes(key, strlen(key), 0);
}

/* The slot of `key`, or the empty one where it would go. Removed entries keep their slot, so that
 * probing goes on past them, until the next rebuild. */
static size_t find_slot(const struct map *map, const char *key, uint64_t hash)
{
	size_t slot = hash & (map->slot_count - 1);

	assert(map->used < map->slot_count); /* an empty slot ends the search */
	for (;; slot = (slot + 1) & (map->slot_count - 1)) {
		uint32_t at = map->slots[slot];
		if (at == SLOT_EMPTY)
			return slot;
		const struct entry *entry = &map->entries[at];
		if (entry->key && entry->hash == hash && strcmp(entry->key, key) == 0)
			return slot;
	}
}

/* Drops the removed entries and gives room for one more at a load of at most one half. */
static void rebuild(struct map *map)
{
	size_t kept = 0, slot_count = 16;

	for (size_t i = 0; i < map->used; i++)
		if (map->entries[i].key)
			map->entries[kept++] = map->entries[i];
	assert(kept == map->count);
	map->used = kept;
	while (slot_count < (map->count + 1) * 4)
		slot_count *= 2;
	if (slot_count > SLOT_EMPTY)
		abort();
	free(map->slots);
	map->slots = xmalloc(slot_count * sizeof *map->slots);
	map->slot_count = slot_count;
	memset(map->slots, 0xff, slot_count * sizeof *map->slots);
	for (size_t i = 0; i < map->used; i++) {
		size_t slot = map->entries[i].hash & (slot_count - 1);
		while (map->slots[slot] != SLOT_EMPTY)
			slot = (slot + 1) & (slot_count - 1);
		map->slots[slot] = (uint32_t)i;
	}
}

static struct entry *find(const struct map *map, const char *key, uint64_t hash)
{
	if (map->slot_count == 0)
		return NULL;
	uint32_t at = map->slots[find_slot(map, key, hash)];
	return at == SLOT_EMPTY ? NULL : &map->entries[at];
}

void *map_get(const struct map *map, const char *key)
{
	const struct entry *entry = find(map, key, hash_key(key));

	return entry ? entry->value : NULL;
}

void *map_put(struct map *map, const char *key, void *value)
{
	uint64_t hash = hash_key(key);
	struct entry *entry = find(map, key, hash);

	assert(value); /* NULL means absent */
	if (entry) {
		void *old = entry->value;
		entry->value = value;
		return old;
	}
	if ((map->used + 1) * 2 > map->slot_count)
		rebuild(map);
	xgrow((void **)&map->entries, &map->capacity, map->used + 1, sizeof *map->entries);
	map->entries[map->used] = (struct entry){.key = xstrdup(key), .value = value, .hash = hash};
	map->slots[find_slot(map, key, hash)] = (uint32_t)map->used;
	map->used++;
	map->count++;
	return NULL;
}

void *map_remove(struct map *map, const char *key)
{
	struct entry *entry = find(map, key, hash_key(key));

	if (!entry)
		return NULL;
	assert(map->count > 0);
	void *value = entry->value;
	free(entry->key);
	*entry = (struct entry){.key = NULL};
	map->count--;
	return value;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

void *map_next(const struct map *map, size_t *at, const char **ret_key)
{
	while (*at < map->used) {
		const struct entry *entry = &map->entries[(*at)++];
		if (!entry->key)
			continue;
		if (ret_key)
			*ret_key = entry->key;
		return entry->value;
	}
	return NULL;
}
