/* Text into JSON: nothing vanishes. */
#include "lib/json_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_json(const char *text, const char *want)
{
	json_t *json = json_text(text);
	char *written = json_dumps(json, JSON_ENCODE_ANY);
	assert_string_equal(written, want);
	free(written);
	json_decref(json);
}

static void test_text_stays_as_it_is(void **state)
{
	assert_json("", "\"\"");
	assert_json("plain \"quoted\"", "\"plain \\\"quoted\\\"\"");
	assert_json("caf\xc3\xa9", "\"caf\xc3\xa9\"");
}

static void test_octets_of_no_character_are_replaced(void **state)
{
	assert_json("caf\xe9", "\"caf?\"");
	assert_json("/srv/\xff\xfe/caf\xc3\xa9", "\"/srv/?\?/caf\xc3\xa9\"");
}

static void test_no_text_is_null(void **state)
{
	assert_json(NULL, "null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_stays_as_it_is),
		cmocka_unit_test(test_octets_of_no_character_are_replaced),
		cmocka_unit_test(test_no_text_is_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
