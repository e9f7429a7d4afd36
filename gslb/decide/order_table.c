/*
 * Builds the prefix tables that order.c reads. Runs are maximal, so each block of the canonical cut
 * of a run into prefixes is as short as a prefix with one outcome can be: that is the leaf's depth.
 */
#include "gslb/decide/order_table.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define ROOT_BITS 16
#define NODE_BITS 8
#define NODE_SLOTS 256

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

static uint32_t build_node(struct builder *builder, address_key first, unsigned bits)
{
	uint32_t run_entries[NODE_SLOTS];
	unsigned run_count = 0, slots;
	struct order_node node = {.base = 0};
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

	struct order_table *table = builder->table;
	xgrow((void **)&table->entries, &table->entry_capacity, table->entry_count + run_count,
	      sizeof(*table->entries));
	memcpy(table->entries + table->entry_count, run_entries, run_count * sizeof(*run_entries));
	node.base = (uint32_t)table->entry_count;
	table->entry_count += run_count;
	xgrow((void **)&table->nodes, &table->node_capacity, table->node_count + 1, sizeof(*table->nodes));
	assert(table->node_count < ENTRY_CHILD && table->entry_count <= UINT32_MAX);
	table->nodes[table->node_count] = node;
	return (uint32_t)table->node_count++;
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
	if (table->node_count == 0)
		return;
	table->nodes = xrealloc(table->nodes, table->node_count * sizeof(*table->nodes));
	table->node_capacity = table->node_count;
	table->entries = xrealloc(table->entries, table->entry_count * sizeof(*table->entries));
	table->entry_capacity = table->entry_count;
}

void order_table_done(struct order_table *table)
{
	free(table->root[0]);
	free(table->root[1]);
	free(table->nodes);
	free(table->entries);
}

size_t order_table_bytes(const struct order_table *table)
{
	size_t roots = (table->root[0] != NULL) + (table->root[1] != NULL);
	return roots * (sizeof(uint32_t) << ROOT_BITS) + table->node_capacity * sizeof(*table->nodes) +
	       table->entry_capacity * sizeof(*table->entries);
}
