/* Whom a request is from: nobody but a trusted proxy is believed. */
#include "forwarder/http1/identity.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static struct http_head head;
static struct identity identity;
static char text[1000];

static void read_from(const char *peer, const char *fields)
{
	static const struct http_head_limits limits = {16384, 8192, 8192, 100};
	struct http_head_scan scan = {0};
	struct prefix trusted[2];
	struct ip ip;
	assert_true(prefix_parse("10.0.0.0/8", &trusted[0]));
	assert_true(prefix_parse("2001:db8:1::/48", &trusted[1]));
	assert_true(ip_parse(peer, &ip));
	snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", fields);
	assert_int_equal(http_head_request(&head, &scan, text, strlen(text), &limits), HTTP_HEAD_DONE);
	identity_read(&head, text, &ip, trusted, 2, &identity);
}

static void assert_client(const char *fields, const char *expected)
{
	char seen[IP_TEXT_MAX];
	read_from("10.1.1.1", fields);
	assert_true(identity.is_trusted);
	ip_format(&identity.client, seen);
	assert_string_equal(seen, expected);
}

static void nobody_else_is_believed(void **state)
{
	char seen[IP_TEXT_MAX];
	read_from("192.0.2.7", "X-Forwarded-For: 203.0.113.1\r\nX-Request-ID: a\r\ntraceparent: 00-" TRACE
			       "-b7ad6b7169203331-00\r\n");
	assert_false(identity.is_trusted);
	ip_format(&identity.client, seen);
	assert_string_equal(seen, "192.0.2.7");
	assert_null(identity.id);
	assert_null(identity.trace);
	assert_true(identity.is_sampled);
}

static void the_rightmost_stranger_is_the_client(void **state)
{
	assert_client("", "10.1.1.1");
	assert_client("X-Forwarded-For: 203.0.113.1\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: 192.0.2.66, 203.0.113.1\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: 203.0.113.1, 10.2.2.2, 2001:db8:1::5\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 203.0.113.1, 10.2.2.2\r\n",
		      "203.0.113.1");
	assert_client("X-Forwarded-For: 10.3.3.3, 10.2.2.2\r\n", "10.3.3.3");
	assert_client("X-Forwarded-For: 203.0.113.1:4711\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: [2001:db8::9]:4711\r\n", "2001:db8::9");
	assert_client("X-Forwarded-For: 2001:db8::9\r\n", "2001:db8::9");
	assert_client("X-Forwarded-For: 203.0.113.1, ::ffff:10.2.2.2\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: [::ffff:203.0.113.1]\r\n", "203.0.113.1");
	assert_client("X-Forwarded-For: 203.0.113.1, unknown\r\n", "10.1.1.1");
	assert_client("X-Forwarded-For: 203.0.113.1, unknown, 10.2.2.2\r\n", "10.2.2.2");
	assert_client("X-Forwarded-For: 203.0.113.1.5\r\n", "10.1.1.1");
	assert_client("X-Forwarded-Host: 203.0.113.1\r\nX_Forwarded_For: 203.0.113.1\r\n", "10.1.1.1");
	assert_client("X-Forwarded-For: [2001:db8::9\r\n", "10.1.1.1");
}

static void forwarded_is_asked_next(void **state)
{
	assert_client("Forwarded: for=203.0.113.1;proto=http, for=10.2.2.2\r\n", "203.0.113.1");
	assert_client("Forwarded: proto=http; For=\"[2001:db8::9]:4711\"\r\n", "2001:db8::9");
	assert_client("Forwarded: proto=http\r\n", "10.1.1.1");
	assert_client("Forwarded: for=_hidden\r\n", "10.1.1.1");
	assert_client("Forwarded: for=203.0.113.2\r\nX-Forwarded-For: 203.0.113.1\r\n", "203.0.113.1");
}

static void ids_are_taken_over(void **state)
{
	read_from("10.1.1.1", "X-Request-ID: abc-123\r\ntraceparent: 00-" TRACE "-b7ad6b7169203331-00\r\n");
	assert_int_equal(identity.id_length, 7);
	assert_memory_equal(identity.id, "abc-123", 7);
	assert_memory_equal(identity.trace, TRACE, 32);
	assert_false(identity.is_sampled);
	read_from("10.1.1.1", "traceparent: cc-" TRACE "-b7ad6b7169203331-09-more\r\n");
	assert_non_null(identity.trace);
	assert_true(identity.is_sampled);
}

static void bad_ids_are_not(void **state)
{
	static const char *const ids[] = {
		"X-Request-ID: a b\r\n",
		"X-Request-ID:\r\n",
		"X-Request-ID: a\r\nX-Request-ID: a\r\n",
		"X-Request-ID: a\"\r\n",
		"X-Request-ID: "
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
		"89012345678901234567890123456789012345678\r\n",
	};
	static const char *const traces[] = {
		"00-" TRACE "-b7ad6b7169203331",
		"00-" TRACE "-b7ad6b7169203331-01-x",
		"ff-" TRACE "-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-" TRACE "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00_" TRACE "-b7ad6b7169203331-01",
		"00-" TRACE "-b7ad6b7169203331-0g",
		"01-" TRACE "-b7ad6b7169203331-01x",
		"",
	};
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		read_from("10.1.1.1", ids[i]);
		assert_null(identity.id);
	}
	for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
		char field[200];
		snprintf(field, sizeof field, "traceparent: %s\r\n", traces[i]);
		read_from("10.1.1.1", field);
		assert_null(identity.trace);
		assert_true(identity.is_sampled);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_else_is_believed),
		cmocka_unit_test(the_rightmost_stranger_is_the_client),
		cmocka_unit_test(forwarded_is_asked_next),
		cmocka_unit_test(ids_are_taken_over),
		cmocka_unit_test(bad_ids_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
