/*
 * How an index lies in memory; for index.c, which builds, index_find.c, which reads, and the data path, which
 * looks up without a call.
 *
 * The hash of a name chooses the shard by its top bits; its low 32 bits are the fingerprint and, masked,
 * the first slot. A shard is one block: header, slots (open addressing, linear probing), nodes.
 */
#pragma once
#include "lib/hash.h"
#include "lib/inline.h"
#include "zones/index.h"
#include <string.h>

#define SHARD_BITS 10
#define SHARDS (1u << SHARD_BITS)

enum {			       /* node.flags, known here only */
       NODE_STATIC = 64,       /* stands in the zone file: stays when no tenant owns it */
       NODE_PARENT_SIDE = 128, /* a served child's apex as its parent has it; found by index_find_ds only */
};

struct slot {
	uint32_t fingerprint;
	uint32_t offset; /* of the node from the shard's beginning, in units of 8 octets; 0: empty */
};

struct shard {
	unsigned references;
	uint32_t mask;	       /* number of slots - 1 */
	uint32_t count;	       /* nodes */
	uint32_t waste;	       /* octets of removed nodes */
	size_t used, capacity; /* octets of the whole block */
	struct slot slots[];
};

struct shard_entry {
	struct shard *shard;
	uint32_t mask; /* shard->mask, here to spare the look-up the header's cache line */
};

struct zone_set; /* the zones of an index, shared between indexes that differ in tenants only */

struct index {
	unsigned references;
	unsigned labels_max; /* of any name: longer suffixes of a question need no probe */
	size_t names, bytes;
	struct zone_set *zones;
	struct shard_entry shards[SHARDS];
};

static inline unsigned shard_number(uint64_t hash)
{
	return (unsigned)(hash >> (64 - SHARD_BITS));
}

static inline struct node *shard_node(const struct shard *shard, uint32_t offset)
{
	return (struct node *)((uint8_t *)(uintptr_t)shard + (size_t)offset * 8);
}

/* memcmp in place for all but the shortest: a call costs the look-up more than the comparison does. */
static inline bool is_same_name(const uint8_t *a, const uint8_t *b, size_t length)
{
	if (length < 8)
		return memcmp(a, b, length) == 0;
	for (size_t at = 0; at + 8 < length; at += 8)
		if (hash_load64(a + at) != hash_load64(b + at))
			return false;
	return hash_load64(a + length - 8) == hash_load64(b + length - 8); /* some of it again */
}

/* The slot that holds the name, else the empty one where it would go. */
static inline uint32_t shard_probe(const struct shard *shard, uint32_t mask, const uint8_t *name,
				   size_t length, uint64_t hash, unsigned side)
{
	uint32_t fingerprint = (uint32_t)hash, at = fingerprint & mask;

	for (; shard->slots[at].offset; at = (at + 1) & mask) {
		if (shard->slots[at].fingerprint != fingerprint)
			continue;
		const struct node *node = shard_node(shard, shard->slots[at].offset);
		if (node->name_length == length && (node->flags & NODE_PARENT_SIDE) == side &&
		    is_same_name(node->name, name, length))
			break;
	}
	return at;
}

static inline struct node *shard_get(const struct shard_entry *entry, const uint8_t *name, size_t length,
				     uint64_t hash, unsigned side)
{
	uint32_t at = shard_probe(entry->shard, entry->mask, name, length, hash, side);
	uint32_t offset = entry->shard->slots[at].offset;

	return offset ? shard_node(entry->shard, offset) : NULL;
}

static inline const struct node *index_probe(const struct index *index, const uint8_t *name, size_t length,
					     uint64_t hash, unsigned side)
{
	return shard_get(&index->shards[shard_number(hash)], name, length, hash, side);
}

/* Where index_probe will begin, for who has many names to look up: asks memory for the slots of all, then for
 * the nodes of all, and then goes and looks. */
struct index_cursor {
	const struct shard *shard;
	const struct slot *slot;
};

static inline struct index_cursor index_prefetch(const struct index *index, uint64_t hash)
{
	const struct shard_entry *entry = &index->shards[shard_number(hash)];
	const struct slot *slot = &entry->shard->slots[(uint32_t)hash & entry->mask];

	prefetch(slot);
	return (struct index_cursor){entry->shard, slot};
}

static inline void index_prefetch_node(const struct index_cursor *place)
{
	const uint8_t *node = (const uint8_t *)shard_node(place->shard, place->slot->offset);

	prefetch(node);
	prefetch(node + 56); /* names of usual length end in the next cache line */
}

/* index_find for who has probed for the name already: `node`, or NULL. */
struct find index_find_from(const struct index *index, const uint8_t *name, size_t length,
			    const struct node *node);
