/* Keys of tickets: the same for all who have the secret, others each half day. */
#include "forwarder/tls/tls_keys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOON ((int64_t)1700000000 / TLS_KEYS_PERIOD_S * TLS_KEYS_PERIOD_S)

static struct ticket_secrets secrets_of(uint64_t id, const char *first, const char *second)
{
	struct ticket_secrets secrets = {.id = id, .count = second ? 2 : 1};
	memset(secrets.secret[0], first[0], TICKET_SECRET_OCTETS);
	if (second)
		memset(secrets.secret[1], second[0], TICKET_SECRET_OCTETS);
	return secrets;
}

/* RFC 5869 with HMAC-SHA-256, no salt, secret of 32 'a', info "gslb ticket" and the number of the half day:
 * computed by Python's hmac. */
static void test_a_vector(void **state)
{
	struct ticket_secrets secrets = secrets_of(1, "a", NULL);
	struct tls_keys keys = {0};
	char name[2 * TLS_KEYS_NAME + 1], hmac[65];
	tls_keys_update(&keys, &secrets, 39351 * (int64_t)TLS_KEYS_PERIOD_S + 5);
	const struct tls_key *key = tls_keys_current(&keys);
	for (int i = 0; i < TLS_KEYS_NAME; i++)
		snprintf(name + 2 * i, 3, "%02x", key->name[i]);
	for (int i = 0; i < 32; i++)
		snprintf(hmac + 2 * i, 3, "%02x", key->hmac[i]);
	assert_string_equal(name, "503e88569e76eb495dff045d09738976");
	assert_string_equal(hmac, "a8e5082a120341cf011bff1cb4d624c86f62446746f93da073a482d47a24a716");
}

static void test_a_key_lives_from_an_epoch_before_to_two_after(void **state)
{
	struct ticket_secrets secrets = secrets_of(1, "a", NULL);
	struct tls_keys now = {0}, then = {0};
	bool is_current;
	tls_keys_update(&now, &secrets, NOON);
	static const struct {
		int epochs;
		bool is_known;
	} cases[] = {{-2, false}, {-1, true}, {0, true}, {1, true}, {2, true}, {3, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (int second = 0; second < TLS_KEYS_PERIOD_S; second += TLS_KEYS_PERIOD_S - 1) {
			tls_keys_update(&then, &secrets, NOON + cases[i].epochs * TLS_KEYS_PERIOD_S + second);
			const struct tls_key *key =
				tls_keys_named(&then, tls_keys_current(&now)->name, &is_current);
			assert_int_equal(key != NULL, cases[i].is_known);
			if (!key)
				continue;
			assert_memory_equal(key, tls_keys_current(&now), sizeof *key);
			assert_int_equal(is_current, cases[i].epochs == 0);
		}
	}
}

static void test_the_first_secret_encrypts_and_all_decrypt(void **state)
{
	struct ticket_secrets old = secrets_of(1, "a", NULL), both = secrets_of(2, "b", "a"),
			      new = secrets_of(3, "b", NULL);
	struct tls_keys a = {0}, ab = {0}, b = {0};
	bool is_current;
	tls_keys_update(&a, &old, NOON);
	tls_keys_update(&ab, &both, NOON);
	tls_keys_update(&b, &new, NOON);
	assert_memory_equal(tls_keys_current(&ab), tls_keys_current(&b), sizeof(struct tls_key));
	assert_non_null(tls_keys_named(&ab, tls_keys_current(&a)->name, &is_current));
	assert_false(is_current);
	assert_null(tls_keys_named(&b, tls_keys_current(&a)->name, &is_current));
	/* the same worker follows a change of secrets, and their end */
	tls_keys_update(&a, &new, NOON);
	assert_memory_equal(tls_keys_current(&a), tls_keys_current(&b), sizeof(struct tls_key));
	tls_keys_update(&a, NULL, NOON);
	assert_null(tls_keys_current(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vector),
		cmocka_unit_test(test_a_key_lives_from_an_epoch_before_to_two_after),
		cmocka_unit_test(test_the_first_secret_encrypts_and_all_decrypt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
