/* Parsed certificates of a worker: what does not fit gives way, and what is made is what the files said. */
#include "forwarder/tls/tls_certs.h"
#include "tests/support/certificate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static counter hits, misses;

static void test_all_kinds_are_made(void **state)
{
	static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA-2048"};
	struct certificate ca = certificate_make("RSA-2048", "ca", NULL, true, 9);
	struct tls_certs *certs = tls_certs_new(1 << 20, &hits, &misses);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct certificate made = certificate_make(kinds[i], "a.example", &ca, false, 9);
		struct certnames_entry *entry = certificate_entry(&made, &ca);
		const struct tls_certificate *got = tls_certs_get(certs, entry);
		assert_non_null(got);
		assert_int_equal(X509_cmp(got->leaf, made.x509), 0);
		assert_int_equal(EVP_PKEY_eq(got->key, made.key), 1);
		assert_int_equal(X509_check_private_key(got->leaf, got->key), 1);
		assert_int_equal(sk_X509_num(got->chain), 1);
		uint8_t *der = NULL;
		assert_int_equal(i2d_X509(got->leaf, &der), entry->leaf_length);
		assert_memory_equal(der, entry->leaf, entry->leaf_length);
		OPENSSL_free(der);
		certnames_entry_unref(entry);
		certificate_free(&made);
	}
	tls_certs_free(certs);
	certificate_free(&ca);
}

static void test_the_least_used_gives_way(void **state)
{
	struct certificate made = certificate_make("P-256", "a.example", NULL, false, 9);
	struct certnames_entry *entries[6], *one = certificate_entry(&made, NULL);
	struct tls_certs *certs = tls_certs_new(4 * 10000, &hits, &misses); /* four of about 9.4 kB */
	for (uint8_t i = 0; i < 6; i++) {
		entries[i] = certnames_entry_new(one);
		entries[i]->fingerprint[0] = i;
	}
	counter_add(&hits, -counter_read(&hits));
	counter_add(&misses, -counter_read(&misses));
	static const struct {
		uint8_t asked;
		bool is_hit;
	} steps[] = {{0, false}, {1, false}, {2, false}, {3, false}, {0, true},	 {4, false}, {0, true},
		     {1, false}, {2, false}, {0, true},	 {4, true},  {3, false}, {5, false}, {2, false}};
	uint64_t hit = 0;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_non_null(tls_certs_get(certs, entries[steps[i].asked]));
		hit += steps[i].is_hit;
		assert_int_equal(counter_read(&hits), hit);
		assert_int_equal(counter_read(&misses), i + 1 - hit);
	}
	for (int i = 0; i < 6; i++)
		certnames_entry_unref(entries[i]);
	certnames_entry_unref(one);
	tls_certs_free(certs);
	certificate_free(&made);
}

/* One that alone is more than the cache holds is used nevertheless. */
static void test_no_room_at_all(void **state)
{
	struct certificate ca = certificate_make("P-256", "ca", NULL, true, 9);
	struct certificate made = certificate_make("RSA-2048", "a.example", &ca, false, 9);
	struct certnames_entry *entry = certificate_entry(&made, &ca);
	struct tls_certs *certs = tls_certs_new(1, &hits, &misses);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sk_X509_num(tls_certs_get(certs, entry)->chain), 1);
	tls_certs_free(certs);
	certnames_entry_unref(entry);
	certificate_free(&made);
	certificate_free(&ca);
}

static void test_what_is_broken_is_refused(void **state)
{
	struct certificate made = certificate_make("P-256", "a.example", NULL, false, 9);
	struct certnames_entry *good = certificate_entry(&made, NULL);
	struct tls_certs *certs = tls_certs_new(1 << 20, &hits, &misses);
	for (int i = 0; i < 5; i++) {
		struct certnames_entry values = *good;
		values.fingerprint[0] ^= (uint8_t)(1 + i);
		values.leaf_length -= i == 0;
		values.key_length -= i == 1;
		values.kind = i == 2 ? CERTNAMES_RSA : CERTNAMES_ECDSA;
		struct certnames_entry *broken = certnames_entry_new(&values);
		if (i == 3)
			((uint8_t *)broken->key)[40] ^= 1; /* a point that is not on the curve */
		if (i == 4)
			((uint8_t *)broken->leaf)[0] ^= 1;
		assert_null(tls_certs_get(certs, broken));
		certnames_entry_unref(broken);
	}
	assert_non_null(tls_certs_get(certs, good));
	tls_certs_free(certs);
	certnames_entry_unref(good);
	certificate_free(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds_are_made),
		cmocka_unit_test(test_the_least_used_gives_way),
		cmocka_unit_test(test_no_room_at_all),
		cmocka_unit_test(test_what_is_broken_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
