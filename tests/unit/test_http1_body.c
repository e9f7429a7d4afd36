/* Bodies in one piece and in every two: the same data, the same end, the same verdict. */
#include "forwarder/http1/http1_body.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct seen {
	enum http1_body_status status;
	char data[70000], trailers[10000];
	size_t data_length, trailers_length, taken;
};

/* The first `cut` octets, then the others with what was not taken before. */
static void feed(struct http1_body body, const char *octets, size_t length, size_t cut, struct seen *seen)
{
	size_t from = 0, to = cut;
	*seen = (struct seen){.status = HTTP1_BODY_MORE};
	for (;;) {
		struct http1_body_take take;
		char *copy = malloc(to - from);
		assert_non_null(copy);
		memcpy(copy, octets + from, to - from);
		seen->status = http1_body_take(&body, copy, to - from, &take);
		assert_true(take.taken <= to - from && take.data + take.data_length <= take.taken);
		memcpy(seen->data + seen->data_length, copy + take.data, take.data_length);
		seen->data_length += take.data_length;
		memcpy(seen->trailers, copy + take.trailers, take.trailers_length);
		seen->trailers_length = take.trailers_length;
		free(copy);
		from += take.taken;
		seen->taken = from;
		if (seen->status != HTTP1_BODY_MORE || to == length)
			break;
		to = length;
	}
	assert_int_equal(http1_body_is_done(&body), seen->status == HTTP1_BODY_DONE);
}

static struct seen seen; /* of the last body */

static enum http1_body_status read_from(struct http1_body body, const char *octets, size_t length)
{
	static struct seen cut;
	feed(body, octets, length, length, &seen);
	for (size_t at = 0; at < length && length < 2000; at++) {
		feed(body, octets, length, at, &cut);
		assert_int_equal(cut.status, seen.status);
		if (seen.status != HTTP1_BODY_MORE && seen.status != HTTP1_BODY_DONE)
			continue;
		assert_int_equal(cut.data_length, seen.data_length);
		assert_memory_equal(cut.data, seen.data, seen.data_length);
		assert_int_equal(cut.trailers_length, seen.trailers_length);
		assert_memory_equal(cut.trailers, seen.trailers, seen.trailers_length);
		assert_int_equal(cut.taken, seen.taken);
	}
	return seen.status;
}

static enum http1_body_status chunked(const char *text)
{
	struct http1_body body;
	http1_body_start(&body, HTTP1_CHUNKED, 0, UINT64_MAX, false);
	return read_from(body, text, strlen(text));
}

static void assert_data(const char *expected)
{
	assert_int_equal(seen.data_length, strlen(expected));
	assert_memory_equal(seen.data, expected, seen.data_length);
}

static void chunks_become_data(void **state)
{
	assert_int_equal(chunked("5\r\nhello\r\n0\r\n\r\nGET"), HTTP1_BODY_DONE);
	assert_data("hello");
	assert_int_equal(seen.taken, 15);
	assert_int_equal(chunked("5\r\nhello\r\n1\r\n,\r\n006\r\n world\r\n000\r\n\r\n"), HTTP1_BODY_DONE);
	assert_data("hello, world");
	assert_int_equal(chunked("A\r\n0123456789\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n"), HTTP1_BODY_MORE);
	assert_data("0123456789abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(chunked("0\r\n\r\n"), HTTP1_BODY_DONE);
	assert_data("");
	assert_int_equal(chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"), HTTP1_BODY_DONE);
}

static void malformed_chunks_are_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"0x5\r\nhello",
		"-1\r\n",
		"+5\r\nhello",
		" 5\r\nhello",
		"5 \r\nhello",
		"5h\r\nhello",
		"0_5\r\n",
		"g\r\n",
		"00000000000000005\r\nhello",
		"8000000000000000\r\n",
		"ffffffffffffffff\r\n",
		"5\nhello",
		"5\rhello",
		"5\r\rhello",
		"5\r\nhello\n",
		"5\r\nhello\r0",
		"5\r\nhelloo\r\n",
		"5\r\nhell\r\n0\r\n\r\n",
		"0\n\n",
		"0\r\n\n",
		"0\r\n\rX",
		"0\r\nX\r\n\r\n",
		"0\r\nA : b\r\n\r\n",
		"0\r\n A: b\r\n\r\n",
		"0\r\nA: b\r\n c\r\n\r\n",
		"0\r\nA: b\n",
		"5 ;a\r\nhello",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(chunked(bad[i]), HTTP1_BODY_BAD);
}

static void extensions_are_dropped_or_refused(void **state)
{
	static const char *const good[] = {
		"5;a\r\nhello",		"5;a=b\r\nhello",	 "5;a=\"b c\\\"\t\";d\r\nhello",
		"5; a = b ;c\r\nhello", "5;a;b;c=\"\"\r\nhello", "5;a=\"\xe4\"\r\nhello",
	};
	static const char *const bad[] = {
		"5;\r\nhello",
		"5;a=\r\nhello",
		"5;a=\"b\r\nhello",
		"5;a=b \r\nhello",
		"5;a \r\nhello",
		"5;=b\r\nhello",
		"5;a b\r\nhello",
		"5;a=b c\r\nhello",
		"5;a\nhello",
		"5;a=\"b\"c\r\nhello",
		"5;a=\x01\r\nhello",
		"5;a=\"\x01\"\r\nhello",
		"5;a=\"\\\x7f\"\r\nhello",
		"5;a\rb\r\nhello",
		"5;a=\"b\r\"\r\nhello",
		"5;;a\r\nhello",
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(chunked(good[i]), HTTP1_BODY_MORE);
		assert_data("hello");
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(chunked(bad[i]), HTTP1_BODY_BAD);
}

static void extensions_have_limits(void **state)
{
	static char text[40000];
	for (unsigned extra = 0; extra < 2; extra++) { /* "1;" and 254 more octets */
		sprintf(text, "1;%0*d\r\nx\r\n", 254 + extra, 0);
		assert_int_equal(chunked(text), extra ? HTTP1_BODY_BAD : HTTP1_BODY_MORE);
	}
	size_t length = 0;
	for (unsigned i = 0; i < 64; i++)
		length += sprintf(text + length, "20;%0*d\r\n%032d\r\n", 250, 0, 0);
	assert_int_equal(chunked(text), HTTP1_BODY_MORE);
	for (unsigned i = 0; i < 4; i++)
		length += sprintf(text + length, "20;%0*d\r\n%032d\r\n", 250, 0, 0);
	assert_int_equal(chunked(text), HTTP1_BODY_BAD);
}

static void tiny_chunks_are_a_flood_of_clients_only(void **state)
{
	static char text[80000];
	struct http1_body body;
	for (unsigned kind = 0; kind < 3; kind++) {
		size_t length = 0;
		for (unsigned i = 0; i < HTTP1_BODY_SMALL_CHUNKS; i++)
			length += sprintf(text + length,
					  i == 0 && kind == 1 ? "1010\r\n%04112d\r\n" : "7\r\n%07d\r\n", 0);
		http1_body_start(&body, HTTP1_CHUNKED, 0, UINT64_MAX, kind == 2);
		assert_int_equal(read_from(body, text, length), kind == 0 ? HTTP1_BODY_BAD : HTTP1_BODY_MORE);
	}
}

static void a_limit_is_seen_before_the_data(void **state)
{
	struct http1_body body;
	http1_body_start(&body, HTTP1_CHUNKED, 0, 10, false);
	assert_int_equal(read_from(body, "5\r\nhello\r\n5\r\n", 13), HTTP1_BODY_MORE);
	assert_int_equal(read_from(body, "5\r\nhello\r\n6\r\n", 13), HTTP1_BODY_LARGE);
	assert_int_equal(read_from(body, "7fffffffffffffff\r\n", 18), HTTP1_BODY_LARGE);
}

static void trailers_go_on_but_for_some(void **state)
{
	assert_int_equal(
		chunked("1\r\nx\r\n0\r\nX-Sum: 7 \r\nContent-Length: 5\r\nHost: a\r\nAuthorization: b\r\n"
			"X-Tenant-ID: c\r\nX_Tenant_ID: c\r\nCookie: d\r\nContent-Type: "
			"e\r\nGrpc-Status:0\r\n"
			"Transfer_Encoding: chunked\r\n\r\nrest"),
		HTTP1_BODY_DONE);
	assert_data("x");
	static const char expected[] = "X-Sum: 7\r\nGrpc-Status:0\r\n";
	assert_int_equal(seen.trailers_length, sizeof expected - 1);
	assert_memory_equal(seen.trailers, expected, sizeof expected - 1);
}

static void trailers_have_limits(void **state)
{
	static char text[20000];
	for (unsigned extra = 0; extra < 2; extra++) {
		size_t length = sprintf(text, "0\r\n");
		for (unsigned i = 0; i < 32 + extra; i++)
			length += sprintf(text + length, "A: %u\r\n", i);
		sprintf(text + length, "\r\n");
		assert_int_equal(chunked(text), extra ? HTTP1_BODY_TRAILERS : HTTP1_BODY_DONE);
	}
	/* 8192 octets with the empty line; and one that never ends */
	sprintf(text, "0\r\nA: %0*d\r\n\r\n", 8192 - 7, 0);
	assert_int_equal(chunked(text), HTTP1_BODY_DONE);
	sprintf(text, "0\r\nA: %0*d\r\n\r\n", 8192 - 6, 0);
	assert_int_equal(chunked(text), HTTP1_BODY_TRAILERS);
	sprintf(text, "0\r\nA: %0*d", 8200, 0);
	assert_int_equal(chunked(text), HTTP1_BODY_TRAILERS);
}

static void counted_bodies_end_by_themselves(void **state)
{
	struct http1_body body;
	http1_body_start(&body, HTTP1_LENGTH, 5, UINT64_MAX, false);
	assert_int_equal(http1_body_left(&body), 5);
	assert_int_equal(http1_body_end(&body), HTTP1_BODY_BAD);
	assert_int_equal(read_from(body, "hello", 5), HTTP1_BODY_DONE);
	assert_int_equal(read_from(body, "helloGET", 8), HTTP1_BODY_DONE);
	assert_data("hello");
	assert_int_equal(seen.taken, 5);
	assert_int_equal(read_from(body, "hell", 4), HTTP1_BODY_MORE);
	http1_body_start(&body, HTTP1_LENGTH, 0, UINT64_MAX, false);
	assert_true(http1_body_is_done(&body));
	http1_body_start(&body, HTTP1_NONE, 5, UINT64_MAX, true); /* as HEAD is answered */
	assert_true(http1_body_is_done(&body));
	assert_int_equal(http1_body_left(&body), 0);
	assert_int_equal(read_from(body, "x", 1), HTTP1_BODY_DONE);
	assert_int_equal(seen.taken, 0);
}

static void some_bodies_end_with_the_connection(void **state)
{
	struct http1_body body;
	http1_body_start(&body, HTTP1_TO_EOF, 0, UINT64_MAX, true);
	assert_int_equal(read_from(body, "all of it", 9), HTTP1_BODY_MORE);
	assert_data("all of it");
	assert_int_equal(http1_body_left(&body), UINT64_MAX);
	assert_int_equal(http1_body_end(&body), HTTP1_BODY_DONE);
	http1_body_start(&body, HTTP1_CHUNKED, 0, UINT64_MAX, true);
	assert_int_equal(http1_body_end(&body), HTTP1_BODY_BAD);
}

static void chunk_heads_are_short(void **state)
{
	static const struct {
		uint64_t length;
		const char *text;
	} heads[] = {{0, "0\r\n"},
		     {1, "1\r\n"},
		     {15, "f\r\n"},
		     {16, "10\r\n"},
		     {255, "ff\r\n"},
		     {16384, "4000\r\n"},
		     {UINT64_MAX, "ffffffffffffffff\r\n"}};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		char out[HTTP1_BODY_CHUNK_HEAD_MAX];
		assert_int_equal(http1_body_chunk_head(heads[i].length, out), strlen(heads[i].text));
		assert_memory_equal(out, heads[i].text, strlen(heads[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_become_data),
		cmocka_unit_test(malformed_chunks_are_refused),
		cmocka_unit_test(extensions_are_dropped_or_refused),
		cmocka_unit_test(extensions_have_limits),
		cmocka_unit_test(tiny_chunks_are_a_flood_of_clients_only),
		cmocka_unit_test(a_limit_is_seen_before_the_data),
		cmocka_unit_test(trailers_go_on_but_for_some),
		cmocka_unit_test(trailers_have_limits),
		cmocka_unit_test(counted_bodies_end_by_themselves),
		cmocka_unit_test(some_bodies_end_with_the_connection),
		cmocka_unit_test(chunk_heads_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
