/* What a policy says of a request before its route: the first of these that holds. */
#include "forwarder/plan/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static enum reason verdict(const struct policy *policy, bool is_https, const char *path)
{
	return policy_verdict(policy, is_https, path, strlen(path));
}

static void test_in_order(void **state)
{
	struct policy policy = {.is_suspended = true,
				.is_elsewhere = true,
				.redirects_to_https = true,
				.is_in_maintenance = true};
	assert_int_equal(verdict(&policy, false, "/"), REASON_SUSPENDED);
	policy.is_suspended = false;
	assert_int_equal(verdict(&policy, false, "/"), REASON_RESIDENCY);
	policy.is_elsewhere = false;
	assert_int_equal(verdict(&policy, false, "/"), REASON_REDIRECT);
	assert_int_equal(verdict(&policy, true, "/"), REASON_MAINTENANCE);
	assert_int_equal(verdict(&policy, false, "/.well-known/acme-challenge/x"), REASON_MAINTENANCE);
	assert_int_equal(verdict(&policy, false, "/.well-known/acme-challenge"), REASON_REDIRECT);
	policy.is_in_maintenance = false;
	assert_int_equal(verdict(&policy, true, "/"), REASON_NONE);
	assert_int_equal(verdict(&policy, false, "/.well-known/acme-challenge/x"), REASON_NONE);
	policy.redirects_to_https = false;
	assert_int_equal(verdict(&policy, false, "/"), REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
