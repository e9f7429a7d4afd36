/* Pairs of PEM as people have them: what is taken, what is refused, and in which words. */
#include "forwarder/certificates/certs_read.h"
#include "tests/support/certificate.h"
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* files of old programs hold these */

static struct map *links;

static struct certs_read read_texts(const char *certificates, const char *key)
{
	struct certs_text certificates_text = {certificates, strlen(certificates)};
	struct certs_text key_text = {key, key ? strlen(key) : 0}, none = {0};
	struct certs_read read;
	certs_read(&certificates_text, &key_text, &none, links, &read);
	return read;
}

static void expect_problem(const char *certificates, const char *key, const char *problem)
{
	struct certs_read read = read_texts(certificates, key);
	assert_null(read.entry);
	assert_string_equal(read.problem, problem);
	certs_read_done(&read);
}

static char *join(const char *a, const char *b, const char *c)
{
	char *text = NULL;
	assert_true(asprintf(&text, "%s%s%s", a, b, c) >= 0);
	return text;
}

/* The key in the form of its own kind: SEC 1 with its parameters in front, PKCS #1. */
static char *traditional(const struct certificate *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	if (EVP_PKEY_get_base_id(certificate->key) == EVP_PKEY_RSA) {
		assert_int_equal(PEM_write_bio_RSAPrivateKey(bio, EVP_PKEY_get0_RSA(certificate->key), NULL,
							     NULL, 0, NULL, NULL),
				 1);
	} else {
		const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(certificate->key);
		PEM_write_bio_ECPKParameters(bio, EC_KEY_get0_group(ec));
		assert_int_equal(PEM_write_bio_ECPrivateKey(bio, (EC_KEY *)ec, NULL, NULL, 0, NULL, NULL), 1);
	}
	long length = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)length);
	BIO_free(bio);
	return text;
}

static void test_every_kind_and_form(void **state)
{
	static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA-2048"};
	struct certificate ca = certificate_make("P-256", "ca", NULL, true, 9);
	char *ca_pem = certificate_pem(&ca);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct certificate made = certificate_make(kinds[i], "a.example,*.b.example", &ca, false, 9);
		struct certnames_entry *expected = certificate_entry(&made, &ca);
		char *pem = certificate_pem(&made),
		     *forms[] = {certificate_key_pem(&made), traditional(&made)};
		char *chain = join(pem, "words between blocks\n", ca_pem);
		for (int form = 0; form < 2; form++) {
			char *all = join(forms[form], chain, ""); /* NAME.pem, the key first */
			for (int is_one = 0; is_one < 2; is_one++) {
				struct certs_read read =
					is_one ? read_texts(all, NULL) : read_texts(chain, forms[form]);
				assert_null(read.problem);
				assert_null(read.warnings);
				assert_int_equal(read.entry->kind, expected->kind);
				assert_int_equal(read.entry->key_length, expected->key_length);
				assert_memory_equal(read.entry->key, expected->key, expected->key_length);
				assert_int_equal(read.entry->leaf_length, expected->leaf_length);
				assert_memory_equal(read.entry->leaf, expected->leaf, expected->leaf_length);
				assert_int_equal(read.entry->not_after_s, expected->not_after_s);
				assert_int_equal(read.entry->chain_count, 1);
				assert_int_equal(read.entry->chain[0]->length, expected->chain[0]->length);
				assert_int_equal(read.name_count, 2);
				assert_string_equal(read.names[0], "a.example");
				assert_string_equal(read.names[1], "*.b.example");
				certs_read_done(&read);
			}
			free(all);
			free(forms[form]);
		}
		free(pem);
		free(chain);
		certnames_entry_unref(expected);
		certificate_free(&made);
	}
	free(ca_pem);
	certificate_free(&ca);
}

static void test_intermediates_are_shared(void **state)
{
	struct certificate ca = certificate_make("P-256", "ca", NULL, true, 9);
	struct certificate a = certificate_make("P-256", "a.example", &ca, false, 9);
	struct certificate b = certificate_make("P-256", "b.example", &ca, false, 9);
	char *ca_pem = certificate_pem(&ca), *a_pem = certificate_pem(&a), *b_pem = certificate_pem(&b);
	char *a_key = certificate_key_pem(&a), *b_key = certificate_key_pem(&b);
	char *a_chain = join(a_pem, ca_pem, ""), *b_chain = join(b_pem, ca_pem, "");
	struct certs_read one = read_texts(a_chain, a_key), other = read_texts(b_chain, b_key);
	assert_ptr_equal(one.entry->chain[0], other.entry->chain[0]);
	assert_memory_not_equal(one.entry->fingerprint, other.entry->fingerprint, CERTNAMES_FINGERPRINT);
	certs_read_done(&one);
	/* the same leaf without its chain is another entry: what is served differs */
	one = read_texts(b_pem, b_key);
	assert_memory_not_equal(one.entry->fingerprint, other.entry->fingerprint, CERTNAMES_FINGERPRINT);
	certs_read_done(&one);
	certs_read_done(&other);
	char *all[] = {ca_pem, a_pem, b_pem, a_key, b_key, a_chain, b_chain};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	certificate_free(&a);
	certificate_free(&b);
	certificate_free(&ca);
}

static void test_what_is_refused(void **state)
{
	struct certificate good = certificate_make("P-256", "a.example", NULL, false, 9);
	struct certificate other = certificate_make("P-256", "b.example", NULL, false, 9);
	struct certificate rsa = certificate_make("RSA-2048", "a.example", NULL, false, 9);
	struct certificate small = certificate_make("RSA-1024", "a.example", NULL, false, 9);
	struct certificate strange = certificate_make("secp256k1", "a.example", NULL, false, 9);
	struct certificate nameless = certificate_make("P-256", "10.1.2.3", NULL, false, 9);
	char *pem = certificate_pem(&good), *key = certificate_key_pem(&good);
	char *other_key = certificate_key_pem(&other), *rsa_key = certificate_key_pem(&rsa);
	char *rsa_pem = certificate_pem(&rsa);
	char *small_pem = certificate_pem(&small), *small_key = certificate_key_pem(&small);
	char *strange_pem = certificate_pem(&strange), *strange_key = certificate_key_pem(&strange);
	char *nameless_pem = certificate_pem(&nameless), *nameless_key = certificate_key_pem(&nameless);
	char *broken = strdup(pem), *many = strdup(pem);
	memcpy(strchr(broken, '\n') + 20, "!!!!", 4);
	for (int i = 0; i < 9; i++) {
		char *more = join(many, pem, "");
		free(many);
		many = more;
	}
	expect_problem("", key, "there is no certificate");
	expect_problem(key, NULL, "there is no certificate");
	expect_problem(pem, NULL, "there is no key");
	expect_problem(pem, "", "there is no key");
	expect_problem(pem, other_key, "the key is not the certificate's");
	expect_problem(pem, rsa_key, "the key is not the certificate's");
	expect_problem(rsa_pem, key, "the key is not the certificate's");
	expect_problem(broken, key, "a PEM block is broken");
	expect_problem(many, key, "more than 8 intermediate certificates");
	expect_problem(small_pem, small_key, "an RSA key must have 2048 bits or more");
	expect_problem(strange_pem, strange_key, "an EC key must be on P-256, P-384 or P-521");
	expect_problem(nameless_pem, nameless_key, "the certificate has no DNS name that a host could have");
	expect_problem("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n", key,
		       "a certificate cannot be read");
	expect_problem(pem, "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n",
		       "the key cannot be read");
	expect_problem(pem, "-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n",
		       "the key cannot be read");
	expect_problem(pem, "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQE=\n-----END RSA PRIVATE KEY-----\n",
		       "the key cannot be read");
	expect_problem(
		pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"the key is encrypted, and there is nobody to ask for its password");
	expect_problem(pem,
		       "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n"
		       "MAMCAQE=\n-----END EC PRIVATE KEY-----\n",
		       "the key is encrypted, and there is nobody to ask for its password");
	char *all[] = {pem,	    key,	 other_key,    rsa_key,	     rsa_pem, small_pem, small_key,
		       strange_pem, strange_key, nameless_pem, nameless_key, broken,  many};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	struct certificate *made[] = {&good, &other, &rsa, &small, &strange, &nameless};
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		certificate_free(made[i]);
}

static void test_what_is_warned_of(void **state)
{
	struct certificate large =
		certificate_make("RSA-4096", "A.Example,*.com,f*.b.example", NULL, false, 9);
	char *pem = certificate_pem(&large), *key = certificate_key_pem(&large);
	struct certs_read read = read_texts(pem, key);
	assert_non_null(read.entry);
	assert_int_equal(read.name_count, 1);
	assert_string_equal(read.names[0], "a.example");
	assert_string_equal(
		read.warnings,
		"a name of the certificate is none that a host could have\n"
		"an RSA key of more than 3072 bits: each handshake keeps a worker busy for milliseconds");
	certs_read_done(&read);
	free(pem);
	free(key);
	certificate_free(&large);
}

/* ---- OCSP ---- */

static struct certs_text staple_of(const struct certificate *certificate, const struct certificate *issuer,
				   int status)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *since = X509_gmtime_adj(NULL, -60), *until = X509_gmtime_adj(NULL, 3600);
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), certificate->x509, issuer->x509);
	assert_non_null(OCSP_basic_add1_status(basic, id, status, 0, since, since, until));
	assert_int_equal(OCSP_basic_sign(basic, issuer->x509, issuer->key, EVP_sha256(), NULL, 0), 1);
	OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	uint8_t *der = NULL;
	int length = i2d_OCSP_RESPONSE(response, &der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(since);
	ASN1_TIME_free(until);
	return (struct certs_text){(char *)der, (size_t)length};
}

static void test_staples(void **state)
{
	struct certificate ca = certificate_make("P-256", "ca", NULL, true, 9);
	struct certificate a = certificate_make("P-256", "a.example", &ca, false, 9);
	struct certificate b = certificate_make("P-256", "b.example", &ca, false, 9);
	char *pem = certificate_pem(&a), *key = certificate_key_pem(&a);
	struct certs_text texts[2] = {{pem, strlen(pem)}, {key, strlen(key)}};
	const struct {
		struct certs_text staple;
		const char *warning; /* NULL: it is taken */
	} cases[] = {
		{staple_of(&a, &ca, V_OCSP_CERTSTATUS_GOOD), NULL},
		{staple_of(&a, &ca, V_OCSP_CERTSTATUS_UNKNOWN),
		 "the OCSP response does not say that the certificate is good"},
		{staple_of(&b, &ca, V_OCSP_CERTSTATUS_GOOD), "the OCSP response is for another certificate"},
		{{OPENSSL_strdup("words"), 5}, "the OCSP response cannot be read"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct certs_read read;
		certs_read(&texts[0], &texts[1], &cases[i].staple, links, &read);
		assert_non_null(read.entry); /* with or without it */
		assert_int_equal(read.entry->staple != NULL, !cases[i].warning);
		if (cases[i].warning) {
			assert_string_equal(read.warnings, cases[i].warning);
		} else {
			assert_int_equal(read.entry->staple_length, cases[i].staple.length);
			assert_memory_equal(read.entry->staple, cases[i].staple.octets,
					    cases[i].staple.length);
			assert_in_range(read.entry->staple_until_s, time(NULL) + 3500, time(NULL) + 3601);
		}
		certs_read_done(&read);
		OPENSSL_free((char *)cases[i].staple.octets);
	}
	free(pem);
	free(key);
	certificate_free(&a);
	certificate_free(&b);
	certificate_free(&ca);
}

static int make_links(void **state)
{
	links = map_new();
	return 0;
}

static int free_links(void **state)
{
	certs_read_links_done(links);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_and_form),
		cmocka_unit_test(test_intermediates_are_shared),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_is_warned_of),
		cmocka_unit_test(test_staples),
	};
	return cmocka_run_group_tests(tests, make_links, free_links);
}
