/* Addresses, prefixes and listen addresses as they are written in configuration. */
#include "lib/net.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip value;

	assert_true(ip_parse(text, &value));
	return value;
}

static void addresses(void **state)
{
	static const char *const same[] = {
		"0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "::1", "2001:db8::a"};
	static const char *const bad[] = {"",	      "1.2.3",	    "1.2.3.4.5", "256.0.0.1", "01.2.3.4",
					  "1.2.3.4 ", "1.2.3.4/32", "2001:db8",	 ":::",	      "::g",
					  "1::2::3",  "[::1]",	    "fe80::1%lo"};
	char out[IP_TEXT_MAX];

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		struct ip value = ip(same[i]);
		ip_format(&value, out);
		assert_string_equal(out, same[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct ip value = {.family = 9};
		assert_false(ip_parse(bad[i], &value));
		assert_int_equal(value.family, 9);
	}
	struct ip longest = ip("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
	ip_format(&longest, out);
	assert_string_equal(out, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void order_is_family_then_bytes(void **state)
{
	struct ip a = ip("10.0.0.1"), b = ip("9.255.255.255"), c = ip("::1");

	assert_true(ip_compare(&a, &b) > 0);
	assert_true(ip_compare(&a, &c) < 0);
	assert_true(ip_equal(&a, &a));
	assert_false(ip_equal(&a, &b));
}

static void cutting_zeroes_the_rest(void **state)
{
	static const struct {
		const char *from;
		unsigned bits;
		const char *to;
	} cases[] = {{"203.0.113.255", 24, "203.0.113.0"},
		     {"203.0.113.255", 25, "203.0.113.128"},
		     {"203.0.113.255", 0, "0.0.0.0"},
		     {"203.0.113.255", 32, "203.0.113.255"},
		     {"203.0.113.255", 99, "203.0.113.255"},
		     {"2001:db8:ffff:ffff::1", 47, "2001:db8:fffe::"},
		     {"2001:db8:ffff:ffff::1", 128, "2001:db8:ffff:ffff::1"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ip from = ip(cases[i].from), to = ip(cases[i].to), cut = ip_cut(&from, cases[i].bits);
		assert_true(ip_equal(&cut, &to));
	}
}

static void prefixes(void **state)
{
	static const char *const bad[] = {"",
					  "192.0.2.1/24",
					  "192.0.2.0/33",
					  "192.0.2.0/",
					  "192.0.2.0/024",
					  "192.0.2.0/-1",
					  "2001:db8::/129",
					  "2001:db8::1/64",
					  "192.0.2.0/24/8",
					  "/24",
					  "192.0.2/24"};
	struct prefix prefix;
	char out[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(prefix_parse(bad[i], &prefix));
	assert_true(prefix_parse("192.0.2.0/24", &prefix));
	prefix_format(&prefix, out);
	assert_string_equal(out, "192.0.2.0/24");
	struct ip in = ip("192.0.2.200"), beside = ip("192.0.3.0"), other = ip("::");
	assert_true(prefix_contains(&prefix, &in));
	assert_false(prefix_contains(&prefix, &beside));
	assert_false(prefix_contains(&prefix, &other));
	assert_true(prefix_parse("192.0.2.9", &prefix) && prefix.length == 32);
	assert_true(prefix_parse("2001:db8::9", &prefix) && prefix.length == 128);
	assert_true(prefix_parse("0.0.0.0/0", &prefix) && prefix_contains(&prefix, &in));
	assert_true(prefix_parse("::/0", &prefix) && !prefix_contains(&prefix, &in));
}

static void peers(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct ip want = ip("192.0.2.7"), six = ip("2001:db8::7"), got;

	inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
	got = ip_from_sockaddr((struct sockaddr *)&in);
	assert_true(ip_equal(&got, &want));
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
	got = ip_from_sockaddr((struct sockaddr *)&in6);
	assert_true(ip_equal(&got, &want));
	assert_int_equal(got.bytes[4], 0);
	inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
	got = ip_from_sockaddr((struct sockaddr *)&in6);
	assert_true(ip_equal(&got, &six));
	assert_int_equal(ip_from_sockaddr(&other).family, 0);
}

static void listen_addresses(void **state)
{
	static const char *const dns[] = {"127.0.0.1@5300", "::1@5300", "0.0.0.0@0", "2001:db8::1@65535"};
	static const char *const http[] = {"127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0"};
	static const char *const bad_dns[] = {"",	    "127.0.0.1",       "127.0.0.1:53",
					      "127.0.0.1@", "127.0.0.1@65536", "localhost@53",
					      "[::1]@53",   "::1@053",	       "@53"};
	static const char *const bad_http[] = {"",	    "127.0.0.1",      "::1:8080",    "[::1]",
					       "[::1]8080", "[127.0.0.1]:80", "127.0.0.1:",  "127.0.0.1:http",
					       ":80",	    "[::1",	      "127.0.0.1@80"};
	struct listen_address address;
	char out[64];

	for (size_t i = 0; i < sizeof dns / sizeof dns[0]; i++) {
		assert_true(listen_parse_dns(dns[i], &address));
		listen_format((struct sockaddr *)&address.sockaddr, true, out);
		assert_string_equal(out, dns[i]);
	}
	for (size_t i = 0; i < sizeof http / sizeof http[0]; i++) {
		assert_true(listen_parse_http(http[i], &address));
		listen_format((struct sockaddr *)&address.sockaddr, false, out);
		assert_string_equal(out, http[i]);
	}
	for (size_t i = 0; i < sizeof bad_dns / sizeof bad_dns[0]; i++)
		assert_false(listen_parse_dns(bad_dns[i], &address));
	for (size_t i = 0; i < sizeof bad_http / sizeof bad_http[0]; i++)
		assert_false(listen_parse_http(bad_http[i], &address));
}

static void loopback(void **state)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} cases[] = {{"127.0.0.1@1", true},	  {"127.9.9.9@1", true}, {"::1@1", true},
		     {"0.0.0.0@1", false},	  {"::@1", false},	 {"192.0.2.1@1", false},
		     {"::ffff:127.0.0.1@1", true}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct listen_address address;
		assert_true(listen_parse_dns(cases[i].text, &address));
		assert_true(listen_is_loopback(&address) == cases[i].is_loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(order_is_family_then_bytes),
		cmocka_unit_test(cutting_zeroes_the_rest),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(peers),
		cmocka_unit_test(listen_addresses),
		cmocka_unit_test(loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
