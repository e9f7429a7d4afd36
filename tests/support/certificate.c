/* See certificate.h. Any wrong step aborts. */
#include "tests/support/certificate.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(bool is_right)
{
	if (!is_right)
		abort();
}

EVP_PKEY *certificate_key(const char *kind)
{
	EVP_PKEY *key =
		strncmp(kind, "RSA-", 4) == 0 ? EVP_RSA_gen((unsigned)atoi(kind + 4)) : EVP_EC_gen(kind);
	need(key != NULL);
	return key;
}

static void extend(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	need(extension && X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void name_it(X509 *x509, const char *names)
{
	char subject[64], list[1024] = "";
	size_t length = 0;
	snprintf(subject, sizeof subject, "%.*s", (int)strcspn(names, ","), names);
	need(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
					(const unsigned char *)subject, -1, -1, 0) == 1);
	for (const char *at = names; *at;) {
		size_t one = strcspn(at, ",");
		bool is_address = strspn(at, "0123456789.") == one;
		length += (size_t)snprintf(list + length, sizeof list - length, "%s%s:%.*s",
					   length ? "," : "", is_address ? "IP" : "DNS", (int)one, at);
		at += one + (at[one] == ',');
	}
	extend(x509, NID_subject_alt_name, list);
}

struct certificate certificate_make(const char *kind, const char *names, const struct certificate *issuer,
				    bool is_ca, int days)
{
	static long serial = 1;
	struct certificate made = {X509_new(), certificate_key(kind)};
	const struct certificate *by = issuer ? issuer : &made;
	X509 *x509 = made.x509;
	need(x509 && X509_set_version(x509, 2) == 1 &&
	     ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++) == 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), days < 0 ? days * 86400L * 2 : -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), days * 86400L);
	name_it(x509, names);
	need(X509_set_issuer_name(x509, X509_get_subject_name(by->x509)) == 1);
	need(X509_set_pubkey(x509, made.key) == 1);
	extend(x509, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	need(X509_sign(x509, by->key, EVP_sha256()) > 0);
	return made;
}

void certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
	*certificate = (struct certificate){0};
}

static struct certnames_link *link_of(const struct certificate *certificate)
{
	uint8_t *der = NULL, digest[SHA256_DIGEST_LENGTH];
	int length = i2d_X509(certificate->x509, &der);
	need(length > 0);
	SHA256(der, (size_t)length, digest);
	struct certnames_link *link = certnames_link_new(der, (uint32_t)length, digest);
	OPENSSL_free(der);
	return link;
}

static size_t raw_key(EVP_PKEY *key, uint8_t **ret)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return (size_t)i2d_PrivateKey(key, ret);
	BIGNUM *scalar = NULL;
	size_t point_length, size = (size_t)(EVP_PKEY_get_bits(key) + 7) / 8;
	uint8_t *raw = OPENSSL_malloc(3 * size + 1);
	need(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
	     BN_bn2binpad(scalar, raw, (int)size) > 0);
	need(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, raw + size,
					     2 * size + 1, &point_length) == 1 &&
	     point_length == 2 * size + 1);
	BN_free(scalar);
	*ret = raw;
	return 3 * size + 1;
}

struct certnames_entry *certificate_entry(const struct certificate *certificate,
					  const struct certificate *chain)
{
	uint8_t *leaf = NULL, *key = NULL, digest[SHA256_DIGEST_LENGTH];
	int length = i2d_X509(certificate->x509, &leaf);
	size_t key_length = raw_key(certificate->key, &key);
	struct tm end;
	need(length > 0 && ASN1_TIME_to_tm(X509_get0_notAfter(certificate->x509), &end) == 1);
	SHA256(leaf, (size_t)length, digest);
	struct certnames_entry values = {
		.kind = EVP_PKEY_get_base_id(certificate->key) == EVP_PKEY_RSA ? CERTNAMES_RSA
									       : CERTNAMES_ECDSA,
		.leaf = leaf,
		.leaf_length = (uint32_t)length,
		.key = key,
		.key_length = (uint32_t)key_length,
		.not_after_s = timegm(&end),
	};
	memcpy(values.fingerprint, digest, sizeof values.fingerprint);
	if (chain)
		values.chain[values.chain_count++] = link_of(chain);
	struct certnames_entry *entry = certnames_entry_new(&values);
	if (chain)
		certnames_link_unref(values.chain[0]);
	OPENSSL_free(leaf);
	OPENSSL_free(key);
	return entry;
}

static char *text_of(BIO *bio)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)length);
	BIO_free(bio);
	return text;
}

char *certificate_pem(const struct certificate *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	need(PEM_write_bio_X509(bio, certificate->x509) == 1);
	return text_of(bio);
}

char *certificate_key_pem(const struct certificate *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	need(PEM_write_bio_PrivateKey(bio, certificate->key, NULL, NULL, 0, NULL, NULL) == 1);
	return text_of(bio);
}
