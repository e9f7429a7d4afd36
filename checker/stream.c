/* One connection, plain or TLS, as one set of non-blocking calls. Checker's thread. */
#include "checker/stream.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */
	struct tls_link link;
	bool is_open; /* the handshake is over, and nothing failed since */
	int error;
	const char *reason;
	char reason_buffer[TLS_REASON_MAX];
};

struct stream *stream_plain(int fd)
{
	struct stream *stream = xcalloc(1, sizeof *stream);
	stream->fd = fd;
	stream->is_open = true;
	return stream;
}

struct stream *stream_tls(int fd, struct tls_client *client, const struct tls_question *question,
			  SSL_SESSION *session)
{
	struct stream *stream = xcalloc(1, sizeof *stream);
	stream->fd = fd;
	stream->ssl = tls_client_connect(client, fd, question, session, &stream->link);
	return stream;
}

void stream_end(struct stream *stream)
{
	assert(stream->fd >= 0);
	if (stream->ssl && stream->is_open)
		SSL_shutdown(stream->ssl);
	ERR_clear_error();
	stream->is_open = false;
	shutdown(stream->fd, SHUT_WR);
}

void stream_free(struct stream *stream, bool is_aborted)
{
	if (!stream)
		return;
	if (is_aborted) {
		struct linger abort_now = {.l_onoff = 1, .l_linger = 0};
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof abort_now);
	} else if (stream->ssl && stream->is_open) {
		SSL_shutdown(stream->ssl); /* our close_notify; theirs is not waited for */
	}
	SSL_SESSION_free(stream->link.session);
	SSL_free(stream->ssl);
	ERR_clear_error();
	close(stream->fd);
	free(stream);
}

int stream_fd(const struct stream *stream)
{
	return stream->fd;
}

int stream_errno(const struct stream *stream)
{
	return stream->error;
}

const char *stream_reason(const struct stream *stream)
{
	return stream->reason;
}

static enum stream_status fail(struct stream *stream, int error, const char *reason)
{
	assert(!reason == (error != 0)); /* one of them tells why */
	stream->is_open = false;
	stream->error = error;
	stream->reason = reason;
	return STREAM_FAILED;
}

/* What SSL_get_error() says of a call that did not succeed. */
static enum stream_status tls_status(struct stream *stream, int result)
{
	int error = errno;
	switch (SSL_get_error(stream->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANTS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_CLOSED;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return error ? fail(stream, error, NULL) : fail(stream, 0, "connection closed");
	default:
		return fail(stream, 0, tls_client_error(stream->reason_buffer));
	}
}

enum stream_status stream_handshake(struct stream *stream)
{
	if (stream->is_open)
		return STREAM_GOOD;
	errno = 0;
	int result = SSL_do_handshake(stream->ssl);
	if (result == 1) {
		stream->is_open = true;
		return STREAM_GOOD;
	}
	enum stream_status status = tls_status(stream, result);
	/* With unexpected ends ignored, one inside the handshake shows as a good end. */
	return status == STREAM_CLOSED ? fail(stream, 0, "connection closed") : status;
}

static enum stream_status plain_status(struct stream *stream, enum stream_status wants)
{
	return errno == EAGAIN || errno == EINTR ? wants : fail(stream, errno, NULL);
}

static enum stream_status read_plain(struct stream *stream, void *bytes, size_t size, size_t *ret_length)
{
	ssize_t length = recv(stream->fd, bytes, size, 0);
	if (length < 0)
		return plain_status(stream, STREAM_WANTS_READ);
	if (length == 0)
		return STREAM_CLOSED;
	*ret_length = (size_t)length;
	return STREAM_GOOD;
}

enum stream_status stream_read(struct stream *stream, void *bytes, size_t size, size_t *ret_length)
{
	if (!stream->ssl)
		return read_plain(stream, bytes, size, ret_length);
	errno = 0;
	int result = SSL_read_ex(stream->ssl, bytes, size, ret_length);
	return result == 1 ? STREAM_GOOD : tls_status(stream, result);
}

/* Records are not opened: nobody will look inside, and the peer's end shows without. */
enum stream_status stream_discard(struct stream *stream, size_t *ret_length)
{
	char bytes[4096];
	return read_plain(stream, bytes, sizeof bytes, ret_length);
}

enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length, size_t *ret_sent)
{
	if (stream->ssl) {
		errno = 0;
		int result = SSL_write_ex(stream->ssl, bytes, length, ret_sent);
		return result == 1 ? STREAM_GOOD : tls_status(stream, result);
	}
	ssize_t sent = send(stream->fd, bytes, length, MSG_NOSIGNAL);
	if (sent < 0)
		return plain_status(stream, STREAM_WANTS_WRITE);
	*ret_sent = (size_t)sent;
	return STREAM_GOOD;
}

const char *stream_judge_certificate(struct stream *stream)
{
	assert(stream->is_open);
	return stream->ssl ? tls_client_judge(stream->ssl, &stream->link, stream->reason_buffer) : NULL;
}

SSL_SESSION *stream_take_session(struct stream *stream)
{
	SSL_SESSION *session = stream->link.session;
	stream->link.session = NULL;
	return session;
}

bool stream_is_reusable(const struct stream *stream)
{
	char byte;
	return stream->is_open && recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}
