/* What requests mean: framing, host and path, the connection. */
#include "forwarder/http1/http1_request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct http_head_limits limits = {16384, 8192, 8192, 100};
static struct http_head head;
static struct http1_request request;
static const char *octets;
static char scratch[HTTP1_REQUEST_SCRATCH(8192)];

static struct http1_verdict read_as(const char *text, bool is_https)
{
	struct http_head_scan scan = {0};
	octets = text;
	assert_int_equal(http_head_request(&head, &scan, text, strlen(text), &limits), HTTP_HEAD_DONE);
	return http1_request_read(&head, text, is_https, scratch, &request);
}

static void assert_good(const char *text)
{
	assert_int_equal(read_as(text, false).reason, REASON_NONE);
}

static void assert_refused(const char *text, enum reason reason, bool closes)
{
	struct http1_verdict verdict = read_as(text, false);
	assert_int_equal(verdict.reason, reason);
	assert_int_equal(verdict.closes, closes);
	assert_true(!closes || !request.keeps_alive);
}

static bool is_marked(const char *name)
{
	for (uint32_t i = 0; i < head.count; i++)
		if (head.fields[i].name_length == strlen(name) &&
		    memcmp(octets + head.fields[i].name, name, strlen(name)) == 0)
			return head.fields[i].is_named;
	fail_msg("no field %s", name);
	return false;
}

static void a_request_is_taken_apart(void **state)
{
	assert_good("GET /a/../b?q HTTP/1.1\r\nHost: Shop.Example.:8080\r\n\r\n");
	assert_int_equal(request.host.length, 12);
	assert_memory_equal(request.name, "shop.example", 12);
	assert_int_equal(request.host.port, 8080);
	struct route_request route = http1_request_route(&request, &head, octets);
	assert_int_equal(route.path_length, 2);
	assert_memory_equal(route.path, "/b", 2);
	assert_int_equal(route.query_length, 1);
	assert_memory_equal(route.query, "q", 1);
	assert_int_equal(route.method_length, 3);
	assert_int_equal(request.framing, HTTP1_NONE);
	assert_true(request.keeps_alive && request.is_idempotent && !request.is_head);
	assert_good("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_null(http1_request_route(&request, &head, octets).query);
	assert_good("GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(http1_request_route(&request, &head, octets).query);
}

static void a_body_is_framed_in_one_way(void **state)
{
	assert_good("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\n");
	assert_int_equal(request.framing, HTTP1_LENGTH);
	assert_int_equal(request.content_length, 5);
	assert_false(request.is_idempotent);
	assert_good("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
	assert_int_equal(request.content_length, INT64_MAX);
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
		       REASON_BAD_REQUEST, true);
	assert_int_equal(request.framing, HTTP1_NONE); /* what our answer's reader starts with */
	assert_int_equal(request.content_length, 0);
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n");
	assert_int_equal(request.framing, HTTP1_CHUNKED);
	assert_good("PATCH / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(request.framing, HTTP1_LENGTH);
	assert_int_equal(request.content_length, 0);
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		       REASON_CODING, true);
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		       REASON_BAD_REQUEST, true);
	assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", REASON_BAD_REQUEST, true);
}

static void connection_names_what_goes_no_further(void **state)
{
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a, HOST, Cookie\r\nX-A: 1\r\nX-AB: 1\r\n"
		    "Connection: X-Tenant-ID,x-a\r\nCookie: b\r\nX-Tenant-ID: c\r\n\r\n");
	assert_true(is_marked("X-A") && is_marked("Cookie"));
	assert_true(!is_marked("X-AB") && !is_marked("Host") && !is_marked("X-Tenant-ID"));
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\r\n\r\n");
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n",
		       REASON_BAD_REQUEST, true);
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nConnection: clo se\r\n\r\n", REASON_BAD_REQUEST, true);
}

static void the_connection_is_kept_as_the_version_has_it(void **state)
{
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n");
	assert_false(request.keeps_alive);
	assert_good("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
	assert_false(request.keeps_alive);
	assert_good("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n");
	assert_true(request.keeps_alive);
	assert_good("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n");
	assert_false(request.keeps_alive);
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n");
	assert_true(request.keeps_alive);
}

static void the_target_is_whose_host_counts(void **state)
{
	assert_good("GET http://A.example:80/x HTTP/1.1\r\nHost: a.example\r\n\r\n");
	assert_int_equal(request.host.length, 9);
	assert_good("GET http://a.example?q HTTP/1.0\r\n\r\n");
	assert_true(request.has_host);
	assert_int_equal(request.path.path_length, 1);
	assert_memory_equal(request.path.text, "/?q", 3);
	assert_refused("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", REASON_BAD_REQUEST, true);
	assert_refused("GET http://a.example:8080/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REASON_BAD_REQUEST,
		       true);
	assert_refused("GET http://a.example/ HTTP/1.1\r\n\r\n", REASON_BAD_REQUEST, true);
	assert_refused("GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REASON_BAD_REQUEST,
		       true);
	assert_refused("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REASON_MISDIRECTED,
		       true);
	assert_int_equal(read_as("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", true).reason,
			 REASON_NONE);
	assert_int_equal(read_as("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", true).reason,
			 REASON_MISDIRECTED);
	assert_refused("GET / HTTP/1.0\r\n\r\n", REASON_NO_TENANT, true);
	assert_refused("GET / HTTP/1.1\r\n\r\n", REASON_BAD_REQUEST, true);
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", REASON_BAD_REQUEST, true);
}

static void some_methods_are_ours(void **state)
{
	assert_refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", REASON_METHOD, true);
	assert_refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", REASON_METHOD, false);
	assert_true(request.keeps_alive);
	assert_refused("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", REASON_METHOD, true);
	assert_refused("GET * HTTP/1.1\r\nHost: a\r\n\r\n", REASON_BAD_REQUEST, true);
	assert_good("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(request.is_options_here);
	assert_good("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(request.is_options_here);
	assert_good("OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
	assert_true(request.is_options_here);
	assert_good("OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n");
	assert_false(request.is_options_here);
	assert_int_equal(request.max_forwards, 4);
	assert_good("GET /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
	assert_int_equal(request.max_forwards, UINT32_MAX);
	assert_good("get / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_false(request.is_idempotent);
}

static void expectations_are_ours(void **state)
{
	assert_good("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n");
	assert_true(request.expects_continue);
	assert_good("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
	assert_false(request.expects_continue);
	assert_good("PUT / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
	assert_false(request.expects_continue);
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", REASON_EXPECTATION, true);
	assert_good("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=1, Trailers\r\nConnection: TE\r\n\r\n");
	assert_true(request.accepts_trailers);
}

#define UPGRADE(method, version, fields) method " / HTTP/1." version "\r\nHost: a\r\n" fields "\r\n"

static void one_protocol_may_follow(void **state)
{
	const struct route_text websocket = {"websocket", 9};
	const struct route with = {.upgrade_count = 1, .upgrade = &websocket}, without = {0};
	assert_good(UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"));
	assert_true(http1_request_upgrades(&request, &with));
	assert_false(http1_request_upgrades(&request, &without));
	static const char *const plain[] = {
		UPGRADE("GET", "0", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
		UPGRADE("HEAD", "1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
		UPGRADE("GET", "1", "Upgrade: websocket\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade:\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: websocket/\r\n"),
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n"),
	};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		assert_good(plain[i]);
		assert_null(request.upgrade.text);
		assert_false(http1_request_upgrades(&request, &with));
	}
	assert_refused(
		UPGRADE("GET", "1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"),
		REASON_BAD_REQUEST, true);
}

static void refused_heads_have_their_reasons(void **state)
{
	assert_int_equal(http1_request_refusal(HTTP_HEAD_BAD).reason, REASON_BAD_REQUEST);
	assert_int_equal(http1_request_refusal(HTTP_HEAD_TARGET_LONG).reason, REASON_TARGET_TOO_LONG);
	assert_int_equal(http1_request_refusal(HTTP_HEAD_LARGE).reason, REASON_HEAD_TOO_LARGE);
	assert_int_equal(http1_request_refusal(HTTP_HEAD_VERSION).reason, REASON_VERSION);
	assert_true(http1_request_refusal(HTTP_HEAD_LARGE).closes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_apart),
		cmocka_unit_test(a_body_is_framed_in_one_way),
		cmocka_unit_test(connection_names_what_goes_no_further),
		cmocka_unit_test(the_connection_is_kept_as_the_version_has_it),
		cmocka_unit_test(the_target_is_whose_host_counts),
		cmocka_unit_test(some_methods_are_ours),
		cmocka_unit_test(expectations_are_ours),
		cmocka_unit_test(one_protocol_may_follow),
		cmocka_unit_test(refused_heads_have_their_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
