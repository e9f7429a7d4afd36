/* See certs_read.h. Any thread. */
#include "forwarder/certificates/certs_read.h"
#include "lib/mem.h"
#include "lib/x509_bare.h"
#include <assert.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* the legacy readers: they need no decoder */

#define LEAF_AND_CHAIN (1 + CERTNAMES_CHAIN_MAX)
#define SECURITY_BITS 112	  /* of a signature: SHA-1 has less */
#define STAPLE_LIFE_S (7 * 86400) /* of one that does not say */

struct der {
	uint8_t *octets;
	long length;
};

/* What is being read. */
struct draft {
	struct der certificates[LEAF_AND_CHAIN];
	size_t certificate_count;
	struct der key; /* of the first block that holds one */
	char *key_type; /* of its PEM */
	X509 *leaf;
	enum certnames_kind kind;
	uint8_t *raw; /* of the key, as certnames_entry has it */
	size_t raw_length;
	struct der staple;
	int64_t staple_until_s;
	struct certs_read *result;
};

static void fail(struct draft *draft, const char *problem)
{
	if (!draft->result->problem)
		draft->result->problem = xstrdup(problem);
	ERR_clear_error();
}

static void warn(struct draft *draft, const char *warning)
{
	char *before = draft->result->warnings;
	draft->result->warnings = before ? xasprintf("%s\n%s", before, warning) : xstrdup(warning);
	free(before);
	ERR_clear_error();
}

/* ---- PEM ---- */

static void take_block(struct draft *draft, char *type, const char *header, struct der *der)
{
	size_t length = strlen(type);
	bool is_key = length >= 11 && strcmp(type + length - 11, "PRIVATE KEY") == 0;
	if (is_key && (strstr(header, "ENCRYPTED") || strstr(type, "ENCRYPTED"))) {
		fail(draft, "the key is encrypted, and there is nobody to ask for its password");
	} else if (is_key && !draft->key_type) {
		draft->key = *der;
		draft->key_type = type;
		return; /* taken */
	} else if (strcmp(type, "CERTIFICATE") == 0 && draft->certificate_count < LEAF_AND_CHAIN) {
		draft->certificates[draft->certificate_count++] = *der;
		OPENSSL_free(type);
		return;
	} else if (strcmp(type, "CERTIFICATE") == 0) {
		fail(draft, "more than 8 intermediate certificates");
	}
	OPENSSL_clear_free(der->octets, (size_t)der->length);
	OPENSSL_free(type);
}

static void read_pem(struct draft *draft, const struct certs_text *text)
{
	BIO *bio = BIO_new_mem_buf(text->octets, (int)text->length);
	char *type, *header;
	struct der der;
	if (!bio)
		abort();
	while (PEM_read_bio(bio, &type, &header, &der.octets, &der.length) == 1) {
		take_block(draft, type, header, &der);
		OPENSSL_free(header);
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		fail(draft, "a PEM block is broken");
	ERR_clear_error();
	BIO_free(bio);
}

/* ---- keys ---- */

static const struct {
	int nid, octets;
} curves[] = {{NID_X9_62_prime256v1, 32}, {NID_secp384r1, 48}, {NID_secp521r1, 66}};

/* The scalar and its point, which is computed: a key's own statement of it may be left out. */
static void take_ec(struct draft *draft, EC_KEY *ec)
{
	const EC_GROUP *group = ec ? EC_KEY_get0_group(ec) : NULL;
	const BIGNUM *scalar = ec ? EC_KEY_get0_private_key(ec) : NULL;
	size_t octets = 0;
	for (size_t i = 0; group && i < sizeof curves / sizeof *curves; i++)
		if (EC_GROUP_get_curve_name(group) == curves[i].nid)
			octets = (size_t)curves[i].octets;
	if (!scalar || octets == 0) {
		fail(draft, !ec ? "the key cannot be read" : "an EC key must be on P-256, P-384 or P-521");
		EC_KEY_free(ec);
		return;
	}
	EC_POINT *point = EC_POINT_new(group);
	draft->kind = CERTNAMES_ECDSA;
	draft->raw_length = 3 * octets + 1;
	draft->raw = xmalloc(draft->raw_length);
	if (BN_bn2binpad(scalar, draft->raw, (int)octets) < 0 ||
	    EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) != 1 ||
	    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, draft->raw + octets,
			       2 * octets + 1, NULL) != 2 * octets + 1)
		fail(draft, "the key is none of its curve");
	EC_POINT_free(point);
	EC_KEY_free(ec);
}

/* p·q = n, so that a key of which an octet has changed is found here, and not by clients. */
static bool is_consistent(const RSA *rsa)
{
	const BIGNUM *n, *p, *q;
	RSA_get0_key(rsa, &n, NULL, NULL);
	RSA_get0_factors(rsa, &p, &q);
	if (!p || !q)
		return false;
	BN_CTX *context = BN_CTX_new();
	BIGNUM *product = BN_new();
	bool is_good = context && product && BN_mul(product, p, q, context) == 1 && BN_cmp(product, n) == 0;
	BN_free(product);
	BN_CTX_free(context);
	return is_good;
}

static void take_rsa(struct draft *draft, RSA *rsa)
{
	uint8_t *der = NULL;
	if (!rsa || !is_consistent(rsa)) {
		fail(draft, "the key cannot be read");
	} else if (RSA_bits(rsa) < 2048) {
		fail(draft, "an RSA key must have 2048 bits or more");
	} else {
		int length = i2d_RSAPrivateKey(rsa, &der);
		if (length <= 0)
			abort();
		if (RSA_bits(rsa) > CERTS_READ_RSA_SLOW)
			warn(draft,
			     "an RSA key of more than 3072 bits: each handshake keeps a worker busy for "
			     "milliseconds");
		draft->kind = CERTNAMES_RSA;
		draft->raw = xmemdup(der, (size_t)length);
		draft->raw_length = (size_t)length;
		OPENSSL_clear_free(der, (size_t)length);
	}
	RSA_free(rsa);
}

static EC_KEY *ec_of(const uint8_t *der, long length, int curve)
{
	EC_KEY *ec = curve == NID_undef ? NULL : EC_KEY_new_by_curve_name(curve);
	if (curve != NID_undef && !ec)
		return NULL;
	const uint8_t *at = der;
	EC_KEY *read = d2i_ECPrivateKey(ec ? &ec : NULL, &at, length);
	if (!read)
		EC_KEY_free(ec);
	return read;
}

static void read_pkcs8(struct draft *draft)
{
	const uint8_t *at = draft->key.octets, *inner;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, draft->key.length);
	const ASN1_OBJECT *type;
	const X509_ALGOR *algorithm;
	const void *parameter;
	int length, parameter_type;
	if (!info || PKCS8_pkey_get0(&type, &inner, &length, &algorithm, info) != 1) {
		fail(draft, "the key cannot be read");
		PKCS8_PRIV_KEY_INFO_free(info);
		return;
	}
	X509_ALGOR_get0(NULL, &parameter_type, &parameter, algorithm);
	if (OBJ_obj2nid(type) == NID_rsaEncryption)
		take_rsa(draft, d2i_RSAPrivateKey(NULL, &inner, length));
	else if (OBJ_obj2nid(type) == NID_X9_62_id_ecPublicKey)
		take_ec(draft, ec_of(inner, length,
				     parameter_type == V_ASN1_OBJECT ? OBJ_obj2nid(parameter) : NID_undef));
	else
		fail(draft, "the key must be RSA or EC");
	PKCS8_PRIV_KEY_INFO_free(info);
}

static void read_key(struct draft *draft)
{
	const uint8_t *at = draft->key.octets;
	if (!draft->key_type)
		fail(draft, "there is no key");
	else if (strcmp(draft->key_type, "RSA PRIVATE KEY") == 0)
		take_rsa(draft, d2i_RSAPrivateKey(NULL, &at, draft->key.length));
	else if (strcmp(draft->key_type, "EC PRIVATE KEY") == 0)
		take_ec(draft, ec_of(draft->key.octets, draft->key.length, NID_undef));
	else
		read_pkcs8(draft);
}

/* ---- the certificate ---- */

/* Is the key the leaf's? */
static bool is_pair(const struct draft *draft)
{
	ASN1_OBJECT *type;
	const uint8_t *octets;
	int length;
	if (X509_PUBKEY_get0_param(&type, &octets, &length, NULL, X509_get_X509_PUBKEY(draft->leaf)) != 1)
		return false;
	if (draft->kind == CERTNAMES_ECDSA) {
		assert(draft->raw_length % 3 == 1); /* a scalar, and a point of two as long */
		size_t scalar = (draft->raw_length - 1) / 3, point = draft->raw_length - scalar;
		const uint8_t *ours = draft->raw + scalar;
		bool is_compressed = length == (int)(1 + scalar) && (octets[0] == 2 || octets[0] == 3);
		return OBJ_obj2nid(type) == NID_X9_62_id_ecPublicKey &&
		       (is_compressed ? memcmp(octets + 1, ours + 1, scalar) == 0 &&
						(octets[0] & 1) == (ours[point - 1] & 1)
				      : length == (int)point && memcmp(octets, ours, point) == 0);
	}
	const uint8_t *at = octets, *raw = draft->raw;
	if (OBJ_obj2nid(type) != NID_rsaEncryption)
		return false;
	RSA *theirs = d2i_RSAPublicKey(NULL, &at, length);
	RSA *ours = d2i_RSAPrivateKey(NULL, &raw, (long)draft->raw_length);
	bool is_same = theirs && ours && BN_cmp(RSA_get0_n(theirs), RSA_get0_n(ours)) == 0 &&
		       BN_cmp(RSA_get0_e(theirs), RSA_get0_e(ours)) == 0;
	RSA_free(theirs);
	RSA_free(ours);
	ERR_clear_error();
	return is_same;
}

/* A name as certnames_find takes it, or `*.` before one. */
static bool fold_name(const ASN1_IA5STRING *from, char name[static CERTNAMES_NAME_MAX + 1])
{
	const uint8_t *octets = ASN1_STRING_get0_data(from);
	size_t length = (size_t)ASN1_STRING_length(from), label = 0, dots = 0;
	if (length > 0 && octets[length - 1] == '.')
		length--;
	if (length == 0 || length > 253)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = (char)octets[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		bool is_star = c == '*' && i == 0 && length > 2 && octets[1] == '.';
		bool is_usual = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (c == '.' ? label == 0 : !is_usual && !is_star)
			return false;
		label = c == '.' ? 0 : label + 1;
		dots += c == '.';
		if (label > 63)
			return false;
		name[i] = c;
	}
	name[length] = '\0';
	return label > 0 && (name[0] != '*' || dots >= 2); /* `*.com` is nobody's */
}

static void read_names(struct draft *draft)
{
	struct certs_read *result = draft->result;
	GENERAL_NAMES *names = X509_get_ext_d2i(draft->leaf, NID_subject_alt_name, NULL, NULL);
	size_t capacity = 0, strange = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[CERTNAMES_NAME_MAX + 1];
		if (name->type != GEN_DNS)
			continue;
		if (!fold_name(name->d.dNSName, text)) {
			strange++;
			continue;
		}
		xgrow((void **)&result->names, &capacity, result->name_count + 1, sizeof *result->names);
		result->names[result->name_count++] = xstrdup(text);
	}
	GENERAL_NAMES_free(names);
	if (result->name_count == 0)
		fail(draft, "the certificate has no DNS name that a host could have");
	else if (strange > 0)
		warn(draft, "a name of the certificate is none that a host could have");
}

/* Its signature's strength, unless it signs itself: then nobody looks. */
static bool is_signed_well(X509 *certificate)
{
	int bits = 0;
	return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0 ||
	       (X509_get_signature_info(certificate, NULL, NULL, &bits, NULL) == 1 && bits >= SECURITY_BITS);
}

#define LINK_KEY (2 * CERTNAMES_FINGERPRINT + 1)

static struct certnames_link *find_link(const struct der *der, struct map *links,
					uint8_t digest[static SHA256_DIGEST_LENGTH],
					char key[static LINK_KEY])
{
	assert(der->length > 0);
	SHA256(der->octets, (size_t)der->length, digest);
	for (int i = 0; i < CERTNAMES_FINGERPRINT; i++)
		snprintf(key + 2 * i, 3, "%02x", digest[i]);
	return map_get(links, key);
}

/* An intermediate that was good below another certificate. */
static bool is_known(const struct der *der, struct map *links)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char key[LINK_KEY];
	return der->length > 0 && find_link(der, links, digest, key);
}

static void read_certificates(struct draft *draft, struct map *links)
{
	if (draft->certificate_count == 0) {
		fail(draft, "there is no certificate");
		return;
	}
	for (size_t i = 0; i < draft->certificate_count; i++) {
		if (i > 0 && is_known(&draft->certificates[i], links))
			continue;
		X509 *one =
			x509_bare_parse(draft->certificates[i].octets, (size_t)draft->certificates[i].length);
		if (!one)
			fail(draft, "a certificate cannot be read");
		else if (!is_signed_well(one))
			fail(draft, "a certificate is signed with SHA-1 or weaker, which clients refuse");
		if (i == 0)
			draft->leaf = one;
		else
			X509_free(one);
	}
	if (draft->leaf)
		read_names(draft);
}

static int64_t unix_of(const ASN1_TIME *time)
{
	struct tm tm;
	return time && ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : INT64_MIN;
}

/* ---- OCSP ---- */

static void judge_staple(struct draft *draft, OCSP_BASICRESP *basic)
{
	OCSP_SINGLERESP *single = basic ? OCSP_resp_get0(basic, 0) : NULL;
	ASN1_GENERALIZEDTIME *since = NULL, *until = NULL;
	ASN1_INTEGER *serial = NULL;
	int status = single ? OCSP_single_get0_status(single, NULL, NULL, &since, &until) : -1;
	if (status != V_OCSP_CERTSTATUS_GOOD) {
		warn(draft, status < 0 ? "the OCSP response cannot be read"
				       : "the OCSP response does not say that the certificate is good");
		return;
	}
	OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
	if (!serial || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(draft->leaf)) != 0) {
		warn(draft, "the OCSP response is for another certificate");
		return;
	}
	draft->staple_until_s = until ? unix_of(until) : unix_of(since) + STAPLE_LIFE_S;
}

static void read_staple(struct draft *draft, const struct certs_text *text)
{
	const uint8_t *at = (const uint8_t *)text->octets;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)text->length);
	OCSP_BASICRESP *basic = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
					? OCSP_response_get1_basic(response)
					: NULL;
	draft->staple = (struct der){(uint8_t *)text->octets, (long)text->length};
	judge_staple(draft, basic);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
}

/* ---- all of it ---- */

static struct certnames_link *link_of(const struct der *der, struct map *links)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char key[LINK_KEY];
	struct certnames_link *link = find_link(der, links, digest, key);
	if (link)
		return link;
	link = certnames_link_new(der->octets, (uint32_t)der->length, digest);
	map_put(links, key, link);
	return link;
}

static struct certnames_entry *entry_of(const struct draft *draft, struct map *links)
{
	const struct der *leaf = &draft->certificates[0];
	assert(draft->leaf && draft->raw && draft->certificate_count > 0);
	struct certnames_entry values = {
		.kind = draft->kind,
		.not_after_s = unix_of(X509_get0_notAfter(draft->leaf)),
		.leaf = leaf->octets,
		.leaf_length = (uint32_t)leaf->length,
		.key = draft->raw,
		.key_length = (uint32_t)draft->raw_length,
	};
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX hash;
	SHA256_Init(&hash);
	SHA256_Update(&hash, leaf->octets, (size_t)leaf->length);
	for (size_t i = 1; i < draft->certificate_count; i++) {
		values.chain[values.chain_count] = link_of(&draft->certificates[i], links);
		SHA256_Update(&hash, values.chain[values.chain_count++]->fingerprint, CERTNAMES_FINGERPRINT);
	}
	SHA256_Update(&hash, draft->raw, draft->raw_length);
	SHA256_Final(digest, &hash);
	memcpy(values.fingerprint, digest, sizeof values.fingerprint);
	if (draft->staple_until_s > 0) {
		values.staple = draft->staple.octets;
		values.staple_length = (uint32_t)draft->staple.length;
		values.staple_until_s = draft->staple_until_s;
	}
	return certnames_entry_new(&values);
}

void certs_read(const struct certs_text *certificates, const struct certs_text *key,
		const struct certs_text *staple, struct map *links, struct certs_read *ret)
{
	struct draft draft = {.result = ret};
	assert(certificates->octets && links);
	*ret = (struct certs_read){0};
	read_pem(&draft, certificates);
	if (key->octets)
		read_pem(&draft, key);
	if (!ret->problem)
		read_certificates(&draft, links);
	if (!ret->problem)
		read_key(&draft);
	if (!ret->problem && !is_pair(&draft))
		fail(&draft, "the key is not the certificate's");
	if (!ret->problem && unix_of(X509_get0_notAfter(draft.leaf)) == INT64_MIN)
		fail(&draft, "the certificate has no valid end");
	if (!ret->problem && staple->octets)
		read_staple(&draft, staple);
	if (!ret->problem)
		ret->entry = entry_of(&draft, links);
	for (size_t i = 0; i < draft.certificate_count; i++)
		OPENSSL_free(draft.certificates[i].octets);
	OPENSSL_clear_free(draft.key.octets, (size_t)draft.key.length);
	OPENSSL_free(draft.key_type);
	if (draft.raw)
		explicit_bzero(draft.raw, draft.raw_length);
	free(draft.raw);
	X509_free(draft.leaf);
	assert((ret->entry != NULL) != (ret->problem != NULL));
	ERR_clear_error();
}

void certs_read_done(struct certs_read *read)
{
	certnames_entry_unref(read->entry);
	for (size_t i = 0; i < read->name_count; i++)
		free(read->names[i]);
	free(read->names);
	free(read->problem);
	free(read->warnings);
	*read = (struct certs_read){0};
}

void certs_read_links_done(struct map *links)
{
	struct certnames_link *link;
	for (size_t at = 0; (link = map_next(links, &at, NULL));)
		certnames_link_unref(link);
	map_free(links);
}
