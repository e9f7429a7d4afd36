/* SHA-256 (FIPS 180-4): of API keys, which are stored hashed. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256(const void *octets, size_t length, uint8_t out[static SHA256_BYTES]);
