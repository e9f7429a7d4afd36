/*
 * Building of the name index: an edit owns what it touched and shares the rest with its base. Control
 * thread; the look-ups that run elsewhere are in index_find.c.
 */
#include "lib/mem.h"
#include "zones/index_layout.h"
#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 8u
#define COPY_SLACK 512 /* octets of room in a copied shard: a few names more */
#define WASTE_MIN 2048 /* octets that are not worth a compaction */
#define USUAL_NODE_OCTETS 56

struct zone_set {
	unsigned references;
	size_t count;
	struct zone *zones[];
};

struct index_edit {
	struct index *index; /* in the making, with one reference */
	bool is_own[SHARDS]; /* shards that nobody else sees yet */
	struct zone **added; /* not yet in the index */
	size_t added_count, added_capacity;
	size_t expected; /* names, in all */
};

/* Where nothing is: read by look-ups, never written, never counted. */
static const struct shard empty_shard = {
	.used = sizeof(struct shard) + sizeof(struct slot), .capacity = 0, .slots = {{0, 0}}};

/* ---- shards ---- */

static size_t node_octets(size_t name_octets)
{
	return (offsetof(struct node, name) + name_octets + 7) & ~(size_t)7;
}

static void shard_unref(struct shard *shard)
{
	assert(shard == &empty_shard || shard->references > 0);
	if (shard != &empty_shard && --shard->references == 0)
		free(shard);
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

	assert(shard->count <= shard->mask && offset % 8 == 0); /* a slot is free, so that the search ends */
	while (shard->slots[at].offset)
		at = (at + 1) & shard->mask;
	assert(offset / 8 <= UINT32_MAX);
	shard->slots[at] = (struct slot){fingerprint, (uint32_t)(offset / 8)};
}

/* The same nodes without waste, in a table of `slots`. */
static struct shard *shard_rebuild(const struct shard *old, uint32_t slots)
{
	size_t live = old->used - sizeof *old - (old->mask + 1) * sizeof(struct slot) - old->waste;
	struct shard *shard = shard_new(slots, live + live / 4 + COPY_SLACK);

	for (uint32_t i = 0; i <= old->mask; i++) {
		if (!old->slots[i].offset)
			continue;
		const struct node *node = shard_node(old, old->slots[i].offset);
		size_t octets = node_octets(node->name_length);
		memcpy((uint8_t *)shard + shard->used, node, octets);
		put_slot(shard, old->slots[i].fingerprint, shard->used);
		shard->used += octets;
		shard->count++;
	}
	assert(shard->count == old->count && shard->used <= shard->capacity);
	return shard;
}

static void replace_shard(struct index_edit *edit, unsigned number, struct shard *shard)
{
	struct shard_entry *entry = &edit->index->shards[number];

	assert(edit->is_own[number] && shard->references == 1);
	shard_unref(entry->shard);
	*entry = (struct shard_entry){shard, shard->mask};
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

/* Makes the shard one that this edit may write to. */
static void own_shard(struct index_edit *edit, unsigned number)
{
	struct shard *old = edit->index->shards[number].shard, *shard;

	if (edit->is_own[number])
		return;
	edit->is_own[number] = true;
	edit->index->bytes -= old->capacity; /* counted again in index_edit_done */
	if (old == &empty_shard) {
		shard = shard_for(edit->expected / SHARDS);
	} else {
		shard = xmalloc(old->used + COPY_SLACK);
		memcpy(shard, old, old->used);
		shard->references = 1;
		shard->capacity = old->used + COPY_SLACK;
	}
	replace_shard(edit, number, shard);
}

/* A node of this edit, or NULL; valid until the next insertion or removal. */
static struct node *writable(struct index_edit *edit, const uint8_t *name, size_t length)
{
	uint64_t hash = name_hash(name, length);

	own_shard(edit, shard_number(hash));
	return shard_get(&edit->index->shards[shard_number(hash)], name, length, hash, 0);
}

static struct node *insert(struct index_edit *edit, const uint8_t *name, size_t length,
			   const struct zone *zone, const struct rrset *sets, unsigned flags)
{
	uint64_t hash = name_hash(name, length);
	unsigned number = shard_number(hash);

	own_shard(edit, number);
	struct shard *shard = edit->index->shards[number].shard;
	if ((shard->count + 1) * 4 > (shard->mask + 1) * 3) {
		replace_shard(edit, number, shard_rebuild(shard, (shard->mask + 1) * 2));
		shard = edit->index->shards[number].shard;
	}
	size_t octets = node_octets(length);
	if (shard->used + octets > shard->capacity) {
		size_t capacity = (shard->used + octets) / 4 * 5 + COPY_SLACK;
		shard = xrealloc(shard, capacity);
		shard->capacity = capacity;
		edit->index->shards[number].shard = shard;
	}
	assert(shard->used + octets <= shard->capacity && shard->references == 1);
	struct node *node = (struct node *)((uint8_t *)shard + shard->used);
	memset(node, 0, octets);
	node->zone = zone;
	node->sets = sets;
	node->policy = node->tenant = INDEX_NONE;
	node->flags = (uint16_t)flags;
	node->name_length = (uint8_t)length;
	memcpy(node->name, name, length);
	put_slot(shard, (uint32_t)hash, shard->used);
	shard->used += octets;
	shard->count++;
	if (!(flags & NODE_PARENT_SIDE))
		edit->index->names++;
	unsigned labels = name_labels(name);
	if (labels > edit->index->labels_max)
		edit->index->labels_max = labels;
	return node;
}

/* Takes the name out; the slots behind it close up, so that no probe ends early. */
static void erase(struct index_edit *edit, const uint8_t *name, size_t length)
{
	uint64_t hash = name_hash(name, length);
	unsigned number = shard_number(hash);

	own_shard(edit, number);
	struct shard *shard = edit->index->shards[number].shard;
	uint32_t hole = shard_probe(shard, shard->mask, name, length, hash, 0);
	assert(shard->slots[hole].offset);
	for (uint32_t at = (hole + 1) & shard->mask; shard->slots[at].offset; at = (at + 1) & shard->mask) {
		uint32_t home = shard->slots[at].fingerprint & shard->mask;
		if (((at - home) & shard->mask) < ((at - hole) & shard->mask))
			continue; /* its home lies behind the hole */
		shard->slots[hole] = shard->slots[at];
		hole = at;
	}
	shard->slots[hole] = (struct slot){0, 0};
	assert(shard->count > 0 && edit->index->names > 0);
	shard->count--;
	shard->waste += (uint32_t)node_octets(length);
	edit->index->names--;
	if (shard->waste > WASTE_MIN && shard->waste > shard->used / 4)
		replace_shard(edit, number, shard_rebuild(shard, shard->mask + 1));
}

/* ---- zones ---- */

static void zone_set_unref(struct zone_set *set)
{
	assert(!set || set->references > 0);
	if (!set || --set->references)
		return;
	for (size_t i = 0; i < set->count; i++)
		zone_unref(set->zones[i]);
	free(set);
}

static struct index *index_new(void)
{
	struct index *index = xcalloc(1, sizeof *index);

	index->references = 1;
	index->bytes = sizeof *index;
	for (unsigned i = 0; i < SHARDS; i++)
		index->shards[i] = (struct shard_entry){(struct shard *)(uintptr_t)&empty_shard, 0};
	return index;
}

static const struct node *get(const struct index *index, const uint8_t *name, size_t length)
{
	return index_get(index, name, length, name_hash(name, length));
}

/* Whether another zone's apex stands above the name, below this zone's apex. */
static bool is_in_child(const struct index *index, const struct zone *zone, const uint8_t *name,
			size_t length)
{
	for (;;) {
		length -= *name + 1u;
		name += *name + 1;
		if (length <= zone->name.length)
			return false;
		const struct node *node = get(index, name, length);
		if (node && (node->flags & ZONE_NODE_APEX))
			return true;
	}
}

/* The zones below it are in already. */
static void insert_zone(struct index_edit *edit, const struct zone *zone)
{
	for (const struct zone_node *from = zone->nodes; from; from = from->next) {
		bool is_apex = from == zone->nodes;
		if (!is_apex && is_in_child(edit->index, zone, from->name, from->name_length))
			continue;
		/* what is there already can only be a child's apex */
		bool is_taken = get(edit->index, from->name, from->name_length) != NULL;
		insert(edit, from->name, from->name_length, zone, from->sets,
		       from->flags | NODE_STATIC | (is_taken ? NODE_PARENT_SIDE : 0));
	}
	for (const struct zone_node *from = zone->nodes->next; from; from = from->next) {
		const struct node *node = get(edit->index, from->name, from->name_length);
		if (!node || node->zone != zone)
			continue;
		struct node *parent = writable(edit, from->name + *from->name + 1,
					       (size_t)from->name_length - *from->name - 1);
		assert(parent); /* a zone has its empty non-terminals as nodes */
		parent->children++;
		if (name_is_wildcard(from->name))
			parent->flags |= NODE_HAS_WILDCARD;
	}
}

struct ordered_zone {
	struct zone *zone;
	unsigned labels;
	size_t number; /* the later of two with one name counts */
};

static int compare_zones(const void *left, const void *right)
{
	const struct ordered_zone *a = left, *b = right;

	if (a->labels != b->labels)
		return a->labels > b->labels ? -1 : 1;
	int order = name_compare(a->zone->name.octets, b->zone->name.octets);
	if (order)
		return order;
	return a->number > b->number ? -1 : 1;
}

/* The zones of the base and the added ones, children before their parents; takes their references. */
static struct zone_set *merge_zones(struct index_edit *edit)
{
	const struct zone_set *old = edit->index->zones;
	size_t count = (old ? old->count : 0) + edit->added_count;
	struct ordered_zone *all = xcalloc(count, sizeof *all);
	struct zone_set *set = xcalloc(1, sizeof *set + count * sizeof(struct zone *));

	for (size_t i = 0; i < count; i++) {
		bool is_old = old && i < old->count;
		struct zone *zone =
			is_old ? zone_ref(old->zones[i]) : edit->added[i - (old ? old->count : 0)];
		all[i] = (struct ordered_zone){zone, name_labels(zone->name.octets), i};
	}
	qsort(all, count, sizeof *all, compare_zones);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && name_equal(all[i].zone->name.octets, all[i - 1].zone->name.octets)) {
			zone_unref(all[i].zone);
			all[i].zone = all[i - 1].zone;
			continue;
		}
		set->zones[set->count++] = all[i].zone;
	}
	set->references = 1;
	free(all);
	return set;
}

/* Brings the added zones in. A zone may take names from another and give some back, so the index is
 * made anew; the tenants are carried over. */
static void flush(struct index_edit *edit)
{
	struct index *old = edit->index;

	if (!edit->added_count)
		return;
	struct zone_set *zones = merge_zones(edit);
	edit->added_count = 0;
	memset(edit->is_own, 0, sizeof edit->is_own);
	edit->index = index_new();
	edit->index->zones = zones;
	for (size_t i = 0; i < zones->count; i++)
		insert_zone(edit, zones->zones[i]);
	for (unsigned i = 0; i < SHARDS; i++) {
		const struct shard *shard = old->shards[i].shard;
		for (uint32_t slot = 0; slot <= shard->mask; slot++) {
			if (!shard->slots[slot].offset)
				continue;
			const struct node *node = shard_node(shard, shard->slots[slot].offset);
			if (node->policy == INDEX_NONE)
				continue;
			struct name name = {.length = node->name_length};
			memcpy(name.octets, node->name, node->name_length);
			index_edit_set_tenant(edit, &name, node->policy, node->tenant);
		}
	}
	index_unref(old);
}

/* ---- tenants ---- */

/* The node of a tenant and the empty non-terminals between it and the next existing name. */
static struct node *create(struct index_edit *edit, const struct name *name)
{
	const uint8_t *octets = name->octets;
	size_t length = name->length, missing = 1;
	const struct node *above = NULL;

	while (length > 1 && !above) {
		length -= *octets + 1u;
		octets += *octets + 1;
		above = get(edit->index, octets, length);
		missing += !above;
	}
	assert(above); /* callers name only what a served zone encloses */
	const struct zone *zone = above->zone;
	unsigned flags = above->flags & (ZONE_NODE_CUT | ZONE_NODE_DNAME | ZONE_NODE_OCCLUDED)
				 ? ZONE_NODE_OCCLUDED
				 : 0;

	octets = name->octets;
	length = name->length;
	bool is_below_wildcard = false; /* the label below was "*" */
	for (size_t i = 0; i < missing; i++) {
		struct node *node = insert(edit, octets, length, zone, NULL, flags);
		node->children = i > 0;
		node->flags |= is_below_wildcard ? NODE_HAS_WILDCARD : 0;
		is_below_wildcard = name_is_wildcard(octets);
		length -= *octets + 1u;
		octets += *octets + 1;
	}
	struct node *parent = writable(edit, octets, length);
	assert(parent && parent->zone == zone);
	parent->children++;
	parent->flags |= is_below_wildcard ? NODE_HAS_WILDCARD : 0;
	return writable(edit, name->octets, name->length);
}

/* Removes the name and what was only there for it. */
static void prune(struct index_edit *edit, const struct name *name)
{
	const uint8_t *octets = name->octets;
	size_t length = name->length;

	for (;;) {
		const struct node *node = get(edit->index, octets, length);
		assert(node); /* an apex at the latest ends the walk */
		if (node->flags & NODE_STATIC || node->children || node->policy != INDEX_NONE)
			return;
		erase(edit, octets, length);
		bool was_wildcard = name_is_wildcard(octets);
		length -= *octets + 1u;
		octets += *octets + 1;
		struct node *parent = writable(edit, octets, length);
		assert(parent && parent->children > 0);
		parent->children--;
		if (was_wildcard)
			parent->flags &= (uint16_t)~NODE_HAS_WILDCARD;
	}
}

void index_edit_set_tenant(struct index_edit *edit, const struct name *name, uint32_t policy, uint32_t tenant)
{
	flush(edit);
	bool exists = get(edit->index, name->octets, name->length) != NULL;
	if (policy == INDEX_NONE && !exists)
		return;
	struct node *node = exists ? writable(edit, name->octets, name->length) : create(edit, name);
	assert(policy == INDEX_NONE || tenant != INDEX_NONE);
	node->policy = policy;
	node->tenant = policy == INDEX_NONE ? INDEX_NONE : tenant;
	if (policy == INDEX_NONE)
		prune(edit, name);
}

/* ---- the edit and the index as a whole ---- */

struct index_edit *index_edit_new(const struct index *base)
{
	struct index_edit *edit = xcalloc(1, sizeof *edit);

	edit->index = index_new();
	if (!base)
		return edit;
	memcpy(edit->index, base, sizeof *base);
	edit->index->references = 1;
	if (base->zones)
		base->zones->references++;
	for (unsigned i = 0; i < SHARDS; i++) {
		if (base->shards[i].shard != &empty_shard)
			base->shards[i].shard->references++;
	}
	return edit;
}

void index_edit_expect(struct index_edit *edit, size_t names)
{
	edit->expected = names;
}

void index_edit_add_zone(struct index_edit *edit, struct zone *zone)
{
	if (edit->added_count == edit->added_capacity)
		xgrow((void **)&edit->added, &edit->added_capacity, edit->added_count + 1,
		      sizeof *edit->added);
	edit->added[edit->added_count++] = zone_ref(zone);
}

struct index *index_edit_done(struct index_edit *edit)
{
	flush(edit);
	struct index *index = edit->index;
	for (unsigned i = 0; i < SHARDS; i++) {
		if (!edit->is_own[i])
			continue;
		struct shard *shard = index->shards[i].shard;
		if (shard->capacity - shard->used > COPY_SLACK + shard->used / 16) {
			shard->capacity = shard->used;
			shard = xrealloc(shard, shard->capacity);
			index->shards[i].shard = shard;
		}
		index->bytes += shard->capacity;
	}
	free(edit->added);
	free(edit);
	return index;
}

void index_edit_cancel(struct index_edit *edit)
{
	if (!edit)
		return;
	for (size_t i = 0; i < edit->added_count; i++)
		zone_unref(edit->added[i]);
	free(edit->added);
	index_unref(edit->index);
	free(edit);
}

struct index *index_ref(struct index *index)
{
	index->references++;
	return index;
}

void index_unref(struct index *index)
{
	assert(!index || index->references > 0);
	if (!index || --index->references)
		return;
	for (unsigned i = 0; i < SHARDS; i++)
		shard_unref(index->shards[i].shard);
	zone_set_unref(index->zones);
	free(index);
}

size_t index_names(const struct index *index)
{
	return index->names;
}

size_t index_bytes(const struct index *index)
{
	return index->bytes;
}

const struct zone *index_zone(const struct index *index, const uint8_t *apex)
{
	const struct node *node = get(index, apex, name_length(apex));

	return node && (node->flags & ZONE_NODE_APEX) ? node->zone : NULL;
}
