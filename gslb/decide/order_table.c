/*
 * Builds the prefix tables that order.c reads. Runs are maximal, so each block of the canonical cut
 * of a run into prefixes is as short as a prefix with one outcome can be: that is the leaf's depth.
 */
#include "gslb/decide/order_table.h"
#include "lib/mem.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define ROOT_BITS 16
#define NODE_BITS 8
#define NODE_SLOTS 256
#define LINE_UNITS (64 / NODE_UNIT_OCTETS) /* in a cache line */

struct builder {
	struct order_table *table;
	const struct order_runs *runs;
	size_t run; /* that holds the address which is being built */
};

static uint32_t build_entry(struct builder *builder, address_key first, unsigned bits, unsigned looked_at,
			    unsigned *ret_slots);

static address_key run_last(const struct order_runs *runs, size_t run)
{
	return run + 1 < runs->count ? runs->items[run + 1].start - 1 : ADDRESS_KEY_LAST;
}

static void seek_run(struct builder *builder, address_key first)
{
	while (run_last(builder->runs, builder->run) < first)
		builder->run++;
}

/* Room for a node, in the next cache line if this one has too little for it. Valid until the next. */
static struct order_node *new_node(struct order_table *table, unsigned entries)
{
	size_t octets = offsetof(struct order_node, entries) + entries * sizeof(uint32_t);
	size_t units = (octets + NODE_UNIT_OCTETS - 1) / NODE_UNIT_OCTETS, left = -table->units % LINE_UNITS;
	size_t skipped = left < units && units <= LINE_UNITS ? left : 0;
	xgrow((void **)&table->nodes, &table->unit_capacity, table->units + skipped + units,
	      NODE_UNIT_OCTETS);
	table->units += skipped;
	struct order_node *node = (struct order_node *)(table->nodes + table->units * NODE_UNIT_OCTETS);
	table->units += units;
	assert(table->units < ENTRY_CHILD);
	return node;
}

static uint32_t build_node(struct builder *builder, address_key first, unsigned bits)
{
	uint32_t run_entries[NODE_SLOTS];
	unsigned run_count = 0, slots;
	struct order_node node = {.rank = {0}};
	for (unsigned slot = 0; slot < NODE_SLOTS; slot += slots) {
		address_key slot_first = first | (address_key)slot << (128 - bits - NODE_BITS);
		uint32_t entry = build_entry(builder, slot_first, bits + NODE_BITS, bits, &slots);
		if (run_count > 0 && run_entries[run_count - 1] == entry)
			continue;
		run_entries[run_count++] = entry;
		node.run_starts[slot / 64] |= (uint64_t)1 << slot % 64;
	}
	for (unsigned word = 1; word < 4; word++)
		node.rank[word] = (uint8_t)(node.rank[word - 1] +
					    (unsigned)__builtin_popcountll(node.run_starts[word - 1]));

	struct order_node *to = new_node(builder->table, run_count);
	memcpy(to, &node, offsetof(struct order_node, entries));
	memcpy(to->entries, run_entries, run_count * sizeof(*run_entries));
	return (uint32_t)(((uint8_t *)to - builder->table->nodes) / NODE_UNIT_OCTETS);
}

/* The entry for the block of `bits` bits at `first`, in a table that looks at the bits behind the first
 * `looked_at`, and for how many blocks from there it holds, where `first` begins its leaf. */
static uint32_t build_entry(struct builder *builder, address_key first, unsigned bits, unsigned looked_at,
			    unsigned *ret_slots)
{
	const struct order_runs *runs = builder->runs;
	seek_run(builder, first);
	const struct order_run *run = &runs->items[builder->run];
	address_key last = run_last(runs, builder->run);
	*ret_slots = 1;
	if (last < (first | address_key_tail(bits)))
		return ENTRY_CHILD | build_node(builder, first, bits);
	/* The shortest prefix around the block that the run still holds. */
	unsigned depth = bits;
	while (depth > looked_at) {
		address_key tail = address_key_tail(depth - 1);
		if ((first & ~tail) < run->start || (first | tail) > last)
			break;
		depth--;
	}
	*ret_slots = 1u << (bits - depth);
	return (depth - looked_at) << ENTRY_DEPTH_SHIFT | run->outcome;
}

void order_table_build(struct order_table *table, unsigned family, const struct order_runs *runs)
{
	unsigned index = family == 6;
	table->whole[index] = runs->items[0].outcome;
	if (runs->count == 1)
		return;
	struct builder builder = {.table = table, .runs = runs};
	uint32_t *root = xcalloc(1u << ROOT_BITS, sizeof(*root));
	unsigned slots;
	for (uint32_t slot = 0; slot < 1u << ROOT_BITS; slot += slots) {
		uint32_t entry =
			build_entry(&builder, (address_key)slot << (128 - ROOT_BITS), ROOT_BITS, 0, &slots);
		for (unsigned i = 0; i < slots; i++)
			root[slot + i] = entry;
	}
	table->root[index] = root;
}

void order_table_finish(struct order_table *table)
{
	if (table->units == 0)
		return;
	size_t octets = table->units * NODE_UNIT_OCTETS;
	uint8_t *nodes = xcalloc_apart(octets);
	memcpy(nodes, table->nodes, octets);
	free(table->nodes);
	table->nodes = nodes;
	table->unit_capacity = table->units;
}

void order_table_done(struct order_table *table)
{
	free(table->root[0]);
	free(table->root[1]);
	free(table->nodes);
}

size_t order_table_bytes(const struct order_table *table)
{
	size_t roots = (table->root[0] != NULL) + (table->root[1] != NULL);
	return roots * (sizeof(uint32_t) << ROOT_BITS) + table->unit_capacity * NODE_UNIT_OCTETS;
}
