/*
 * Connections: each call begins by lending the worker's BIO to the connection and ends by sending what was
 * gathered. OpenSSL sees a BIO that takes every octet it writes and gives what the socket has, so the only
 * thing that it ever waits for is input. One worker.
 */
#include "forwarder/tls/tls.h"
#include "forwarder/tls/tls_inside.h"
#include "lib/hash.h"
#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_EXTRA ((size_t)512) /* of what carries them: heads, tags, padding of a few records */
#define CIPHERS_1_2                                                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

/* ---- the worker ---- */

static SSL_CTX *context_side(const SSL_METHOD *method, const struct tls_settings *settings)
{
	SSL_CTX *side = SSL_CTX_new(method);
	if (!side ||
	    SSL_CTX_set_min_proto_version(side, settings->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(side, 0) != 1 || SSL_CTX_set_cipher_list(side, CIPHERS_1_2) != 1 ||
	    SSL_CTX_set_ciphersuites(side, CIPHERS_1_3) != 1 || SSL_CTX_set1_groups_list(side, GROUPS) != 1)
		abort();
	/* A bare FIN is told apart by the BIO; as an error it would end writing too. */
	SSL_CTX_set_options(side, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					  SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
					  SSL_OP_PRIORITIZE_CHACHA |
					  SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	SSL_CTX_set_mode(side, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return side;
}

struct tls_context *tls_context_new(const struct tls_settings *settings)
{
	struct tls_context *context = OPENSSL_zalloc(sizeof *context);
	if (!context)
		abort();
	context->settings = *settings;
	context->certs = tls_certs_new(settings->cache_bytes, &context->counters.cache_hits,
				       &context->counters.cache_misses);
	context->server = context_side(TLS_server_method(), settings);
	/* What origins speak is theirs. */
	context->client = context_side(TLS_client_method(), &(struct tls_settings){0});
	tls_bio_init(&context->bio);
	context->plain = OPENSSL_malloc(TLS_BIO_RECORD);
	if (!context->plain)
		abort();
	tls_server_prepare(context);
	tls_upstream_prepare(context);
	ERR_clear_error();
	return context;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	assert(context->unfinished == 0 && !context->tls);
	for (size_t i = 0; i < context->session_count; i++)
		SSL_SESSION_free(context->sessions[i].session);
	OPENSSL_free(context->sessions);
	SSL_CTX_free(context->server);
	SSL_CTX_free(context->client);
	EVP_CIPHER_free(context->ticket_cipher);
	tls_certs_free(context->certs);
	tls_bio_done(&context->bio);
	OPENSSL_free(context->plain);
	OPENSSL_cleanse(&context->keys, sizeof context->keys);
	OPENSSL_free(context);
}

void tls_context_set_time(struct tls_context *context, int64_t unix_s)
{
	context->unix_s = unix_s;
}

const struct tls_counters *tls_context_counters(const struct tls_context *context)
{
	return &context->counters;
}

void *tls_context_oldest(const struct tls_context *context)
{
	return context->oldest ? context->oldest->connection : NULL;
}

/* ---- life ---- */

struct tls *tls_new(struct tls_context *context, SSL_CTX *side)
{
	struct tls *tls = OPENSSL_zalloc(sizeof *tls);
	SSL *ssl = SSL_new(side);
	if (!tls || !ssl || !BIO_up_ref(context->bio.bio))
		abort();
	tls->context = context;
	tls->ssl = ssl;
	SSL_set_bio(ssl, context->bio.bio, context->bio.bio);
	return tls;
}

struct tls *tls_accept(struct tls_context *context, void *connection)
{
	if (context->unfinished >= TLS_HANDSHAKES_MAX)
		return NULL;
	struct tls *tls = tls_new(context, context->server);
	SSL_set_accept_state(tls->ssl);
	tls->connection = connection;
	tls->older = context->newest;
	*(tls->older ? &tls->older->newer : &context->oldest) = tls;
	context->newest = tls;
	context->unfinished++;
	return tls;
}

static void leave_handshake(struct tls *tls)
{
	struct tls_context *context = tls->context;
	*(tls->older ? &tls->older->newer : &context->oldest) = tls->newer;
	*(tls->newer ? &tls->newer->older : &context->newest) = tls->older;
	tls->older = tls->newer = NULL;
	context->unfinished--;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	assert(tls->context->tls != tls);
	if (!tls->is_origin && !tls->is_done)
		leave_handshake(tls);
	/* OpenSSL would give up the session of a connection that ends without close_notify. */
	if (tls->is_done && tls->end != TLS_FAILED)
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	tls_bio_stash_free(tls->unread);
	tls_bio_stash_free(tls->unsent);
	OPENSSL_free(tls);
}

/* ---- a call ---- */

static void begin(struct tls *tls, struct tls_socket *socket, size_t want)
{
	struct tls_context *context = tls->context;
	assert(!context->tls);
	context->tls = tls;
	tls_bio_begin(&context->bio, socket, &tls->unread, &tls->unsent, want);
	ERR_clear_error();
}

/* Sends what was gathered. Did the socket hold? */
static bool end(struct tls *tls)
{
	struct tls_context *context = tls->context;
	tls_bio_end(&context->bio);
	context->tls = NULL;
	if (!context->bio.is_broken)
		return true;
	if (!tls->failure)
		tls->failure = "the connection was reset";
	tls->end = TLS_FAILED;
	return false;
}

/* What OpenSSL's call came to that was no success. */
static enum tls_result explain(struct tls *tls, int returned)
{
	const struct tls_bio *bio = &tls->context->bio;
	int error = SSL_get_error(tls->ssl, returned);
	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANTS_READ;
	if (error == SSL_ERROR_ZERO_RETURN && tls->is_done)
		return bio->has_end ? TLS_CUT : TLS_CLOSED;
	if (!tls->failure)
		tls->failure = ERR_reason_error_string(ERR_peek_error());
	if (!tls->failure)
		tls->failure = bio->has_end ? "the peer ended" : "the connection was reset";
	ERR_clear_error();
	return TLS_FAILED;
}

/* ---- handshake ---- */

static void on_server_done(struct tls *tls)
{
	struct tls_counters *counters = &tls->context->counters;
	leave_handshake(tls);
	counter_add(SSL_session_reused(tls->ssl) ? &counters->resumed : &counters->full, 1);
	/* What a handshake needs and an idle connection does not. */
	SSL_certs_clear(tls->ssl);
	SSL_set_tlsext_status_ocsp_resp(tls->ssl, NULL, 0);
	/* TLS 1.3: all that is left to send is a ticket, which goes with the first answer. */
	if (SSL_version(tls->ssl) >= TLS1_3_VERSION)
		tls->is_held = tls_bio_hold(&tls->context->bio);
}

static void on_failed(struct tls *tls)
{
	tls->end = TLS_FAILED;
	if (tls->is_origin)
		tls_upstream_done(tls, false);
	else if (!tls->is_counted)
		counter_add(&tls->context->counters.failed, 1);
}

enum tls_result tls_handshake(struct tls *tls, struct tls_socket *socket)
{
	struct tls_context *context = tls->context;
	if (tls->end == TLS_FAILED || tls->is_done)
		return tls->is_done ? TLS_OK : TLS_FAILED;
	begin(tls, socket, TLS_BIO_RECORD + RECORD_EXTRA);
	tls_bio_resume(&context->bio);
	int returned = SSL_do_handshake(tls->ssl);
	enum tls_result result = returned == 1 ? TLS_OK : explain(tls, returned);
	context->found = (struct certnames_found){0};
	if (result == TLS_OK) {
		tls->is_done = true;
		if (tls->is_origin)
			tls_upstream_done(tls, true);
		else
			on_server_done(tls);
	}
	if (!end(tls))
		result = tls->is_done ? TLS_OK : TLS_FAILED; /* a reading tells the rest */
	if (result == TLS_FAILED)
		on_failed(tls);
	return result == TLS_WANTS_READ && tls->unsent && !socket->can_read ? TLS_WANTS_WRITE : result;
}

/* ---- reading ---- */

enum tls_result tls_read(struct tls *tls, struct tls_socket *socket, void *buffer, size_t size, size_t *ret)
{
	struct tls_bio *bio = &tls->context->bio;
	size_t total = 0;
	assert(tls->is_done && size > 0);
	if (tls->end != TLS_OK)
		return tls->end;
	begin(tls, socket, size + RECORD_EXTRA);
	enum tls_result result = TLS_OK;
	do {
		size_t got = 0;
		int returned = SSL_read_ex(tls->ssl, (char *)buffer + total, size - total, &got);
		if (returned != 1)
			result = explain(tls, returned);
		total += got;
	} while (result == TLS_OK && total < size &&
		 (SSL_has_pending(tls->ssl) || tls_bio_has_input(bio) || socket->can_read));
	tls->wants_read = result == TLS_WANTS_READ;
	if (!end(tls))
		result = TLS_FAILED;
	if (result != TLS_OK && result != TLS_WANTS_READ)
		tls->end = result;
	*ret = total;
	return total > 0 ? TLS_OK : result;
}

bool tls_has_more(const struct tls *tls, const struct tls_socket *socket)
{
	if (tls->end != TLS_OK || socket->can_read)
		return true;
	return !tls->wants_read && (tls->unread || SSL_has_pending(tls->ssl));
}

/* ---- writing ---- */

/* The next record's octets: where they stand, or small pieces put together. */
static const void *next_record(struct tls_context *context, const struct iovec *pieces, size_t count,
			       size_t *piece, size_t *offset, size_t *ret_length)
{
	while (*piece < count && *offset == pieces[*piece].iov_len) {
		(*piece)++;
		*offset = 0;
	}
	if (*piece == count) {
		*ret_length = 0;
		return NULL;
	}
	size_t rest = pieces[*piece].iov_len - *offset;
	if (rest >= TLS_BIO_RECORD || *piece + 1 == count) {
		const char *at = (const char *)pieces[*piece].iov_base + *offset;
		*ret_length = rest < TLS_BIO_RECORD ? rest : TLS_BIO_RECORD;
		*offset += *ret_length;
		return at;
	}
	size_t length = 0;
	while (*piece < count && length < TLS_BIO_RECORD) {
		rest = pieces[*piece].iov_len - *offset;
		if (rest > TLS_BIO_RECORD - length)
			rest = TLS_BIO_RECORD - length;
		if (rest > 0)
			memcpy(context->plain + length, (const char *)pieces[*piece].iov_base + *offset,
			       rest);
		length += rest;
		*offset += rest;
		if (*offset == pieces[*piece].iov_len) {
			(*piece)++;
			*offset = 0;
		}
	}
	*ret_length = length;
	return context->plain;
}

/* At most `most` octets. False: OpenSSL refused. */
static bool write_records(struct tls *tls, const struct iovec *pieces, size_t count, size_t most, size_t *ret)
{
	struct tls_bio *bio = &tls->context->bio;
	size_t piece = 0, offset = 0, total = 0, all = 0;
	for (size_t i = 0; i < count; i++)
		all += pieces[i].iov_len;
	bio->is_direct = all <= TLS_BIO_RECORD;
	while (total < most) {
		size_t length, written = 0;
		const void *record = next_record(tls->context, pieces, count, &piece, &offset, &length);
		if (length == 0)
			break;
		int returned = SSL_write_ex(tls->ssl, record, length, &written);
		if (returned != 1) {
			explain(tls, returned);
			tls->end = TLS_FAILED;
			return false;
		}
		assert(written == length); /* the BIO takes all, and a record holds it */
		total += written;
	}
	*ret = total;
	return true;
}

enum tls_result tls_write(struct tls *tls, struct tls_socket *socket, const struct iovec *pieces,
			  size_t count, size_t *ret)
{
	struct tls_bio *bio = &tls->context->bio;
	size_t most = tls->is_slow ? TLS_BIO_RECORD : TLS_WRITE_MAX;
	*ret = 0;
	assert(tls->is_done);
	if (tls->end == TLS_FAILED)
		return TLS_FAILED;
	if (!socket->can_write)
		return TLS_WANTS_WRITE;
	begin(tls, socket, TLS_BIO_RECORD);
	if (tls->is_held) {
		tls->is_held = false;
		tls_bio_join(bio);
	}
	bool is_free = tls_bio_resume(bio);
	bool is_good = !is_free || write_records(tls, pieces, count, most, ret);
	is_good = end(tls) && is_good;
	tls->is_slow = tls->unsent != NULL;
	if (!is_good)
		return TLS_FAILED;
	return tls->unsent ? TLS_WANTS_WRITE : TLS_OK;
}

bool tls_has_unsent(const struct tls *tls)
{
	return tls->unsent && !tls->is_held;
}

enum tls_result tls_close(struct tls *tls, struct tls_socket *socket)
{
	if (!tls->is_done || tls->end == TLS_FAILED)
		return TLS_FAILED;
	begin(tls, socket, TLS_BIO_RECORD);
	if (tls->is_held)
		tls_bio_join(&tls->context->bio);
	tls->is_held = false;
	tls_bio_resume(&tls->context->bio);
	if (!tls->has_close_notify) {
		tls->has_close_notify = true;
		SSL_shutdown(tls->ssl);
		ERR_clear_error();
	}
	if (!end(tls))
		return TLS_FAILED;
	return tls->unsent ? TLS_WANTS_WRITE : TLS_OK;
}

/* ---- what it is ---- */

void tls_facts(const struct tls *tls, struct tls_facts *ret)
{
	const unsigned char *alpn;
	unsigned length;
	SSL_get0_alpn_selected(tls->ssl, &alpn, &length);
	*ret = (struct tls_facts){
		.version = SSL_get_version(tls->ssl),
		.cipher = SSL_get_cipher_name(tls->ssl),
		.name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
		.alpn = length > 0 ? "http/1.1" : "", /* the only one that is chosen */
		.is_resumed = SSL_session_reused(tls->ssl),
	};
}

uint64_t tls_tenant_hash(const struct tls *tls)
{
	return tls->tenant_hash;
}

bool tls_covers(const struct tls *tls, const struct certnames *certnames, const char *name, size_t length)
{
	struct certnames_found found;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT];
	if (!certnames || !certnames_find(certnames, name, length, &found))
		return false;
	certnames_fingerprint(&found, fingerprint);
	return memcmp(fingerprint, tls->fingerprint, sizeof fingerprint) == 0;
}

const char *tls_failure(const struct tls *tls)
{
	return tls->failure ? tls->failure : "";
}
