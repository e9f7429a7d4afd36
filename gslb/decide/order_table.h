/*
 * The compiled form of an order: per family a root over the first 16 bits of an address, then nodes
 * over 8 bits each. A node keeps its 256 slots as runs of equal entries: a bit marks where a run
 * begins, and the entry of a slot is found by counting bits. A node's entries follow it, and a node lies
 * within one cache line if it can: a look-up waits for memory once for the root and once for each node.
 * Written by order_compile.c and order_table.c on the thread that builds, read by order.c on any thread.
 */
#pragma once
#include "gslb/decide/order.h"
#include "gslb/decide/place/address_key.h"
#include "lib/inline.h"

/* An entry is a child (where its node is, in units) or a leaf: the number of its outcome, and its depth
 * counted from the first bit that the root or node looks at. */
#define ENTRY_CHILD 0x80000000u
#define ENTRY_DEPTH_SHIFT 26
#define ENTRY_OUTCOME_MASK ((1u << ENTRY_DEPTH_SHIFT) - 1)

#define NODE_UNIT_OCTETS 16

struct order_node {
	uint64_t run_starts[4]; /* bit s % 64 of word s / 64: slot s begins a run */
	uint8_t rank[4];	/* runs that begin in the words before */
	uint32_t entries[];	/* of the runs */
};

struct order_table {
	uint32_t *root[2]; /* IPv4, IPv6: 65536 entries; NULL: `whole` holds for the whole family */
	uint32_t whole[2]; /* a leaf of depth 0 */
	size_t units, unit_capacity;
	uint8_t *nodes; /* when finished, at the beginning of a cache line */
};

/* Sets of regions among which an address without location may want the nearest. */
#define ORDER_NEAR_MAX (1 + FLEET_NEAREST_LISTS_MAX)

/* What else a leaf wants to know, when the client's own prefix has no location. */
enum order_need {
	NEED_NOTHING,
	NEED_PLACE,   /* the rules for places, by the resolver's location */
	NEED_NEAREST, /* distances from the resolver's location, of all candidates or the n-th list of them */
	NEED_COUNT = NEED_NEAREST + ORDER_NEAR_MAX,
};

struct order_outcome {
	uint32_t tiers;	      /* octets from order.tiers on */
	enum order_need need; /* other than NEED_NOTHING: the address has no location */
};

struct order {
	_Atomic unsigned references; /* the load helper and the control thread share them */
	struct order_spec spec;	     /* rules sorted by kind and content */
	struct tiers *tiers;
	size_t tiers_count, outcome_count;
	struct order_outcome *outcomes;
	struct order_table main;
	struct order_table by_need[NEED_COUNT];		      /* empty where not needed */
	const struct order_table *resolver_table[NEED_COUNT]; /* that answers a need */
};

/* Outcomes of a family in the order of addresses; neighbours differ. */
struct order_runs {
	size_t count, capacity;
	struct order_run {
		address_key start; /* runs[0].start = 0 */
		uint32_t outcome;
	} * items;
};

void order_table_build(struct order_table *table, unsigned family, const struct order_runs *runs);
void order_table_finish(struct order_table *table); /* before the first look-up */
void order_table_done(struct order_table *table);
size_t order_table_bytes(const struct order_table *table);

/* What the first bits of an address say. */
static inline const uint32_t *order_table_entry(const struct order_table *table, const struct ip *ip)
{
	unsigned family = ip->family == 6;
	const uint32_t *root = table->root[family];
	return root ? &root[(unsigned)ip->bytes[0] << 8 | ip->bytes[1]] : &table->whole[family];
}

static inline const struct order_node *order_table_node(const struct order_table *table, uint32_t child)
{
	return (const struct order_node *)(table->nodes + (size_t)(child & ~ENTRY_CHILD) * NODE_UNIT_OCTETS);
}

/* Where order_find will begin, for callers that look up many addresses: they ask memory for the entries of
 * all, then for the nodes of all, and then look. */
struct order_cursor {
	const struct order_table *table; /* NULL: nowhere */
	const uint32_t *entry;
};

static inline struct order_cursor order_prefetch(const struct order *order, const struct ip *client)
{
	const uint32_t *entry = order_table_entry(&order->main, client);

	prefetch(entry);
	return (struct order_cursor){&order->main, entry};
}

static inline void order_prefetch_node(const struct order_cursor *place)
{
	if (place->table && (*place->entry & ENTRY_CHILD))
		prefetch(order_table_node(place->table, *place->entry));
}
