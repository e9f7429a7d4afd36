/*
 * An address as one number of 128 bits, first bit on top, IPv4 in the upper 32: both families are
 * swept and cut into blocks by the same code. Any thread.
 */
#pragma once
#include "lib/net.h"
#include <endian.h>
#include <string.h>

typedef unsigned __int128 address_key;

#define ADDRESS_KEY_LAST (~(address_key)0)

static inline address_key address_key_of(const struct ip *ip)
{
	uint64_t half[2];
	memcpy(half, ip->bytes, sizeof(half));
	return (address_key)be64toh(half[0]) << 64 | be64toh(half[1]);
}

/* All bits behind the first `bits` set. */
static inline address_key address_key_tail(unsigned bits)
{
	return bits >= 128 ? 0 : ADDRESS_KEY_LAST >> bits;
}
