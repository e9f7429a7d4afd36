/* Buffers of a worker: lent, given back, bounded. */
#include "forwarder/io/buffers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void a_buffer_is_used_again(void **state)
{
	struct buffers buffers;
	buffers_init(&buffers, 1 << 20);
	struct buffer *first = buffers_take(&buffers, BUFFER_SMALL);
	first->start = 3;
	first->end = 9;
	buffers_give(&buffers, first);
	struct buffer *second = buffers_take(&buffers, BUFFER_SMALL);
	assert_ptr_equal(first, second);
	assert_int_equal(buffer_held(second), 0);
	assert_int_equal(buffer_room(second), BUFFER_SMALL);
	buffers_give(&buffers, second);
	buffers_give(&buffers, NULL);
	buffers_done(&buffers);
}

static void the_limit_holds_over_both_sizes(void **state)
{
	struct buffers buffers;
	struct buffer *large, *small;
	buffers_init(&buffers, BUFFER_LARGE + BUFFER_SMALL);
	assert_non_null(large = buffers_take(&buffers, BUFFER_LARGE));
	assert_false(buffers_are_scarce(&buffers));
	assert_non_null(small = buffers_take(&buffers, BUFFER_SMALL));
	assert_true(buffers_are_scarce(&buffers));
	assert_null(buffers_take(&buffers, BUFFER_SMALL));
	buffers_give(&buffers, large);
	buffers_give(&buffers, small);
	assert_non_null(small = buffers_take(&buffers, BUFFER_SMALL));
	buffers_give(&buffers, small);
	buffers_done(&buffers);
}

static void memory_goes_back_when_it_was_not_needed_for_a_while(void **state)
{
	enum { COUNT = 200 };
	struct buffers buffers;
	struct buffer *lent[COUNT];
	buffers_init(&buffers, (size_t)64 << 20);
	for (int i = 0; i < COUNT; i++)
		lent[i] = buffers_take(&buffers, BUFFER_LARGE);
	for (int i = 0; i < COUNT; i++)
		buffers_give(&buffers, lent[i]);
	buffers_trim(&buffers, 1000);
	buffers_trim(&buffers, 1000 + BUFFERS_TRIM_MS - 1);
	assert_int_equal(buffers.kept, (size_t)COUNT * BUFFER_LARGE);
	buffers_trim(&buffers, 1000 + BUFFERS_TRIM_MS);
	assert_true(buffers.kept <= BUFFERS_KEEP);
	buffers_done(&buffers);
}

static void compacting_keeps_what_is_held(void **state)
{
	struct buffers buffers;
	buffers_init(&buffers, 1 << 20);
	struct buffer *buffer = buffers_take(&buffers, BUFFER_SMALL);
	memcpy(buffer->octets + BUFFER_SMALL - 5, "hello", 5);
	buffer->start = BUFFER_SMALL - 5;
	buffer->end = BUFFER_SMALL;
	buffer_compact(buffer);
	assert_int_equal(buffer_held(buffer), 5);
	assert_memory_equal(buffer->octets, "hello", 5);
	assert_int_equal(buffer_room(buffer), BUFFER_SMALL - 5);
	buffers_give(&buffers, buffer);
	buffers_done(&buffers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_is_used_again),
		cmocka_unit_test(the_limit_holds_over_both_sizes),
		cmocka_unit_test(memory_goes_back_when_it_was_not_needed_for_a_while),
		cmocka_unit_test(compacting_keeps_what_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
