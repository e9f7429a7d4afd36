/* What a pool says of TLS, into what workers go by: what is broken believes nobody. */
#include "checker/probe_spec.h"
#include "forwarder/certificates/origin_tls.h"
#include "tests/support/certificate.h"
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/gslb-origin-XXXXXX";
static char ca_path[64], certificate_path[64], key_path[64], other_path[64], bundle_path[64];
static struct certificate ca, ours, other;

static void write_text(const char *path, char *text, const char *more)
{
	FILE *file = fopen(path, "w");
	fprintf(file, "%s%s", text, more);
	fclose(file);
	free(text);
}

static int set_up(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(ca_path, sizeof ca_path, "%s/ca", directory);
	snprintf(certificate_path, sizeof certificate_path, "%s/certificate", directory);
	snprintf(key_path, sizeof key_path, "%s/key", directory);
	snprintf(other_path, sizeof other_path, "%s/other", directory);
	snprintf(bundle_path, sizeof bundle_path, "%s/bundle", directory);
	ca = certificate_make("P-256", "ca", NULL, true, 9);
	ours = certificate_make("P-256", "forwarder", &ca, false, 9);
	other = certificate_make("RSA-2048", "other", NULL, true, 9);
	write_text(ca_path, certificate_pem(&ca), "");
	char *chain = certificate_pem(&ca);
	write_text(certificate_path, certificate_pem(&ours), chain);
	free(chain);
	write_text(key_path, certificate_key_pem(&ours), "");
	write_text(other_path, certificate_key_pem(&other), "");
	write_text(bundle_path, certificate_pem(&other), "");
	setenv("SSL_CERT_FILE", bundle_path, 1);
	return 0;
}

static int tear_down(void **state)
{
	const char *const paths[] = {ca_path, certificate_path, key_path, other_path, bundle_path};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		unlink(paths[i]);
	certificate_free(&ca);
	certificate_free(&ours);
	certificate_free(&other);
	return rmdir(directory);
}

static bool believes(const struct pool_tls *settings, const struct certificate *certificate)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	assert_int_equal(X509_STORE_CTX_init(context, settings->trust, certificate->x509, NULL), 1);
	bool is_good = X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	return is_good;
}

static void test_all_that_can_be_said(void **state)
{
	char sni[] = "origin.example";
	struct fleet_pool_tls from = {.sni = sni,
				      .verify = PROBE_VERIFY_FULL,
				      .ca = ca_path,
				      .certificate = certificate_path,
				      .key = key_path};
	struct err_list errors = {0};
	struct pool_tls *settings = origin_tls_new(&from, &errors);
	assert_int_equal(errors.count, 0);
	assert_string_equal(settings->sni, "origin.example");
	assert_int_equal(settings->verify, POOL_VERIFY_FULL);
	assert_true(believes(settings, &ours));
	assert_false(believes(settings, &other));
	assert_int_equal(X509_cmp(settings->certificate, ours.x509), 0);
	assert_int_equal(sk_X509_num(settings->chain), 1);
	assert_int_equal(EVP_PKEY_eq(settings->key, ours.key), 1);
	uint64_t id = settings->id;
	origin_tls_free(settings);
	settings = origin_tls_new(&from, &errors);
	assert_int_equal(settings->id, id); /* the same files: the sessions are good */
	origin_tls_free(settings);
	from.verify = PROBE_VERIFY_CHAIN;
	settings = origin_tls_new(&from, &errors);
	assert_int_equal(settings->verify, POOL_VERIFY_CHAIN);
	assert_int_not_equal(settings->id, id);
	origin_tls_free(settings);
	from.verify = PROBE_VERIFY_FULL;
	from.ca = bundle_path;
	settings = origin_tls_new(&from, &errors);
	assert_int_not_equal(settings->id, id);
	origin_tls_free(settings);
}

static void test_nothing_said_is_the_systems(void **state)
{
	struct fleet_pool_tls from = {.verify = PROBE_VERIFY_FULL};
	struct err_list errors = {0};
	struct pool_tls *settings = origin_tls_new(&from, &errors);
	assert_int_equal(errors.count, 0);
	assert_null(settings->sni);
	assert_true(believes(settings, &other)); /* SSL_CERT_FILE */
	assert_false(believes(settings, &ours));
	origin_tls_free(settings);
	from.verify = PROBE_VERIFY_NONE;
	settings = origin_tls_new(&from, &errors);
	assert_null(settings->trust);
	assert_int_equal(settings->verify, POOL_VERIFY_NONE);
	origin_tls_free(settings);
	origin_tls_free(NULL);
}

static void test_what_is_broken_believes_nobody(void **state)
{
	static char nowhere[] = "/nowhere";
	const struct {
		char *ca, *certificate, *key;
		const char *problem;
	} cases[] = {
		{nowhere, NULL, NULL, "No such file or directory"},
		{key_path, NULL, NULL, "there is no certificate"},
		{ca_path, nowhere, key_path, "No such file or directory"},
		{ca_path, key_path, key_path, "there is no certificate"},
		{ca_path, certificate_path, ca_path, "the key cannot be read"},
		{ca_path, certificate_path, other_path,
		 "the key is not the certificate's, or OpenSSL refuses it"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fleet_pool_tls from = {.verify = PROBE_VERIFY_FULL,
					      .ca = cases[i].ca,
					      .certificate = cases[i].certificate,
					      .key = cases[i].key};
		struct err_list errors = {0};
		struct pool_tls *settings = origin_tls_new(&from, &errors);
		assert_string_equal(err_first_message(&errors), cases[i].problem);
		assert_non_null(settings->trust);
		assert_null(settings->certificate);
		assert_int_equal(believes(settings, &ours), cases[i].certificate != NULL);
		origin_tls_free(settings);
		err_done(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_can_be_said),
		cmocka_unit_test(test_nothing_said_is_the_systems),
		cmocka_unit_test(test_what_is_broken_believes_nobody),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
