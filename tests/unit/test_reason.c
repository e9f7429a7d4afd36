/* Each reason says one word, which nobody else says, and a status that fits to it. */
#include "forwarder/plan/reason.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_words_are_words_and_differ(void **state)
{
	for (unsigned a = 1; a < REASON_COUNT; a++) {
		const char *word = reason_word(a);
		assert_true(*word);
		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
		for (unsigned b = a + 1; b < REASON_COUNT; b++)
			assert_string_not_equal(word, reason_word(b));
		assert_int_equal(strspn(reason_proxy_error(a), "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(reason_proxy_error(a)));
	}
	assert_string_equal(reason_word(REASON_NONE), "");
	assert_string_equal(reason_proxy_error(REASON_NONE), "");
	assert_int_equal(reason_status(REASON_NONE), 0);
}

static void test_statuses(void **state)
{
	for (unsigned a = 1; a < REASON_COUNT; a++)
		assert_in_range(reason_status(a), 308, 508);
	assert_int_equal(reason_status(REASON_RATE), 429);
	assert_int_equal(reason_status(REASON_NO_TENANT), 404);
	assert_int_equal(reason_status(REASON_KEY_MISSING), 401);
	assert_int_equal(reason_status(REASON_MISDIRECTED), 421);
	assert_int_equal(reason_status(REASON_QUEUE_FULL), 503);
	assert_int_equal(reason_status(REASON_CLIENT_GONE), 499);
	assert_string_equal(reason_word(REASON_CLIENT_RATE), "client-rate");
	assert_string_equal(reason_proxy_error(REASON_ORIGIN_REFUSED), "connection_refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_words_and_differ),
		cmocka_unit_test(test_statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
