/* Packed ranges against a plain list of them: each range comes back, and each address finds its own. */
#include "gslb/decide/place/place_ranges.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#define RANGES_MAX 5000

static struct {
	address_key start;
	uint32_t place;
} list[RANGES_MAX];
static size_t count;

static void assert_same(void)
{
	struct place_ranges ranges = {.count = 0};
	struct place_cursor cursor;
	size_t i = 0;

	for (i = 0; i < count; i++)
		place_ranges_add(&ranges, list[i].start, list[i].place);
	place_ranges_finish(&ranges);
	assert_int_equal(ranges.count, count);
	place_cursor_init(&cursor, &ranges);
	i = 0;
	do {
		assert_true(cursor.start == list[i].start);
		assert_int_equal(cursor.place, list[i].place);
		assert_int_equal(cursor.has_next, i + 1 < count);
		if (cursor.has_next)
			assert_true(cursor.next_start == list[i + 1].start);
		i++;
	} while (place_cursor_next(&cursor));
	assert_int_equal(i, count);
	for (i = 0; i < count; i++) {
		address_key last = i + 1 < count ? list[i + 1].start - 1 : ADDRESS_KEY_LAST;
		assert_int_equal(place_ranges_find(&ranges, list[i].start), list[i].place);
		assert_int_equal(place_ranges_find(&ranges, last), list[i].place);
	}
	place_ranges_done(&ranges);
}

static int compare_keys(const void *a, const void *b)
{
	address_key x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static address_key random_key(void)
{
	address_key key = 0;

	for (unsigned i = 0; i < 5; i++)
		key = key << 31 | (address_key)random();
	return key;
}

/* Starts aligned to prefixes of these lengths. */
static void make(size_t wanted, unsigned shortest, unsigned longest)
{
	static address_key keys[RANGES_MAX];

	keys[0] = 0;
	for (size_t i = 1; i < wanted; i++) {
		unsigned bits = shortest + (unsigned)random() % (longest - shortest + 1);
		keys[i] = random_key() & ~address_key_tail(bits);
	}
	qsort(keys, wanted, sizeof keys[0], compare_keys);
	count = 0;
	for (size_t i = 0; i < wanted; i++) {
		if (i > 0 && keys[i] == keys[i - 1])
			continue;
		list[count].start = keys[i];
		list[count++].place = (uint32_t)random() >> (random() % 31);
	}
}

static void test_ranges_of_all_lengths(void **state)
{
	srandom(3);
	make(RANGES_MAX, 8, 32);
	assert_same();
	make(RANGES_MAX, 20, 64);
	assert_same();
	make(RANGES_MAX, 1, 128);
	assert_same();
	make(RANGES_MAX, 128, 128);
	assert_same();
}

static void test_few_ranges_and_whole_blocks(void **state)
{
	srandom(4);
	for (size_t wanted = 1; wanted < 200; wanted++) {
		make(wanted, 1, 128);
		assert_same();
	}
}

static void test_neighbouring_addresses_up_to_the_last(void **state)
{
	count = 300;
	for (size_t i = 0; i < count; i++) {
		list[i].start = i == 0 ? 0 : ADDRESS_KEY_LAST - (count - 1 - i);
		list[i].place = (uint32_t)i % 2 ? UINT32_MAX : 0;
	}
	assert_same();
}

static void test_usual_ranges_take_five_octets(void **state)
{
	struct place_ranges ranges = {.count = 0};

	for (uint32_t i = 0; i < 100000; i++) /* each /24 another place of a million */
		place_ranges_add(&ranges, (address_key)i << 104, i + 900000);
	place_ranges_finish(&ranges);
	assert_true(place_ranges_bytes(&ranges) < 100000 * 6);
	place_ranges_done(&ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_of_all_lengths),
		cmocka_unit_test(test_few_ranges_and_whole_blocks),
		cmocka_unit_test(test_neighbouring_addresses_up_to_the_last),
		cmocka_unit_test(test_usual_ranges_take_five_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
