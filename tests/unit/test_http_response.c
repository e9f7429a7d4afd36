/* What a check takes for a good response. Every case is fed whole, byte by byte, and cut in two. */
#include "checker/http_response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct probe_spec plain = {.method = "GET"};

/* NULL: good, else the reason. `step` bytes at a time, until nothing more may be fed. */
static const char *read_in_steps(const struct probe_spec *spec, const char *bytes, size_t length,
				 size_t first, size_t step, char reason[static 128])
{
	struct http_response *response = http_response_new(spec);
	bool is_more = true;
	for (size_t at = 0, take = first; at < length && is_more; at += take, take = step) {
		enum http_verdict before = http_response_verdict(response);
		if (take > length - at)
			take = length - at;
		/* a copy of its own, so that the sanitizer sees a read beyond it */
		char *piece = malloc(take);
		assert_non_null(piece);
		memcpy(piece, bytes + at, take);
		is_more = http_response_feed(response, piece, take);
		free(piece);
		/* it is found once, and never changes */
		assert_true(before == HTTP_OPEN || before == http_response_verdict(response));
	}
	if (is_more)
		http_response_end(response);
	enum http_verdict verdict = http_response_verdict(response);
	snprintf(reason, 128, "%s", verdict == HTTP_BAD ? http_response_reason(response) : "");
	http_response_free(response);
	assert_int_not_equal(verdict, HTTP_OPEN);
	assert_true(verdict != HTTP_BAD || reason[0]);
	return verdict == HTTP_GOOD ? NULL : reason;
}

static void assert_read_bytes(const struct probe_spec *spec, const char *bytes, size_t length,
			      const char *expected)
{
	char reason[128];
	for (size_t first = 1; first <= length; first += length > 1000 ? 997 : 1)
		for (size_t step = 1; step <= length; step += length > 1 ? length - 1 : 1) {
			const char *seen = read_in_steps(spec, bytes, length, first, step, reason);
			assert_string_equal(seen ? seen : "good", expected);
			if (length > 1000)
				break; /* byte by byte alone */
		}
}

static void assert_read(const struct probe_spec *spec, const char *text, const char *expected)
{
	assert_read_bytes(spec, text, strlen(text), expected);
}

static struct probe_spec wants(const char *body)
{
	struct probe_spec spec = plain;
	spec.body = body;
	return spec;
}

static void the_status_decides(void **state)
{
	assert_read(&plain, "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", "good");
	assert_read(&plain, "HTTP/1.0 204 No Content\r\n\r\n", "good");
	assert_read(&plain, "HTTP/1.1 399 \r\n\r\n", "good");
	assert_read(&plain, "HTTP/1.1 200\r\n\r\n", "good");
	assert_read(&plain, "HTTP/1.1 500 Oops\r\n\r\n", "status 500");
	assert_read(&plain, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", "status 404");
	static const struct probe_expect ranges[] = {{200, 204}, {418, 418}};
	struct probe_spec spec = plain;
	spec.expect = ranges;
	spec.expect_count = 2;
	assert_read(&spec, "HTTP/1.1 418 Teapot\r\n\r\n", "good");
	assert_read(&spec, "HTTP/1.1 204 x\r\n\r\n", "good");
	assert_read(&spec, "HTTP/1.1 205 x\r\n\r\n", "status 205");
	assert_read(&spec, "HTTP/1.1 302 Found\r\n\r\n", "status 302");
}

/* NULL: the verdict is open or there are no words for it. */
static const char *words_of(const struct probe_spec *spec, const char *text, enum http_verdict expected)
{
	static char words[128];
	struct http_response *response = http_response_new(spec);
	if (http_response_feed(response, text, strlen(text)))
		http_response_end(response);
	assert_int_equal(http_response_verdict(response), expected);
	snprintf(words, sizeof words, "%s", http_response_reason(response));
	http_response_free(response);
	return words;
}

/* A redirect is an answer like others, and whoever looks at the VIP is told that nobody went where it leads.
 */
static void redirects_are_told_not_followed(void **state)
{
	static const char moved[] =
		"HTTP/1.1 301 Moved\r\nLocation: https://a.test/up\r\nContent-Length: 0\r\n\r\n";
	static const char told[] = "status 301 to https://a.test/up; redirects are not followed";
	static const struct probe_expect only[] = {{200, 200}};
	struct probe_spec strict = {.expect = only, .expect_count = 1};
	assert_read(&plain, moved, "good");
	assert_string_equal(words_of(&plain, moved, HTTP_GOOD), told);
	assert_read(&strict, moved, told);
	struct probe_spec body = wants("ready");
	assert_read(&body, moved, told); /* what was asked for may well stand where it leads */
	assert_string_equal(words_of(&plain, "HTTP/1.1 200 OK\r\nLocation: /made\r\n\r\n", HTTP_GOOD), "");
	assert_string_equal(words_of(&plain, "HTTP/1.1 304 Same\r\nLocation: /\r\n\r\n", HTTP_GOOD), "");
	assert_string_equal(words_of(&plain, "HTTP/1.1 302 Found\r\n\r\n", HTTP_GOOD), "");
	assert_read(&strict, "HTTP/1.1 302 Found\r\n\r\n", "status 302");
	/* one short line, whatever a stranger writes */
	assert_read(&strict,
		    "HTTP/1.1 307 "
		    "x\r\nlocation:\thttp://a.test/\x1b[31m/and/much/more/than/a/line/has/room/for\r\n\r\n",
		    "status 307 to http://a.test/?[31m/and/much/more/than/a/line/has/…; redirects are not "
		    "followed");
}

static void interim_responses_are_skipped(void **state)
{
	assert_read(
		&plain,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"good");
	assert_read(&plain, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", "status 503");
	assert_read(&plain, "HTTP/1.1 100 Continue\r\n\r\n", "response cut short");
	assert_read(&plain, "HTTP/1.1 101 Switching Protocols\r\n\r\n", "status 101");
}

static void garbage_is_no_response(void **state)
{
	static const char *const garbage[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: empty name\r\n\r\n",
		"HTTP/1.1 200 OK\r\nName : space\r\n\r\n",
		"HTTP/1.1 200 OK\r\n fold without a field\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nName: a\rb\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
		assert_read(&plain, garbage[i], "no valid HTTP response");
	static const char nul[] = "HTTP/1.1 200 OK\r\nName: a\0b\r\n\r\n";
	assert_read_bytes(&plain, nul, sizeof nul - 1, "no valid HTTP response");
}

static void odd_but_legal_heads_are_read(void **state)
{
	assert_read(&plain, "HTTP/1.1 200 OK\nServer: bare line feeds\n\n", "good");
	assert_read(&plain, "HTTP/1.1 200 OK\r\nName: one\r\n two\r\nEmpty:\r\n\r\n", "good");
	assert_read(&plain, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length:5 \r\n\r\n", "good");
}

static void a_close_too_early_is_told(void **state)
{
	struct probe_spec spec = wants("ready");
	char reason[128];
	assert_string_equal(read_in_steps(&plain, "", 0, 1, 1, reason),
			    "connection closed without a response");
	assert_read(&plain, "HTTP/1.1 200 OK\r\n", "response cut short");
	assert_read(&plain, "HTTP", "response cut short");
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nrea", "response cut short");
	assert_read(&spec, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea",
		    "response cut short");
}

static void the_body_is_searched(void **state)
{
	struct probe_spec spec = wants("ready");
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nis ready!", "good");
	assert_read(&spec, "HTTP/1.1 200 OK\r\n\r\nis rready until close", "good");
	assert_read(&spec, "HTTP/1.1 200 OK\r\n\r\nnot at all", "body does not contain \"ready\"");
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nis ready",
		    "body does not contain \"ready\"");
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "body does not contain \"ready\"");
	assert_read(&spec, "HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nready",
		    "body does not contain \"ready\"");
	assert_read(&spec, "HTTP/1.1 500 Oops\r\n\r\nready", "status 500");
	spec.method = "HEAD";
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "body does not contain \"ready\"");
	spec.body = NULL;
	assert_read(&spec, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "good");
}

static void chunks_are_joined(void **state)
{
	struct probe_spec spec = wants("ready");
	assert_read(&spec,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, "
		    "Chunked\r\n\r\n2;x=y\r\nre\r\n3\r\nady\r\n0\r\n\r\n",
		    "good");
	assert_read(&spec,
		    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: "
		    "chunked\r\n\r\n00A\r\nxxxxxready\r\n",
		    "good");
	assert_read(&spec,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n0\r\nready: x\r\n\r\n",
		    "body does not contain \"ready\"");
	static const char *const wrong[] = {"x\r\n",  "\r\n",	   "2\r\nreXX",
					    "-1\r\n", "0x2\r\nre", "1111111111111111\r\n"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char text[128];
		snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
			 wrong[i]);
		assert_read(&spec, text, "no valid HTTP response");
	}
}

static char *padded(const char *head, size_t padding, const char *tail, size_t *ret_length)
{
	char *text = malloc(strlen(head) + padding + strlen(tail) + 1);
	assert_non_null(text);
	strcpy(text, head);
	memset(text + strlen(head), 'x', padding);
	strcpy(text + strlen(head) + padding, tail);
	*ret_length = strlen(head) + padding + strlen(tail);
	return text;
}

static void limits_hold(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nName: ", end[] = "\r\n\r\n";
	size_t room = HTTP_HEAD_BYTES_MAX - strlen(head) - strlen(end), length;
	char *text = padded(head, room, end, &length);
	assert_read_bytes(&plain, text, length, "good");
	free(text);
	text = padded(head, room + 1, end, &length);
	assert_read_bytes(&plain, text, length, "response head longer than 32 KiB");
	free(text);
	struct probe_spec spec = wants("ready");
	text = padded("HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_BYTES_MAX - 5, "ready", &length);
	assert_read_bytes(&spec, text, length, "good");
	free(text);
	text = padded("HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_BYTES_MAX - 4, "ready", &length);
	assert_read_bytes(&spec, text, length, "body does not contain \"ready\"");
	free(text);
	text = padded("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", 300, "\r\n", &length);
	assert_read_bytes(&spec, text, length, "no valid HTTP response");
	free(text);
}

static void a_reason_is_one_short_line(void **state)
{
	struct probe_spec spec =
		wants("line\nwith \xc3\xa4 and much more text than anybody wants to read in a log");
	assert_read(&spec, "HTTP/1.1 204 x\r\n\r\n",
		    "body does not contain \"line?with ?? and much more text than anybody wa…\"");
}

/* "good", "kept" where the connection can be used again, or "bad". */
static const char *keep(const char *bytes, const char *body, size_t step)
{
	static const struct probe_header header = {"Connection", "TE, keep-alive"};
	struct probe_spec spec = {.body = body, .headers = &header, .header_count = 1};
	struct http_response *response = http_response_new(&spec);
	bool is_more = true;
	size_t length = strlen(bytes);
	for (size_t at = 0; at < length && is_more; at += step)
		is_more = http_response_feed(response, bytes + at, step < length - at ? step : length - at);
	if (is_more)
		http_response_end(response);
	const char *result = http_response_verdict(response) == HTTP_BAD ? "bad"
			     : http_response_is_reusable(response)	 ? "kept"
									 : "good";
	http_response_free(response);
	return result;
}

/* What a check needs to know often stands in the head; the message goes on, and its end is found. */
static void the_rest_is_read_to_its_end(void **state)
{
	static const struct {
		const char *head, *rest; /* NULL: until the server closes */
	} messages[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "ready"},
		{"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\n", "sorry"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "5;x\r\nready\r\n0\r\nA: b\r\n\r\n"},
		{"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nno\r\n0\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\n\r\n", NULL},
		{"HTTP/1.1 204 None\r\n\r\n", ""},
	};
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		const char *head = messages[i].head, *rest = messages[i].rest;
		struct http_response *response = http_response_new(&plain);
		bool is_more = http_response_feed(response, head, strlen(head) - 1);
		assert_true(is_more);
		assert_int_equal(http_response_verdict(response), HTTP_OPEN);
		is_more = http_response_feed(response, head + strlen(head) - 1, 1);
		assert_int_not_equal(http_response_verdict(response), HTTP_OPEN);
		for (const char *at = rest ? rest : "anything"; *at; at++) {
			assert_true(is_more);
			is_more = http_response_feed(response, at, 1);
		}
		assert_int_equal(is_more, !rest);
		http_response_free(response);
	}
}

static void a_connection_is_reusable_where_the_message_ended(void **state)
{
	for (size_t step = 1; step < 400; step += 133) {
		assert_string_equal(keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL, step),
				    "kept");
		assert_string_equal(keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "o", step),
				    "kept");
		assert_string_equal(keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "x", step), "bad");
		assert_string_equal(keep("HTTP/1.1 204 No\r\n\r\n", NULL, step), "kept");
		assert_string_equal(keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
					 "chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
					 "ok", step),
				    "kept");
		assert_string_equal(
			keep("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NULL, step),
			"good");
		assert_string_equal(keep("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, step), "good");
		assert_string_equal(keep("HTTP/1.1 200 OK\r\n\r\nuntil the end", NULL, step), "good");
		/* what goes wrong after the verdict ends the connection, not the target */
		assert_string_equal(
			keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", NULL, step), "good");
		assert_string_equal(keep("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", NULL, step),
				    "good");
	}
	assert_string_equal(keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nunasked", NULL, 999), "good");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_decides),
		cmocka_unit_test(redirects_are_told_not_followed),
		cmocka_unit_test(interim_responses_are_skipped),
		cmocka_unit_test(garbage_is_no_response),
		cmocka_unit_test(odd_but_legal_heads_are_read),
		cmocka_unit_test(a_close_too_early_is_told),
		cmocka_unit_test(the_body_is_searched),
		cmocka_unit_test(chunks_are_joined),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_reason_is_one_short_line),
		cmocka_unit_test(the_rest_is_read_to_its_end),
		cmocka_unit_test(a_connection_is_reusable_where_the_message_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
