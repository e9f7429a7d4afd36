/*
 * Bytes over one non-blocking connection, plain or TLS: what the kinds of probes speak over. Waiting is
 * the caller's. Any one thread; SIGPIPE must be ignored (OpenSSL writes without MSG_NOSIGNAL).
 */
#pragma once
#include "checker/tls_client.h"
#include <stdbool.h>
#include <stddef.h>

struct stream;

enum stream_status {
	STREAM_GOOD,
	STREAM_WANTS_READ, /* try again when the descriptor is readable … */
	STREAM_WANTS_WRITE,
	STREAM_CLOSED, /* the peer ended it; what it sent before has been read */
	STREAM_FAILED
};

/* Both take the descriptor over. */
struct stream *stream_plain(int fd);
struct stream *stream_tls(int fd, struct tls_client *client, const struct tls_question *question,
			  struct ssl_session_st *session); /* to resume; NULL: none */
/* Says that nothing more will be sent: TLS's close_notify, then FIN. Only stream_discard() may follow. */
void stream_end(struct stream *stream);
/* Reads what the peer still sends and drops it, below TLS. CLOSED: the peer has ended the connection, too. */
enum stream_status stream_discard(struct stream *stream, size_t *ret_length);
/* Closes: with close_notify and FIN where they were not sent yet, or with RST. NULL is fine. */
void stream_free(struct stream *stream, bool is_aborted);
int stream_fd(const struct stream *stream);

/* Before anything is read or written over TLS; on a plain stream it is GOOD at once. */
enum stream_status stream_handshake(struct stream *stream);
enum stream_status stream_read(struct stream *stream, void *bytes, size_t size, size_t *ret_length);
enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length, size_t *ret_sent);
/* Of FAILED: the system's error, or 0 where TLS found the fault and stream_reason() says which. */
int stream_errno(const struct stream *stream);
const char *stream_reason(const struct stream *stream);

/* NULL, or why the peer's certificate is not what the question asked for; once the handshake is GOOD. */
const char *stream_judge_certificate(struct stream *stream);
/* The session to resume next time, owned by the caller; NULL: the peer gave none. */
struct ssl_session_st *stream_take_session(struct stream *stream);
/* Idle, and the peer neither closed it nor sent anything unasked. */
bool stream_is_reusable(const struct stream *stream);
