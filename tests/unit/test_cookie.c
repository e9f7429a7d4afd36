/* Server cookies: the test vectors of RFC 9018 appendix A, and what is refused. */
#include "gslb/serve/cookie.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void from_hex(const char *hex, uint8_t *out)
{
	for (; *hex; hex += 2)
		assert_int_equal(sscanf(hex, "%2hhx", out++), 1);
}

static struct serve_settings with_secrets(const char *first, const char *second)
{
	struct serve_settings settings = {.cookie_secret_count = second ? 2 : 1};
	from_hex(first, settings.cookie_secrets[0]);
	if (second)
		from_hex(second, settings.cookie_secrets[1]);
	return settings;
}

static enum cookie_state check(const struct serve_settings *settings, uint32_t now, const char *address,
			       const char *cookie)
{
	uint8_t octets[64];
	struct ip peer;
	assert_true(ip_parse(address, &peer));
	from_hex(cookie, octets);
	return cookie_check(settings, now, &peer, octets, strlen(cookie) / 2);
}

static void assert_made(const struct serve_settings *settings, uint32_t now, const char *address,
			const char *client, const char *expected)
{
	uint8_t client_cookie[8], made[COOKIE_SERVER_OCTETS], wanted[COOKIE_SERVER_OCTETS];
	struct ip peer;
	assert_true(ip_parse(address, &peer));
	from_hex(client, client_cookie);
	from_hex(expected, wanted);
	cookie_make(settings, now, &peer, client_cookie, made);
	assert_memory_equal(made, wanted, sizeof made);
}

#define SECRET_A "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define SECRET_NEW "445536bcd2513298075a5d379663c962"
#define SECRET_OLD "dd3bdf9344b678b185a6f5cb60fca715"

static void test_rfc_9018_vectors(void **state)
{
	struct serve_settings a = with_secrets(SECRET_A, NULL);
	/* A.1 learning a cookie, A.2 renewing it 40 minutes later */
	assert_made(&a, 1559731985, "198.51.100.100", "2464c4abcf10c957", "010000005cf79f111f8130c3eee29480");
	assert_int_equal(
		check(&a, 1559734385, "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480"),
		COOKIE_GOOD);
	assert_made(&a, 1559734385, "198.51.100.100", "2464c4abcf10c957", "010000005cf7a871d4a564a1442aca77");
	/* A.3 another client's reserved octets are part of what is verified */
	assert_int_equal(
		check(&a, 1559727985, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"),
		COOKIE_GOOD);
	assert_made(&a, 1559734700, "203.0.113.203", "fc93fc62807ddb86", "010000005cf7a9acf73a7810aca2381e");
	/* A.4 IPv6 and a secret that was replaced */
	struct serve_settings both = with_secrets(SECRET_NEW, SECRET_OLD);
	assert_int_equal(check(&both, 1559741961, "2001:db8:220:1:59de:d0f4:8769:82b8",
			       "22681ab97d52c298010000005cf7c57926556bd0934c72f8"),
			 COOKIE_GOOD);
	assert_made(&both, 1559741961, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298",
		    "010000005cf7c609a6bb79d16625507a");
}

static void test_what_is_refused(void **state)
{
	struct serve_settings a = with_secrets(SECRET_A, NULL);
	const char *good = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
	assert_int_equal(check(&a, 1559731985 + 3600, "198.51.100.100", good), COOKIE_GOOD);
	assert_int_equal(check(&a, 1559731985 + 3601, "198.51.100.100", good), COOKIE_BAD); /* too old */
	assert_int_equal(check(&a, 1559731985 - 300, "198.51.100.100", good), COOKIE_GOOD);
	assert_int_equal(check(&a, 1559731985 - 301, "198.51.100.100", good), COOKIE_BAD); /* of the future */
	assert_int_equal(check(&a, 1559731985, "198.51.100.101", good), COOKIE_BAD);
	assert_int_equal(check(&a, 1559731985, "198.51.100.100", "2464c4abcf10c957"), COOKIE_CLIENT_ONLY);
	assert_int_equal(
		check(&a, 1559731985, "198.51.100.100", "2464c4abcf10c957020000005cf79f111f8130c3eee29480"),
		COOKIE_BAD); /* an unknown version */
	assert_int_equal(check(&a, 1559731985, "198.51.100.100", "2464c4abcf10c9570100000000000000"),
			 COOKIE_BAD); /* eight octets of somebody else's scheme */
	struct serve_settings off = {0};
	assert_int_equal(check(&off, 1559731985, "198.51.100.100", good), COOKIE_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_9018_vectors),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
