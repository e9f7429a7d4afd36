/* Base64: what encoding gives, and nothing else. */
#include "lib/base64.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_vectors(void **state) /* RFC 4648 §10 */
{
	static const struct {
		const char *plain, *text;
	} cases[] = {{"", ""},
		     {"f", "Zg=="},
		     {"fo", "Zm8="},
		     {"foo", "Zm9v"},
		     {"foob", "Zm9vYg=="},
		     {"fooba", "Zm9vYmE="},
		     {"foobar", "Zm9vYmFy"}};
	uint8_t out[16];
	size_t length;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(base64_decode(cases[i].text, strlen(cases[i].text), out, &length));
		assert_int_equal(length, strlen(cases[i].plain));
		assert_memory_equal(out, cases[i].plain, length);
	}
	assert_true(base64_decode("+/+/", 4, out, &length));
	assert_memory_equal(out, "\xfb\xff\xbf", 3);
}

static void test_nothing_else(void **state)
{
	static const char *const bad[] = {"Z",	  "Zg",	  "Zg=",  "Zh==",     "Zm9=", "Zm9v=", "Z===",
					  "====", "Zm 9", "Zm9-", "Zg==Zg==", "=Zg=", "Zm9v\n"};
	uint8_t out[16];
	size_t length = 99;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(base64_decode(bad[i], strlen(bad[i]), out, &length));
	assert_int_equal(length, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
