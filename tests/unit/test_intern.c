/* Numbers for values. */
#include "gslb/decide/place/intern.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void equal_values_share_a_number(void **state)
{
	struct intern intern;
	intern_init(&intern, 3);
	assert_int_equal(intern_put(&intern, "abc"), 0);
	assert_int_equal(intern_put(&intern, "abd"), 1);
	assert_int_equal(intern_put(&intern, "abc"), 0);
	assert_int_equal(intern.count, 2);
	assert_memory_equal(intern.items, "abcabd", 6);
	intern_done(&intern);
}

static void numbers_stay_while_it_grows(void **state)
{
	struct intern intern;
	intern_init(&intern, sizeof(uint64_t));
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint64_t i = 0; i < 100000; i++) {
			uint64_t value = i << 20;
			assert_int_equal(intern_put(&intern, &value), i);
		}
	}
	assert_int_equal(intern.count, 100000);
	intern_done(&intern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_values_share_a_number),
		cmocka_unit_test(numbers_stay_while_it_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
