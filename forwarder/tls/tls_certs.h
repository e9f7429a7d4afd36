/*
 * Parsed certificates and keys of a worker: the least recently used give way. A miss makes the objects out of
 * what the entry holds, without OpenSSL's decoders. One worker.
 */
#pragma once
#include "forwarder/plan/certnames.h"
#include "lib/counter.h"

struct x509_st;
struct evp_pkey_st;
struct stack_st_X509;

struct tls_certificate {
	struct x509_st *leaf;
	struct evp_pkey_st *key;
	struct stack_st_X509 *chain;
};

struct tls_certs;

struct tls_certs *tls_certs_new(size_t bytes, counter *hits, counter *misses);
void tls_certs_free(struct tls_certs *certs); /* NULL is fine */
/* NULL: OpenSSL does not take it. Good until the next call. */
const struct tls_certificate *tls_certs_get(struct tls_certs *certs, const struct certnames_entry *entry);
