/*
 * The weighted rendezvous: of targets with weights, the one with the smallest distance from a hash by its
 * weight wins, with probability weight / Σ weight. Pure; any thread.
 */
#pragma once
#include "gslb/decide/log2_table.h"
#include "lib/hash.h"

/* -log2(draw / 2^64) · 2^32: an exponential variable; divided by a weight it gives the weighted
 * rendezvous (the smallest wins with probability weight / Σ weight). Integer arithmetic alone, so
 * that all nodes agree. The line between two table points is off by less than 3e-6. */
static inline uint64_t exponential(uint64_t draw)
{
	draw |= 1;
	unsigned zeros = (unsigned)__builtin_clzll(draw);
	uint64_t mantissa = draw << zeros << 1; /* the bits after the leading one */
	unsigned i = (unsigned)(mantissa >> 56);
	uint64_t rest = mantissa << 8 >> 32;
	uint64_t log2 = log2_table[i] + (((log2_table[i + 1] - log2_table[i]) * rest) >> 32);
	return ((uint64_t)(zeros + 1) << 32) - log2;
}

struct contender {
	uint64_t distance, weight;
};

static inline bool is_nearer(const struct contender *a, const struct contender *b)
{
	return (__uint128_t)a->distance * b->weight < (__uint128_t)b->distance * a->weight;
}

static inline struct contender contend(uint64_t split_hash, uint64_t target_hash, uint64_t weight)
{
	struct contender c = {exponential(hash_mix(split_hash, target_hash)), weight};
	return c;
}
