/* What is repeated after which failure, and that retries never become the outage. */
#include "forwarder/plan/route.h"
#include "forwarder/traffic/retry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define NOW_NS (1000 * SECOND_NS)
#define ALL (ROUTE_RETRY_CONNECT | ROUTE_RETRY_TIMEOUT | ROUTE_RETRY_502 | ROUTE_RETRY_503 | ROUTE_RETRY_504)

static struct retry_request request_of(enum retry_failure failure)
{
	return (struct retry_request){
		.failure = failure,
		.is_idempotent = true,
		.is_body_kept = true,
		.listed = ALL,
		.attempts = 1,
		.now_ns = NOW_NS,
		.deadline_ns = NOW_NS + 30 * SECOND_NS,
	};
}

static enum retry_answer decide(struct retry_request request)
{
	uint64_t pause_ns;
	return retry_decide(&request, 0, &pause_ns);
}

static void the_table(void **state)
{
	/* failure; answer of GET | of GET where the route lists nothing | of POST | of POST, nothing sent |
	 * of PUT with a long body */
	static const struct {
		enum retry_failure failure;
		enum retry_answer get, unlisted, post, unsent, large;
	} rows[] = {
		{RETRY_CONNECT, RETRY_OTHER, RETRY_NO, RETRY_OTHER, RETRY_OTHER, RETRY_OTHER},
		{RETRY_REUSED, RETRY_SAME, RETRY_SAME, RETRY_NO, RETRY_SAME, RETRY_NO},
		{RETRY_CLOSED, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
		{RETRY_REFUSED, RETRY_OTHER, RETRY_OTHER, RETRY_OTHER, RETRY_OTHER, RETRY_NO},
		{RETRY_TIMEOUT, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
		{RETRY_RESPONSE, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
		{RETRY_502, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
		{RETRY_503, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
		{RETRY_504, RETRY_OTHER, RETRY_NO, RETRY_NO, RETRY_NO, RETRY_NO},
	};

	assert_int_equal(sizeof rows / sizeof *rows, RETRY_FAILURE_COUNT);
	for (unsigned i = 0; i < RETRY_FAILURE_COUNT; i++) {
		struct retry_request request = request_of(rows[i].failure);
		assert_int_equal(rows[i].failure, i);
		assert_int_equal(decide(request), rows[i].get);
		request.listed = 0;
		assert_int_equal(decide(request), rows[i].unlisted);
		request = request_of(i);
		request.is_idempotent = false;
		assert_int_equal(decide(request), rows[i].post);
		request.sent_nothing = true;
		assert_int_equal(decide(request), rows[i].unsent);
		request = request_of(i);
		request.is_body_kept = false;
		assert_int_equal(decide(request), rows[i].large);
		request = request_of(i);
		request.has_answered = true; /* the client has octets of the first answer */
		assert_int_equal(decide(request), RETRY_NO);
	}
}

static void each_status_asks_for_its_own_word_of_the_route(void **state)
{
	static const uint8_t words[] = {[RETRY_CONNECT] = ROUTE_RETRY_CONNECT,
					[RETRY_TIMEOUT] = ROUTE_RETRY_TIMEOUT,
					[RETRY_502] = ROUTE_RETRY_502,
					[RETRY_503] = ROUTE_RETRY_503,
					[RETRY_504] = ROUTE_RETRY_504};

	for (unsigned i = 0; i < sizeof words; i++) {
		struct retry_request request = request_of(i);
		if (!words[i])
			continue;
		request.listed = words[i];
		assert_int_equal(decide(request), RETRY_OTHER);
		request.listed = ALL & ~words[i];
		assert_int_equal(decide(request), RETRY_NO);
	}
}

static void methods_that_may_be_repeated(void **state)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
	static const char *const unsafe[] = {"POST", "PATCH", "get", "GETS", "GE", "PURGE", ""};

	for (unsigned i = 0; i < sizeof safe / sizeof *safe; i++)
		assert_true(retry_is_idempotent(safe[i], strlen(safe[i])));
	for (unsigned i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
		assert_false(retry_is_idempotent(unsafe[i], strlen(unsafe[i])));
}

static void three_attempts_within_the_deadline_with_a_growing_pause(void **state)
{
	struct retry_request request = request_of(RETRY_CONNECT);
	uint64_t pause_ns, longest_ns[4] = {0};

	for (request.attempts = 1; request.attempts < 3; request.attempts++)
		for (uint64_t random = 0; random < 100 * SECOND_NS; random += 999983) {
			assert_int_equal(retry_decide(&request, random, &pause_ns), RETRY_OTHER);
			if (pause_ns > longest_ns[request.attempts])
				longest_ns[request.attempts] = pause_ns;
		}
	assert_in_range(longest_ns[1], 24000000, 24999999);
	assert_in_range(longest_ns[2], 48000000, 49999999);
	assert_int_equal(decide(request), RETRY_NO); /* the third was the last */
	request.attempts = 1;
	request.deadline_ns = NOW_NS + 10000000;
	assert_int_equal(retry_decide(&request, 10000001, &pause_ns), RETRY_NO);
	assert_int_equal(retry_decide(&request, 9000000, &pause_ns), RETRY_OTHER);
}

static void a_dead_idle_connection_costs_one_repetition_at_once(void **state)
{
	struct retry_request request = request_of(RETRY_REUSED);
	uint64_t pause_ns = 1;

	assert_int_equal(retry_decide(&request, 7, &pause_ns), RETRY_SAME);
	assert_int_equal(pause_ns, 0);
	request.attempts = 2;
	request.has_retried_fresh = true;
	assert_int_equal(decide(request), RETRY_NO);
}

/* Requests and retries a second, for `seconds`; returns the retries that were allowed. */
static unsigned storm(struct retry_budget *budget, unsigned workers, unsigned requests, unsigned retries,
		      unsigned first_s, unsigned seconds)
{
	unsigned allowed = 0;

	for (unsigned s = first_s; s < first_s + seconds; s++)
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t now_ns = NOW_NS + s * SECOND_NS + i * 1000000;
			for (unsigned n = 0; n < requests / 1000; n++)
				retry_budget_request(budget, now_ns);
			for (unsigned n = 0; n < retries / 1000; n++)
				allowed += retry_budget_take(budget, workers, now_ns);
		}
	return allowed;
}

static void the_budget_is_a_fifth_of_the_requests_and_ten_a_second(void **state)
{
	struct retry_budget budget = {0};

	storm(&budget, 1, 5000, 5000, 0, 20);
	/* in the long run: 1,000 + 10 a second */
	assert_in_range(storm(&budget, 1, 5000, 5000, 20, 20), 20 * 1010 * 98 / 100, 20 * 1010 * 102 / 100);
	/* without requests the floor is left, and of four workers a quarter each */
	memset(&budget, 0, sizeof budget);
	assert_in_range(storm(&budget, 1, 0, 1000, 0, 40), 400, 500);
	memset(&budget, 0, sizeof budget);
	assert_in_range(storm(&budget, 4, 0, 1000, 0, 40), 100, 125);
	/* long silence forgets all; a clock that stood is no error */
	assert_true(retry_budget_take(&budget, 1, NOW_NS + 100000 * SECOND_NS));
	assert_int_equal(budget.retry_sum, 1);
	assert_int_equal(budget.request_sum, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table),
		cmocka_unit_test(each_status_asks_for_its_own_word_of_the_route),
		cmocka_unit_test(methods_that_may_be_repeated),
		cmocka_unit_test(three_attempts_within_the_deadline_with_a_growing_pause),
		cmocka_unit_test(a_dead_idle_connection_costs_one_repetition_at_once),
		cmocka_unit_test(the_budget_is_a_fifth_of_the_requests_and_ten_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
