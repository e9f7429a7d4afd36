/* What the files of TLS share: tls.c (connections), tls_bio.c (octets), tls_server.c (our side of a
 * handshake), tls_upstream.c (the other), tls_certs.c (parsed certificates). One worker. */
#pragma once
#include "forwarder/plan/pool_tls.h"
#include "forwarder/tls/tls.h"
#include "forwarder/tls/tls_bio.h"
#include "forwarder/tls/tls_certs.h"
#include "forwarder/tls/tls_keys.h"
#include <openssl/ssl.h>

struct tls_session { /* the last of an origin, in a place by the origin's number */
	SSL_SESSION *session;
	uint64_t settings; /* pool_tls.id */
	uint32_t generation;
};

struct tls_context {
	struct tls_settings settings;
	SSL_CTX *server, *client;
	struct tls_bio bio;
	struct tls *tls; /* whose call is on */
	struct tls_certs *certs;
	struct tls_keys keys;
	EVP_CIPHER *ticket_cipher;
	int64_t unix_s;
	/* of the ClientHello that is being answered; all of one call */
	struct certnames_found found;
	const struct x509_st *leaf[2]; /* what was loaded for it, by enum certnames_kind */
	uint8_t *plain;		       /* where small pieces become one record */
	struct tls *oldest, *newest;   /* our side's unfinished handshakes */
	unsigned unfinished;
	struct tls_session *sessions;
	size_t session_count;
	struct tls_counters counters;
};

struct tls {
	SSL *ssl;
	struct tls_context *context;
	void *connection;
	struct tls_stash *unread; /* octets of the socket that OpenSSL did not ask for yet */
	struct tls_stash *unsent;
	const char *failure;
	uint64_t tenant_hash;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT]; /* of what the name has; zeroes: none, or an origin's */
	union {
		struct { /* our side, in the handshake */
			struct tls *older, *newer;
		};
		struct { /* an origin's */
			uint64_t settings;
			uint32_t origin, generation;
		};
	};
	uint32_t name_hash;
	uint8_t end; /* enum tls_result that reading came to: CLOSED, CUT, FAILED; TLS_OK: it did not */
	bool is_origin, is_done, has_hello, has_close_notify;
	bool wants_read;    /* the last reading took all there was */
	bool is_held;	    /* what is unsent may wait for the next octets: a ticket */
	bool is_slow;	    /* the socket did not take all of the last call */
	bool is_counted;    /* its failure stands among the counters */
	bool is_unverified; /* the origin's certificate was refused */
};

/* tls.c */
struct tls *tls_new(struct tls_context *context, SSL_CTX *side);
/* The contexts' callbacks. */
void tls_server_prepare(struct tls_context *context);
void tls_upstream_prepare(struct tls_context *context);
void tls_upstream_configure(struct tls *tls, const struct pool_tls *settings, const struct origin *origin);
/* After the handshake. */
void tls_upstream_done(struct tls *tls, bool is_good);
