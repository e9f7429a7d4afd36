/* Cookies and fields that are looked for by name. */
#include "forwarder/http1/cookies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct http_head head;

static void read_head(const char *octets)
{
	struct http_head_limits limits = {16384, 8192, 8192, 100};
	struct http_head_scan scan = {0};
	assert_int_equal(http_head_request(&head, &scan, octets, strlen(octets), &limits), HTTP_HEAD_DONE);
}

static void expect_cookie(const char *octets, const char *name, const char *value)
{
	struct route_text found = {0};
	read_head(octets);
	if (!value) {
		assert_false(cookies_find(&head, octets, name, &found));
		return;
	}
	assert_true(cookies_find(&head, octets, name, &found));
	assert_int_equal(found.length, strlen(value));
	assert_memory_equal(found.text, value, found.length);
}

static void cookies_are_found_by_their_whole_name(void **state)
{
	const char *octets =
		"GET / HTTP/1.1\r\nHost: a\r\nCookie: xid=1; id=2;id3=4; id=5\r\nCookie: last=6\r\n\r\n";
	expect_cookie(octets, "id", "2");
	expect_cookie(octets, "id3", "4");
	expect_cookie(octets, "last", "6");
	expect_cookie(octets, "xi", NULL);
	expect_cookie(octets, "ID", NULL);
	expect_cookie("GET / HTTP/1.1\r\nHost: a\r\nCookie: id=\r\n\r\n", "id", "");
	expect_cookie("GET / HTTP/1.1\r\nHost: a\r\nCookie: id\r\n\r\n", "id", NULL);
	expect_cookie("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "id", NULL);
}

static void fields_are_found_in_any_case(void **state)
{
	const char *octets = "GET / HTTP/1.1\r\nHost: a\r\nX-Session:  abc \r\nX-Session: second\r\n\r\n";
	struct route_text found = {0};
	read_head(octets);
	assert_true(cookies_header(&head, octets, "x-session", &found));
	assert_int_equal(found.length, 3);
	assert_memory_equal(found.text, "abc", 3);
	assert_false(cookies_header(&head, octets, "x-sessio", &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_are_found_by_their_whole_name),
		cmocka_unit_test(fields_are_found_in_any_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
