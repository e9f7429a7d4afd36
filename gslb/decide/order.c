/*
 * From a client's address to its tiers: the read side of the compiled orders. On the UDP path: no
 * allocation, lock or call. Any thread.
 */
#include "gslb/decide/order_table.h"

/* Bits set; written out because the baseline of x86-64 has no instruction for it. */
static inline unsigned count_bits(uint64_t word)
{
	word -= word >> 1 & 0x5555555555555555u;
	word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned)(word * 0x0101010101010101u >> 56);
}

static inline uint32_t node_entry(const struct order_node *node, unsigned slot)
{
	unsigned word = slot / 64;
	/* The run that holds the slot is the last one beginning at or before it. */
	uint64_t begun = node->run_starts[word] << (63 - slot % 64);
	return node->entries[node->rank[word] + count_bits(begun) - 1];
}

/* The outcome's number. No node looks behind the last bit of its family, so the walk ends. */
static inline uint32_t table_find(const struct order_table *table, const struct ip *ip, unsigned *ret_depth)
{
	uint32_t entry = *order_table_entry(table, ip);
	unsigned looked_at = 0; /* bits before the ones that the entry's table looks at */
	for (unsigned byte = 2; entry & ENTRY_CHILD; byte++) {
		looked_at = byte * 8;
		entry = node_entry(order_table_node(table, entry), ip->bytes[byte]);
	}
	*ret_depth = looked_at + (entry >> ENTRY_DEPTH_SHIFT);
	return entry & ENTRY_OUTCOME_MASK;
}

static inline const struct tiers *tiers_of(const struct order *order, const struct order_outcome *outcome)
{
	return (const struct tiers *)((const uint8_t *)order->tiers + outcome->tiers);
}

struct order_result order_find(const struct order *order, const struct ip *client, const struct ip *resolver)
{
	unsigned depth;
	const struct order_outcome *outcome = &order->outcomes[table_find(&order->main, client, &depth)];
	struct order_result result = {.tiers = tiers_of(order, outcome), .depth = (uint8_t)depth};
	if (outcome->need == NEED_NOTHING || !resolver)
		return result;
	/* Without a location of its own the client is where its resolver is; the depth stays that of
	 * the client's prefix (docs/decision.md, "Client"). */
	const struct order_table *table = order->resolver_table[outcome->need];
	outcome = &order->outcomes[table_find(table, resolver, &depth)];
	if (outcome->need == NEED_NOTHING) {
		result.tiers = tiers_of(order, outcome);
		result.used_resolver = true;
	}
	return result;
}
