/* The client's side of a handshake: what is asked of the origin's certificate, and its sessions. One worker.
 */
#include "forwarder/tls/tls_inside.h"
#include <arpa/inet.h>
#include <assert.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* ---- sessions ---- */

/* Its place; NULL: the number is new, and `makes` is false. */
static struct tls_session *session_of(struct tls_context *context, uint32_t number, bool makes)
{
	if (number >= context->session_count) {
		size_t count = (size_t)number + 16;
		if (!makes)
			return NULL;
		struct tls_session *grown = OPENSSL_realloc(context->sessions, count * sizeof *grown);
		if (!grown)
			abort();
		memset(grown + context->session_count, 0, (count - context->session_count) * sizeof *grown);
		context->sessions = grown;
		context->session_count = count;
	}
	return &context->sessions[number];
}

/* TLS 1.3 offers sessions after the handshake, so they come by callback alone. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls *tls = context->tls;
	assert(tls && tls->is_origin);
	struct tls_session *place = session_of(context, tls->origin, true);
	SSL_SESSION_free(place->session);
	*place = (struct tls_session){session, tls->settings, tls->generation};
	return 1; /* taken */
}

static void offer_session(struct tls *tls)
{
	const struct tls_session *place = session_of(tls->context, tls->origin, false);
	if (place && place->session && place->generation == tls->generation &&
	    place->settings == tls->settings && SSL_SESSION_is_resumable(place->session))
		SSL_set_session(tls->ssl, place->session);
}

/* ---- connecting ---- */

/* The name that is asked for: the pool's, else that of an origin that is written by name. NULL: none, the
 * certificate has to name the address. */
static const char *name_of(const struct pool_tls *settings, const struct origin *origin,
			   char name[static sizeof origin->text])
{
	unsigned char address[4];
	const char *colon = strrchr(origin->text, ':');
	if (settings->sni)
		return settings->sni;
	/* where the text was cut, its name is not known */
	if (!colon || origin->text[0] == '[' || strlen(origin->text) == sizeof origin->text - 1)
		return NULL;
	size_t length = (size_t)(colon - origin->text);
	memcpy(name, origin->text, length);
	name[length] = '\0';
	return inet_pton(AF_INET, name, address) == 1 ? NULL : name;
}

static bool ask_for(SSL *ssl, const char *name, const struct origin *origin)
{
	X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (name)
		return X509_VERIFY_PARAM_set1_host(wanted, name, 0) == 1;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&origin->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&origin->address;
	if (origin->address.ss_family == AF_INET)
		return X509_VERIFY_PARAM_set1_ip(wanted, (const unsigned char *)&v4->sin_addr, 4) == 1;
	return X509_VERIFY_PARAM_set1_ip(wanted, (const unsigned char *)&v6->sin6_addr, 16) == 1;
}

static bool configure(SSL *ssl, const struct pool_tls *settings, const struct origin *origin)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	SSL_set_connect_state(ssl);
	if (SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) != 0)
		return false;
	char text[sizeof origin->text];
	const char *name = name_of(settings, origin, text);
	if (name && SSL_set_tlsext_host_name(ssl, name) != 1)
		return false;
	if (settings->certificate &&
	    SSL_use_cert_and_key(ssl, settings->certificate, settings->key, settings->chain, 1) != 1)
		return false;
	if (settings->verify == POOL_VERIFY_NONE)
		return true;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (settings->trust && SSL_set1_verify_cert_store(ssl, settings->trust) != 1)
		return false;
	return settings->verify == POOL_VERIFY_CHAIN || ask_for(ssl, name, origin);
}

void tls_upstream_configure(struct tls *tls, const struct pool_tls *settings, const struct origin *origin)
{
	tls->is_origin = true;
	tls->settings = settings->id;
	tls->origin = origin->number;
	tls->generation = origin->generation;
	if (!configure(tls->ssl, settings, origin))
		abort(); /* out of memory: control has tried these settings */
	offer_session(tls);
}

void tls_upstream_done(struct tls *tls, bool is_good)
{
	struct tls_counters *counters = &tls->context->counters;
	if (is_good) {
		counter_add(SSL_session_reused(tls->ssl) ? &counters->origin_resumed : &counters->origin_full,
			    1);
		return;
	}
	counter_add(&counters->origin_failed, 1);
	long verdict = SSL_get_verify_result(tls->ssl);
	tls->is_unverified = verdict != X509_V_OK;
	if (tls->is_unverified)
		tls->failure = X509_verify_cert_error_string(verdict);
	/* what was offered may be why */
	struct tls_session *place = session_of(tls->context, tls->origin, false);
	if (place && place->session && place->settings == tls->settings) {
		SSL_SESSION_free(place->session);
		place->session = NULL;
	}
}

void tls_upstream_prepare(struct tls_context *context)
{
	SSL_CTX *client = context->client;
	SSL_CTX_set_app_data(client, context);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client, on_session);
}
