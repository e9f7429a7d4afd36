/*
 * The one hash of the product: 64 bits, not keyed, the same on every node, version and byte order.
 * The sticky split and the name index use it; tests/unit/test_hash.c pins it by vectors, so it
 * never changes. It is not a defence against chosen keys: only operators insert names.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline void hash_store64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(p, &v, 8);
}

static inline uint64_t hash_load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

/* Up to 7 bytes, little-endian, zero-extended. The loads overlap where they need not meet. */
static inline uint64_t hash_load_tail(const uint8_t *p, size_t length)
{
	if (length >= 4)
		return hash_load32(p) | hash_load32(p + length - 4) << 8 * (length - 4);
	if (length == 0)
		return 0;
	return p[0] | (uint64_t)p[length / 2] << 8 * (length / 2) |
	       (uint64_t)p[length - 1] << 8 * (length - 1);
}

/* hash_bytes in steps, for callers that have the octets eight at a time: start, hash_mix with each whole
 * word, finish with the tail. */
static inline uint64_t hash_start(size_t length, uint64_t seed)
{
	return seed ^ (length * 0xa0761d6478bd642fu);
}

static inline uint64_t hash_finish(uint64_t h, uint64_t tail)
{
	return hash_mix(hash_mix(h, tail), 0x8ebc6af09c88c6e3u);
}

static inline uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const uint8_t *p = bytes;
	uint64_t h = hash_start(length, seed);
	for (; length >= 8; p += 8, length -= 8)
		h = hash_mix(h, hash_load64(p));
	return hash_finish(h, hash_load_tail(p, length));
}
