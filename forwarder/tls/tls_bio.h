/*
 * Where OpenSSL's octets come from and go to: one BIO for all connections of a worker, for one call at a time
 * is on. It receives into the worker's buffer and feeds OpenSSL from there; what OpenSSL writes is gathered
 * and sent at once at the end, or straight from its own record where that is all. One worker.
 */
#pragma once
#include "forwarder/tls/tls.h"

struct bio_st;
struct bio_method_st;

#define TLS_BIO_RECORD ((size_t)16 << 10) /* of plain octets */
#define TLS_BIO_OUT (TLS_WRITE_MAX + (4 << 10))
#define TLS_BIO_IN ((size_t)66 << 10)
#define TLS_BIO_UNSENT_MAX ((size_t)256 << 10) /* of a peer that makes us write and does not read */

/* Octets of a connection that wait for its next call. */
struct tls_stash {
	uint32_t start, end, capacity;
	uint8_t octets[];
};

struct tls_bio {
	struct bio_method_st *method;
	struct bio_st *bio;
	/* of the call that is on */
	struct tls_socket *socket;
	struct tls_stash **unread, **unsent; /* the connection's */
	size_t want;			     /* octets to receive at once */
	size_t in_start, in_end, out_length;
	bool is_direct; /* the next record is the only one: send it where it stands */
	bool has_end;	/* recv gave 0 */
	bool is_broken; /* the socket gave an error, or its peer never reads */
	uint8_t *in, *out;
};

void tls_bio_init(struct tls_bio *bio);
void tls_bio_done(struct tls_bio *bio);
/* Begins a call: what was unread is OpenSSL's to read again. */
void tls_bio_begin(struct tls_bio *bio, struct tls_socket *socket, struct tls_stash **unread,
		   struct tls_stash **unsent, size_t want);
/* Ends it: sends what was gathered and keeps what was not taken on either side. */
void tls_bio_end(struct tls_bio *bio);
/* Sends what is unsent; false: not all of it. */
bool tls_bio_resume(struct tls_bio *bio);
/* What was gathered stays unsent; false: something was unsent before, so it goes out with that. */
bool tls_bio_hold(struct tls_bio *bio);
/* What is unsent goes out with what is gathered next. */
void tls_bio_join(struct tls_bio *bio);
/* Octets were received that OpenSSL did not ask for yet. */
static inline bool tls_bio_has_input(const struct tls_bio *bio)
{
	return bio->in_start < bio->in_end;
}
void tls_bio_stash_free(struct tls_stash *stash); /* NULL is fine */
