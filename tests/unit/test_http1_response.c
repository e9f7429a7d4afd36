/* What an origin's response means. */
#include "forwarder/http1/http1_response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct http_head head;
static struct http1_response response;

static enum http1_response_kind read_asked(const char *text, struct http1_response_asked *asked)
{
	struct http_head_scan scan = {0};
	assert_int_equal(http_head_response(&head, &scan, text, strlen(text), &http1_response_limits),
			 HTTP_HEAD_DONE);
	return http1_response_read(&head, text, asked, &response);
}

static enum http1_response_kind get(const char *text)
{
	struct http1_response_asked asked = {.client_minor = 1};
	return read_asked(text, &asked);
}

static void assert_framing(const char *text, enum http1_framing framing, uint64_t length, bool keeps_alive)
{
	assert_int_equal(get(text), HTTP1_RESPONSE_FINAL);
	assert_int_equal(response.framing, framing);
	assert_int_equal(response.content_length, length);
	assert_int_equal(response.keeps_alive, keeps_alive);
}

static void responses_are_framed_in_one_way(void **state)
{
	assert_framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP1_LENGTH, 5, true);
	assert_framing("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 05\r\n\r\n", HTTP1_LENGTH,
		       5, true);
	assert_framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_CHUNKED, 0, true);
	assert_framing("HTTP/1.1 200 OK\r\n\r\n", HTTP1_TO_EOF, 0, false);
	assert_framing("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP1_LENGTH, 5, false);
	assert_framing("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", HTTP1_LENGTH,
		       5, true);
	assert_framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", HTTP1_LENGTH, 5,
		       false);
	assert_int_equal(http1_response_framing(&response, 0), HTTP1_LENGTH);
	get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(http1_response_framing(&response, 0), HTTP1_TO_EOF);
	get("HTTP/1.0 200 OK\r\n\r\n");
	assert_int_equal(http1_response_framing(&response, 1), HTTP1_CHUNKED);
}

static void ambiguous_responses_are_refused(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: a b\r\nContent-Length: 0\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(get(bad[i]), HTTP1_RESPONSE_BAD);
}

static void some_have_no_body(void **state)
{
	struct http1_response_asked by_head = {.is_head = true, .client_minor = 1};
	assert_framing("HTTP/1.1 204 No\r\n\r\n", HTTP1_NONE, 0, true);
	assert_false(response.has_length);
	assert_framing("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", HTTP1_NONE, 0, false);
	assert_framing("HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", HTTP1_NONE, 0, true);
	assert_true(response.has_length);
	assert_framing("HTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_NONE, 0, false);
	assert_framing("HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", HTTP1_NONE, 5, true);
	assert_true(response.has_length);
	assert_int_equal(read_asked("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &by_head),
			 HTTP1_RESPONSE_FINAL);
	assert_int_equal(response.framing, HTTP1_NONE);
	assert_true(response.has_length && response.keeps_alive);
	assert_int_equal(response.content_length, 5);
	assert_int_equal(read_asked("HTTP/1.1 200 OK\r\n\r\n", &by_head), HTTP1_RESPONSE_FINAL);
	assert_int_equal(response.framing, HTTP1_NONE);
}

static void interim_responses_are_counted(void **state)
{
	struct http1_response_asked asked = {.client_minor = 1};
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(
			read_asked(i < 6 ? "HTTP/1.1 102 P\r\n\r\n" : "HTTP/1.1 103 H\r\nLink: a\r\n\r\n",
				   &asked),
			i < 6 || i >= 14 ? HTTP1_RESPONSE_DROPPED : HTTP1_RESPONSE_HINTS);
	assert_int_equal(read_asked("HTTP/1.1 100 Continue\r\n\r\n", &asked), HTTP1_RESPONSE_BAD);
	assert_int_equal(get("HTTP/1.1 100 Continue\r\n\r\n"), HTTP1_RESPONSE_DROPPED);
	struct http1_response_asked old = {.client_minor = 0};
	assert_int_equal(read_asked("HTTP/1.1 103 H\r\n\r\n", &old), HTTP1_RESPONSE_DROPPED);
}

static void a_switch_must_have_been_asked_for(void **state)
{
	static const char text[] = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n";
	struct http1_response_asked asked = {.client_minor = 1, .upgrade = {"websocket", 9}};
	assert_int_equal(read_asked(text, &asked), HTTP1_RESPONSE_SWITCH);
	assert_int_equal(get(text), HTTP1_RESPONSE_BAD);
	static const char *const bad[] = {
		"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websockets\r\n\r\n",
		"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: other-one\r\n\r\n",
		"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_asked(bad[i], &asked), HTTP1_RESPONSE_BAD);
}

static void an_origin_says_how_long_it_waits(void **state)
{
	get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: max=3, Timeout=5\r\nDate: now\r\n\r\n");
	assert_int_equal(response.idle_s, 5);
	assert_true(response.has_date);
	get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=x\r\n\r\n");
	assert_int_equal(response.idle_s, 0);
	assert_false(response.has_date);
	get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=99999999999\r\n\r\n");
	assert_int_equal(response.idle_s, 86400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_are_framed_in_one_way),
		cmocka_unit_test(ambiguous_responses_are_refused),
		cmocka_unit_test(some_have_no_body),
		cmocka_unit_test(interim_responses_are_counted),
		cmocka_unit_test(a_switch_must_have_been_asked_for),
		cmocka_unit_test(an_origin_says_how_long_it_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
