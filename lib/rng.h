/* Random numbers that need not be secret (jitter, `split: random`). One state per thread. */
#pragma once
#include <stdint.h>

struct rng {
	uint64_t s[2];
};

void rng_seed_from_system(struct rng *rng); /* getrandom(2); aborts when the kernel refuses */
void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng); /* xoroshiro128++ */
