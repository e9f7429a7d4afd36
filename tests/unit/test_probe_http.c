/* http probes: what the request looks like, and how real servers on loopback are judged. */
#include "checker/http_response.h"
#include "checker/probe_http.h"
#include "lib/clock.h"
#include "tests/unit/origin.h"
#include "tests/unit/probing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static struct event_base *base;
static struct origin origin;
static struct probing probing;

static struct ip ip_of(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(text, &ip));
	return ip;
}

/* ---- the request ---- */

static void assert_request(const char *address, const struct probe_spec *spec, const char *expected)
{
	struct ip ip = ip_of(address);
	size_t length;
	char *request = probe_http_request(&ip, spec, &length);
	assert_string_equal(request, expected);
	assert_int_equal(length, strlen(expected));
	free(request);
}

#define COMMON "User-Agent: gslb-probe/" GSLB_VERSION "\r\nAccept: */*\r\nConnection: close\r\n"

static void the_request_names_the_host(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = 80, .method = "GET", .path = "/healthz"};
	assert_request("192.0.2.1", &spec, "GET /healthz HTTP/1.1\r\nHost: 192.0.2.1\r\n" COMMON "\r\n");
	spec.port = 8080;
	assert_request("192.0.2.1", &spec, "GET /healthz HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n" COMMON "\r\n");
	assert_request("2001:db8::1", &spec,
		       "GET /healthz HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n" COMMON "\r\n");
	spec.port = 80;
	spec.method = "HEAD";
	assert_request("2001:db8::1", &spec,
		       "HEAD /healthz HTTP/1.1\r\nHost: [2001:db8::1]\r\n" COMMON "\r\n");
	spec.port = 8080;
	spec.host = "shop.example.com";
	assert_request("192.0.2.1", &spec,
		       "HEAD /healthz HTTP/1.1\r\nHost: shop.example.com\r\n" COMMON "\r\n");
}

static void a_target_with_a_name_is_asked_by_it(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = 80, .path = "/", .name = "lb.cloud.test."};
	assert_request("192.0.2.1", &spec, "GET / HTTP/1.1\r\nHost: lb.cloud.test\r\n" COMMON "\r\n");
	spec.port = 8080;
	assert_request("192.0.2.1", &spec, "GET / HTTP/1.1\r\nHost: lb.cloud.test:8080\r\n" COMMON "\r\n");
	spec.kind = probe_kinds_find("https");
	spec.port = 443;
	assert_request("2001:db8::1", &spec, "GET / HTTP/1.1\r\nHost: lb.cloud.test\r\n" COMMON "\r\n");
	spec.host = "shop.test";
	assert_request("192.0.2.1", &spec, "GET / HTTP/1.1\r\nHost: shop.test\r\n" COMMON "\r\n");
}

static void headers_replace_ours(void **state)
{
	static const struct probe_header headers[] = {{"host", "a.test"},
						      {"USER-AGENT", "me"},
						      {"Accept", "text/plain"},
						      {"Connection", "x"},
						      {"X-A", "1"}};
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = 80, .headers = headers, .header_count = 5};
	assert_request(
		"192.0.2.1", &spec,
		"GET / HTTP/1.1\r\nhost: a.test\r\nUSER-AGENT: me\r\nAccept: text/plain\r\nConnection: x\r\n"
		"X-A: 1\r\n\r\n");
}

/* ---- real servers ---- */

static int set_up(void **state)
{
	base = event_base_new();
	memset(&origin, 0, sizeof origin);
	probing = (struct probing){.base = base};
	return base && origin_open(&origin, base, "127.0.0.1", 0) ? 0 : -1;
}

static int tear_down(void **state)
{
	origin_settle(&origin);
	event_base_free(base);
	return 0;
}

static const char *probe(struct probe_spec *spec, const char *address)
{
	spec->kind = probe_kinds_find("http");
	spec->port = origin.port;
	spec->timeout_ms = spec->timeout_ms ? spec->timeout_ms : 5000;
	return probing_judge(&probing, address, spec, NULL);
}

static const char *probe_reply(const char *reply)
{
	struct probe_spec spec = {.method = "GET", .path = "/"};
	origin_reply(&origin, reply);
	return probe(&spec, "127.0.0.1");
}

static void servers_are_judged(void **state)
{
	assert_string_equal(probe_reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "good");
	assert_string_equal(probe_reply("HTTP/1.1 500 Oops\r\n\r\n"), "status 500");
	assert_string_equal(probe_reply("220 mail.example ESMTP\r\n"), "no valid HTTP response");
	assert_string_equal(probe_reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "good");
	origin.stays_open = true;
	assert_string_equal(probe_reply("HTTP/1.1 200 OK\r\n\r\n"), "good");
	assert_true(probing.latency_us > 0 && probing.latency_us < 5000000);
	char expected[64];
	snprintf(expected, sizeof expected, "\r\nHost: 127.0.0.1:%u\r\n", origin.port);
	assert_non_null(strstr(origin.request, expected));
}

static void ipv6_is_probed(void **state)
{
	struct probe_spec spec = {.path = "/"};
	origin_refuse(&origin);
	if (!origin_open(&origin, base, "::1", 0))
		skip();
	origin_reply(&origin, "HTTP/1.1 200 OK\r\n\r\n");
	assert_string_equal(probe(&spec, "::1"), "good");
}

static void slow_bytes_are_waited_for_but_not_for_ever(void **state)
{
	struct probe_spec spec = {.path = "/", .body = "end"};
	origin.piece_bytes = 1;
	origin_reply(&origin,
		     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n-e\r\n2\r\nnd\r\n0\r\n\r\n");
	assert_string_equal(probe(&spec, "127.0.0.1"), "good");
	/* a byte each millisecond never resets the deadline */
	static char endless[4096];
	memset(endless, 'x', sizeof endless - 1);
	memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
	origin_reply(&origin, endless);
	spec.timeout_ms = 100;
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probe(&spec, "127.0.0.1"), "timeout");
	assert_in_range(clock_mono_ms() - start_ms, 95, 1000);
}

static void a_hung_server_times_out(void **state)
{
	struct probe_spec spec = {.path = "/", .timeout_ms = 80};
	origin_reply(&origin, NULL);
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probe(&spec, "127.0.0.1"), "timeout");
	assert_in_range(clock_mono_ms() - start_ms, 75, 1000);
}

static void a_closed_port_is_refused(void **state)
{
	struct probe_spec spec = {.path = "/"};
	origin_refuse(&origin);
	assert_string_equal(probe(&spec, "127.0.0.1"), "connection refused");
}

static void a_huge_head_is_a_failure(void **state)
{
	static char huge[HTTP_HEAD_BYTES_MAX + 2000];
	memset(huge, 'x', sizeof huge - 1);
	memcpy(huge, "HTTP/1.1 200 OK\r\nX: ", 20);
	assert_string_equal(probe_reply(huge), "response head longer than 32 KiB");
}

static void a_silent_close_is_told(void **state)
{
	assert_string_equal(probe_reply(""), "connection closed without a response");
}

static void a_cancelled_probe_is_not_heard_of(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = origin.port, .path = "/", .timeout_ms = 50};
	probing_start(&probing, "127.0.0.1", &spec, NULL);
	probe_cancel(probing.probe);
	event_base_loopexit(base, &(const struct timeval){.tv_usec = 100000});
	event_base_dispatch(base);
	assert_false(probing.is_judged);
}

static void a_kept_connection_that_broke_is_tried_anew(void **state)
{
	static const struct probe_header keep = {"Connection", "keep-alive"};
	struct probe_spec spec = {.kind = probe_kinds_find("http"),
				  .path = "/",
				  .headers = &keep,
				  .header_count = 1,
				  .port = origin.port,
				  .timeout_ms = 5000};
	struct probe_kept kept = {0};
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	origin.stays_open = true; /* but answers once: a further request finds the connection dead */
	origin.ends_after_reply = true;
	for (unsigned round = 1; round <= 3; round++) {
		assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, &kept), "good");
		assert_int_equal(origin.accepted, round);
		assert_non_null(kept.stream);
	}
	origin_refuse(&origin); /* the fresh one fails, too */
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, &kept), "connection refused");
	assert_null(kept.stream);
	probe_kept_done(&kept);
}

static void nothing_is_kept_where_descriptors_are_scarce(void **state)
{
	static const struct probe_header keep = {"Connection", "keep-alive"};
	struct probe_spec spec = {.path = "/", .headers = &keep, .header_count = 1};
	struct rlimit before, low;
	struct probe_kept kept = {0};
	spec.kind = probe_kinds_find("http");
	spec.port = origin.port;
	spec.timeout_ms = 5000;
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	origin.stays_open = true;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int lowest = dup(0); /* what the probe will get, or less */
	close(lowest);
	low = before;
	low.rlim_cur = (rlim_t)lowest + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	const char *reason = probing_end(&probing, "127.0.0.1", &spec, &kept);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(reason, "good");
	assert_null(kept.stream);
}

/* ---- how the connection ends ---- */

static void nothing_is_reset(const char *reply, const char *expected)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = origin.port, .path = "/", .timeout_ms = 5000};
	origin_reply(&origin, reply);
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), expected);
	while (origin.open > 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(origin.resets, 0);
}

/* A server that is still writing its body when the verdict stands. */
static void slow_writers_are_not_reset(void **state)
{
	origin.piece_bytes = 3;
	nothing_is_reset("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ntwenty octets of it.", "good");
	nothing_is_reset("HTTP/1.1 503 Busy\r\nContent-Length: 20\r\n\r\ntwenty octets of it.", "status 503");
	nothing_is_reset(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n4\r\nmore\r\n0\r\n\r\n",
		"good");
	nothing_is_reset("HTTP/1.1 200 OK\r\n\r\nuntil the server closes", "good");
	nothing_is_reset("220 mail.example ESMTP, and more of this kind\r\n", "no valid HTTP response");
	nothing_is_reset("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more than was said", "good");
	nothing_is_reset("HTTP/1.1 200 OK\r\nno colon\r\n\r\ntwenty octets of it.", "no valid HTTP response");
}

/* A server that leaves the connection open until the client ends it. */
static void a_server_that_stays_is_left(void **state)
{
	uint64_t start_ms = clock_mono_ms();
	origin.stays_open = true;
	nothing_is_reset("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "good");
	nothing_is_reset("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "status 503");
	assert_in_range(clock_mono_ms() - start_ms, 0, 2000); /* long before the deadline */
}

static void the_verdict_does_not_wait_for_the_rest(void **state)
{
	struct probe_spec spec = {.path = "/"};
	origin.stays_open = true;
	uint64_t start_ms = clock_mono_ms();
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nnot so many");
	assert_string_equal(probe(&spec, "127.0.0.1"), "good");
	assert_in_range(clock_mono_ms() - start_ms, 0, 2000);
}

static void the_deadline_bounds_the_rest(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = origin.port, .path = "/", .timeout_ms = 80};
	origin.stays_open = true;
	uint64_t start_ms = clock_mono_ms();
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nnot so many");
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), "good");
	assert_in_range(clock_mono_ms() - start_ms, 75, 1000);
}

static void no_more_than_64_KiB_of_the_rest_are_read(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n";
	static char huge[4000000];
	struct probe_spec spec = {
		.kind = probe_kinds_find("http"), .port = origin.port, .path = "/", .timeout_ms = 5000};
	memset(huge, 'x', sizeof huge - 1);
	memcpy(huge, head, strlen(head));
	origin_reply(&origin, huge);
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), "good");
	assert_in_range(clock_mono_ms() - start_ms, 0, 2000);
	while (origin.open > 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(origin.unsent_bytes > 3000000);
}

static void a_slow_body_does_not_cost_the_connection(void **state)
{
	static const struct probe_header keep = {"Connection", "keep-alive"};
	struct probe_spec spec = {.kind = probe_kinds_find("http"),
				  .path = "/",
				  .headers = &keep,
				  .header_count = 1,
				  .port = origin.port,
				  .timeout_ms = 5000};
	struct probe_kept kept = {0};
	origin.stays_open = true;
	origin.piece_bytes = 10;
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ntwenty octets of it.");
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, &kept), "good");
	assert_non_null(kept.stream);
	probe_kept_done(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_names_the_host),
		cmocka_unit_test(a_target_with_a_name_is_asked_by_it),
		cmocka_unit_test(headers_replace_ours),
		cmocka_unit_test_setup_teardown(servers_are_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ipv6_is_probed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slow_bytes_are_waited_for_but_not_for_ever, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hung_server_times_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_closed_port_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_huge_head_is_a_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_close_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_probe_is_not_heard_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kept_connection_that_broke_is_tried_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(slow_writers_are_not_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_stays_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_verdict_does_not_wait_for_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_deadline_bounds_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_64_KiB_of_the_rest_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_body_does_not_cost_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_kept_where_descriptors_are_scarce, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
