/* SipHash-2-4 with a 128-bit key and a 64-bit result: the MAC of DNS server cookies (RFC 9018 §4.4). Pure. */
#pragma once
#include "lib/hash.h"

static inline uint64_t siphash_rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void siphash_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = siphash_rotate(v[1], 13) ^ v[0];
	v[0] = siphash_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = siphash_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = siphash_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = siphash_rotate(v[1], 17) ^ v[2];
	v[2] = siphash_rotate(v[2], 32);
}

static inline void siphash_block(uint64_t v[static 4], uint64_t block)
{
	v[3] ^= block;
	siphash_round(v);
	siphash_round(v);
	v[0] ^= block;
}

static inline uint64_t siphash24(const uint8_t key[static 16], const uint8_t *bytes, size_t length)
{
	uint64_t k0 = hash_load64(key), k1 = hash_load64(key + 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
			 k1 ^ 0x7465646279746573u};
	uint64_t last = (uint64_t)length << 56;
	for (; length >= 8; bytes += 8, length -= 8)
		siphash_block(v, hash_load64(bytes));
	siphash_block(v, last | hash_load_tail(bytes, length));
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
