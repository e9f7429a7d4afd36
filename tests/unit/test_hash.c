/* The hash that decides who goes where: these numbers never change, or every sticky client moves.
 * They were computed once by another implementation (arithmetic on Python's big integers). */
#include "lib/hash.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void mix_vectors(void **state)
{
	static const struct {
		uint64_t a, b, want;
	} vectors[] = {
		{0x0u, 0x0u, 0x850f9794d5108b4u},
		{0x1u, 0x0u, 0x1155780eeda5205eu},
		{0x0u, 0x1u, 0x66996336cc1a94a0u},
		{0x1u, 0x2u, 0xede26bbdec1829b5u},
		{0xffffffffffffffffu, 0xffffffffffffffffu, 0x25af8628d51d2bbu},
		{0x9e3779b97f4a7c15u, 0x5u, 0x0u},
		{0x123456789abcdefu, 0xfedcba9876543210u, 0x6e0cc4e14af0d3ecu},
	};
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		assert_true(hash_mix(vectors[i].a, vectors[i].b) == vectors[i].want);
}

static void bytes_vectors(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		uint64_t seed, want;
	} vectors[] = {
		{"", 0, 0x0u, 0x3ec615fd0e96615fu},
		{"", 0, 0x1u, 0x10bf6e3139019c09u},
		{"a", 1, 0x0u, 0xadf5d06223a5c23eu},
		{"acme", 4, 0x0u, 0x2f90f42102f59713u},
		{"1234567", 7, 0x0u, 0x17a9fec70477233au},
		{"12345678", 8, 0x0u, 0x5a51ce108eb57ca6u},
		{"123456789", 9, 0x0u, 0xce09e33f0cf9a0f9u},
		{"\000", 1, 0x0u, 0x91d7424738c0f740u},
		{"\000\000", 2, 0x0u, 0x81313c26b466efddu},
		{"\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377", 16, 0xdeadbeefu,
		 0xa3707b6ad0c70c6cu},
		{"\004\141\143\155\145\003\141\160\160\007\145\170\141\155\160\154\145\003\156\145\164\000",
		 22, 0x0u, 0x1ae3bf9ff3d7c0ecu},
		{"\004\141\143\155\145\003\141\160\160\007\145\170\141\155\160\154\145\003\156\145\164\000",
		 22, 0xffffffffffffffffu, 0x53722cc1719f943cu},
		{"\300\000\002\000", 4, 0x2au, 0x78c7bb2de4ad44f5u},
	};
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		assert_true(hash_bytes(vectors[i].bytes, vectors[i].length, vectors[i].seed) ==
			    vectors[i].want);
}

static void unaligned_input_gives_the_same(void **state)
{
	uint8_t room[64];

	for (size_t shift = 0; shift < 8; shift++) {
		memcpy(room + shift, "\4acme\3app\7example\3net", 22);
		assert_true(hash_bytes(room + shift, 22, 5) ==
			    hash_bytes("\4acme\3app\7example\3net", 22, 5));
	}
}

/* Names that differ in one digit must spread over a table: 4096 names in 256 boxes. */
static void like_names_spread(void **state)
{
	unsigned boxes[256] = {0};

	for (int i = 0; i < 4096; i++) {
		char name[32];
		int length = snprintf(name, sizeof name, "tenant-%d", i);
		boxes[hash_bytes(name, (size_t)length, 0) & 255]++;
	}
	for (int i = 0; i < 256; i++) /* 16 expected, six standard deviations are 24 */
		assert_in_range(boxes[i], 1, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mix_vectors),
		cmocka_unit_test(bytes_vectors),
		cmocka_unit_test(unaligned_input_gives_the_same),
		cmocka_unit_test(like_names_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
