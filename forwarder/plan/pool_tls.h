/*
 * How TLS to the origins of a pool is spoken: immutable, made by the control thread, which parses
 * what the files hold. The objects are OpenSSL's and counted: a worker's connections keep what
 * they use. Any thread reads; a pointer to it lives for one turn, as all of a world.
 */
#pragma once
#include "forwarder/plan/pool.h"

struct x509_st;
struct x509_store_st;
struct evp_pkey_st;
struct stack_st_X509;

struct pool_tls {
	uint64_t id;	 /* of all that follows: sessions are kept per origin and id */
	const char *sni; /* NULL: the name that the origin is written by; an address: none, and the
			  * certificate has to name the address */
	enum pool_verify verify;
	struct x509_store_st *trust; /* NULL: nothing is verified */
	struct x509_st *certificate; /* ours, NULL: none */
	struct stack_st_X509 *chain; /* behind it, NULL: none */
	struct evp_pkey_st *key;
};
