/*
 * TLS of connections, by OpenSSL over our own BIO: no descriptor is read or written behind the caller's back,
 * one recv takes whole records, the records of a call go out in one send. One worker; nothing is shared.
 *
 * Readiness is the caller's, for epoll tells of edges: it sets `can_read`, `can_write` and `is_ended` of the
 * socket by its events, and a call here clears can_read and can_write when the kernel has no more. A call
 * goes on until it returns WANTS_READ or WANTS_WRITE; then the flag is clear and the next event is awaited.
 *
 *	TLS_OK           the call did what it says, see there
 *	TLS_WANTS_READ   nothing more until the socket is readable: neither there nor inside OpenSSL
 *	TLS_WANTS_WRITE  octets are held that the socket did not take: when it is writable, tls_write again
 *	                 (of nothing, if nothing is left to write)
 *	TLS_CLOSED       the peer ended properly (close_notify); writing goes on
 *	TLS_CUT          the peer's FIN without close_notify: whole only if the message says its own length;
 *	                 writing goes on
 *	TLS_FAILED       the connection is of no use any more; an alert went out where there is one
 */
#pragma once
#include "forwarder/plan/certnames.h"
#include "forwarder/plan/reason.h"
#include "forwarder/plan/ticket_secrets.h"
#include "lib/counter.h"
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct tls_context; /* a worker's */
struct tls;	    /* a connection's */

enum tls_result { TLS_OK, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_CLOSED, TLS_CUT, TLS_FAILED };

struct tls_socket {
	int fd;
	bool can_read, can_write;
	bool is_ended; /* RDHUP, HUP or ERR came: only 0 or an error of recv clears can_read */
};

/* ---- the worker ---- */

#define TLS_HANDSHAKES_MAX 256 /* unfinished ones of a worker */

enum tls_verdict {
	TLS_HELLO_GOES_ON,
	TLS_HELLO_LIMITED, /* the tenant's limit of connections: internal_error */
};

/* A ClientHello, before anything is done for it. */
struct tls_hello {
	const char *name; /* SNI in lower case, without the final dot; not terminated */
	size_t length;	  /* 0: none was sent */
	bool is_again;	  /* the second of a connection, after HelloRetryRequest: nothing to count */
	/* the answer, for this call only: parts of the world of this turn */
	const struct certnames *certificates;
	const struct ticket_secrets *secrets; /* NULL: no tickets */
	uint64_t tenant_hash; /* 0: nobody's name; a session of one never resumes under another */
};

struct tls_settings {
	bool only_1_3;
	size_t cache_bytes; /* of parsed certificates, this worker's part */
	/* `connection` as in tls_accept. */
	enum tls_verdict (*hello)(void *user, void *connection, struct tls_hello *hello);
	void *user;
};

/* How handshakes ended; any thread reads. */
struct tls_counters {
	counter full, resumed, failed, unrecognized, limited, no_protocol;
	counter origin_full, origin_resumed, origin_failed;
	counter cache_hits, cache_misses;
};

struct tls_context *tls_context_new(const struct tls_settings *settings);
void tls_context_free(struct tls_context *context); /* when its connections are gone; NULL is fine */
/* Once a turn: keys of tickets and validity are judged by it. */
void tls_context_set_time(struct tls_context *context, int64_t unix_s);
const struct tls_counters *tls_context_counters(const struct tls_context *context);
/* The connection that is longest in its handshake; NULL: none. Where TLS_HANDSHAKES_MAX are unfinished the
 * caller ends it in favour of a new one: who says nothing keeps nobody out. */
void *tls_context_oldest(const struct tls_context *context);

/* ---- a connection ---- */

/* NULL: TLS_HANDSHAKES_MAX are unfinished. Nothing is sent yet. Call it when the first octets have come. */
struct tls *tls_accept(struct tls_context *context, void *connection);
/* Of our side as of an origin's (tls_origin.h). After TLS_OK go on with tls_read without waiting: the request
 * may have come with the end of the handshake. */
enum tls_result tls_handshake(struct tls *tls, struct tls_socket *socket);
/* OK: *ret > 0 octets. When tls_has_more() says so, more are to be had without an event. */
enum tls_result tls_read(struct tls *tls, struct tls_socket *socket, void *buffer, size_t size, size_t *ret);
/* More octets may be inside OpenSSL or in the socket, and no event will tell of them. */
bool tls_has_more(const struct tls *tls, const struct tls_socket *socket);
/* Encrypts from `pieces` what it takes, at most TLS_WRITE_MAX, and sends it at once. *ret: octets taken, with
 * OK as with WANTS_WRITE: those that the socket refused are held here, not the caller's. While any are,
 * nothing more is taken. */
#define TLS_WRITE_MAX ((size_t)64 << 10)
static_assert(TLS_WRITE_MAX % 16384 == 0, "whole records");
enum tls_result tls_write(struct tls *tls, struct tls_socket *socket, const struct iovec *pieces,
			  size_t count, size_t *ret);
/* Octets are held that the socket did not take. */
bool tls_has_unsent(const struct tls *tls);
/* Sends close_notify if it can, once. The socket is the caller's to shut down. */
enum tls_result tls_close(struct tls *tls, struct tls_socket *socket);
void tls_free(struct tls *tls); /* NULL is fine */

/* ---- what it is ---- */

struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_128_GCM_SHA256" */
	const char *name;    /* SNI; NULL: none */
	const char *alpn;    /* "http/1.1"; "": none */
	bool is_resumed;
};

/* After the handshake; the texts live as long as `tls`. */
void tls_facts(const struct tls *tls, struct tls_facts *ret);
/* Of the tenant that the hello's callback named: against the Host's, 421. */
uint64_t tls_tenant_hash(const struct tls *tls);
/* Is the certificate of this connection the one that `name` has? (`coalescing: certificate`) */
bool tls_covers(const struct tls *tls, const struct certnames *certnames, const char *name, size_t length);
/* After TLS_FAILED: why, for logs. Constant. */
const char *tls_failure(const struct tls *tls);
