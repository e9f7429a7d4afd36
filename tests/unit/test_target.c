/* One form of each host and path; what has none is refused. (zones/target.c is in test_zone.) */
#include "forwarder/plan/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* "name port", "REFUSED", and "[…] port address". */
static void assert_host(const char *text, const char *expected)
{
	char out[TARGET_HOST_MAX], seen[TARGET_HOST_MAX + 32] = "REFUSED";
	struct target_host host;
	if (target_host(text, strlen(text), out, &host))
		snprintf(seen, sizeof seen, "%.*s %u%s", (int)host.length, out, host.port,
			 host.is_address ? " address" : "");
	assert_string_equal(seen, expected);
}

static void hosts_have_one_form(void **state)
{
	assert_host("Shop.Example.COM", "shop.example.com 0");
	assert_host("shop.example.", "shop.example 0");
	assert_host("xn--bcher-kva.example:8080", "xn--bcher-kva.example 8080");
	assert_host("a_b.example:", "a_b.example 0");
	assert_host("a.example:65535", "a.example 65535");
	assert_host("a.example:00080", "a.example 80");
	assert_host("a", "a 0");
	assert_host("10.0.0.1", "10.0.0.1 0");
	assert_host("[::1]", "[::1] 0 address");
	assert_host("[2001:DB8::1]:443", "[2001:db8::1] 443 address");
}

static void what_is_no_host_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	    ".",    "..",     ".a",    "a..b",	 "a..",	    "a b",     "a/b",	  "a?b",
		"a#b",	    "a@b",  "user@a", "a\\b",  "a\"b",	 "a,b",	    "a;b",     "a%41",	  "a\xc3\xa4",
		"http://a", "*.a",  "a:b",    "a:+80", "a:-1",	 "a:8 0",   "a:80:80", "a:65536", "a:123456",
		"a: 80",    "[::1", "[]",     "[:]",   "[::1]x", "[::1]:x", "[::g]",   "::1",	  "[1.2.3.4]",
		" a",	    "a ",   "!",      "a!b",   "a*",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_host(bad[i], "REFUSED");
	assert_host("a123456789b123456789c123456789d123456789e123456789f123456789ghi.example",
		    "a123456789b123456789c123456789d123456789e123456789f123456789ghi.example 0");
	assert_host("a123456789b123456789c123456789d123456789e123456789f123456789ghij.example", "REFUSED");
	assert_host("a123456789b123456789c123456789d123456789e123456789f123456789ghij", "REFUSED");
}

static void a_name_has_253_octets(void **state)
{
	char name[300], out[TARGET_HOST_MAX];
	struct target_host host;
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	name[253] = '.';
	assert_true(target_host(name, 253, out, &host));
	assert_true(target_host(name, 254, out, &host)); /* a final dot */
	assert_int_equal(host.length, 253);
	name[253] = 'a';
	assert_false(target_host(name, 254, out, &host));
	assert_false(target_host(name, 299, out, &host));
}

/* "path" or "path ? query" as it is matched; "REFUSED". */
static void assert_path(const char *text, const char *expected)
{
	size_t length = strlen(text);
	char *copy = malloc(length), *out = malloc(length), seen[600] = "REFUSED"; /* a read beyond is seen */
	struct target_path path;
	assert_non_null(copy);
	assert_non_null(out);
	memcpy(copy, text, length);
	if (target_path(copy, length, out, &path)) {
		int n = snprintf(seen, sizeof seen, "%.*s", (int)path.path_length, path.text);
		if (path.length > path.path_length)
			snprintf(seen + n, sizeof seen - n, " %c %.*s", path.text[path.path_length],
				 (int)(path.length - path.path_length - 1), path.text + path.path_length + 1);
		/* what came out is its own one form */
		char *again = malloc(path.length);
		struct target_path second;
		assert_non_null(again);
		assert_true(target_path(path.text, path.length, again, &second));
		assert_int_equal(second.length, path.length);
		assert_memory_equal(second.text, path.text, path.length);
		free(again);
	}
	free(copy);
	free(out);
	assert_string_equal(seen, expected);
}

static void paths_have_one_form(void **state)
{
	assert_path("/", "/");
	assert_path("/a/b.js?c=/../%2e", "/a/b.js ? c=/../%2e");
	assert_path("/?", "/ ? ");
	assert_path("/??", "/ ? ?");
	assert_path("/a/./b", "/a/b");
	assert_path("/a/../b", "/b");
	assert_path("/a/b/..", "/a/");
	assert_path("/a/.", "/a/");
	assert_path("/a/..", "/");
	assert_path("/.", "/");
	assert_path("/a/%2e%2E/b?x", "/b ? x");
	assert_path("/a/.%2e/b", "/b");
	assert_path("/a/%2e/b", "/a/b");
	assert_path("/a//../b", "/a/b");
	assert_path("/a/b//c", "/a/b//c");
	assert_path("//", "//");
	assert_path("/.../..a/a..", "/.../..a/a..");
	assert_path("/.a", "/.a");
	assert_path("/%61dmin/%7Ex%2D%5f", "/admin/~x-_");
	assert_path("/a%2Fb%5cc%2f..", "/a%2Fb%5cc%2f..");
	assert_path("/%252e%252e/", "/%252e%252e/");
	assert_path("/..%2f", "/..%2f");
	assert_path("/\"<>^{}|`", "/\"<>^{}|`");
	assert_path("/;a=1/..;/x", "/;a=1/..;/x");
	assert_path("/%E4%0a", "/%E4%0a");
}

static void what_is_no_path_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	 "a",	  "*",	    "/..",   "/../a",	"/a/../..", "/%2e%2e", "/a/%2e./../b/../..",
		"/%",	 "/%4",	  "/%4g",   "/%00",  "/a?%",	"/a?%00",   "/a?%zz",  "/a b",
		"/a#b",	 "/a\\b", "/a\x7f", "/\xe4", "/a?\xe4", "/a?#",	    "/a?b c",  "/\t",
		"/a?\\",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_path(bad[i], "REFUSED");
}

static void assert_target(const char *text, const char *expected)
{
	static const char *const forms[] = {"origin", "absolute", "asterisk", "other"};
	struct target target;
	char seen[300];
	target_read(text, strlen(text), &target);
	snprintf(seen, sizeof seen, "%s%s [%.*s] [%.*s]", forms[target.form], target.is_https ? " https" : "",
		 (int)target.authority_length, target.authority ? target.authority : "",
		 (int)target.path_length, target.path ? target.path : "");
	assert_string_equal(seen, expected);
}

static void targets_have_four_forms(void **state)
{
	assert_target("/a?b", "origin [] [/a?b]");
	assert_target("//a/b", "origin [] [//a/b]");
	assert_target("*", "asterisk [] []");
	assert_target("http://a.example/b?c", "absolute [a.example] [/b?c]");
	assert_target("HTTPS://a:443", "absolute https [a:443] []");
	assert_target("http://a?b", "absolute [a] [?b]");
	assert_target("http:///b", "absolute [] [/b]");
	assert_target("http://", "other [] []");
	assert_target("https://", "absolute https [] []");
	assert_target("http:/a/b", "other [] []");
	assert_target("httpx://a/b", "other [] []");
	assert_target("ftp://a/b", "other [] []");
	assert_target("a.example:443", "other [] []");
	assert_target("a/b", "other [] []");
	assert_target("**", "other [] []");
	assert_target("?a", "other [] []");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_have_one_form),	      cmocka_unit_test(what_is_no_host_is_refused),
		cmocka_unit_test(a_name_has_253_octets),      cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(what_is_no_path_is_refused), cmocka_unit_test(targets_have_four_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
