/*
 * How a table of hosts lies in memory; for hosts_edit.c, which builds, and hosts.c, which reads.
 *
 * The hash of a name chooses the shard by its top bits, first the group and then the shard in it; its low 32
 * bits are the fingerprint and, masked, the first slot. A shard is one block: header, slots (open
 * addressing, linear probing), nodes. Groups are shared like shards, so that an edit counts references to 64
 * blocks and not to 1,024.
 */
#pragma once
#include "forwarder/plan/hosts.h"
#include "lib/hash.h"
#include <string.h>

#define GROUP_BITS 5
#define SHARD_BITS 5
#define GROUPS (1u << GROUP_BITS)
#define GROUP_SHARDS (1u << SHARD_BITS)
#define HOSTS_LABELS_MAX 127 /* of HOSTS_NAME_MAX octets */

struct node {
	uint32_t policy, state;
	uint8_t name_length, tenant_length;
	uint16_t tenant_at; /* in text: 0, where the id is the name's first label, or behind the name */
	char text[];	    /* name, tenant */
};

struct slot {
	uint32_t fingerprint;
	uint32_t offset; /* of the node from the shard's beginning, in units of 4 octets; 0: empty */
};

struct shard {
	unsigned references;
	uint32_t mask;	       /* number of slots - 1 */
	uint32_t count;	       /* nodes */
	uint32_t waste;	       /* octets of removed nodes */
	size_t used, capacity; /* octets of the whole block */
	struct slot slots[];
};

struct group {
	unsigned references;
	struct group_entry {
		struct shard *shard;
		uint32_t mask; /* shard->mask, here to spare the look-up the header's cache line */
	} entries[GROUP_SHARDS];
};

struct hosts {
	struct group *groups[GROUPS];
	unsigned references;
	unsigned labels_max;			  /* of any host that was ever in it */
	uint32_t wildcards[HOSTS_LABELS_MAX + 1]; /* by labels of what stands behind "*." */
	size_t wildcard_count;
	size_t names, bytes;
};

static inline uint64_t host_hash(const char *name, size_t length)
{
	return hash_bytes(name, length, 0x686f7374);
}

static inline unsigned hash_group(uint64_t hash)
{
	return (unsigned)(hash >> (64 - GROUP_BITS));
}

static inline unsigned hash_shard(uint64_t hash)
{
	return (unsigned)(hash >> (64 - GROUP_BITS - SHARD_BITS)) & (GROUP_SHARDS - 1);
}

static inline struct node *shard_node(const struct shard *shard, uint32_t offset)
{
	return (struct node *)((uint8_t *)(uintptr_t)shard + (size_t)offset * 4);
}

/* The slot that holds the name, else the empty one where it would go. */
static inline uint32_t shard_probe(const struct shard *shard, uint32_t mask, const char *name, size_t length,
				   uint64_t hash)
{
	uint32_t fingerprint = (uint32_t)hash, at = fingerprint & mask;

	for (; shard->slots[at].offset; at = (at + 1) & mask) {
		if (shard->slots[at].fingerprint != fingerprint)
			continue;
		const struct node *node = shard_node(shard, shard->slots[at].offset);
		if (node->name_length == length && memcmp(node->text, name, length) == 0)
			break;
	}
	return at;
}

static inline struct node *hosts_get(const struct hosts *hosts, const char *name, size_t length,
				     uint64_t hash)
{
	const struct group_entry *entry = &hosts->groups[hash_group(hash)]->entries[hash_shard(hash)];
	uint32_t at = shard_probe(entry->shard, entry->mask, name, length, hash);
	uint32_t offset = entry->shard->slots[at].offset;

	return offset ? shard_node(entry->shard, offset) : NULL;
}

static inline unsigned host_labels(const char *name, size_t length)
{
	unsigned labels = 1;

	for (size_t i = 0; i < length; i++)
		labels += name[i] == '.';
	return labels;
}
