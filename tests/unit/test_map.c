/* The map against a plain model, and its order. */
#include "lib/map.h"
#include "lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void keeps_order_of_insertion(void **state)
{
	static const char *const keys[] = {"us", "eu", "ap", ""};
	struct map *map = map_new();
	int values[4];
	const char *key;
	size_t at = 0;

	assert_null(map_get(map, "eu"));
	assert_null(map_remove(map, "eu"));
	for (int i = 0; i < 4; i++)
		assert_null(map_put(map, keys[i], &values[i]));
	assert_ptr_equal(map_put(map, "eu", &values[3]), &values[1]); /* stays where it was */
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(map_next(map, &at, &key), i == 1 ? &values[3] : &values[i]);
		assert_string_equal(key, keys[i]);
	}
	assert_null(map_next(map, &at, &key));
	assert_ptr_equal(map_remove(map, "us"), &values[0]);
	assert_null(map_get(map, "us"));
	at = 0;
	assert_ptr_equal(map_next(map, &at, NULL), &values[3]);
	assert_int_equal(map_count(map), 3);
	map_free(map);
	map_free(NULL);
}

#define MODEL_KEYS 500

static void agrees_with_a_model_over_random_changes(void **state)
{
	static void *model[MODEL_KEYS];
	static char values[16];
	struct map *map = map_new();
	struct rng rng;
	size_t count = 0;

	rng_seed(&rng, 1);
	for (int step = 0; step < 50000; step++) {
		uint64_t draw = rng_next(&rng);
		size_t which = draw % MODEL_KEYS;
		char key[16];
		snprintf(key, sizeof key, "key-%zu", which);
		if (draw >> 32 & 1) {
			void *value = &values[draw >> 40 & 15];
			assert_ptr_equal(map_put(map, key, value), model[which]);
			count += !model[which];
			model[which] = value;
		} else {
			assert_ptr_equal(map_remove(map, key), model[which]);
			count -= model[which] != NULL;
			model[which] = NULL;
		}
		assert_ptr_equal(map_get(map, key), model[which]);
		assert_int_equal(map_count(map), count);
	}
	size_t seen = 0, at = 0;
	while (map_next(map, &at, NULL))
		seen++;
	assert_int_equal(seen, count);
	map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_of_insertion),
		cmocka_unit_test(agrees_with_a_model_over_random_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
