/*
 * A socket that epoll watches, plain or TLS: what can be done with it without waiting, and the two calls of
 * it. Events are edge-triggered, so the flags say what the socket was when it was tried last. A worker's
 * thread.
 */
#pragma once
#include "forwarder/tls/tls.h"

enum link_kind { LINK_CLIENT, LINK_ORIGIN, LINK_LISTENER, LINK_MAILBOX };

struct link {
	struct tls_socket socket; /* fd -1: closed */
	/* Of its place in the worker's table: an event of an earlier life has another generation. */
	uint32_t number, generation;
	enum link_kind kind : 8;
	bool is_broken;	 /* reset, or both directions are over */
	struct tls *tls; /* NULL: plain */
};

enum link_result {
	LINK_DONE,  /* something was moved */
	LINK_AGAIN, /* nothing can be moved now; an event will come */
	LINK_ENDED, /* the peer ended its side in order */
	LINK_CUT,   /* its FIN came without TLS's close_notify: whole only if the message tells its length */
	LINK_FAILED
};

/* What epoll gives back for it. */
uint64_t link_event_data(const struct link *link);
static inline enum link_kind link_event_kind(uint64_t data)
{
	return (enum link_kind)(data >> 30 & 3);
}
static inline uint32_t link_event_number(uint64_t data)
{
	return (uint32_t)(data & (((uint32_t)1 << 30) - 1));
}
static inline uint32_t link_event_generation(uint64_t data)
{
	return (uint32_t)(data >> 32);
}

/* Watches the socket from now on, once and for all. False, with errno: it cannot be. */
bool link_watch(struct link *link, int epoll_fd);
/* Takes the flags from epoll's events. */
void link_notice(struct link *link, uint32_t events);

/* At most `size` octets. */
enum link_result link_receive(struct link *link, void *octets, size_t size, size_t *ret);
/* As much of the pieces, at most 4 of them, as the socket takes. */
enum link_result link_send(struct link *link, const struct iovec *pieces, unsigned count, size_t *ret);
/* TLS holds octets that the socket did not take; DONE: all are out. */
bool link_has_unsent(const struct link *link);
enum link_result link_flush(struct link *link);
/* Ends our direction: TLS's close_notify, then FIN. */
void link_finish(struct link *link);
/* Drops TLS; the socket stays, for what the peer still sends. */
void link_close_tls(struct link *link);
/* Closes the socket; `aborts`: with RST, so that the peer knows that something is missing. */
void link_close(struct link *link, bool aborts);
/* Something can be read without an event: octets inside of TLS, or the socket. */
bool link_has_input(const struct link *link);
