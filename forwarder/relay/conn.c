/* The life of a client's connection. A worker's thread. */
#include "forwarder/relay/conn.h"
#include "forwarder/http1/proxy_header.h"
#include "forwarder/io/clients.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/conn_table.h"
#include "forwarder/relay/exchange_run.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/request.h"
#include "forwarder/relay/worker.h"
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define REQUESTS_A_TURN 16
#define PROXY_MS 3000
#define LINGER_MS 2000
#define LINGER_OCTETS ((uint32_t)256 << 10)

/* What a step of a connection came to. */
enum step { STEP_ON, STEP_WAITS, STEP_BUSY, STEP_CLOSED };

static const struct world_settings *settings_of(const struct worker *worker)
{
	return &((const struct world *)publish_get(worker->relay->world))->settings;
}

static void set_deadline(struct worker *worker, struct conn *conn, uint64_t due_ms)
{
	conn->deadline_ms = due_ms;
	if (due_ms != UINT64_MAX)
		wheel_set_no_later(&worker->wheel, &conn->timer, due_ms);
}

static bool contains(const struct prefix *prefixes, size_t count, const struct ip *address)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], address))
			return true;
	return false;
}

static enum step close_now(struct worker *worker, struct conn *conn, bool aborts)
{
	if (conn->exchange)
		conn_table_account(worker, conn->exchange);
	exchange_free(worker, conn->exchange);
	conn->exchange = NULL;
	conn_table_remove(worker, conn, aborts);
	return STEP_CLOSED;
}

/* RFC 9112 §9.6: closing at once could take our answer from the client that is still sending. */
static enum step linger(struct worker *worker, struct conn *conn)
{
	link_finish(&conn->link);
	buffers_give(&worker->buffers, conn->in);
	conn->in = NULL;
	conn->lingered = 0;
	conn->phase = CONN_LINGER;
	set_deadline(worker, conn, worker->now_ms + LINGER_MS);
	return STEP_ON;
}

static enum step run_linger(struct worker *worker, struct conn *conn)
{
	struct buffer *buffer = buffers_take(&worker->buffers, BUFFER_SMALL);
	enum step step = STEP_WAITS;
	size_t got;

	if (!buffer)
		return close_now(worker, conn, false);
	while (step == STEP_WAITS && conn->link.socket.can_read) {
		/* What comes is of no interest: below TLS, too. */
		ssize_t count = recv(conn->link.socket.fd, buffer->octets, buffer->size, 0);
		got = count > 0 ? (size_t)count : 0;
		conn->lingered += (uint32_t)got;
		if (count < 0 && errno == EAGAIN)
			conn->link.socket.can_read = false;
		else if (count <= 0 || conn->lingered > LINGER_OCTETS)
			step = STEP_CLOSED;
	}
	buffers_give(&worker->buffers, buffer);
	return step == STEP_CLOSED ? close_now(worker, conn, false) : STEP_WAITS;
}

/* ---- before the first request ---- */

/* Who comes is known: it is counted, and what it must say first is known. */
static enum step introduce(struct worker *worker, struct conn *conn)
{
	const struct world_settings *settings = settings_of(worker);

	if (settings->per_client &&
	    !contains(settings->trusted_proxies, settings->trusted_count, &conn->address)) {
		if (!clients_enter(worker->relay->clients, &conn->address, settings->per_client,
				   &conn->is_counted)) {
			counter_add(&worker->stats->refused_client, 1);
			return close_now(worker, conn, true);
		}
	}
	conn->phase = conn->is_https ? CONN_HANDSHAKE : CONN_IDLE;
	set_deadline(worker, conn,
		     worker->now_ms + (conn->is_https ? settings->handshake_ms : settings->idle_ms));
	return STEP_ON;
}

/* Only the header is taken from the socket: what comes behind it may be TLS. */
static enum step run_proxy(struct worker *worker, struct conn *conn)
{
	char octets[PROXY_HEADER_V2_MAX];
	struct proxy_header header;
	int fd = conn->link.socket.fd;

	if (!conn->link.socket.can_read)
		return STEP_WAITS;
	ssize_t got = recv(fd, octets, sizeof octets, MSG_PEEK);
	if (got < 0 && errno == EAGAIN) {
		conn->link.socket.can_read = false;
		return STEP_WAITS;
	}
	enum proxy_header_status status =
		got > 0 ? proxy_header_read(octets, (size_t)got, &header) : PROXY_HEADER_BAD;
	if (status == PROXY_HEADER_PARTIAL && (size_t)got < sizeof octets) {
		conn->link.socket.can_read = conn->link.socket.is_ended; /* the next octet is an event */
		return conn->link.socket.is_ended ? close_now(worker, conn, false) : STEP_WAITS;
	}
	if (status != PROXY_HEADER_DONE || recv(fd, octets, header.length, 0) != header.length) {
		counter_add(&worker->stats->refused_proxy, 1);
		return close_now(worker, conn, false);
	}
	if (!header.is_local) {
		conn->address = header.source;
		conn->port = header.source_port;
	}
	return introduce(worker, conn);
}

static enum step shaken(struct worker *worker, struct conn *conn, enum tls_result result)
{
	switch (result) {
	case TLS_OK:
		conn->phase = CONN_IDLE;
		set_deadline(worker, conn, worker->now_ms + settings_of(worker)->idle_ms);
		return STEP_ON;
	case TLS_WANTS_READ:
	case TLS_WANTS_WRITE:
		return STEP_WAITS;
	case TLS_FAILED: /* the alert must arrive */
		link_close_tls(&conn->link);
		return linger(worker, conn);
	case TLS_CLOSED:
	case TLS_CUT:
		break;
	}
	return close_now(worker, conn, false);
}

static enum step run_handshake(struct worker *worker, struct conn *conn)
{
	if (!conn->link.tls) {
		if (!conn->link.socket.can_read)
			return STEP_WAITS;
		conn->link.tls = tls_accept(worker->tls, conn);
		if (!conn->link.tls) { /* who is longest in its handshake makes room */
			struct conn *oldest = tls_context_oldest(worker->tls);
			if (oldest)
				close_now(worker, oldest, true);
			conn->link.tls = tls_accept(worker->tls, conn);
		}
		if (!conn->link.tls)
			return close_now(worker, conn, true);
	}
	return shaken(worker, conn, tls_handshake(conn->link.tls, &conn->link.socket));
}

/* ---- requests ---- */

static struct request_client client_of(struct worker *worker, struct conn *conn)
{
	return (struct request_client){
		.conn = conn->link.number,
		.link = &conn->link,
		.in = &conn->in,
		.scan = &conn->scan,
		.address = conn->address,
		.port = conn->port,
		.is_https = conn->is_https,
		.is_first = conn->requests == 0,
		.is_last = atomic_load_explicit(&worker->relay->is_draining, memory_order_relaxed) != 0,
	};
}

static enum step begin_exchange(struct conn *conn)
{
	conn->phase = CONN_EXCHANGE;
	conn->requests++;
	return STEP_ON;
}

static enum step read_request(struct worker *worker, struct conn *conn)
{
	struct request_client client = client_of(worker, conn);

	switch (request_begin(worker, &client, &conn->exchange)) {
	case REQUEST_BEGUN:
		return begin_exchange(conn);
	case REQUEST_STARVED:
		return STEP_BUSY;
	case REQUEST_PARTIAL:
		break;
	}
	if (conn->phase == CONN_IDLE) {
		conn->phase = CONN_HEAD;
		set_deadline(worker, conn, worker->now_ms + settings_of(worker)->head_ms);
	}
	return STEP_ON;
}

static enum step receive_head(struct worker *worker, struct conn *conn)
{
	size_t got;

	if (!link_has_input(&conn->link)) {
		if (conn->in && buffer_held(conn->in) == 0) {
			buffers_give(&worker->buffers, conn->in);
			conn->in = NULL;
		}
		return STEP_WAITS;
	}
	if (!conn->in)
		conn->in = buffers_take(&worker->buffers, BUFFER_SMALL);
	if (!conn->in)
		return STEP_BUSY;
	if (buffer_room(conn->in) == 0 && !conn_table_make_room(worker, conn))
		return STEP_BUSY;
	switch (link_receive(&conn->link, conn->in->octets + conn->in->end, buffer_room(conn->in), &got)) {
	case LINK_DONE:
		conn->in->end += (uint32_t)got;
		return read_request(worker, conn);
	case LINK_AGAIN:
		return STEP_ON;
	default:
		return close_now(worker, conn, false);
	}
}

static enum step over(struct worker *worker, struct conn *conn, enum exchange_result result)
{
	conn_table_account(worker, conn->exchange);
	exchange_free(worker, conn->exchange);
	conn->exchange = NULL;
	if (result == EXCHANGE_CLOSES)
		return linger(worker, conn);
	conn->phase = CONN_IDLE;
	set_deadline(worker, conn, worker->now_ms + settings_of(worker)->idle_ms);
	if (!conn->in || buffer_held(conn->in) == 0)
		return STEP_ON;
	return read_request(worker, conn); /* pipelined */
}

static enum step take_result(struct worker *worker, struct conn *conn, enum exchange_result result)
{
	switch (result) {
	case EXCHANGE_RUNS:
		set_deadline(worker, conn, exchange_due_ms(worker, conn->exchange));
		return STEP_WAITS;
	case EXCHANGE_BUSY:
		return STEP_BUSY;
	case EXCHANGE_KEEPS:
	case EXCHANGE_CLOSES:
		return over(worker, conn, result);
	case EXCHANGE_ABORTS:
		break;
	}
	return close_now(worker, conn, true);
}

/* ---- what happens to it ---- */

static void defer(struct worker *worker, struct conn *conn)
{
	if (conn->is_deferred)
		return;
	conn->is_deferred = true;
	conn->deferred = worker->deferred;
	worker->deferred = conn;
}

static enum step run_phase(struct worker *worker, struct conn *conn)
{
	switch (conn->phase) {
	case CONN_PROXY:
		return run_proxy(worker, conn);
	case CONN_HANDSHAKE:
		return run_handshake(worker, conn);
	case CONN_IDLE:
	case CONN_HEAD:
		return receive_head(worker, conn);
	case CONN_EXCHANGE:
		return take_result(worker, conn, exchange_run(worker, conn->exchange));
	case CONN_LINGER:
		return run_linger(worker, conn);
	case CONN_FREE:
		break;
	}
	return STEP_CLOSED;
}

static void run(struct worker *worker, struct conn *conn)
{
	uint32_t requests = conn->requests + REQUESTS_A_TURN;
	enum step step = STEP_ON;

	while (step == STEP_ON)
		step = conn->requests < requests ? run_phase(worker, conn) : STEP_BUSY;
	if (step == STEP_BUSY)
		defer(worker, conn);
}

/* After a step that came from elsewhere than the connection's own events. */
static void run_after(struct worker *worker, struct conn *conn, enum exchange_result result)
{
	enum step step = take_result(worker, conn, result);

	if (step == STEP_ON)
		run(worker, conn);
	else if (step == STEP_BUSY)
		defer(worker, conn);
}

bool conn_open(struct worker *worker, int fd, bool is_https)
{
	const struct world_settings *settings = settings_of(worker);
	struct conn *conn = conn_table_add(worker, fd, is_https);

	if (!conn)
		return false;
	if (settings->proxy_count == 0) {
		if (introduce(worker, conn) == STEP_ON)
			run(worker, conn);
		return true;
	}
	if (!contains(settings->proxy_protocol, settings->proxy_count, &conn->peer)) {
		counter_add(&worker->stats->refused_proxy, 1);
		close_now(worker, conn, false);
		return true;
	}
	conn->phase = CONN_PROXY;
	set_deadline(worker, conn, worker->now_ms + PROXY_MS);
	run(worker, conn);
	return true;
}

void conn_event(struct worker *worker, uint64_t data, uint32_t events)
{
	struct conn *conn = conn_table_get(worker, link_event_number(data), link_event_generation(data));

	if (!conn)
		return;
	link_notice(&conn->link, events);
	run(worker, conn);
}

void conn_origin_event(struct worker *worker, uint64_t data, uint32_t events)
{
	struct origin_link *link =
		origin_link_get(worker, link_event_number(data), link_event_generation(data));

	if (!link)
		return;
	link_notice(&link->link, events);
	if (link->exchange) {
		assert(worker->conns[link->exchange->conn].exchange == link->exchange);
		run(worker, &worker->conns[link->exchange->conn]);
	} else if (events & ~(uint32_t)EPOLLOUT) {
		origin_link_expire(worker, link);
	}
}

void conn_granted(struct worker *worker, uint64_t cookie)
{
	struct conn *conn = &worker->conns[(uint32_t)cookie];
	struct exchange *exchange = conn->exchange;

	if (conn->phase != CONN_EXCHANGE || exchange->generation != (uint32_t)(cookie >> 32) ||
	    exchange->state != EXCHANGE_QUEUED)
		return;
	/* A letter is a hint: it may be of a wait that is over. The waiter itself says what is true. */
	run_after(worker, conn, exchange_expire(worker, exchange));
}

/* ---- time ---- */

static void expire(struct worker *worker, struct conn *conn)
{
	struct request_client client = client_of(worker, conn);

	switch (conn->phase) {
	case CONN_EXCHANGE:
		run_after(worker, conn, exchange_expire(worker, conn->exchange));
		return;
	case CONN_HEAD:
		conn->exchange = request_late(worker, &client);
		if (conn->exchange) {
			begin_exchange(conn);
			run(worker, conn);
			return;
		}
		break;
	case CONN_PROXY:
	case CONN_HANDSHAKE:
	case CONN_IDLE:
	case CONN_LINGER:
	case CONN_FREE:
		break;
	}
	close_now(worker, conn, false);
}

static void expire_origin(struct worker *worker, struct origin_link *link)
{
	if (!link->exchange) {
		origin_link_expire(worker, link);
		return;
	}
	struct conn *conn = &worker->conns[link->exchange->conn];
	run_after(worker, conn, exchange_expire(worker, conn->exchange));
}

void conn_run_timers(struct worker *worker)
{
	struct wheel_node *node;

	while ((node = wheel_take(&worker->wheel, worker->now_ms))) {
		if (node->owner == WHEEL_ORIGIN) {
			expire_origin(worker, (struct origin_link *)((char *)node -
								     offsetof(struct origin_link, timer)));
			continue;
		}
		struct conn *conn = (struct conn *)((char *)node - offsetof(struct conn, timer));
		if (conn->deadline_ms > worker->now_ms)
			set_deadline(worker, conn, conn->deadline_ms); /* something happened meanwhile */
		else
			expire(worker, conn);
	}
}

void conn_run_deferred(struct worker *worker)
{
	struct conn *list = worker->deferred;

	worker->deferred = NULL;
	while (list) {
		struct conn *conn = list;
		list = conn->deferred;
		conn->is_deferred = false;
		if (conn->phase != CONN_FREE)
			run(worker, conn);
	}
}

void conn_drain(struct worker *worker, uint64_t until_ms)
{
	uint64_t third = (until_ms - worker->now_ms) / 3;

	for (uint32_t i = 0; i < worker->conn_end; i++) {
		struct conn *conn = &worker->conns[i];
		if (conn->phase != CONN_IDLE)
			continue;
		/* Its client may be about to write: all at once would break many requests. */
		uint64_t due = until_ms - (third ? rng_next(&worker->rng) % third : 0);
		if (due < conn->deadline_ms)
			set_deadline(worker, conn, due);
	}
}

void conn_done(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->conn_end; i++)
		if (worker->conns[i].phase != CONN_FREE)
			close_now(worker, &worker->conns[i], false);
	worker->deferred = NULL;
}
