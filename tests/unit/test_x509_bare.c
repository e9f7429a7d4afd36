/* Certificates without their keys: the same octets, and no time for a decoder. */
#include "lib/x509_bare.h"
#include "tests/support/certificate.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_all_but_the_key_is_there(void **state)
{
	struct certificate made = certificate_make("P-256", "a.example,b.example", NULL, false, 9);
	uint8_t *der = NULL, *again = NULL;
	int length = i2d_X509(made.x509, &der);
	X509 *bare = x509_bare_parse(der, (size_t)length);
	assert_non_null(bare);
	assert_null(X509_get0_pubkey(bare));
	ERR_clear_error();
	assert_int_equal(X509_check_host(bare, "b.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(bare, "c.example", 0, 0, NULL), 0);
	assert_int_equal(X509_set_pubkey(bare, made.key), 1);
	assert_int_equal(X509_check_private_key(bare, made.key), 1);
	assert_int_equal(i2d_X509(bare, &again), length);
	assert_memory_equal(again, der, (size_t)length);
	X509_free(bare);
	OPENSSL_free(again);
	OPENSSL_free(der);
	certificate_free(&made);
}

static void test_one_certificate_and_nothing_else(void **state)
{
	struct certificate made = certificate_make("P-256", "a.example", NULL, false, 9);
	uint8_t *der = NULL;
	int length = i2d_X509(made.x509, &der);
	for (size_t cut = 0; cut < (size_t)length; cut++)
		assert_null(x509_bare_parse(der, cut));
	uint8_t *longer = calloc(1, (size_t)length + 1);
	memcpy(longer, der, (size_t)length);
	assert_null(x509_bare_parse(longer, (size_t)length + 1));
	assert_int_equal(ERR_peek_error(), 0);
	free(longer);
	OPENSSL_free(der);
	certificate_free(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_but_the_key_is_there),
		cmocka_unit_test(test_one_certificate_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
