/* Response rate limiting: what a prefix gets over time. */
#include "gslb/serve/rrl.h"
#include "lib/gcra.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND_NS 1000000000u
#define START_NS (100u * (uint64_t)SECOND_NS)

struct got {
	unsigned passed, slipped, dropped;
};

static void ask(struct rrl *rrl, const struct serve_settings *settings, const char *address, uint64_t now_ns,
		struct got *got)
{
	struct ip peer;
	assert_true(ip_parse(address, &peer));
	enum rrl_action verdict = rrl_check(rrl, settings, &peer, now_ns);
	got->passed += verdict == RRL_PASS;
	got->slipped += verdict == RRL_SLIP;
	got->dropped += verdict == RRL_DROP;
}

static struct serve_settings limit_of(unsigned per_second, uint8_t slip)
{
	return (struct serve_settings){
		.rrl_is_on = true, .rrl_interval_ns = SECOND_NS / per_second, .rrl_slip = slip};
}

static void test_a_prefix_gets_its_rate_and_no_more(void **state)
{
	struct serve_settings settings = limit_of(100, 2);
	struct rrl *rrl = rrl_new();
	struct got got = {0};
	/* 10,000 queries in ten seconds out of one /24, 100 of them a second are answered (and a burst) */
	for (unsigned i = 0; i < 10000; i++) {
		char address[32];
		snprintf(address, sizeof address, "192.0.2.%u", i % 256);
		ask(rrl, &settings, address, START_NS + i * (uint64_t)SECOND_NS / 1000, &got);
	}
	assert_in_range(got.passed, 1090, 1110);
	assert_in_range(got.dropped, got.slipped, got.slipped + 1); /* every second one */
	rrl_free(rrl);
}

static void test_neighbours_are_not_limited(void **state)
{
	struct serve_settings settings = limit_of(10, 0);
	struct rrl *rrl = rrl_new();
	struct got flood = {0}, other = {0}, six = {0};
	for (unsigned i = 0; i < 1000; i++)
		ask(rrl, &settings, "192.0.2.1", START_NS, &flood);
	assert_int_equal(flood.passed, 10);
	assert_int_equal(flood.slipped, 0);
	ask(rrl, &settings, "192.0.3.1", START_NS, &other);
	ask(rrl, &settings, "2001:db8:1:200::1", START_NS, &other);
	assert_int_equal(other.passed, 2);
	for (unsigned i = 0; i < 20; i++) /* one /56 */
		ask(rrl, &settings, i % 2 ? "2001:db8:9:901::1" : "2001:db8:9:9ff::1", START_NS, &six);
	assert_int_equal(six.passed, 10);
	rrl_free(rrl);
}

static void test_exempt_off_and_nothing(void **state)
{
	struct serve_settings settings = limit_of(1, 1);
	struct rrl *rrl = rrl_new();
	struct got got = {0};
	assert_true(prefix_parse("192.0.2.0/25", &settings.rrl_exempt[0]));
	settings.rrl_exempt_count = 1;
	for (unsigned i = 0; i < 100; i++)
		ask(rrl, &settings, "192.0.2.1", START_NS, &got);
	assert_int_equal(got.passed, 100);
	ask(rrl, &settings, "192.0.2.129", START_NS, &got);
	ask(rrl, &settings, "192.0.2.129", START_NS, &got);
	assert_int_equal(got.passed, 101);
	assert_int_equal(got.slipped, 1);

	struct serve_settings slow = limit_of(1, 0); /* one in two seconds is less than a burst */
	slow.rrl_interval_ns = 2 * (uint64_t)SECOND_NS;
	struct got trickle = {0};
	for (unsigned i = 0; i < 10; i++)
		ask(rrl, &slow, "198.51.100.1", START_NS + i * (uint64_t)SECOND_NS, &trickle);
	assert_int_equal(trickle.passed, 5);

	struct serve_settings nothing = limit_of(1, 0);
	nothing.rrl_interval_ns = GCRA_NOTHING;
	struct got none = {0};
	ask(rrl, &nothing, "203.0.113.1", START_NS, &none);
	assert_int_equal(none.dropped, 1);
	struct serve_settings off = {0};
	ask(rrl, &off, "203.0.113.1", START_NS, &none);
	assert_int_equal(none.passed, 1);
	rrl_free(rrl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_prefix_gets_its_rate_and_no_more),
		cmocka_unit_test(test_neighbours_are_not_limited),
		cmocka_unit_test(test_exempt_off_and_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
