/* Base64 of RFC 4648 §4. Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets that `length` characters have room for at most. */
#define BASE64_OCTETS_MAX(length) ((length) / 4 * 3)
/* Exactly what encoding gives: padded, no blanks, spare bits 0 (RFC 4648 §3.5). Nothing is nothing. */
bool base64_decode(const char *text, size_t length, uint8_t *ret, size_t *ret_length);
