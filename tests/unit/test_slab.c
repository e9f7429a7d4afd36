/* Small pieces of memory: each keeps what was written to it, however others come and go, and empty regions go
 * back to the system. */
#include "lib/slab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#define PIECES 40000

static struct {
	uint8_t *memory;
	size_t size;
	uint8_t mark;
} pieces[PIECES];

static void assert_kept(size_t i)
{
	for (size_t at = 0; at < pieces[i].size; at++)
		assert_int_equal(pieces[i].memory[at], pieces[i].mark);
}

static void test_pieces_keep_what_is_written(void **state)
{
	struct slab *slab = slab_new();

	srandom(5);
	memset(pieces, 0, sizeof pieces);
	for (size_t step = 0; step < 400000; step++) {
		size_t i = (size_t)random() % PIECES;
		if (pieces[i].memory) {
			assert_kept(i);
			slab_release(pieces[i].memory);
			pieces[i].memory = NULL;
			continue;
		}
		/* Mostly of few sizes, so that regions fill up. */
		pieces[i].size =
			random() % 4 ? 40 + (size_t)random() % 16 : 1 + (size_t)random() % SLAB_SIZE_MAX;
		pieces[i].mark = (uint8_t)random();
		pieces[i].memory = slab_alloc(slab, pieces[i].size);
		assert_int_equal((uintptr_t)pieces[i].memory % 8, 0);
		memset(pieces[i].memory, pieces[i].mark, pieces[i].size);
	}
	for (size_t i = 0; i < PIECES; i++) {
		if (!pieces[i].memory)
			continue;
		assert_kept(i);
		slab_release(pieces[i].memory);
	}
	slab_free(slab); /* it asserts that no region is left */
}

static bool is_mapped(const void *memory)
{
	unsigned char resident;
	void *page = (void *)((uintptr_t)memory & ~(uintptr_t)4095);

	return mincore(page, 1, &resident) == 0;
}

static void test_empty_regions_go_back(void **state)
{
	struct slab *slab = slab_new();

	for (size_t i = 0; i < PIECES; i++) /* more than one region */
		pieces[i].memory = slab_alloc(slab, 48);
	assert_true(is_mapped(pieces[0].memory));
	for (size_t i = 1; i < PIECES; i++)
		slab_release(pieces[i].memory);
	assert_true(is_mapped(pieces[0].memory));
	assert_false(is_mapped(pieces[PIECES - 1].memory));
	slab_release(pieces[0].memory);
	assert_false(is_mapped(pieces[0].memory));
	slab_free(slab);
	slab_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_keep_what_is_written),
		cmocka_unit_test(test_empty_regions_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
