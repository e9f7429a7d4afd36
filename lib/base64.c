/* Base64 of RFC 4648 §4. Pure; any thread. */
#include "lib/base64.h"
#include <assert.h>

/* -1: no digit. */
static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Digits in front of the padding, which is at most two. */
static size_t digits_in(const char *text, size_t length)
{
	for (int i = 0; i < 2 && length > 0 && text[length - 1] == '='; i++)
		length--;
	return length;
}

bool base64_decode(const char *text, size_t length, uint8_t *ret, size_t *ret_length)
{
	size_t digits = digits_in(text, length), octets = 0;
	uint32_t bits = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < digits; i++) {
		int digit = digit_of(text[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 0) /* bits that are left over: 4, 2, 0 */
			ret[octets++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	unsigned spare = digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0;
	if (bits & ((1u << spare) - 1))
		return false;
	assert(octets <= length / 4 * 3);
	*ret_length = octets;
	return true;
}
