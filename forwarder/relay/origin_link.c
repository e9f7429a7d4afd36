/* The connections to origins. A worker's thread. */
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/worker.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* As many as there may be requests, and idle ones beside them. */
static uint32_t links_max(const struct worker *worker)
{
	return worker->relay->connections_max * 2;
}

void origin_link_init(struct worker *worker)
{
	worker->origin_links = xmap(links_max(worker) * sizeof *worker->origin_links);
	worker->idle = xmap(ORIGINS_MAX * sizeof *worker->idle);
}

static struct origin_idle *idle_of(struct worker *worker, const struct origin_link *link)
{
	return &worker->idle[link->origin_number];
}

static bool is_idle(const struct origin_link *link)
{
	return link->link.socket.fd >= 0 && !link->exchange;
}

static void leave_idle(struct worker *worker, struct origin_link *link)
{
	struct origin_idle *idle = idle_of(worker, link);

	if (link->newer)
		link->newer->older = link->older;
	else
		idle->newest = link->older;
	if (link->older)
		link->older->newer = link->newer;
	link->newer = link->older = NULL;
	idle->count--;
}

static struct origin_link *new_link(struct worker *worker)
{
	struct origin_link *link;

	if (worker->origin_link_free) {
		link = &worker->origin_links[worker->origin_link_free - 1];
		worker->origin_link_free = link->number_next;
	} else if (worker->origin_link_end < links_max(worker)) {
		link = &worker->origin_links[worker->origin_link_end];
		link->link.number = worker->origin_link_end++;
		link->link.generation = 1;
		link->link.kind = LINK_ORIGIN;
		link->timer.owner = WHEEL_ORIGIN;
	} else {
		return NULL;
	}
	link->link.socket.fd = -1;
	return link;
}

static void free_link(struct worker *worker, struct origin_link *link)
{
	link->exchange = NULL;
	link->origin = NULL;
	link->number_next = worker->origin_link_free;
	worker->origin_link_free = link->link.number + 1;
}

void origin_link_drop(struct worker *worker, struct origin_link *link, bool aborts)
{
	assert(link->link.socket.fd >= 0);
	if (is_idle(link))
		leave_idle(worker, link);
	else if (link->phase != ORIGIN_LINK_STANDS)
		idle_of(worker, link)->connecting--;
	wheel_remove(&worker->wheel, &link->timer);
	link_close(&link->link, aborts);
	free_link(worker, link);
}

void origin_link_done(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->origin_link_end; i++)
		if (worker->origin_links[i].link.socket.fd >= 0)
			origin_link_drop(worker, &worker->origin_links[i], false);
	xunmap(worker->origin_links, links_max(worker) * sizeof *worker->origin_links);
	xunmap(worker->idle, ORIGINS_MAX * sizeof *worker->idle);
}

struct origin_link *origin_link_take(struct worker *worker, struct origin *origin, struct exchange *exchange)
{
	assert(origin->number < ORIGINS_MAX && exchange);
	struct origin_link *link;

	while ((link = worker->idle[origin->number].newest)) {
		/* The number is another origin's now: these are connections of the one before. */
		if (link->origin != origin || link->origin_generation != origin->generation) {
			origin_link_drop(worker, link, false);
			continue;
		}
		leave_idle(worker, link);
		wheel_remove(&worker->wheel, &link->timer);
		link->exchange = exchange;
		return link;
	}
	return NULL;
}

static bool begin_connect(struct origin_link *link, const struct origin *origin, int epoll_fd)
{
	const struct sockaddr *address = (const struct sockaddr *)&origin->address;

	link->link.socket.fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->link.socket.fd < 0)
		return false;
	setsockopt(link->link.socket.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(link->link.socket.fd, address, origin->address_length) != 0 && errno != EINPROGRESS) {
		link_close(&link->link, false);
		return false;
	}
	if (link_watch(&link->link, epoll_fd))
		return true;
	link_close(&link->link, false);
	return false;
}

struct origin_link *origin_link_connect(struct worker *worker, struct origin *origin, uint32_t connect_ms,
					struct exchange *exchange, enum origin_link_failure *ret)
{
	assert(origin->number < ORIGINS_MAX && exchange);
	struct origin_idle *idle = &worker->idle[origin->number];
	struct origin_link *link;

	*ret = ORIGIN_LINK_BUSY;
	if (idle->connecting >= ORIGIN_CONNECTING_MAX)
		return NULL;
	*ret = ORIGIN_LINK_EXHAUSTED;
	link = new_link(worker);
	if (!link)
		return NULL;
	if (!begin_connect(link, origin, worker->epoll_fd)) {
		*ret = errno == EMFILE || errno == ENFILE || errno == EADDRNOTAVAIL ? ORIGIN_LINK_EXHAUSTED
										    : ORIGIN_LINK_REFUSED;
		free_link(worker, link);
		return NULL;
	}
	link->origin = origin;
	link->origin_number = origin->number;
	link->origin_generation = origin->generation;
	link->exchange = exchange;
	link->phase = ORIGIN_LINK_CONNECTS;
	link->is_fresh = link->is_shared = true;
	idle->connecting++;
	wheel_set(&worker->wheel, &link->timer, worker->now_ms + connect_ms);
	return link;
}

static enum origin_link_progress progress_of_tcp(struct origin_link *link)
{
	int error = 0;
	socklen_t length = sizeof error;

	if (!link->link.socket.can_write)
		return ORIGIN_LINK_MAKING;
	if (getsockopt(link->link.socket.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0)
		return ORIGIN_LINK_BROKEN;
	return ORIGIN_LINK_REACHED;
}

enum origin_link_progress origin_link_progress(struct worker *worker, struct origin_link *link)
{
	if (link->phase == ORIGIN_LINK_CONNECTS)
		return progress_of_tcp(link);
	if (link->phase == ORIGIN_LINK_STANDS)
		return ORIGIN_LINK_READY;
	switch (tls_handshake(link->link.tls, &link->link.socket)) {
	case TLS_OK:
		origin_link_ready(worker, link);
		return ORIGIN_LINK_READY;
	case TLS_WANTS_READ:
	case TLS_WANTS_WRITE:
		return ORIGIN_LINK_MAKING;
	case TLS_CLOSED:
	case TLS_CUT:
	case TLS_FAILED:
		break;
	}
	return ORIGIN_LINK_BROKEN;
}

void origin_link_secure(struct origin_link *link, struct tls *tls)
{
	assert(link->phase == ORIGIN_LINK_CONNECTS);
	link->link.tls = tls;
	link->phase = ORIGIN_LINK_SHAKES;
}

void origin_link_ready(struct worker *worker, struct origin_link *link)
{
	assert(link->phase != ORIGIN_LINK_STANDS);
	link->phase = ORIGIN_LINK_STANDS;
	idle_of(worker, link)->connecting--;
	wheel_remove(&worker->wheel, &link->timer);
}

void origin_link_keep(struct worker *worker, struct origin_link *link, uint32_t idle_ms)
{
	struct origin_idle *idle = idle_of(worker, link);

	if (!link->is_shared || idle_ms == 0 || idle->count >= ORIGIN_IDLE_MAX ||
	    link->link.socket.is_ended || link_has_input(&link->link)) {
		origin_link_drop(worker, link, false);
		return;
	}
	link->exchange = NULL;
	link->is_fresh = false;
	link->newer = NULL;
	link->older = idle->newest;
	if (idle->newest)
		idle->newest->newer = link;
	idle->newest = link;
	idle->count++;
	wheel_set(&worker->wheel, &link->timer, worker->now_ms + idle_ms);
}

struct origin_link *origin_link_get(struct worker *worker, uint32_t number, uint32_t generation)
{
	assert(number < worker->origin_link_end);
	struct origin_link *link = &worker->origin_links[number];

	return link->link.socket.fd >= 0 && link->link.generation == generation ? link : NULL;
}

void origin_link_expire(struct worker *worker, struct origin_link *link)
{
	assert(is_idle(link));
	origin_link_drop(worker, link, false);
}
