/* Each value of an enumeration has its own word, the one that documents and API promise. */
#include "fleet/words.h"
#include "gslb/decide/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static void expect_words(const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_non_null(words[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(words[i], words[j]);
	}
	assert_null(words[count]);
}

static void test_steering_and_states(void **state)
{
	expect_words(fleet_order_word, ORDER_KINDS);
	expect_words(fleet_split_word, SPLITS);
	expect_words(fleet_last_resort_word, LAST_RESORT_ADDRESSES);
	expect_words(fleet_vip_state_word, VIP_STATES);
	assert_string_equal(fleet_order_word[ORDER_NEAREST], "nearest");
	assert_string_equal(fleet_split_word[SPLIT_RANDOM], "random");
	assert_string_equal(fleet_last_resort_word[LAST_RESORT_LAST_GOOD], "last-good");
	assert_string_equal(fleet_vip_state_word[VIP_UNKNOWN], "unknown");
}

static void test_what_the_decision_says(void **state)
{
	assert_string_equal(words_step(STEP_TIER), "tier");
	assert_string_equal(words_step(STEP_FAMILY), "family");
	assert_string_equal(words_region_reason(REASON_FAMILY), "family");
	assert_string_equal(words_step(STEP_LAST_RESORT), "last-resort");
	assert_string_equal(words_region_reason(REASON_NOT_PICKED), "not-picked");
	assert_string_equal(words_ttl_reason(TTL_RECENT), "recent");
	for (unsigned i = 0; i < STEP_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(words_step((enum step)i), words_step((enum step)j));
	for (unsigned i = 0; i < REGION_REASONS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(words_region_reason((enum region_reason)i),
						words_region_reason((enum region_reason)j));
}

/* A newer server may have words that this program does not know: they are shown as they are. */
static void test_meanings(void **state)
{
	assert_string_equal(words_step_meaning("none"), "nothing is left to answer with");
	assert_string_equal(words_step_meaning("flipped"), "flipped");
	assert_string_equal(words_region_reason_meaning("down"), "forced down");
	assert_string_equal(words_region_reason_meaning("moved"), "moved");
	assert_string_equal(words_ttl_reason_meaning("fallback"), "a fallback answers: the shortest");
	assert_string_equal(words_ttl_reason_meaning("drill"), "drill");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steering_and_states),
		cmocka_unit_test(test_what_the_decision_says),
		cmocka_unit_test(test_meanings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
