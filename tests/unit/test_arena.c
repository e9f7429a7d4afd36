/* The arena: zeroed, aligned, apart from each other, and honest about its size. */
#include "lib/arena.h"
#include "lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	static uint8_t *pieces[2000];
	static size_t sizes[2000];
	struct arena *arena = arena_new();
	struct rng rng;
	size_t total = 0;

	rng_seed(&rng, 7);
	for (size_t i = 0; i < 2000; i++) {
		uint64_t draw = rng_next(&rng);
		sizes[i] = draw % 97 == 0 ? draw >> 32 & 0x3ffff : draw >> 32 & 0xff;
		pieces[i] = arena_alloc(arena, sizes[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], (int)(i % 255) + 1, sizes[i]);
		total += sizes[i];
	}
	for (size_t i = 0; i < 2000; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(pieces[i][j], i % 255 + 1);
	assert_true(arena_bytes(arena) >= total);
	assert_true(arena_bytes(arena) < total * 2);
	arena_free(arena);
	arena_free(NULL);
}

static void copies(void **state)
{
	struct arena *arena = arena_new();

	assert_string_equal(arena_strndup(arena, "eu-west", 2), "eu");
	assert_string_equal(arena_strndup(arena, "", 0), "");
	assert_memory_equal(arena_dup(arena, "\0a\0b", 4), "\0a\0b", 4);
	assert_non_null(arena_dup(arena, NULL, 0));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(copies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
