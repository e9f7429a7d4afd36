/*
 * Building of the table of hosts: an edit owns what it touched and shares the rest with its base. Control
 * thread.
 */
#include "forwarder/plan/hosts_layout.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 8u
#define COPY_SLACK 256 /* octets of room in a copied shard: a few names more */
#define WASTE_MIN 2048 /* octets that are not worth a compaction */
#define USUAL_NODE_OCTETS 36

struct hosts_edit {
	struct hosts *hosts;	/* in the making, with one reference */
	bool has_group[GROUPS]; /* groups, and shards in them, that nobody else sees yet */
	bool has_shard[GROUPS][GROUP_SHARDS];
	size_t expected; /* names, in all */
};

/* Where nothing is: read by look-ups, never written, never counted. */
static const struct shard empty_shard = {
	.used = sizeof(struct shard) + sizeof(struct slot), .capacity = 0, .slots = {{0, 0}}};

static size_t node_octets(const struct node *node)
{
	size_t text = node->name_length + (node->tenant_at ? node->tenant_length : 0u);

	return (offsetof(struct node, text) + text + 3) & ~(size_t)3;
}

/* ---- shards and groups ---- */

static void shard_unref(struct shard *shard)
{
	assert(shard == &empty_shard || shard->references > 0);
	if (shard != &empty_shard && --shard->references == 0)
		free(shard);
}

static void group_unref(struct group *group)
{
	assert(group->references > 0);
	if (--group->references)
		return;
	for (unsigned i = 0; i < GROUP_SHARDS; i++)
		shard_unref(group->entries[i].shard);
	free(group);
}

static struct group *group_new(const struct group *base)
{
	struct group *group = xmalloc(sizeof *group);

	group->references = 1;
	for (unsigned i = 0; i < GROUP_SHARDS; i++) {
		if (!base) {
			group->entries[i] = (struct group_entry){(struct shard *)(uintptr_t)&empty_shard, 0};
			continue;
		}
		group->entries[i] = base->entries[i];
		if (group->entries[i].shard != &empty_shard)
			group->entries[i].shard->references++;
	}
	return group;
}

static struct shard *shard_new(uint32_t slots, size_t data_octets)
{
	assert(slots > 0 && (slots & (slots - 1)) == 0);
	size_t head = sizeof(struct shard) + slots * sizeof(struct slot);
	struct shard *shard = xmalloc(head + data_octets);

	memset(shard, 0, head);
	*shard = (struct shard){
		.references = 1, .mask = slots - 1, .used = head, .capacity = head + data_octets};
	return shard;
}

static void put_slot(struct shard *shard, uint32_t fingerprint, size_t offset)
{
	uint32_t at = fingerprint & shard->mask;

	assert(shard->count <= shard->mask && offset % 4 == 0); /* a slot is free, so that the search ends */
	while (shard->slots[at].offset)
		at = (at + 1) & shard->mask;
	assert(offset / 4 <= UINT32_MAX);
	shard->slots[at] = (struct slot){fingerprint, (uint32_t)(offset / 4)};
}

/* The same nodes without waste, in a table of `slots`. */
static struct shard *shard_rebuild(const struct shard *old, uint32_t slots)
{
	size_t live = old->used - sizeof *old - (old->mask + 1) * sizeof(struct slot) - old->waste;
	struct shard *shard = shard_new(slots, live + live / 8 + COPY_SLACK);

	for (uint32_t i = 0; i <= old->mask; i++) {
		if (!old->slots[i].offset)
			continue;
		const struct node *node = shard_node(old, old->slots[i].offset);
		size_t octets = node_octets(node);
		memcpy((uint8_t *)shard + shard->used, node, octets);
		put_slot(shard, old->slots[i].fingerprint, shard->used);
		shard->used += octets;
		shard->count++;
	}
	assert(shard->count == old->count && shard->used <= shard->capacity);
	return shard;
}

/* One with room for so many names. */
static struct shard *shard_for(size_t names)
{
	uint32_t slots = SLOTS_MIN;

	names += names / 8; /* the hash spreads them unevenly */
	while (names * 4 > (size_t)slots * 3)
		slots *= 2;
	return shard_new(slots, names * USUAL_NODE_OCTETS + COPY_SLACK);
}

/* ---- an edit ---- */

struct hosts_edit *hosts_edit_new(const struct hosts *base)
{
	struct hosts_edit *edit = xcalloc(1, sizeof *edit);
	struct hosts *hosts = edit->hosts = xmalloc(sizeof *hosts);

	if (base)
		*hosts = *base;
	else
		*hosts = (struct hosts){.bytes = sizeof *hosts + GROUPS * sizeof(struct group)};
	hosts->references = 1;
	for (unsigned i = 0; i < GROUPS; i++) {
		if (base) {
			hosts->groups[i]->references++;
		} else {
			hosts->groups[i] = group_new(NULL);
			edit->has_group[i] = true;
		}
	}
	return edit;
}

void hosts_edit_expect(struct hosts_edit *edit, size_t names)
{
	edit->expected = names;
}

/* The place of the hash's shard, which this edit may write to. */
static struct group_entry *own_entry(struct hosts_edit *edit, uint64_t hash)
{
	unsigned number = hash_group(hash), inner = hash_shard(hash);
	struct group **group = &edit->hosts->groups[number];

	if (!edit->has_group[number]) {
		struct group *copy = group_new(*group);
		group_unref(*group);
		*group = copy;
		edit->has_group[number] = true;
	}
	struct group_entry *entry = &(*group)->entries[inner];
	if (edit->has_shard[number][inner])
		return entry;
	edit->has_shard[number][inner] = true;
	struct shard *old = entry->shard, *shard;
	if (old == &empty_shard) {
		shard = shard_for(edit->expected / (GROUPS * GROUP_SHARDS));
	} else {
		shard = xmalloc(old->used + COPY_SLACK);
		memcpy(shard, old, old->used);
		shard->references = 1;
		shard->capacity = old->used + COPY_SLACK;
	}
	edit->hosts->bytes += shard->capacity - old->capacity;
	shard_unref(old);
	*entry = (struct group_entry){shard, shard->mask};
	return entry;
}

static void replace_shard(struct hosts_edit *edit, struct group_entry *entry, struct shard *shard)
{
	assert(shard->references == 1 && entry->shard->references == 1);
	edit->hosts->bytes += shard->capacity - entry->shard->capacity;
	shard_unref(entry->shard);
	*entry = (struct group_entry){shard, shard->mask};
}

/* Counts the name in what look-ups go by: +1, or with `sign` -1 one less. */
static void count_name(struct hosts *hosts, const char *name, size_t length, int sign)
{
	unsigned labels = host_labels(name, length);

	assert(labels <= HOSTS_LABELS_MAX);
	hosts->names += (size_t)sign;
	if (labels > hosts->labels_max)
		hosts->labels_max = labels;
	if (length < 3 || name[0] != '*' || name[1] != '.')
		return;
	assert(sign > 0 || (hosts->wildcard_count && hosts->wildcards[labels - 1]));
	hosts->wildcards[labels - 1] += (uint32_t)sign;
	hosts->wildcard_count += (size_t)sign;
}

/* The slots behind the hole close up, so that no probe ends early. */
static void close_hole(struct shard *shard, uint32_t hole)
{
	for (uint32_t at = (hole + 1) & shard->mask; shard->slots[at].offset; at = (at + 1) & shard->mask) {
		uint32_t home = shard->slots[at].fingerprint & shard->mask;
		if (((at - home) & shard->mask) < ((at - hole) & shard->mask))
			continue; /* its home lies behind the hole */
		shard->slots[hole] = shard->slots[at];
		hole = at;
	}
	shard->slots[hole] = (struct slot){0, 0};
}

static bool erase(struct hosts_edit *edit, struct group_entry *entry, const char *name, size_t length,
		  uint64_t hash)
{
	struct shard *shard = entry->shard;
	uint32_t at = shard_probe(shard, shard->mask, name, length, hash);

	if (!shard->slots[at].offset)
		return false;
	shard->waste += (uint32_t)node_octets(shard_node(shard, shard->slots[at].offset));
	close_hole(shard, at);
	assert(shard->count > 0);
	shard->count--;
	if (shard->waste > WASTE_MIN && shard->waste > shard->used / 4)
		replace_shard(edit, entry, shard_rebuild(shard, shard->mask + 1));
	count_name(edit->hosts, name, length, -1);
	return true;
}

static bool is_first_label(const char *name, size_t length, const struct hosts_entry *entry)
{
	size_t id = entry->tenant_length;

	return id <= length && memcmp(name, entry->tenant, id) == 0 && (id == length || name[id] == '.');
}

void hosts_edit_put(struct hosts_edit *edit, const char *name, size_t length, const struct hosts_entry *entry)
{
	uint64_t hash = host_hash(name, length);
	struct group_entry *place = own_entry(edit, hash);
	struct node head = {.policy = entry->policy,
			    .state = entry->state,
			    .name_length = (uint8_t)length,
			    .tenant_length = entry->tenant_length};

	assert(length > 0 && length <= HOSTS_NAME_MAX);
	erase(edit, place, name, length, hash);
	if (!is_first_label(name, length, entry))
		head.tenant_at = (uint16_t)length;
	if ((place->shard->count + 1) * 4 > (place->shard->mask + 1) * 3)
		replace_shard(edit, place, shard_rebuild(place->shard, (place->shard->mask + 1) * 2));
	struct shard *shard = place->shard;
	size_t octets = node_octets(&head);
	if (shard->used + octets > shard->capacity) {
		size_t capacity = (shard->used + octets) / 8 * 9 + COPY_SLACK;
		edit->hosts->bytes += capacity - shard->capacity;
		place->shard = shard = xrealloc(shard, capacity);
		shard->capacity = capacity;
	}
	assert(shard->used + octets <= shard->capacity && shard->references == 1);
	struct node *node = (struct node *)((uint8_t *)shard + shard->used);
	*node = head;
	memcpy(node->text, name, length);
	if (head.tenant_at)
		memcpy(node->text + head.tenant_at, entry->tenant, entry->tenant_length);
	put_slot(shard, (uint32_t)hash, shard->used);
	shard->used += octets;
	shard->count++;
	count_name(edit->hosts, name, length, 1);
}

bool hosts_edit_remove(struct hosts_edit *edit, const char *name, size_t length)
{
	uint64_t hash = host_hash(name, length);

	assert(length > 0 && length <= HOSTS_NAME_MAX);
	if (!hosts_get(edit->hosts, name, length, hash))
		return false;
	return erase(edit, own_entry(edit, hash), name, length, hash);
}

/* What growing left over goes back, but for the room of a few names. */
static void trim(struct hosts *hosts, struct group_entry *entry)
{
	struct shard *shard = entry->shard;
	size_t capacity = shard->used + COPY_SLACK;

	assert(shard->references == 1);
	if (shard->capacity <= capacity + shard->used / 64)
		return;
	hosts->bytes -= shard->capacity - capacity;
	entry->shard = shard = xrealloc(shard, capacity);
	shard->capacity = capacity;
}

struct hosts *hosts_edit_done(struct hosts_edit *edit)
{
	struct hosts *hosts = edit->hosts;

	for (unsigned i = 0; i < GROUPS; i++)
		for (unsigned j = 0; edit->has_group[i] && j < GROUP_SHARDS; j++)
			if (edit->has_shard[i][j])
				trim(hosts, &hosts->groups[i]->entries[j]);
	free(edit);
	return hosts;
}

void hosts_edit_cancel(struct hosts_edit *edit)
{
	hosts_unref(hosts_edit_done(edit));
}

struct hosts *hosts_ref(struct hosts *hosts)
{
	assert(hosts->references > 0);
	hosts->references++;
	return hosts;
}

void hosts_unref(struct hosts *hosts)
{
	assert(!hosts || hosts->references > 0);
	if (!hosts || --hosts->references)
		return;
	for (unsigned i = 0; i < GROUPS; i++)
		group_unref(hosts->groups[i]);
	free(hosts);
}

size_t hosts_count(const struct hosts *hosts)
{
	return hosts->names;
}

size_t hosts_bytes(const struct hosts *hosts)
{
	return hosts->bytes;
}
