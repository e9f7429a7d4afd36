/*
 * Our side of a handshake: which certificate, whose session. What the world says is asked once, at the
 * ClientHello, and used in the same call. One worker.
 */
#include "forwarder/tls/tls_hello.h"
#include "forwarder/tls/tls_inside.h"
#include "lib/hash.h"
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_LIFE_S (2 * TLS_KEYS_PERIOD_S) /* the keys live a little longer */

/* ---- ClientHello ---- */

static bool read_name(SSL *ssl, char name[static TLS_HELLO_NAME_MAX], size_t *ret_length)
{
	const unsigned char *extension;
	size_t length;
	*ret_length = 0;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &length) != 1)
		return true;
	return tls_hello_name(extension, length, name, ret_length);
}

static int refuse(struct tls *tls, counter *counted, const char *why, int alert, int *ret_alert)
{
	counter_add(counted, 1);
	tls->is_counted = true;
	tls->failure = why;
	*ret_alert = alert;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_hello(SSL *ssl, int *ret_alert, void *user)
{
	struct tls_context *context = user;
	struct tls *tls = context->tls;
	struct tls_counters *counters = &context->counters;
	char name[TLS_HELLO_NAME_MAX];
	struct tls_hello hello = {.name = name, .is_again = tls->has_hello};
	if (!read_name(ssl, name, &hello.length))
		return refuse(tls, &counters->unrecognized, "the name is none of a host",
			      SSL_AD_UNRECOGNIZED_NAME, ret_alert);
	uint32_t hash = (uint32_t)hash_bytes(name, hello.length, 0);
	if (tls->has_hello && hash != tls->name_hash)
		return refuse(tls, &counters->failed, "another name in the second hello",
			      SSL_AD_ILLEGAL_PARAMETER, ret_alert);
	tls->has_hello = true;
	tls->name_hash = hash;
	if (context->settings.hello(context->settings.user, tls->connection, &hello) == TLS_HELLO_LIMITED)
		return refuse(tls, &counters->limited, "the tenant has too many connections",
			      SSL_AD_INTERNAL_ERROR, ret_alert);
	bool is_found =
		hello.certificates &&
		(hello.length > 0 ? certnames_find(hello.certificates, name, hello.length, &context->found)
				  : certnames_default(hello.certificates, &context->found));
	if (!is_found)
		return refuse(tls, &counters->unrecognized,
			      hello.length > 0 ? "no certificate for the name"
					       : "no name and no default certificate",
			      SSL_AD_UNRECOGNIZED_NAME, ret_alert);
	tls->tenant_hash = hello.tenant_hash;
	certnames_fingerprint(&context->found, tls->fingerprint);
	tls_keys_update(&context->keys, hello.secrets, context->unix_s);
	if (!tls_keys_current(&context->keys)) {
		SSL_set_options(ssl, SSL_OP_NO_TICKET); /* TLS 1.2; 1.3 would send one that names a cache */
		SSL_set_num_tickets(ssl, 0);
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_certificate(SSL *ssl, void *user)
{
	struct tls_context *context = user;
	const struct certnames_entry *both[] = {context->found.ecdsa, context->found.rsa};
	int used = 0;
	for (int i = 0; i < 2; i++) {
		const struct tls_certificate *certificate =
			both[i] ? tls_certs_get(context->certs, both[i]) : NULL;
		context->leaf[i] = NULL;
		if (!certificate || SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key,
							 certificate->chain, 1) != 1)
			continue;
		context->leaf[i] = certificate->leaf;
		used++;
	}
	return used > 0;
}

static int on_status(SSL *ssl, void *user)
{
	struct tls_context *context = user;
	const struct certnames_entry *both[] = {context->found.ecdsa, context->found.rsa};
	const X509 *chosen = SSL_get_certificate(ssl);
	for (int i = 0; i < 2; i++) {
		const struct certnames_entry *entry = both[i];
		if (!entry || !chosen || context->leaf[i] != chosen || !entry->staple ||
		    entry->staple_until_s <= context->unix_s)
			continue;
		uint8_t *copy = OPENSSL_memdup(entry->staple, entry->staple_length);
		if (!copy)
			abort();
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, entry->staple_length);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_length, const unsigned char *list,
		   unsigned length, void *user)
{
	struct tls_context *context = user;
	static const char ours[] = "http/1.1";
	for (unsigned at = 0; at < length; at += 1u + list[at]) {
		if (list[at] != sizeof ours - 1 || length - at <= list[at] ||
		    memcmp(list + at + 1, ours, sizeof ours - 1) != 0)
			continue;
		*ret = list + at + 1;
		*ret_length = list[at];
		return SSL_TLSEXT_ERR_OK;
	}
	counter_add(&context->counters.no_protocol, 1);
	context->tls->is_counted = true;
	context->tls->failure = "no common protocol";
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- tickets ---- */

static int on_ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
			 EVP_MAC_CTX *mac, int encrypts)
{
	enum { FAILED = -1, UNKNOWN = 0, GOOD = 1, RENEWED = 2 };
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	bool is_current = true;
	const struct tls_key *key = encrypts ? tls_keys_current(&context->keys)
					     : tls_keys_named(&context->keys, name, &is_current);
	if (!key)
		return UNKNOWN;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, sizeof key->hmac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()};
	if (encrypts) {
		memcpy(name, key->name, TLS_KEYS_NAME);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(context->ticket_cipher)) != 1)
			return FAILED;
	}
	if (EVP_CipherInit_ex2(cipher, context->ticket_cipher, key->aes, iv, encrypts, NULL) != 1 ||
	    EVP_MAC_CTX_set_params(mac, params) != 1)
		return FAILED;
	return is_current ? GOOD : RENEWED;
}

/* Whose the session is: the tenant and what its name's certificates are. */
struct owner {
	uint64_t tenant_hash;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT];
};

static void owner_of(const struct tls *tls, struct owner *ret)
{
	static_assert(sizeof *ret == 8 + CERTNAMES_FINGERPRINT, "no gaps: it is compared");
	ret->tenant_hash = tls->tenant_hash;
	memcpy(ret->fingerprint, tls->fingerprint, sizeof ret->fingerprint);
}

static int on_ticket_made(SSL *ssl, void *user)
{
	const struct tls_context *context = user;
	struct owner owner;
	owner_of(context->tls, &owner);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &owner, sizeof owner);
}

static SSL_TICKET_RETURN on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
					size_t name_length, SSL_TICKET_STATUS status, void *user)
{
	const struct tls_context *context = user;
	struct owner owner;
	void *its;
	size_t length;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	owner_of(context->tls, &owner);
	if (SSL_SESSION_get0_ticket_appdata(session, &its, &length) != 1 || length != sizeof owner ||
	    memcmp(its, &owner, sizeof owner) != 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	/* Clients use a ticket of TLS 1.3 but once (RFC 8446 §C.4): without another, every second handshake
	 * would be a full one. */
	return status == SSL_TICKET_SUCCESS && SSL_version(ssl) != TLS1_3_VERSION
		       ? SSL_TICKET_RETURN_USE
		       : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- the context ---- */

void tls_server_prepare(struct tls_context *context)
{
	SSL_CTX *server = context->server;
	SSL_CTX_set_app_data(server, context);
	SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_client_hello_cb(server, on_hello, context);
	SSL_CTX_set_cert_cb(server, on_certificate, context);
	SSL_CTX_set_alpn_select_cb(server, on_alpn, context);
	SSL_CTX_set_tlsext_status_cb(server, on_status);
	SSL_CTX_set_tlsext_status_arg(server, context);
	SSL_CTX_set_timeout(server, TICKET_LIFE_S);
	SSL_CTX_set_num_tickets(server, 1);
	context->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!context->ticket_cipher || SSL_CTX_set_tlsext_ticket_key_evp_cb(server, on_ticket_key) != 1 ||
	    SSL_CTX_set_session_ticket_cb(server, on_ticket_made, on_ticket_read, context) != 1)
		abort();
}
