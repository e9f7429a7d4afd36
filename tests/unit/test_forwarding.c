/* Limits: what nobody gave, and a tenant's own over those of its tier. */
#include "fleet/forwarding.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static void test_nothing_given(void **state)
{
	struct fleet_limits limits;

	fleet_limits_init(&limits);
	assert_int_equal(limits.given, 0);
	assert_string_equal(limits.rate.written, "");
	assert_int_equal(limits.body_bytes, 100000000);
	assert_true(limits.up_bytes_s == FLEET_UNLIMITED_BYTES &&
		    limits.down_bytes_s == FLEET_UNLIMITED_BYTES);
	assert_true(limits.concurrency == FLEET_UNLIMITED_COUNT &&
		    limits.websockets == FLEET_UNLIMITED_COUNT);
	assert_int_equal(limits.queue_ms, 0);
	assert_int_equal(limits.priority, FLEET_PRIORITY_NORMAL);
	assert_int_equal(limits.headers, FLEET_HEADERS_LIMITED);
}

static const struct fleet_limits every = {
	.rate = {"5/s", 5},
	.connections = {"6/s", 6},
	.client_rate = {"7/s", 7},
	.up_bytes_s = 1,
	.down_bytes_s = 2,
	.body_bytes = 3,
	.burst = 4,
	.concurrency = 8,
	.websockets = 9,
	.queue_ms = 10,
	.priority = FLEET_PRIORITY_HIGH,
	.headers = FLEET_HEADERS_NEVER,
};

static void test_what_is_not_given_stays(void **state)
{
	struct fleet_limits limits, before;

	fleet_limits_init(&before);
	memcpy(&limits, &before, sizeof limits);
	fleet_limits_overlay(&limits, &every);
	assert_memory_equal(&limits, &before, sizeof limits);
}

static void test_what_is_given_counts(void **state)
{
	struct fleet_limits own = every, limits;

	own.given = (FLEET_LIMIT_HEADERS << 1) - 1;
	fleet_limits_init(&limits);
	fleet_limits_overlay(&limits, &own);
	assert_memory_equal(&limits, &own, sizeof limits);

	own.given = FLEET_LIMIT_BURST | FLEET_LIMIT_QUEUE;
	fleet_limits_init(&limits);
	limits.given = FLEET_LIMIT_BODY;
	limits.body_bytes = 77;
	fleet_limits_overlay(&limits, &own);
	assert_int_equal(limits.burst, 4);
	assert_int_equal(limits.queue_ms, 10);
	assert_int_equal(limits.body_bytes, 77);
	assert_int_equal(limits.given, FLEET_LIMIT_BODY | FLEET_LIMIT_BURST | FLEET_LIMIT_QUEUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_given),
		cmocka_unit_test(test_what_is_not_given_stays),
		cmocka_unit_test(test_what_is_given_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
