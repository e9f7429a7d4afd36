/*
 * Four readers against one writer. Freed objects are poisoned and handed out again, so a writer that
 * does not wait for its readers is seen by the readers, by AddressSanitizer and by ThreadSanitizer.
 */
#include "lib/publish.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define READERS 4
#define SWAPS 5000
#define WORDS 64
#define POISON 0xdeadbeefdeadbeefu

struct object {
	uint64_t words[WORDS]; /* all the same */
};

static struct publish shared;
static _Atomic unsigned readers_started, bad_reads;
static _Atomic bool is_over;
static _Atomic uint64_t uses;

static struct object *object_new(uint64_t value)
{
	struct object *object = malloc(sizeof *object);

	assert_non_null(object);
	for (int i = 0; i < WORDS; i++)
		object->words[i] = value;
	return object;
}

static void object_free(struct object *object)
{
	for (int i = 0; i < WORDS; i++)
		((volatile uint64_t *)object->words)[i] = POISON;
	free(object);
}

static void *read_many(void *argument)
{
	struct publish_reader reader;
	uint64_t last = 0;

	publish_reader_init(&reader);
	atomic_fetch_add(&readers_started, 1);
	while (!atomic_load(&is_over)) {
		publish_reader_online(&reader);
		const struct object *object = publish_get(&shared);
		uint64_t value = object->words[0];
		bool is_bad = value == POISON || value < last; /* a reader never goes back in time */
		for (int round = 0; round < 4; round++)
			for (int i = 0; i < WORDS; i++)
				is_bad |= object->words[i] != value;
		if (is_bad)
			atomic_fetch_add(&bad_reads, 1);
		last = value;
		publish_reader_offline(&reader);
		atomic_fetch_add_explicit(&uses, 1, memory_order_relaxed);
	}
	publish_reader_done(&reader);
	return NULL;
}

static void readers_never_see_what_was_freed(void **state)
{
	pthread_t threads[READERS];

	atomic_store(&is_over, false);
	assert_null(publish_swap(&shared, object_new(1)));
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_many, NULL), 0);
	while (atomic_load(&readers_started) < READERS)
		sched_yield();
	for (uint64_t value = 2; value < SWAPS || atomic_load(&uses) < SWAPS; value++)
		object_free(publish_swap(&shared, object_new(value)));
	atomic_store(&is_over, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&bad_reads), 0);
	object_free(publish_swap(&shared, NULL));
}

struct sleeper {
	int wake[2]; /* a pipe */
	_Atomic bool is_asleep;
};

static void *sleep_in_the_kernel(void *argument)
{
	struct sleeper *sleeper = argument;
	struct publish_reader reader;
	char byte;

	publish_reader_init(&reader);
	publish_reader_online(&reader);
	(void)publish_get(&shared);
	publish_reader_offline(&reader);
	atomic_store(&sleeper->is_asleep, true);
	if (read(sleeper->wake[0], &byte, 1) != 1)
		abort();
	publish_reader_done(&reader);
	return NULL;
}

/* Would hang here, and be ended by the test's time limit, if an offline reader held the writer up. */
static void a_sleeping_reader_does_not_delay_the_writer(void **state)
{
	struct sleeper sleeper = {.is_asleep = false};
	static int first, second;
	pthread_t thread;

	assert_int_equal(pipe(sleeper.wake), 0);
	assert_null(publish_swap(&shared, &first));
	assert_int_equal(pthread_create(&thread, NULL, sleep_in_the_kernel, &sleeper), 0);
	while (!atomic_load(&sleeper.is_asleep))
		sched_yield();
	assert_ptr_equal(publish_swap(&shared, &second), &first);
	assert_int_equal(write(sleeper.wake[1], "x", 1), 1);
	pthread_join(thread, NULL);
	assert_ptr_equal(publish_swap(&shared, NULL), &second);
	close(sleeper.wake[0]);
	close(sleeper.wake[1]);
}

/* explain reads and a reload writes on the same control thread. */
static void the_writer_may_be_a_reader_itself(void **state)
{
	struct publish_reader reader;
	static int first, second;

	publish_reader_init(&reader);
	publish_reader_online(&reader);
	assert_null(publish_swap(&shared, &first));
	assert_ptr_equal(publish_get(&shared), &first);
	assert_ptr_equal(publish_swap(&shared, &second), &first);
	publish_reader_offline(&reader);
	publish_reader_done(&reader);
	assert_ptr_equal(publish_swap(&shared, NULL), &second);
}

/* A slot is free again when its reader has gone, far more often than there are slots. */
static void slots_are_used_again(void **state)
{
	for (int i = 0; i < 3 * PUBLISH_READERS_MAX; i++) {
		struct publish_reader reader;
		publish_reader_init(&reader);
		publish_reader_done(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_never_see_what_was_freed),
		cmocka_unit_test(a_sleeping_reader_does_not_delay_the_writer),
		cmocka_unit_test(the_writer_may_be_a_reader_itself),
		cmocka_unit_test(slots_are_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
