/* Heads in one piece and cut at every octet. */
#include "lib/http/http_head.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef enum http_head_status reader(struct http_head *, struct http_head_scan *, const char *, size_t,
				     const struct http_head_limits *);

static const struct http_head_limits limits = {16384, 8192, 8192, 100};
static struct http_head head;

/* As it comes: `first` octets, then the rest one by one. Each time in a copy, so that a read beyond is seen.
 */
static enum http_head_status read_cut(reader *read, const char *octets, size_t length, size_t first)
{
	struct http_head_scan scan = {0};
	for (size_t at = first;; at++) {
		char *copy = malloc(at);
		assert_non_null(copy);
		memcpy(copy, octets, at);
		enum http_head_status status = read(&head, &scan, copy, at, &limits);
		free(copy);
		if (status != HTTP_HEAD_PARTIAL || at == length)
			return status;
	}
}

static enum http_head_status read_octets(reader *read, const char *octets, size_t length)
{
	enum http_head_status whole = read_cut(read, octets, length, length);
	for (size_t first = 1; first < length && length < 1000; first++)
		assert_int_equal(read_cut(read, octets, length, first), whole);
	return whole;
}

static enum http_head_status request(const char *text)
{
	return read_octets(http_head_request, text, strlen(text));
}

static enum http_head_status response(const char *text)
{
	return read_octets(http_head_response, text, strlen(text));
}

static void assert_span(const char *octets, size_t at, size_t length, const char *expected)
{
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(octets + at, expected, length);
}

static void requests_are_recorded(void **state)
{
	static const char text[] = "\r\nPOST /a?b HTTP/1.7\r\nHost: x.example\r\nX-Empty:\r\n"
				   "Cookie:\t a=\xc3\xa4; b=2\t \r\nX_Y: !\r\n\r\nbody";
	assert_int_equal(request(text), HTTP_HEAD_DONE);
	assert_int_equal(head.length, sizeof text - 1 - 4);
	assert_int_equal(head.minor, 1);
	assert_span(text, head.method, head.method_length, "POST");
	assert_span(text, head.target, head.target_length, "/a?b");
	assert_int_equal(head.count, 4);
	const struct http_head_field *field = head.fields;
	assert_int_equal(field[0].field, HTTP_FIELD_HOST);
	assert_span(text, field[0].value, field[0].value_length, "x.example");
	assert_span(text, field[1].name, field[1].name_length, "X-Empty");
	assert_span(text, field[1].value, field[1].value_length, "");
	assert_int_equal(field[2].field, HTTP_FIELD_COOKIE);
	assert_span(text, field[2].value, field[2].value_length, "a=\xc3\xa4; b=2");
	assert_int_equal(field[3].field, HTTP_FIELD_OTHER);
}

static void responses_are_recorded(void **state)
{
	static const char text[] = "HTTP/1.0 404 Not \xe4here\r\nDate : now\r\nX\t: y\r\n\r\n";
	assert_int_equal(response(text), HTTP_HEAD_DONE);
	assert_int_equal(head.minor, 0);
	assert_int_equal(head.status, 404);
	assert_span(text, head.reason, head.reason_length, "Not \xe4here");
	assert_int_equal(head.fields[0].field, HTTP_FIELD_DATE);
	assert_span(text, head.fields[1].name, head.fields[1].name_length, "X");
	assert_span(text, head.fields[1].value, head.fields[1].value_length, "y");
	assert_int_equal(response("HTTP/1.1 200\r\n\r\n"), HTTP_HEAD_DONE);
	assert_int_equal(response("HTTP/1.1 200 \r\n\r\n"), HTTP_HEAD_DONE);
}

static void malformed_requests_are_refused(void **state)
{
	static const char *const bad[] = {
		"GET /\r\n",
		"GET / HTTP/1.1\n",
		"GET / HTTP/1.1\r\nA: b\n",
		"GET / HTTP/1.1\r\r\n",
		"GET / HTTP/1.1\r\nA: b\rc",
		"GET / HTTP/1.1\r\nA: \x01",
		"GET / HTTP/1.1\r\nA: \x7f",
		"\x16\x03\x01",
		"\r\n\r\nGET / HTTP/1.1\r\n",
		"\rXGET / HTTP/1.1\r\n\r\n",
		"GET  / HTTP/1.1\r\n",
		"GET / HTTP/1.1 \r\n",
		" GET / HTTP/1.1\r\n",
		"GET\t/ HTTP/1.1\r\n",
		"G(T / HTTP/1.1\r\n",
		"GET /a#b HTTP/1.1\r\n",
		"GET /a\\b HTTP/1.1\r\n",
		"GET /\xe4 HTTP/1.1\r\n",
		"GET / http/1.1\r\n",
		"GET / HTTP/1.10\r\n",
		"GET / HTTP/0.9\r\n",
		"GET / HTTP/1.\r\n",
		"GET / HTTP/1.1\r\n A: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\nA\r\n\r\n",
		"GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA@: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA\xe4: b\r\n\r\n",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(request(bad[i]), HTTP_HEAD_BAD);
	assert_int_equal(read_octets(http_head_request, "GET / HTTP/1.1\r\nA: \0b", 21), HTTP_HEAD_BAD);
	assert_int_equal(request("GET / HTTP/2.0\r\n"), HTTP_HEAD_VERSION);
	assert_int_equal(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_HEAD_VERSION);
}

static void malformed_responses_are_refused(void **state)
{
	static const char *const bad[] = {
		"<html>\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n",
		"HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 600 OK\r\n",
		"HTTP/1.1  200 OK\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 200 O\x01K\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
		"HTTP/1.1 200 OK\nA: b\n\n",
		"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(response(bad[i]), HTTP_HEAD_BAD);
}

/* A head of these sizes: the target, one field line without its end, and how many short fields. */
static enum http_head_status sized(size_t target, size_t line, unsigned fields)
{
	static char text[40000];
	size_t length = sprintf(text, "GET /");
	memset(text + length, 'a', target - 1);
	length += target - 1;
	length += sprintf(text + length, " HTTP/1.1\r\n");
	if (line > 0) {
		memcpy(text + length, "X: ", 3);
		memset(text + length + 3, 'b', line - 3);
		length += line;
		length += sprintf(text + length, "\r\n");
	}
	for (unsigned i = 0; i < fields; i++)
		length += sprintf(text + length, "Y: %u\r\n", i);
	length += sprintf(text + length, "\r\n");
	enum http_head_status whole = read_octets(http_head_request, text, length);
	assert_int_equal(read_cut(http_head_request, text, length, 1), whole);
	return whole;
}

static void heads_have_limits(void **state)
{
	assert_int_equal(sized(8192, 0, 0), HTTP_HEAD_DONE);
	assert_int_equal(sized(8193, 0, 0), HTTP_HEAD_TARGET_LONG);
	assert_int_equal(sized(20000, 0, 0), HTTP_HEAD_TARGET_LONG);
	assert_int_equal(sized(1, 8192, 0), HTTP_HEAD_DONE);
	assert_int_equal(sized(1, 8193, 0), HTTP_HEAD_LARGE);
	assert_int_equal(sized(1, 20000, 0), HTTP_HEAD_LARGE);
	assert_int_equal(sized(1, 0, 100), HTTP_HEAD_DONE);
	assert_int_equal(sized(1, 0, 101), HTTP_HEAD_LARGE);
	/* 16384 in all: a request line of 16 + 8000, a field of 8192, its end, 7 × 24, and the last line end
	 */
	assert_int_equal(sized(8002, 8192, 23), HTTP_HEAD_DONE);
	assert_int_equal(sized(8192, 8192, 1), HTTP_HEAD_LARGE);
}

static void a_line_without_end_is_refused_in_time(void **state)
{
	static char text[20000];
	struct http_head_scan scan = {0};
	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	assert_int_equal(http_head_request(&head, &scan, text, 8000, &limits), HTTP_HEAD_PARTIAL);
	assert_int_equal(http_head_request(&head, &scan, text, 8300, &limits), HTTP_HEAD_TARGET_LONG);
	scan = (struct http_head_scan){0};
	memcpy(text, "GET / HTTP/1.1\r\nA:", 18);
	assert_int_equal(http_head_request(&head, &scan, text, 8000, &limits), HTTP_HEAD_PARTIAL);
	assert_int_equal(http_head_request(&head, &scan, text, 8300, &limits), HTTP_HEAD_LARGE);
}

static void names_are_known(void **state)
{
	static const struct {
		const char *name;
		enum http_field field;
	} names[] = {
		{"Host", HTTP_FIELD_HOST},
		{"HOST", HTTP_FIELD_HOST},
		{"hos", HTTP_FIELD_OTHER},
		{"content-length", HTTP_FIELD_CONTENT_LENGTH},
		{"Content_Length", HTTP_FIELD_FRAMING_ALIAS},
		{"content.length", HTTP_FIELD_FRAMING_ALIAS},
		{"Transfer-Encoding", HTTP_FIELD_TRANSFER_ENCODING},
		{"Transfer_Encoding", HTTP_FIELD_FRAMING_ALIAS},
		{"TE", HTTP_FIELD_TE},
		{"Connection", HTTP_FIELD_CONNECTION},
		{"Proxy-Authorization", HTTP_FIELD_PROXY_AUTHORIZATION},
		{"proxy-connection", HTTP_FIELD_PROXY_CONNECTION},
		{"HTTP2-Settings", HTTP_FIELD_HTTP2_SETTINGS},
		{"X-Tenant-ID", HTTP_FIELD_X_TENANT_ID},
		{"X_Tenant_ID", HTTP_FIELD_ALIAS},
		{"X-Tenant_ID", HTTP_FIELD_ALIAS},
		{"X.Tenant~ID", HTTP_FIELD_ALIAS},
		{"X-Forwarded-For", HTTP_FIELD_X_FORWARDED},
		{"x-forwarded-anything", HTTP_FIELD_X_FORWARDED},
		{"X-Forwarded-a_b", HTTP_FIELD_X_FORWARDED},
		{"X_Forwarded_For", HTTP_FIELD_ALIAS},
		{"X-Forwarded-", HTTP_FIELD_OTHER},
		{"Gslb-Tail", HTTP_FIELD_GSLB},
		{"gslb_tail", HTTP_FIELD_ALIAS},
		{"traceparent", HTTP_FIELD_TRACEPARENT},
		{"User_Agent", HTTP_FIELD_OTHER},
		{"", HTTP_FIELD_OTHER},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(http_head_field(names[i].name, strlen(names[i].name)), names[i].field);
}

static void lists_are_taken_apart(void **state)
{
	static const char list[] = " , a\t,,b c , ";
	const char *element;
	size_t length, at = 0;
	assert_true(http_head_element(list, sizeof list - 1, &at, &element, &length));
	assert_span(element, 0, length, "a");
	assert_true(http_head_element(list, sizeof list - 1, &at, &element, &length));
	assert_span(element, 0, length, "b c");
	assert_false(http_head_element(list, sizeof list - 1, &at, &element, &length));
	assert_true(http_head_equals("ChUnKeD", 7, "chunked", 7));
	assert_false(http_head_equals("chunkee", 7, "chunked", 7));
	assert_true(http_head_equals("TRANSFER-ENCODING", 17, "transfer-encoding", 17));
	assert_false(http_head_equals("transfer-encodinf", 17, "transfer-encoding", 17));
	assert_true(http_head_equals("", 0, "", 0));
}

static void trailers_are_fields_alone(void **state)
{
	assert_int_equal(http_head_trailers(&head, "\r\n", 2, &limits), HTTP_HEAD_DONE);
	assert_int_equal(head.count, 0);
	assert_int_equal(http_head_trailers(&head, "A: b\r\n\r\nGET", 11, &limits), HTTP_HEAD_DONE);
	assert_int_equal(head.length, 8);
	assert_int_equal(http_head_trailers(&head, "A: b\r\n", 6, &limits), HTTP_HEAD_PARTIAL);
	assert_int_equal(http_head_trailers(&head, "\n", 1, &limits), HTTP_HEAD_BAD);
	assert_int_equal(http_head_trailers(&head, "A\r\n\r\n", 5, &limits), HTTP_HEAD_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_recorded),
		cmocka_unit_test(responses_are_recorded),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(malformed_responses_are_refused),
		cmocka_unit_test(heads_have_limits),
		cmocka_unit_test(a_line_without_end_is_refused_in_time),
		cmocka_unit_test(names_are_known),
		cmocka_unit_test(lists_are_taken_apart),
		cmocka_unit_test(trailers_are_fields_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
