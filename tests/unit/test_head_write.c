/* Heads as they are sent, to origins and to clients. */
#include "forwarder/http1/head_write.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TEXT(literal) ((struct route_text){literal, sizeof literal - 1})
#define OURS(host)                                                                       \
	"X-Tenant-ID: acme\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n" \
	"X-Forwarded-Host: " host "\r\nX-Real-IP: 192.0.2.7\r\nX-Request-ID: 0123\r\n"   \
	"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"       \
	"Via: 1.1 gslb\r\n"

static const struct http_head_limits limits = {16384, 8192, 8192, 100};
static struct http_head head;
static struct http1_request request;
static char scratch[HTTP1_REQUEST_SCRATCH(8192)], out[32768];

static struct head_write_request prepare(const char *text, const struct route *route)
{
	struct http_head_scan scan = {0};
	assert_int_equal(http_head_request(&head, &scan, text, strlen(text), &limits), HTTP_HEAD_DONE);
	assert_int_equal(http1_request_read(&head, text, false, scratch, &request).reason, REASON_NONE);
	return (struct head_write_request){
		.head = &head,
		.octets = text,
		.request = &request,
		.route = route,
		.tenant = TEXT("acme"),
		.client = TEXT("192.0.2.7"),
		.peer = TEXT("198.51.100.9"),
		.request_id = TEXT("0123"),
		.trace = "0af7651916cd43dd8448eb211c80319c",
		.span = "b7ad6b7169203331",
		.is_sampled = true,
	};
}

static void assert_written(const struct head_write_request *from, const char *expected)
{
	size_t room = head_write_request_room(from);
	char *exact = malloc(room); /* a write beyond is seen */
	assert_non_null(exact);
	assert_int_equal(head_write_request(from, exact, room - 1), 0);
	size_t length = head_write_request(from, exact, room);
	memcpy(out, exact, length);
	out[length] = '\0';
	free(exact);
	assert_string_equal(out, expected);
}

static void a_plain_head_is_written_anew(void **state)
{
	struct head_write_request from = prepare(
		"GET /a/./b?c HTTP/1.1\r\nhost: A.example.\r\nUser-Agent:curl\r\nAccept: */*\r\n\r\n", NULL);
	assert_written(&from,
		       "GET /a/b?c HTTP/1.1\r\nHost: a.example\r\nUser-Agent: curl\r\nAccept: */*\r\n" OURS(
			       "a.example") "\r\n");
	from = prepare("POST / HTTP/1.0\r\nHost: a:8080\r\nContent-Length: 005\r\n\r\n", NULL);
	from.trace = NULL;
	from.is_https = true;
	assert_written(&from, "POST / HTTP/1.1\r\nHost: a:8080\r\nX-Tenant-ID: acme\r\n"
			      "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
			      "X-Forwarded-Host: a:8080\r\nX-Real-IP: 192.0.2.7\r\nX-Request-ID: 0123\r\n"
			      "Via: 1.0 gslb\r\nContent-Length: 5\r\n\r\n");
}

static void what_is_of_one_hop_or_of_us_is_left_out(void **state)
{
	struct head_write_request from = prepare(
		"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close, x-gone, TE\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n"
		"Proxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers, gzip\r\nUpgrade: h2c\r\n"
		"HTTP2-Settings: x\r\nExpect: 100-continue\r\nForwarded: for=x\r\nX-Forwarded-For: x\r\n"
		"X-Forwarded-Port: x\r\nX-Real-IP: x\r\nX-Request-ID: x\r\nX-Tenant-ID: x\r\nGslb-Tail: x\r\n"
		"traceparent: x\r\ntracestate: x\r\nX_Tenant_ID: x\r\nTransfer-Encoding: chunked\r\n"
		"Trailer: X-Sum\r\nVia: 1.1 other\r\nAuthorization: kept\r\n\r\n",
		NULL);
	assert_written(&from, "PUT / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nVia: 1.1 other\r\n"
			      "Authorization: kept\r\n" OURS("a") "Connection: TE\r\nTE: trailers\r\n"
								  "Transfer-Encoding: chunked\r\n\r\n");
}

static void a_trusted_proxy_is_believed(void **state)
{
	struct head_write_request from = prepare(
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n"
		"X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.7\r\nX-Tenant-ID: x\r\nGslb-Tail: x\r\n"
		"traceparent: x\r\ntracestate: a=b\r\nX_Forwarded_For: x\r\n\r\n",
		NULL);
	from.is_trusted = true;
	from.trace = NULL;
	assert_written(&from, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n"
			      "Forwarded: for=192.0.2.7\r\ntracestate: a=b\r\nX-Tenant-ID: acme\r\n"
			      "X-Forwarded-For: 192.0.2.7, 10.0.0.1, 198.51.100.9\r\n"
			      "X-Forwarded-Host: a\r\nX-Real-IP: 192.0.2.7\r\nX-Request-ID: 0123\r\n"
			      "Via: 1.1 gslb\r\n\r\n");
}

static const char *rewritten(const char *target, struct route route)
{
	static char line[200], text[300];
	sprintf(text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
	struct head_write_request from = prepare(text, &route);
	size_t length = head_write_request(&from, out, sizeof out);
	out[length] = '\0';
	*strstr(out, " HTTP/1.1\r\n") = '\0';
	snprintf(line, sizeof line, "%.150s", out + 4);
	return line;
}

static void a_prefix_gives_way(void **state)
{
	struct route api = {.path = TEXT("/api"), .rewrite_prefix = TEXT("/v2")};
	assert_string_equal(rewritten("/api/x?y", api), "/v2/x?y");
	assert_string_equal(rewritten("/api?y", api), "/v2?y");
	api.rewrite_prefix = TEXT("/");
	assert_string_equal(rewritten("/api/x", api), "/x");
	assert_string_equal(rewritten("/api", api), "/");
	assert_string_equal(rewritten("/api/", api), "/");
	api.rewrite_prefix = TEXT("/v2/");
	assert_string_equal(rewritten("/api/x", api), "/v2/x");
	assert_string_equal(rewritten("/api", api), "/v2/");
	struct route all = {.rewrite_prefix = TEXT("/v2")};
	assert_string_equal(rewritten("/x", all), "/v2/x");
	all.path = TEXT("/");
	assert_string_equal(rewritten("/x?y", all), "/v2/x?y");
	assert_string_equal(rewritten("/", all), "/v2/");
	struct route one = {.exact = TEXT("/one"), .rewrite_prefix = TEXT("/two")};
	assert_string_equal(rewritten("/one?y", one), "/two?y");
}

static void a_route_sets_and_removes_fields(void **state)
{
	const struct route_pair add[] = {{TEXT("x-team"), TEXT("blue")},
					 {TEXT("accept"), TEXT("text/plain")}};
	const struct route_text gone = TEXT("cookie");
	const struct route route = {.rewrite_host = TEXT("inner.example"),
				    .add_count = 2,
				    .add = add,
				    .remove_count = 1,
				    .remove = &gone};
	struct head_write_request from = prepare(
		"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: b\r\nX-Team: red\r\nX-C: d\r\n\r\n",
		&route);
	assert_written(&from, "GET / HTTP/1.1\r\nHost: inner.example\r\nX-C: d\r\nx-team: blue\r\n"
			      "accept: text/plain\r\n" OURS("a") "\r\n");
}

static void a_tunnel_is_asked_for(void **state)
{
	struct head_write_request from = prepare(
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Key: k\r\n\r\n",
		NULL);
	from.is_upgrade = true;
	assert_written(&from, "GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\n" OURS(
				      "a") "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void hops_are_counted_down(void **state)
{
	struct head_write_request from =
		prepare("OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n", NULL);
	assert_written(&from, "OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9\r\n" OURS("a") "\r\n");
}

/* ---- responses ---- */

static void assert_response(const char *text, struct http1_response_asked asked, bool keeps_alive,
			    const char *extra, const char *expected)
{
	struct http_head_scan scan = {0};
	struct http1_response response;
	assert_int_equal(http_head_response(&head, &scan, text, strlen(text), &http1_response_limits),
			 HTTP_HEAD_DONE);
	enum http1_response_kind kind = http1_response_read(&head, text, &asked, &response);
	assert_int_not_equal(kind, HTTP1_RESPONSE_BAD);
	struct head_write_response from = {
		.head = &head,
		.octets = text,
		.response = &response,
		.client_minor = asked.client_minor,
		.framing = http1_response_framing(&response, asked.client_minor),
		.keeps_alive = keeps_alive,
		.is_switch = kind == HTTP1_RESPONSE_SWITCH,
		.date = "Sun, 06 Nov 1994 08:49:37 GMT",
		.extra = {extra, strlen(extra)},
	};
	size_t room = head_write_response_room(&from);
	char *exact = malloc(room);
	assert_non_null(exact);
	assert_int_equal(head_write_response(&from, exact, room - 1), 0);
	size_t length = head_write_response(&from, exact, room);
	memcpy(out, exact, length);
	out[length] = '\0';
	free(exact);
	assert_string_equal(out, expected);
}

static void answers_are_written_anew(void **state)
{
	static const struct http1_response_asked now = {.client_minor = 1}, old = {.client_minor = 0};
	assert_response("HTTP/1.1 200 Fine\r\nServer :x\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\n"
			"Keep-Alive: timeout=5\r\nContent-Length: 05\r\n\r\n",
			now, true, "Set-Cookie: s=1\r\n",
			"HTTP/1.1 200 Fine\r\nServer: x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			"Set-Cookie: s=1\r\nContent-Length: 5\r\n\r\n");
	assert_response("HTTP/1.0 200 OK\r\nDate: today\r\nTrailer: x\r\n\r\n", now, false, "",
			"HTTP/1.1 200 OK\r\nDate: today\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\n"
			"Connection: close\r\n\r\n");
	assert_response("HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n",
			old, false, "", "HTTP/1.0 200 OK\r\nDate: today\r\n\r\n");
	assert_response(
		"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\n\r\n", old, true, "",
		"HTTP/1.0 200 OK\r\nDate: today\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
}

static void answers_without_a_body_tell_what_they_may(void **state)
{
	static const struct http1_response_asked now = {.client_minor = 1},
						 by_head = {.client_minor = 1, .is_head = true};
	assert_response("HTTP/1.1 204 No\r\nDate: d\r\nContent-Length: 5\r\n\r\n", now, true, "",
			"HTTP/1.1 204 No\r\nDate: d\r\n\r\n");
	assert_response("HTTP/1.1 304 Same\r\nDate: d\r\nContent-Length: 5\r\n\r\n", now, true, "",
			"HTTP/1.1 304 Same\r\nDate: d\r\nContent-Length: 5\r\n\r\n");
	assert_response("HTTP/1.1 205 Reset\r\nDate: d\r\n\r\n", now, true, "",
			"HTTP/1.1 205 Reset\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\n\r\n", by_head, true, "",
			"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\n\r\n");
}

static void interim_answers_have_no_framing(void **state)
{
	static const struct http1_response_asked now = {.client_minor = 1},
						 upgrade = {.client_minor = 1, .upgrade = {"websocket", 9}};
	assert_response("HTTP/1.1 103 Hints\r\nLink: a\r\nContent-Length: 0\r\n\r\n", now, true, "",
			"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n");
	assert_response("HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
			"Sec-WebSocket-Accept: x\r\n\r\n",
			upgrade, true, "",
			"HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
			"Connection: Upgrade\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_head_is_written_anew),
		cmocka_unit_test(what_is_of_one_hop_or_of_us_is_left_out),
		cmocka_unit_test(a_trusted_proxy_is_believed),
		cmocka_unit_test(a_prefix_gives_way),
		cmocka_unit_test(a_route_sets_and_removes_fields),
		cmocka_unit_test(a_tunnel_is_asked_for),
		cmocka_unit_test(hops_are_counted_down),
		cmocka_unit_test(answers_are_written_anew),
		cmocka_unit_test(answers_without_a_body_tell_what_they_may),
		cmocka_unit_test(interim_answers_have_no_framing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
