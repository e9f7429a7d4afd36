/* Rise, fall and clear, told as strings: '+' a good round, '-' a bad one; then U, D or ? and the count. */
#include "checker/verdict.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void assert_run(struct verdict_limits limits, const char *rounds, const char *expected)
{
	static const char letter[] = {[VERDICT_DOWN] = 'D', [VERDICT_UP] = 'U', [VERDICT_UNKNOWN] = '?'};
	struct verdict verdict = {.state = VERDICT_UNKNOWN};
	char seen[256] = "";
	for (size_t i = 0; rounds[i]; i++) {
		enum verdict_state before = verdict.state;
		bool is_transition = verdict_update(&verdict, &limits, rounds[i] == '+');
		assert_int_equal(is_transition, before != verdict.state);
		size_t length = strlen(seen);
		snprintf(seen + length, sizeof seen - length, "%s%c%u", i > 0 ? " " : "",
			 letter[verdict.state], verdict_pending(&verdict));
	}
	assert_string_equal(seen, expected);
}

static void the_first_round_decides(void **state)
{
	assert_run((struct verdict_limits){5, 5, 5}, "+", "U0");
	assert_run((struct verdict_limits){5, 5, 5}, "-", "D0");
	struct verdict unknown = {.state = VERDICT_UNKNOWN};
	assert_int_equal(verdict_pending(&unknown), 0);
}

static void fall_takes_down(void **state)
{
	assert_run((struct verdict_limits){2, 1, 2}, "+-", "U0 D0");
	assert_run((struct verdict_limits){2, 3, 2}, "+---", "U0 U1 U2 D0");
}

static void thin_failures_add_up_until_cleared(void **state)
{
	assert_run((struct verdict_limits){2, 3, 3}, "+-+-++-", "U0 U1 U1 U2 U2 U2 D0");
	assert_run((struct verdict_limits){2, 3, 2}, "+-+-++-", "U0 U1 U1 U2 U2 U0 U1");
	assert_run((struct verdict_limits){2, 2, 1}, "+-+-+-", "U0 U1 U0 U1 U0 U1");
}

static void good_rounds_before_a_failure_do_not_clear_it(void **state)
{
	assert_run((struct verdict_limits){2, 2, 3}, "+++++-+-", "U0 U0 U0 U0 U0 U1 U1 D0");
}

static void rise_needs_a_run(void **state)
{
	assert_run((struct verdict_limits){3, 2, 2}, "-++-+++", "D0 D1 D2 D0 D1 D2 U0");
	assert_run((struct verdict_limits){1, 2, 2}, "-+", "D0 U0");
}

static void a_state_begins_with_nothing_counted(void **state)
{
	assert_run((struct verdict_limits){2, 2, 2}, "+--++-+-", "U0 U1 D0 D1 U0 U1 U1 D0");
}

static void lowered_limits_take_effect_at_once(void **state)
{
	struct verdict verdict = {.state = VERDICT_UP, .failures = 5};
	assert_true(verdict_update(&verdict, &(struct verdict_limits){2, 2, 2}, false));
	assert_int_equal(verdict.state, VERDICT_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_round_decides),
		cmocka_unit_test(fall_takes_down),
		cmocka_unit_test(thin_failures_add_up_until_cleared),
		cmocka_unit_test(good_rounds_before_a_failure_do_not_clear_it),
		cmocka_unit_test(rise_needs_a_run),
		cmocka_unit_test(a_state_begins_with_nothing_counted),
		cmocka_unit_test(lowered_limits_take_effect_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
