/*
 * What it costs to make OpenSSL's objects of a certificate and its key out of DER, by four ways, with the
 * first signature, in which OpenSSL 3.0 hides a part of it. Memory: octets asked of the allocator that stay.
 * Decides how forwarder/tls/tls_certs.c does it. Runs by hand: spike_key_load [rounds]
 */
#include "lib/x509_bare.h"
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* the legacy setters are what is compared */

static size_t held; /* octets that OpenSSL holds */

static void *count_malloc(size_t size, const char *file, int line)
{
	void *piece = malloc(size);
	held += malloc_usable_size(piece);
	return piece;
}

static void count_free(void *piece, const char *file, int line)
{
	held -= malloc_usable_size(piece);
	free(piece);
}

static void *count_realloc(void *old, size_t size, const char *file, int line)
{
	held -= malloc_usable_size(old);
	void *piece = realloc(old, size);
	held += malloc_usable_size(piece);
	return piece;
}

static void check(int is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "spike_key_load: %s\n", what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- material ---- */

struct material {
	const char *name;
	EVP_PKEY *pkey;
	unsigned char *pkcs8, *legacy, *certificate;
	int pkcs8_length, legacy_length, certificate_length;
	unsigned char scalar[32], point[65];
	size_t point_length;
	BIGNUM *rsa[8];
};

static const char *const rsa_names[8] = {OSSL_PKEY_PARAM_RSA_N,		OSSL_PKEY_PARAM_RSA_E,
					 OSSL_PKEY_PARAM_RSA_D,		OSSL_PKEY_PARAM_RSA_FACTOR1,
					 OSSL_PKEY_PARAM_RSA_FACTOR2,	OSSL_PKEY_PARAM_RSA_EXPONENT1,
					 OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};

static void add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	check(extension && X509_add_ext(x, extension, -1), "an extension");
	X509_EXTENSION_free(extension);
}

static void certify(struct material *m)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 90 * 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"tenant-4711.example.net", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, m->pkey);
	add_extension(x, NID_subject_alt_name, "DNS:tenant-4711.example.net,DNS:www.tenant-4711.example.net");
	add_extension(x, NID_key_usage, "critical,digitalSignature");
	add_extension(x, NID_ext_key_usage, "serverAuth,clientAuth");
	add_extension(x, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(x, NID_subject_key_identifier, "hash");
	check(X509_sign(x, m->pkey, EVP_sha256()) > 0, "a certificate");
	m->certificate_length = i2d_X509(x, &m->certificate);
	X509_free(x);
}

static void make(struct material *m, const char *name)
{
	m->name = name;
	m->pkey = strcmp(name, "P-256") == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	check(m->pkey != NULL, "a key");
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(m->pkey);
	m->pkcs8_length = i2d_PKCS8_PRIV_KEY_INFO(info, &m->pkcs8);
	PKCS8_PRIV_KEY_INFO_free(info);
	m->legacy_length = i2d_PrivateKey(m->pkey, &m->legacy);
	if (strcmp(name, "P-256") == 0) {
		BIGNUM *scalar = NULL;
		check(EVP_PKEY_get_bn_param(m->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar), "the scalar");
		BN_bn2binpad(scalar, m->scalar, sizeof m->scalar);
		BN_free(scalar);
		check(EVP_PKEY_get_octet_string_param(m->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, m->point,
						      sizeof m->point, &m->point_length),
		      "the point");
	} else {
		for (int i = 0; i < 8; i++)
			check(EVP_PKEY_get_bn_param(m->pkey, rsa_names[i], &m->rsa[i]), "a number of RSA");
	}
	certify(m);
}

/* ---- the four ways ---- */

static EVP_PKEY *by_decoder(const struct material *m)
{
	const unsigned char *at = m->pkcs8;
	return d2i_AutoPrivateKey(NULL, &at, m->pkcs8_length);
}

static EVP_PKEY *by_legacy_d2i(const struct material *m)
{
	const unsigned char *at = m->legacy;
	EVP_PKEY *pkey = EVP_PKEY_new();
	if (m->rsa[0]) {
		RSA *rsa = d2i_RSAPrivateKey(NULL, &at, m->legacy_length);
		check(rsa && EVP_PKEY_assign_RSA(pkey, rsa), "RSA by d2i");
	} else {
		EC_KEY *ec = d2i_ECPrivateKey(NULL, &at, m->legacy_length);
		check(ec && EVP_PKEY_assign_EC_KEY(pkey, ec), "EC by d2i");
	}
	return pkey;
}

static EC_GROUP *p256; /* made once */

static EVP_PKEY *by_setters(const struct material *m)
{
	EVP_PKEY *pkey = EVP_PKEY_new();
	if (m->rsa[0]) {
		RSA *rsa = RSA_new();
		BIGNUM *n[8];
		for (int i = 0; i < 8; i++)
			n[i] = BN_dup(m->rsa[i]);
		check(RSA_set0_key(rsa, n[0], n[1], n[2]) && RSA_set0_factors(rsa, n[3], n[4]) &&
			      RSA_set0_crt_params(rsa, n[5], n[6], n[7]) && EVP_PKEY_assign_RSA(pkey, rsa),
		      "RSA by setters");
		return pkey;
	}
	EC_KEY *ec = EC_KEY_new();
	check(EC_KEY_set_group(ec, p256), "a group");
	EC_POINT *point = EC_POINT_new(p256);
	check(EC_POINT_oct2point(p256, point, m->point, m->point_length, NULL) &&
		      EC_KEY_set_public_key(ec, point) && EC_KEY_oct2priv(ec, m->scalar, sizeof m->scalar) &&
		      EVP_PKEY_assign_EC_KEY(pkey, ec),
	      "EC by setters");
	EC_POINT_free(point);
	return pkey;
}

static EVP_PKEY_CTX *maker[2]; /* made once: EC, RSA */

static EVP_PKEY *by_fromdata(const struct material *m)
{
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *scalar = NULL;
	if (m->rsa[0]) {
		for (int i = 0; i < 8; i++)
			OSSL_PARAM_BLD_push_BN(build, rsa_names[i], m->rsa[i]);
	} else {
		scalar = BN_bin2bn(m->scalar, sizeof m->scalar, NULL);
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, m->point, m->point_length);
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
	}
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	check(EVP_PKEY_fromdata(maker[m->rsa[0] ? 1 : 0], &pkey, EVP_PKEY_KEYPAIR, params) == 1, "fromdata");
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(scalar);
	return pkey;
}

/* ---- measuring ---- */

static void sign(EVP_PKEY *pkey)
{
	unsigned char out[512];
	size_t length = sizeof out;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		      EVP_DigestSign(context, out, &length, (const unsigned char *)"a transcript", 12) == 1,
	      "a signature");
	EVP_MD_CTX_free(context);
}

static void measure_way(const struct material *m, const char *way,
			EVP_PKEY *(*load)(const struct material *m), int rounds)
{
	double loaded = 0, first = 0, second = 0;
	size_t octets = 0;
	for (int i = -rounds / 10 - 1; i < rounds; i++) {
		size_t before = held;
		double t0 = now_us();
		EVP_PKEY *pkey = load(m);
		double t1 = now_us();
		check(pkey != NULL, way);
		sign(pkey);
		double t2 = now_us();
		octets = held - before;
		double t3 = now_us();
		sign(pkey);
		double t4 = now_us();
		EVP_PKEY_free(pkey);
		if (i < 0)
			continue;
		loaded += t1 - t0;
		first += t2 - t1;
		second += t4 - t3;
	}
	printf("%-8s %-28s %8.1f %8.1f %8.1f %8.1f %8zu\n", m->name, way, loaded / rounds, first / rounds,
	       second / rounds, (loaded + first - second) / rounds, octets);
}

/* The way of forwarder/tls/tls_certs.c: no decoder, and the key that was made is the certificate's. */
static void measure_bare(const struct material *m, int rounds)
{
	double parsed = 0, set = 0, used = 0;
	size_t octets = 0;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	for (int i = -rounds / 10 - 1; i < rounds; i++) {
		SSL *ssl = SSL_new(context);
		size_t before = held;
		double t0 = now_us();
		X509 *x = x509_bare_parse(m->certificate, (size_t)m->certificate_length);
		double t1 = now_us();
		EVP_PKEY *key = by_setters(m);
		check(x && key && X509_set_pubkey(x, key) == 1, "a bare certificate");
		double t2 = now_us();
		octets = held - before;
		double t3 = now_us();
		check(SSL_use_cert_and_key(ssl, x, key, NULL, 1) == 1, "use");
		double t4 = now_us();
		SSL_free(ssl);
		X509_free(x);
		EVP_PKEY_free(key);
		if (i < 0)
			continue;
		parsed += t1 - t0;
		set += t2 - t1;
		used += t4 - t3;
	}
	printf("%-8s %-28s %8.1f %8s %8s %8.1f %8zu\n", m->name, "bare certificate, key by setters",
	       (parsed + set) / rounds, "", "", (parsed + set + used) / rounds, octets);
	SSL_CTX_free(context);
}

static void measure_certificate(const struct material *m, int rounds)
{
	double parsed = 0, used = 0;
	size_t octets = 0;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	for (int i = -rounds / 10 - 1; i < rounds; i++) {
		const unsigned char *at = m->certificate;
		SSL *ssl = SSL_new(context);
		size_t before = held;
		double t0 = now_us();
		X509 *x = d2i_X509(NULL, &at, m->certificate_length);
		double t1 = now_us();
		check(x != NULL, "d2i_X509");
		octets = held - before;
		double t2 = now_us();
		check(SSL_use_cert_and_key(ssl, x, m->pkey, NULL, 1) == 1, "use");
		double t3 = now_us();
		SSL_free(ssl);
		X509_free(x);
		if (i < 0)
			continue;
		parsed += t1 - t0;
		used += t3 - t2;
	}
	printf("%-8s %-28s %8.1f %8s %8s %8.1f %8zu\n", m->name, "d2i_X509", parsed / rounds, "", "",
	       parsed / rounds, octets);
	printf("%-8s %-28s %8.1f\n", m->name, "SSL_use_cert_and_key", used / rounds);
	SSL_CTX_free(context);
}

int main(int argc, char **argv)
{
	CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free);
	int rounds = argc > 1 ? atoi(argv[1]) : 2000;
	struct material ec = {0}, rsa = {0};
	make(&ec, "P-256");
	make(&rsa, "RSA-2048");
	p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	maker[0] = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	maker[1] = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	check(EVP_PKEY_fromdata_init(maker[0]) == 1 && EVP_PKEY_fromdata_init(maker[1]) == 1, "fromdata");
	printf("DER octets: P-256 leaf %d key %d (PKCS #8 %d); RSA-2048 leaf %d key %d\n",
	       ec.certificate_length, ec.legacy_length, ec.pkcs8_length, rsa.certificate_length,
	       rsa.legacy_length);
	printf("%-8s %-28s %8s %8s %8s %8s %8s\n", "", "us of CPU", "load", "1st sign", "sign", "miss",
	       "octets");
	const struct material *all[] = {&ec, &rsa};
	for (int i = 0; i < 2; i++) {
		measure_way(all[i], "d2i_AutoPrivateKey PKCS8", by_decoder, rounds);
		measure_way(all[i], "EVP_PKEY_fromdata", by_fromdata, rounds);
		measure_way(all[i], "d2i_ECPrivateKey/RSA", by_legacy_d2i, rounds);
		measure_way(all[i], "EC_KEY/RSA setters", by_setters, rounds);
		measure_certificate(all[i], rounds);
		measure_bare(all[i], rounds);
	}
	return 0;
}
