/* Counters: a reader sees whole, growing numbers; a large array costs only what is touched. */
#include "lib/counter.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define ADDS 200000

static void *add_many(void *argument)
{
	for (int i = 0; i < ADDS; i++)
		counter_add(argument, 0x100000001); /* a torn read would show unequal halves */
	return NULL;
}

static void reader_never_sees_a_torn_or_falling_value(void **state)
{
	counter *counters = counter_array_new(4);
	uint64_t last = 0, now;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, add_many, &counters[2]), 0);
	do {
		now = counter_read(&counters[2]);
		assert_true(now >= last);
		assert_true(now >> 32 == (now & 0xffffffff));
		last = now;
	} while ((now & 0xffffffff) < ADDS);
	pthread_join(thread, NULL);
	assert_int_equal(counter_read(&counters[1]), 0);
	counter_array_free(counters, 4);
	counter_array_free(NULL, 4);
}

static long resident_pages(void)
{
	long all = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &all, &resident), 2);
	fclose(file);
	return resident;
}

static void untouched_memory_is_not_taken(void **state)
{
	size_t count = (size_t)10 << 20; /* 80 MiB */
	long before = resident_pages();
	counter *counters = counter_array_new(count);

	counter_add(&counters[0], 1);
	counter_add(&counters[count - 1], 1);
	assert_int_equal(counter_read(&counters[count - 1]), 1);
	assert_true((resident_pages() - before) * sysconf(_SC_PAGESIZE) < 8 << 20);
	counter_array_free(counters, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_never_sees_a_torn_or_falling_value),
		cmocka_unit_test(untouched_memory_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
