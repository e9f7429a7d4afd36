/* recv and send of TLS connections, with the flags of edge-triggered readiness. One worker. */
#include "forwarder/tls/tls_bio.h"
#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- what waits ---- */

void tls_bio_stash_free(struct tls_stash *stash)
{
	OPENSSL_free(stash);
}

static void stash(struct tls_bio *bio, struct tls_stash **at, const uint8_t *octets, size_t length)
{
	struct tls_stash *old = *at;
	size_t held = old ? old->end : 0;
	if (length == 0)
		return;
	if (held + length > TLS_BIO_UNSENT_MAX) {
		bio->is_broken = true;
		return;
	}
	if (!old || held + length > old->capacity) {
		struct tls_stash *grown = OPENSSL_realloc(old, sizeof *grown + held + length);
		if (!grown)
			abort();
		if (!old)
			grown->start = grown->end = 0;
		grown->capacity = (uint32_t)(held + length);
		*at = grown;
	}
	memcpy((*at)->octets + (*at)->end, octets, length);
	(*at)->end += (uint32_t)length;
}

/* ---- receiving ---- */

/* Nothing: *ret_is_later tells whether an event will bring more. */
static bool receive(struct tls_bio *bio, bool *ret_is_later)
{
	struct tls_socket *socket = bio->socket;
	*ret_is_later = false;
	if (bio->is_broken || bio->has_end)
		return false;
	if (!socket->can_read) {
		*ret_is_later = true;
		return false;
	}
	ssize_t got;
	do
		got = recv(socket->fd, bio->in, bio->want, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		bio->in_start = 0;
		bio->in_end = (size_t)got;
		/* less than asked for: the socket is empty, and the next octet is an event */
		if ((size_t)got < bio->want && !socket->is_ended)
			socket->can_read = false;
		return true;
	}
	socket->can_read = false;
	if (got == 0)
		bio->has_end = true;
	else if (errno == EAGAIN || errno == EWOULDBLOCK)
		*ret_is_later = true;
	else
		bio->is_broken = true;
	return false;
}

static int on_read(BIO *b, char *data, size_t size, size_t *ret)
{
	struct tls_bio *bio = BIO_get_data(b);
	bool is_later;
	BIO_clear_retry_flags(b);
	if (!tls_bio_has_input(bio) && !receive(bio, &is_later)) {
		if (is_later)
			BIO_set_retry_read(b);
		return 0;
	}
	size_t length = bio->in_end - bio->in_start;
	if (length > size)
		length = size;
	memcpy(data, bio->in + bio->in_start, length);
	bio->in_start += length;
	*ret = length;
	return 1;
}

/* ---- sending ---- */

/* How much the socket took. */
static size_t send_some(struct tls_bio *bio, const uint8_t *octets, size_t length)
{
	struct tls_socket *socket = bio->socket;
	if (!socket->can_write || bio->is_broken || length == 0)
		return 0;
	ssize_t sent;
	do
		sent = send(socket->fd, octets, length, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		bio->is_broken = true;
	if (sent < (ssize_t)length)
		socket->can_write = false;
	return sent > 0 ? (size_t)sent : 0;
}

static void flush(struct tls_bio *bio)
{
	size_t sent = *bio->unsent ? 0 : send_some(bio, bio->out, bio->out_length);
	if (!bio->is_broken)
		stash(bio, bio->unsent, bio->out + sent, bio->out_length - sent);
	bio->out_length = 0;
}

/* Takes everything: what the socket refuses is kept, so that OpenSSL never has to write a record again. */
static int on_write(BIO *b, const char *data, size_t length, size_t *ret)
{
	struct tls_bio *bio = BIO_get_data(b);
	const uint8_t *octets = (const uint8_t *)data;
	BIO_clear_retry_flags(b);
	if (bio->is_broken)
		return 0;
	if (bio->is_direct && bio->out_length == 0 && !*bio->unsent) {
		size_t sent = send_some(bio, octets, length);
		if (!bio->is_broken)
			stash(bio, bio->unsent, octets + sent, length - sent);
	} else {
		if (bio->out_length + length > TLS_BIO_OUT)
			flush(bio);
		if (*bio->unsent || length > TLS_BIO_OUT) {
			stash(bio, bio->unsent, octets, length);
		} else {
			memcpy(bio->out + bio->out_length, octets, length);
			bio->out_length += length;
		}
	}
	*ret = length;
	return 1;
}

bool tls_bio_resume(struct tls_bio *bio)
{
	struct tls_stash *unsent = *bio->unsent;
	if (!unsent)
		return true;
	unsent->start +=
		(uint32_t)send_some(bio, unsent->octets + unsent->start, unsent->end - unsent->start);
	if (unsent->start < unsent->end)
		return false;
	tls_bio_stash_free(unsent);
	*bio->unsent = NULL;
	return true;
}

bool tls_bio_hold(struct tls_bio *bio)
{
	if (*bio->unsent || bio->out_length == 0)
		return false;
	stash(bio, bio->unsent, bio->out, bio->out_length);
	bio->out_length = 0;
	return true;
}

void tls_bio_join(struct tls_bio *bio)
{
	struct tls_stash *unsent = *bio->unsent;
	assert(bio->out_length == 0);
	if (!unsent || unsent->end - unsent->start > TLS_BIO_OUT - TLS_WRITE_MAX)
		return; /* it stays in front of what follows */
	bio->out_length = unsent->end - unsent->start;
	memcpy(bio->out, unsent->octets + unsent->start, bio->out_length);
	tls_bio_stash_free(unsent);
	*bio->unsent = NULL;
}

/* ---- a call ---- */

void tls_bio_begin(struct tls_bio *bio, struct tls_socket *socket, struct tls_stash **unread,
		   struct tls_stash **unsent, size_t want)
{
	assert(!bio->socket && bio->out_length == 0 && !tls_bio_has_input(bio));
	bio->socket = socket;
	bio->unread = unread;
	bio->unsent = unsent;
	bio->want = want < TLS_BIO_IN ? want : TLS_BIO_IN;
	bio->is_direct = bio->has_end = bio->is_broken = false;
	struct tls_stash *held = *unread;
	if (!held)
		return;
	bio->in_start = 0;
	bio->in_end = held->end - held->start;
	assert(bio->in_end <= TLS_BIO_IN);
	memcpy(bio->in, held->octets + held->start, bio->in_end);
	tls_bio_stash_free(held);
	*unread = NULL;
}

void tls_bio_end(struct tls_bio *bio)
{
	flush(bio);
	stash(bio, bio->unread, bio->in + bio->in_start, bio->in_end - bio->in_start);
	bio->in_start = bio->in_end = 0;
	bio->socket = NULL;
}

static long on_control(BIO *b, int command, long number, void *pointer)
{
	const struct tls_bio *bio = BIO_get_data(b);
	if (command == BIO_CTRL_EOF)
		return bio->has_end;
	return command == BIO_CTRL_FLUSH;
}

void tls_bio_init(struct tls_bio *bio)
{
	*bio = (struct tls_bio){.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "worker")};
	if (!bio->method || !BIO_meth_set_read_ex(bio->method, on_read) ||
	    !BIO_meth_set_write_ex(bio->method, on_write) || !BIO_meth_set_ctrl(bio->method, on_control))
		abort();
	bio->bio = BIO_new(bio->method);
	bio->in = OPENSSL_malloc(TLS_BIO_IN);
	bio->out = OPENSSL_malloc(TLS_BIO_OUT);
	if (!bio->bio || !bio->in || !bio->out)
		abort();
	BIO_set_data(bio->bio, bio);
	BIO_set_init(bio->bio, 1);
}

void tls_bio_done(struct tls_bio *bio)
{
	BIO_free(bio->bio);
	BIO_meth_free(bio->method);
	OPENSSL_free(bio->in);
	OPENSSL_free(bio->out);
}
