/* Records of one thread to another. */
#include "forwarder/io/ring.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RECORDS 300000

static bool put(struct ring *ring, const char *text)
{
	char *room = ring_room(ring, strlen(text));
	if (!room)
		return false;
	memcpy(room, text, strlen(text));
	ring_put(ring);
	return true;
}

static void assert_next(struct ring *ring, const char *text)
{
	size_t length;
	const char *record = ring_peek(ring, &length);
	assert_non_null(record);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(record, text, length);
	ring_next(ring);
}

static void records_come_in_their_order(void **state)
{
	struct ring *ring = ring_new(4096);
	size_t length;
	assert_null(ring_peek(ring, &length));
	assert_true(put(ring, "a"));
	assert_true(put(ring, "of another length"));
	assert_true(put(ring, ""));
	assert_next(ring, "a");
	assert_next(ring, "of another length");
	assert_next(ring, "");
	assert_null(ring_peek(ring, &length));
	ring_free(ring);
}

static void what_was_not_put_is_not_sent(void **state)
{
	struct ring *ring = ring_new(4096);
	size_t length;
	assert_non_null(ring_room(ring, 100));
	assert_null(ring_peek(ring, &length));
	assert_true(put(ring, "this"));
	assert_next(ring, "this");
	assert_null(ring_peek(ring, &length));
	ring_free(ring);
}

static void a_full_one_takes_nothing_until_it_is_read(void **state)
{
	struct ring *ring = ring_new(4096);
	char text[] = "0000", octets[1000];
	unsigned count = 0;
	memset(octets, 'x', sizeof octets);
	for (; ring_room(ring, sizeof octets); count++) {
		memcpy(ring_room(ring, sizeof octets), octets, sizeof octets);
		ring_put(ring);
	}
	assert_int_equal(count, 4);
	assert_true(put(ring, text)); /* a small one still fits */
	for (unsigned i = 0; i < count; i++) {
		size_t length;
		assert_memory_equal(ring_peek(ring, &length), octets, sizeof octets);
		assert_int_equal(length, sizeof octets);
		ring_next(ring);
	}
	assert_next(ring, text);
	assert_non_null(ring_room(ring, sizeof octets));
	ring_free(ring);
}

/* The length of a record follows from its number, as does each of its octets. */
static size_t length_of(uint32_t number)
{
	return 4 + number * 2654435761u % 900;
}

static void *send_records(void *argument)
{
	struct ring *ring = argument;
	for (uint32_t i = 0; i < RECORDS; i++) {
		size_t length = length_of(i);
		char *room;
		while (!(room = ring_room(ring, length)))
			sched_yield();
		memset(room, (int)(i & 255), length);
		memcpy(room, &i, sizeof i);
		ring_put(ring);
	}
	return NULL;
}

static void nothing_is_lost_between_two_threads(void **state)
{
	struct ring *ring = ring_new(1 << 14);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, send_records, ring), 0);
	for (uint32_t i = 0; i < RECORDS;) {
		size_t length;
		const unsigned char *record = ring_peek(ring, &length);
		if (!record) {
			sched_yield();
			continue;
		}
		assert_memory_equal(record, &i, sizeof i);
		assert_int_equal(length, length_of(i));
		if (length > 4)
			assert_int_equal(record[length - 1], i & 255);
		ring_next(ring);
		i++;
	}
	pthread_join(thread, NULL);
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_in_their_order),
		cmocka_unit_test(what_was_not_put_is_not_sent),
		cmocka_unit_test(a_full_one_takes_nothing_until_it_is_read),
		cmocka_unit_test(nothing_is_lost_between_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
