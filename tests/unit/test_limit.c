/* What is admitted, in which order it is asked, that what was taken is given back once, and what a client is
 * told. */
#include "forwarder/plan/sha256.h"
#include "forwarder/traffic/limit.h"
#include "lib/gcra.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (1000 * SECOND_NS)

struct rig {
	struct fair *fair;
	struct limits *limits;
	struct tenant_state state;
	struct policy_key keys[2];
	struct policy policy;
	struct route route;
	struct http_head head;
	char octets[256];
	struct limit_request request;
	struct limit_grant grant;
	unsigned told;
};

static void tell(void *context, uint32_t worker, uint64_t cookie)
{
	((struct rig *)context)->told++;
}

static struct policy_rate per_second(double rate, uint64_t burst)
{
	return (struct policy_rate){gcra_interval_ns(rate, 1), burst};
}

static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof *rig);

	rig->fair = fair_new(tell, rig);
	rig->limits = limit_new(rig->fair, 0);
	rig->policy.limits = (struct policy_limits){
		.concurrency = UINT32_MAX, .websockets = UINT32_MAX, .body_bytes = 1000};
	rig->policy.keys = rig->keys;
	rig->route.body_bytes = UINT64_MAX;
	rig->request = (struct limit_request){.state = &rig->state,
					      .tenant = 5,
					      .policy = &rig->policy,
					      .route = &rig->route,
					      .head = &rig->head,
					      .octets = rig->octets,
					      .now_ns = START_NS};
	ip_parse("192.0.2.1", &rig->request.client);
	return rig;
}

static void rig_free(struct rig *rig)
{
	limit_free(rig->limits);
	fair_free(rig->fair);
	free(rig);
}

static void set_field(struct rig *rig, enum http_field field, const char *name, const char *value)
{
	struct http_head_field *at = &rig->head.fields[0];

	rig->head.count = 1;
	strcpy(rig->octets, name);
	strcpy(rig->octets + strlen(name), value);
	*at = (struct http_head_field){.name = 0,
				       .value = strlen(name),
				       .name_length = strlen(name),
				       .value_length = strlen(value),
				       .field = field};
}

/* One request that ends at once. */
static enum reason ask(struct rig *rig)
{
	enum reason reason = limit_admit(rig->limits, &rig->request, &rig->grant);
	limit_release(rig->limits, &rig->grant, rig->request.now_ns);
	return reason;
}

/* So many a second for so many seconds; how many were admitted. */
static unsigned offer(struct rig *rig, unsigned rate, unsigned seconds)
{
	unsigned admitted = 0;
	uint64_t start_ns = rig->request.now_ns;

	for (uint64_t i = 0; i < (uint64_t)rate * seconds; i++) {
		rig->request.now_ns = start_ns + i * SECOND_NS / rate;
		admitted += ask(rig) == REASON_NONE;
	}
	rig->request.now_ns = start_ns + seconds * SECOND_NS;
	return admitted;
}

static void the_rate_is_what_was_sold_however_much_is_offered(void **state)
{
	for (unsigned offered = 50; offered <= 50000; offered *= 10) {
		struct rig *rig = rig_new();
		rig->policy.limits.rate = per_second(50, 50);
		offer(rig, offered, 2); /* the burst */
		assert_in_range(offer(rig, offered, 20), 990, 1010);
		assert_int_equal(rig->state.offered, offered * 22);
		assert_int_equal(rig->state.in_flight[0], 0);
		rig_free(rig);
	}
}

static void each_client_has_its_own_rate_and_ipv6_by_its_64(void **state)
{
	struct rig *rig = rig_new();

	rig->policy.limits.client_rate = per_second(1, 2);
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(ask(rig), REASON_CLIENT_RATE);
	ip_parse("192.0.2.2", &rig->request.client);
	assert_int_equal(ask(rig), REASON_NONE);
	for (int i = 0; i < 3; i++) {
		ip_parse(i & 1 ? "2001:db8::1" : "2001:db8::ffff:0:0:1", &rig->request.client);
		assert_int_equal(ask(rig), i < 2 ? REASON_NONE : REASON_CLIENT_RATE);
	}
	ip_parse("2001:db8:0:1::1", &rig->request.client);
	assert_int_equal(ask(rig), REASON_NONE);
	rig->request.tenant = 6; /* the same client, another tenant */
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask(rig), REASON_NONE);
	rig_free(rig);
}

static void words_hold_slow_rates_and_a_hundred_thousand_clients(void **state)
{
	struct rig *rig = rig_new();
	unsigned wrong = 0;

	rig->policy.limits.client_rate =
		(struct policy_rate){86400 * SECOND_NS, 3}; /* 3 a day at once, 1/d */
	for (unsigned round = 0; round < 4; round++)
		for (uint32_t i = 0; i < 100000; i++) {
			rig->request.client = (struct ip){4, {10, i >> 16, i >> 8, i}};
			wrong += (ask(rig) == REASON_NONE) != (round < 3);
		}
	assert_in_range(wrong, 0,
			20000); /* sets of four that five clients want: not a quarter million words */
	rig->request.client = (struct ip){4, {11}};
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(rig), REASON_NONE);
	rig->request.now_ns += 86399 * SECOND_NS;
	assert_int_equal(ask(rig), REASON_CLIENT_RATE);
	rig->request.now_ns += SECOND_NS;
	assert_int_equal(ask(rig), REASON_NONE);
	/* 101 days later, and after the words' clock has wrapped, old debts are no debts */
	rig->request.now_ns += (uint64_t)90 * 86400 * SECOND_NS;
	assert_int_equal(ask(rig), REASON_NONE);
	rig_free(rig);
}

static void a_route_limits_by_client_tenant_key_or_field(void **state)
{
	struct rig *rig = rig_new();

	rig->route.limit = per_second(1, 1);
	rig->route.limit_by = ROUTE_BY_TENANT;
	assert_int_equal(ask(rig), REASON_NONE);
	ip_parse("192.0.2.2", &rig->request.client);
	assert_int_equal(ask(rig), REASON_ROUTE_RATE);
	rig->route.number = 1; /* another route */
	assert_int_equal(ask(rig), REASON_NONE);
	rig->route.limit_by = ROUTE_BY_CLIENT;
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(ask(rig), REASON_ROUTE_RATE);
	rig->route.limit_by = ROUTE_BY_HEADER;
	rig->route.limit_header = (struct route_text){"x-user", 6};
	set_field(rig, HTTP_FIELD_OTHER, "X-User", "alice");
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(ask(rig), REASON_ROUTE_RATE);
	set_field(rig, HTTP_FIELD_OTHER, "X-User", "bob");
	assert_int_equal(ask(rig), REASON_NONE);
	set_field(rig, HTTP_FIELD_OTHER, "X-Other", "bob"); /* without it: the client, who has asked */
	assert_int_equal(ask(rig), REASON_ROUTE_RATE);
	rig_free(rig);
}

static void add_key(struct rig *rig, const char *text, struct policy_rate rate)
{
	struct policy_key key = {.number = rig->policy.key_count, .rate = rate};
	size_t at = rig->policy.key_count++;

	sha256(text, strlen(text), key.sha256);
	if (at && memcmp(rig->keys[0].sha256, key.sha256, 32) > 0) {
		rig->keys[1] = rig->keys[0];
		at = 0;
	}
	rig->keys[at] = key;
}

static void keys_are_asked_for_where_the_route_says_so(void **state)
{
	struct rig *rig = rig_new();

	add_key(rig, "correct horse", per_second(1, 2));
	add_key(rig, "battery staple", (struct policy_rate){0});
	assert_int_equal(ask(rig), REASON_NONE); /* off */
	rig->route.keys = ROUTE_KEYS_REQUIRED;
	assert_int_equal(ask(rig), REASON_KEY_MISSING);
	set_field(rig, HTTP_FIELD_AUTHORIZATION, "Authorization", "Basic Zm9v");
	assert_int_equal(ask(rig), REASON_KEY_MISSING);
	set_field(rig, HTTP_FIELD_AUTHORIZATION, "Authorization", "Bearer   wrong");
	assert_int_equal(ask(rig), REASON_KEY_BAD);
	set_field(rig, HTTP_FIELD_AUTHORIZATION, "Authorization", "bearer correct horse");
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(rig->grant.key, 1);
	set_field(rig, HTTP_FIELD_OTHER, "x-api-KEY", "correct horse");
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(ask(rig), REASON_KEY_RATE);
	set_field(rig, HTTP_FIELD_OTHER, "X-API-Key", "battery staple");
	assert_int_equal(ask(rig), REASON_NONE);
	rig->route.keys = ROUTE_KEYS_OPTIONAL;
	set_field(rig, HTTP_FIELD_OTHER, "X-API-Key", "wrong");
	assert_int_equal(ask(rig), REASON_KEY_BAD);
	set_field(rig, HTTP_FIELD_OTHER, "X-Nothing", "");
	assert_int_equal(ask(rig), REASON_NONE);
	rig->policy.is_suspended = true; /* before the key */
	rig->route.keys = ROUTE_KEYS_REQUIRED;
	assert_int_equal(ask(rig), REASON_SUSPENDED);
	rig_free(rig);
}

static void a_refusal_leaves_every_word_as_it_was(void **state)
{
	struct rig *rig = rig_new();

	rig->policy.limits.rate = per_second(1, 3);
	rig->policy.limits.client_rate = per_second(1, 4);
	rig->route.limit = per_second(1, 5);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(rig), REASON_NONE);
	uint64_t tat_ns = rig->state.rate_tat_ns;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(rig), REASON_RATE);
	assert_int_equal(rig->state.rate_tat_ns, tat_ns);
	assert_int_equal(rig->state.limited, 100);
	rig->policy.limits.rate = (struct policy_rate){0};
	assert_int_equal(ask(rig), REASON_NONE); /* the client's fourth */
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(rig), REASON_CLIENT_RATE);
	ip_parse("192.0.2.2", &rig->request.client);
	rig->route.limit_by = ROUTE_BY_TENANT;
	rig->policy.limits.concurrency = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(rig), REASON_CONCURRENCY);
	rig->policy.limits.concurrency = 1;
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(rig), REASON_NONE);
	rig_free(rig);
}

static void concurrency_and_websockets_are_given_back_once(void **state)
{
	struct rig *rig = rig_new();
	struct limit_grant first = {0}, second = {0};

	rig->policy.limits.concurrency = 2;
	rig->policy.limits.websockets = 1;
	rig->request.is_upgrade = true;
	assert_int_equal(limit_admit(rig->limits, &rig->request, &first), REASON_NONE);
	assert_int_equal(limit_admit(rig->limits, &rig->request, &second), REASON_WEBSOCKETS);
	assert_int_equal(rig->state.in_flight[0], 1);
	limit_become_tunnel(rig->limits, &first, START_NS);
	limit_become_tunnel(rig->limits, &first, START_NS);
	assert_int_equal(rig->state.in_flight[0], 0);
	assert_int_equal(rig->state.websockets[0], 1);
	limit_release(rig->limits, &first, START_NS);
	limit_release(rig->limits, &first, START_NS);
	assert_int_equal(rig->state.websockets[0], 0);
	/* a body that is too large is refused before an origin, and holds nothing */
	rig->request.is_upgrade = false;
	rig->request.body_bytes = 1001;
	assert_int_equal(ask(rig), REASON_BODY_TOO_LARGE);
	rig->route.body_bytes = 2000;
	assert_int_equal(ask(rig), REASON_NONE);
	assert_int_equal(rig->grant.body_max, 2000);
	assert_int_equal(rig->state.in_flight[0], 0);
	rig_free(rig);
}

static void who_may_wait_for_concurrency_is_served_in_turn(void **state)
{
	struct rig *rig = rig_new();
	struct limit_grant grants[3] = {0};
	struct fair_waiter waiters[3] = {0};

	rig->policy.limits.concurrency = 1;
	rig->policy.limits.queue_ms = 100;
	rig->policy.limits.rate = per_second(1, 2);
	assert_int_equal(limit_admit(rig->limits, &rig->request, &rig->grant), REASON_NONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(limit_admit(rig->limits, &rig->request, &grants[i]), REASON_CONCURRENCY);
		assert_true(grants[i].may_wait);
		assert_int_equal(limit_wait(rig->limits, &rig->request, &grants[i], &waiters[i]),
				 REASON_NONE);
		assert_int_equal(waiters[i].status, FAIR_WAITS);
	}
	limit_release(rig->limits, &rig->grant, START_NS);
	assert_int_equal(rig->told, 1);
	assert_int_equal(limit_resume(rig->limits, &rig->request, &grants[0], &waiters[0]), REASON_NONE);
	/* the next one's client goes, after it was chosen: the one behind it is */
	limit_release(rig->limits, &grants[0], START_NS);
	limit_leave(rig->limits, &grants[1], &waiters[1], START_NS);
	assert_int_equal(rig->told, 3);
	/* behind concurrency comes the rate: refused, and nothing is held */
	assert_int_equal(limit_resume(rig->limits, &rig->request, &grants[2], &waiters[2]), REASON_RATE);
	assert_int_equal(rig->state.in_flight[0], 0);
	/* nobody gets past those who wait: when there comes to be more for all, the first has it */
	rig->policy.limits.rate = (struct policy_rate){0};
	memset(grants, 0, sizeof grants);
	assert_int_equal(limit_admit(rig->limits, &rig->request, &rig->grant), REASON_NONE);
	assert_int_equal(limit_admit(rig->limits, &rig->request, &grants[0]), REASON_CONCURRENCY);
	assert_int_equal(limit_wait(rig->limits, &rig->request, &grants[0], &waiters[0]), REASON_NONE);
	waiters[0].concurrency = rig->policy.limits.concurrency = 2;
	assert_int_equal(limit_admit(rig->limits, &rig->request, &grants[1]), REASON_CONCURRENCY);
	assert_int_equal(limit_wait(rig->limits, &rig->request, &grants[1], &waiters[1]), REASON_NONE);
	assert_int_equal(limit_resume(rig->limits, &rig->request, &grants[0], &waiters[0]), REASON_NONE);
	limit_leave(rig->limits, &grants[1], &waiters[1], START_NS);
	limit_release(rig->limits, &grants[0], START_NS);
	limit_release(rig->limits, &rig->grant, START_NS);
	rig->policy.limits.concurrency = 1;
	/* and who waits in vain is refused for what it waited for */
	rig->policy.limits.rate = (struct policy_rate){0};
	assert_int_equal(limit_admit(rig->limits, &rig->request, &rig->grant), REASON_NONE);
	assert_int_equal(limit_admit(rig->limits, &rig->request, &grants[0]), REASON_CONCURRENCY);
	assert_int_equal(limit_wait(rig->limits, &rig->request, &grants[0], &waiters[0]), REASON_NONE);
	assert_int_equal(limit_resume(rig->limits, &rig->request, &grants[0], &waiters[0]),
			 REASON_CONCURRENCY);
	assert_int_equal(rig->state.queued, 0);
	assert_int_equal(rig->state.in_flight[0], 1);
	rig_free(rig);
}

static void new_connections_have_a_rate(void **state)
{
	struct rig *rig = rig_new();

	assert_true(limit_connection(&rig->state, &rig->policy, START_NS));
	rig->policy.limits.connections = per_second(10, 1);
	assert_true(limit_connection(&rig->state, &rig->policy, START_NS));
	assert_false(limit_connection(&rig->state, &rig->policy, START_NS + SECOND_NS / 10 - 1));
	assert_true(limit_connection(&rig->state, &rig->policy, START_NS + SECOND_NS / 10));
	rig_free(rig);
}

static void expect_headers(const struct limit_grant *grant, enum reason reason, uint64_t random,
			   const char *text)
{
	char out[LIMIT_HEADERS_MAX];
	size_t length = limit_headers(grant, reason, random, out);

	out[length] = 0;
	assert_string_equal(out, text);
}

static void a_refusal_tells_when_to_come_back(void **state)
{
	struct rig *rig = rig_new();
	struct limit_grant *grant = &rig->grant;

	rig->policy.limits.rate = per_second(10, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(rig), REASON_NONE);
	expect_headers(grant, REASON_NONE, 0, ""); /* `headers: limited` */
	rig->policy.limits.headers = POLICY_HEADERS_ALWAYS;
	assert_int_equal(ask(rig), REASON_RATE);
	expect_headers(
		grant, REASON_RATE, 0,
		"Retry-After: 1\r\nRateLimit-Policy: \"rate\";q=20;w=2\r\nRateLimit: \"rate\";r=0;t=1\r\n");
	expect_headers(
		grant, REASON_RATE, 1,
		"Retry-After: 2\r\nRateLimit-Policy: \"rate\";q=20;w=2\r\nRateLimit: \"rate\";r=0;t=1\r\n");
	rig->request.now_ns += SECOND_NS;
	assert_int_equal(ask(rig), REASON_NONE);
	expect_headers(grant, REASON_NONE, 0,
		       "RateLimit-Policy: \"rate\";q=20;w=2\r\nRateLimit: \"rate\";r=9;t=2\r\n");
	/* a slow rate says how long in truth, and a rate of nothing a day */
	rig->policy.limits.rate = (struct policy_rate){3600 * SECOND_NS, 1};
	rig->state.rate_tat_ns = 0;
	ask(rig);
	rig->request.now_ns += 100 * SECOND_NS;
	rig->policy.limits.headers = POLICY_HEADERS_NEVER;
	assert_int_equal(ask(rig), REASON_RATE);
	expect_headers(grant, REASON_RATE, 0, "Retry-After: 3500\r\n");
	rig->policy.limits.rate = (struct policy_rate){GCRA_NOTHING, 1};
	rig->policy.limits.headers = POLICY_HEADERS_LIMITED;
	assert_int_equal(ask(rig), REASON_RATE);
	expect_headers(grant, REASON_RATE, 0,
		       "Retry-After: 86400\r\nRateLimit-Policy: \"rate\";q=0;w=1\r\n"
		       "RateLimit: \"rate\";r=0;t=86400\r\n");
	expect_headers(grant, REASON_CONCURRENCY, 1, "Retry-After: 2\r\n");
	expect_headers(grant, REASON_NO_ORIGIN, 2, "Retry-After: 3\r\n");
	expect_headers(grant, REASON_SUSPENDED, 2, "");
	/* the longest that there can be */
	*grant = (struct limit_grant){
		.interval_ns = UINT64_MAX / 2, .burst = UINT64_MAX, .wait_ns = UINT64_MAX};
	char out[LIMIT_HEADERS_MAX];
	assert_true(limit_headers(grant, REASON_ROUTE_RATE, 1, out) < LIMIT_HEADERS_MAX);
	rig_free(rig);
}

#define THREADS 4
#define ROUNDS 100000

static struct rig *raced;

static void *race(void *argument)
{
	struct limit_request request = raced->request;
	uintptr_t admitted = 0;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct limit_grant grant = {0};
		request.now_ns = START_NS + i * 10000;
		request.client.bytes[3] = i % 4;
		enum reason reason = limit_admit(raced->limits, &request, &grant);
		if (raced->state.in_flight[0] > 3)
			abort();
		if (reason == REASON_NONE && i % 2)
			limit_release(raced->limits, &grant, request.now_ns);
		if (reason == REASON_NONE && !(i % 2)) {
			limit_become_tunnel(raced->limits, &grant, request.now_ns);
			limit_release(raced->limits, &grant, request.now_ns);
		}
		admitted += reason == REASON_NONE;
	}
	return (void *)admitted;
}

static void workers_that_race_take_no_more_than_there_is(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t all = 0;

	raced = rig_new();
	raced->policy.limits.concurrency = 3;
	raced->policy.limits.client_rate = per_second(1000, 10); /* of four clients, in one second */
	raced->request.is_upgrade = true;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *admitted;
		pthread_join(threads[i], &admitted);
		all += (uintptr_t)admitted;
	}
	assert_in_range(all, 2000, 4 * 1010);
	assert_int_equal(raced->state.in_flight[0], 0);
	assert_int_equal(raced->state.websockets[0], 0);
	rig_free(raced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_what_was_sold_however_much_is_offered),
		cmocka_unit_test(each_client_has_its_own_rate_and_ipv6_by_its_64),
		cmocka_unit_test(words_hold_slow_rates_and_a_hundred_thousand_clients),
		cmocka_unit_test(a_route_limits_by_client_tenant_key_or_field),
		cmocka_unit_test(keys_are_asked_for_where_the_route_says_so),
		cmocka_unit_test(a_refusal_leaves_every_word_as_it_was),
		cmocka_unit_test(concurrency_and_websockets_are_given_back_once),
		cmocka_unit_test(who_may_wait_for_concurrency_is_served_in_turn),
		cmocka_unit_test(new_connections_have_a_rate),
		cmocka_unit_test(a_refusal_tells_when_to_come_back),
		cmocka_unit_test(workers_that_race_take_no_more_than_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
