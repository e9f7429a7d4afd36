/*
 * Connections to origins, of one worker: made when a request needs one, kept idle for the next, the newest
 * first. Idle ones stay in epoll, so one that its origin closes is gone before anybody takes it. A worker's
 * thread.
 */
#pragma once
#include "forwarder/io/link.h"
#include "forwarder/io/wheel.h"
#include "forwarder/plan/pool.h"

#define ORIGIN_IDLE_MAX 64
#define ORIGIN_CONNECTING_MAX 64
#define ORIGINS_MAX ((uint32_t)1 << 20) /* numbers of origins are below it */

struct exchange;
struct worker;

struct origin_link {
	struct link link;
	struct wheel_node timer; /* the end of connecting, or of being idle */
	/* While a request uses it; an idle one's may be gone, and its number another's. */
	struct origin *origin;
	uint32_t origin_number, origin_generation;
	uint32_t number_next;	   /* in the free list, +1; 0: none */
	struct exchange *exchange; /* NULL: idle */
	struct origin_link *newer, *older;
	enum origin_link_phase { ORIGIN_LINK_CONNECTS, ORIGIN_LINK_SHAKES, ORIGIN_LINK_STANDS } phase;
	bool is_fresh;	/* no answer came on it yet */
	bool is_shared; /* may serve another client later */
};

struct origin_idle { /* zero: none */
	struct origin_link *newest;
	uint16_t count, connecting;
};

void origin_link_init(struct worker *worker);
void origin_link_done(struct worker *worker); /* closes all */
/* The newest idle connection; NULL: none. */
struct origin_link *origin_link_take(struct worker *worker, struct origin *origin, struct exchange *exchange);
enum origin_link_failure { ORIGIN_LINK_BUSY, ORIGIN_LINK_REFUSED, ORIGIN_LINK_EXHAUSTED };
/* Begins a connection. NULL: *ret says why; busy: too many are being made to this origin. */
struct origin_link *origin_link_connect(struct worker *worker, struct origin *origin, uint32_t connect_ms,
					struct exchange *exchange, enum origin_link_failure *ret);
enum origin_link_progress {
	ORIGIN_LINK_MAKING,  /* not yet */
	ORIGIN_LINK_REACHED, /* TCP stands; told once, then origin_link_secure() or origin_link_ready() */
	ORIGIN_LINK_READY,
	ORIGIN_LINK_BROKEN
};
/* An event came for one that is being made. */
enum origin_link_progress origin_link_progress(struct worker *worker, struct origin_link *link);
/* The handshake of TLS comes next; takes `tls` over. */
void origin_link_secure(struct origin_link *link, struct tls *tls);
void origin_link_ready(struct worker *worker, struct origin_link *link);
/* After a whole answer: it may serve again for so long. */
void origin_link_keep(struct worker *worker, struct origin_link *link, uint32_t idle_ms);
void origin_link_drop(struct worker *worker, struct origin_link *link, bool aborts);
/* NULL: it is another by now. */
struct origin_link *origin_link_get(struct worker *worker, uint32_t number, uint32_t generation);
/* An idle one's time is over, or it has something to say that nobody asked for. */
void origin_link_expire(struct worker *worker, struct origin_link *link);
