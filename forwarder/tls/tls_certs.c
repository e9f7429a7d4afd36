/*
 * A hash table by fingerprint, with a list by last use. Keys are made by OpenSSL's legacy setters and put
 * into the bare certificate too: of the ways that 3.0 has it is the only one without a decoder that can tell
 * that both belong together (tests/bench/spike_key_load.c has what each costs). Intermediates are parsed the
 * normal way, once, for their keys are looked at. One worker.
 */
#include "forwarder/tls/tls_certs.h"
#include "lib/hash.h"
#include "lib/x509_bare.h"
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* the legacy setters, see above */

#define BUCKETS 1024
/* What the objects of one take beside its DER, in octets: measured. */
#define ECDSA_OCTETS 9000
#define RSA_OCTETS 14000
#define LINK_OCTETS 8000

struct item {
	uint8_t fingerprint[CERTNAMES_FINGERPRINT];
	struct item *next;	    /* of the bucket */
	struct item *newer, *older; /* by use */
	size_t octets;
	struct tls_certificate its; /* key NULL: an intermediate */
};

struct tls_certs {
	struct item *buckets[BUCKETS];
	struct item *newest, *oldest;
	size_t octets, octets_max;
	counter *hits, *misses;
	EC_GROUP *groups[3];
};

static const struct curve {
	int nid;
	size_t scalar;
} curves[3] = {{NID_X9_62_prime256v1, 32}, {NID_secp384r1, 48}, {NID_secp521r1, 66}};

/* ---- the table ---- */

static struct item **bucket_of(struct tls_certs *certs, const uint8_t *fingerprint)
{
	return &certs->buckets[hash_load64(fingerprint) % BUCKETS]; /* SHA-256 is random enough */
}

static void unlink_use(struct tls_certs *certs, struct item *item)
{
	*(item->newer ? &item->newer->older : &certs->newest) = item->older;
	*(item->older ? &item->older->newer : &certs->oldest) = item->newer;
}

static void link_use(struct tls_certs *certs, struct item *item)
{
	item->newer = NULL;
	item->older = certs->newest;
	*(item->older ? &item->older->newer : &certs->oldest) = item;
	certs->newest = item;
}

static struct item *find(struct tls_certs *certs, const uint8_t *fingerprint)
{
	for (struct item *item = *bucket_of(certs, fingerprint); item; item = item->next) {
		if (memcmp(item->fingerprint, fingerprint, CERTNAMES_FINGERPRINT) != 0)
			continue;
		if (item != certs->newest) {
			unlink_use(certs, item);
			link_use(certs, item);
		}
		return item;
	}
	return NULL;
}

static void forget(struct tls_certs *certs, struct item *item)
{
	struct item **at = bucket_of(certs, item->fingerprint);
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	unlink_use(certs, item);
	certs->octets -= item->octets;
	X509_free(item->its.leaf);
	EVP_PKEY_free(item->its.key);
	sk_X509_pop_free(item->its.chain, X509_free);
	OPENSSL_free(item);
}

static struct item *keep(struct tls_certs *certs, const uint8_t *fingerprint,
			 const struct tls_certificate *its, size_t octets)
{
	struct item *item = OPENSSL_zalloc(sizeof *item);
	if (!item)
		abort();
	memcpy(item->fingerprint, fingerprint, CERTNAMES_FINGERPRINT);
	item->its = *its;
	item->octets = octets;
	struct item **at = bucket_of(certs, fingerprint);
	item->next = *at;
	*at = item;
	link_use(certs, item);
	certs->octets += octets;
	while (certs->octets > certs->octets_max && certs->oldest != item)
		forget(certs, certs->oldest);
	return item;
}

/* ---- making ---- */

static EVP_PKEY *make_ecdsa(const struct tls_certs *certs, const uint8_t *key, size_t length)
{
	size_t scalar = (length - 1) / 3;
	const EC_GROUP *group = NULL;
	for (int i = 0; i < 3; i++)
		if (curves[i].scalar == scalar)
			group = certs->groups[i];
	EVP_PKEY *pkey = EVP_PKEY_new();
	EC_KEY *ec = EC_KEY_new();
	EC_POINT *point = group ? EC_POINT_new(group) : NULL;
	bool is_good = pkey && ec && point && EC_KEY_set_group(ec, group) == 1 &&
		       EC_POINT_oct2point(group, point, key + scalar, length - scalar, NULL) == 1 &&
		       EC_KEY_set_public_key(ec, point) == 1 && EC_KEY_oct2priv(ec, key, scalar) == 1 &&
		       EVP_PKEY_set1_EC_KEY(pkey, ec) == 1;
	EC_POINT_free(point);
	EC_KEY_free(ec);
	if (is_good)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static EVP_PKEY *make_rsa(const uint8_t *key, size_t length)
{
	EVP_PKEY *pkey = EVP_PKEY_new();
	RSA *rsa = d2i_RSAPrivateKey(NULL, &key, (long)length); /* a template, no decoder */
	if (pkey && rsa && EVP_PKEY_set1_RSA(pkey, rsa) == 1) {
		RSA_free(rsa);
		return pkey;
	}
	RSA_free(rsa);
	EVP_PKEY_free(pkey);
	return NULL;
}

static X509 *get_link(struct tls_certs *certs, const struct certnames_link *link)
{
	struct item *item = find(certs, link->fingerprint);
	const uint8_t *at = link->der;
	if (item)
		return item->its.leaf;
	struct tls_certificate its = {.leaf = d2i_X509(NULL, &at, (long)link->length)};
	return its.leaf ? keep(certs, link->fingerprint, &its, LINK_OCTETS + link->length)->its.leaf : NULL;
}

static bool make_chain(struct tls_certs *certs, const struct certnames_entry *entry,
		       struct stack_st_X509 **ret)
{
	if (entry->chain_count == 0)
		return true;
	STACK_OF(X509) *chain = sk_X509_new_reserve(NULL, (int)entry->chain_count);
	if (!chain)
		abort();
	for (uint32_t i = 0; i < entry->chain_count; i++) {
		X509 *link = get_link(certs, entry->chain[i]);
		if (!link || !X509_up_ref(link)) {
			sk_X509_pop_free(chain, X509_free);
			return false;
		}
		sk_X509_push(chain, link);
	}
	*ret = chain;
	return true;
}

static bool make(struct tls_certs *certs, const struct certnames_entry *entry, struct tls_certificate *ret)
{
	struct tls_certificate its = {0};
	its.leaf = x509_bare_parse(entry->leaf, entry->leaf_length);
	its.key = entry->kind == CERTNAMES_ECDSA ? make_ecdsa(certs, entry->key, entry->key_length)
						 : make_rsa(entry->key, entry->key_length);
	if (its.leaf && its.key && X509_set_pubkey(its.leaf, its.key) == 1 &&
	    make_chain(certs, entry, &its.chain)) {
		*ret = its;
		return true;
	}
	X509_free(its.leaf);
	EVP_PKEY_free(its.key);
	return false;
}

const struct tls_certificate *tls_certs_get(struct tls_certs *certs, const struct certnames_entry *entry)
{
	struct item *item = find(certs, entry->fingerprint);
	if (item) {
		counter_add(certs->hits, 1);
		return &item->its;
	}
	counter_add(certs->misses, 1);
	struct tls_certificate its;
	if (!make(certs, entry, &its))
		return NULL;
	size_t octets = (entry->kind == CERTNAMES_ECDSA ? ECDSA_OCTETS : RSA_OCTETS) + entry->leaf_length;
	return &keep(certs, entry->fingerprint, &its, octets)->its;
}

struct tls_certs *tls_certs_new(size_t bytes, counter *hits, counter *misses)
{
	struct tls_certs *certs = OPENSSL_zalloc(sizeof *certs);
	if (!certs)
		abort();
	certs->octets_max = bytes;
	certs->hits = hits;
	certs->misses = misses;
	for (int i = 0; i < 3; i++)
		if (!(certs->groups[i] = EC_GROUP_new_by_curve_name(curves[i].nid)))
			abort();
	return certs;
}

void tls_certs_free(struct tls_certs *certs)
{
	if (!certs)
		return;
	while (certs->oldest)
		forget(certs, certs->oldest);
	for (int i = 0; i < 3; i++)
		EC_GROUP_free(certs->groups[i]);
	OPENSSL_free(certs);
}
