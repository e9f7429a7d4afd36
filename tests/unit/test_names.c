/* The map of names against a model: random insertions and removals of names that collide a lot. */
#include "fleet/names.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#define NAMES 3000

static struct name names[NAMES];
static bool is_in[NAMES];

static void assert_same(const struct names *map)
{
	for (size_t i = 0; i < NAMES; i++) {
		const struct name *value = names_get(map, names[i].octets);
		assert_ptr_equal(value, is_in[i] ? &names[i] : NULL);
	}
}

static void test_against_a_model(void **state)
{
	struct names *map = names_new();
	unsigned seed = 7;
	char text[64];

	for (size_t i = 0; i < NAMES; i++) {
		snprintf(text, sizeof text, "n%zu.d%zu.example", i, i % 7);
		assert_null(name_from_text(text, NULL, &names[i]));
	}
	for (size_t step = 0; step < 60000; step++) {
		size_t i = (size_t)rand_r(&seed) % NAMES;
		/* Phases of growth and of decline. */
		is_in[i] = rand_r(&seed) % 100 < (step / 15000 % 2 ? 20 : 80);
		if (is_in[i])
			names_put(map, names[i].octets, &names[i]);
		else
			names_remove(map, names[i].octets);
		if (step % 5000 == 0)
			assert_same(map);
	}
	assert_same(map);
	names_free(map);
}

static void test_enclosing(void **state)
{
	static const char *const texts[] = {"example", "b.example", "a.b.c.b.example", "xb.example", "test"};
	struct names *map = names_new();
	struct name name[5];

	for (size_t i = 0; i < 5; i++)
		assert_null(name_from_text(texts[i], NULL, &name[i]));
	assert_null(names_enclosing(map, name[0].octets));
	static char example[] = "example", b[] = "b";
	names_put(map, name[0].octets, example);
	names_put(map, name[1].octets, b);
	assert_string_equal(names_enclosing(map, name[2].octets), "b");
	assert_string_equal(names_enclosing(map, name[1].octets), "b");
	assert_string_equal(names_enclosing(map, name[3].octets), "example");
	assert_null(names_enclosing(map, name[4].octets));
	names_free(map);
	names_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_enclosing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
