/*
 * xoroshiro128++ 1.0 (Blackman and Vigna, public domain), seeded through splitmix64. One state a
 * thread, no locks.
 */
#include "lib/rng.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	for (int i = 0; i < 2; i++) {
		seed += 0x9e3779b97f4a7c15u;
		uint64_t z = seed;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		rng->s[i] = z ^ z >> 31;
	}
	assert(rng->s[0] != 0 || rng->s[1] != 0); /* such a state would never leave 0 */
}

void rng_seed_from_system(struct rng *rng)
{
	uint64_t seed;
	ssize_t got;

	/* At most 256 bytes come whole or not at all: getrandom(2). */
	do
		got = getrandom(&seed, sizeof seed, 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof seed)
		abort();
	rng_seed(rng, seed);
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t s0 = rng->s[0], s1 = rng->s[1], result = rotate_left(s0 + s1, 17) + s0;

	s1 ^= s0;
	rng->s[0] = rotate_left(s0, 49) ^ s1 ^ s1 << 21;
	rng->s[1] = rotate_left(s1, 28);
	return result;
}
