/* Records of connections. A worker's thread. */
#include "forwarder/relay/conn_table.h"
#include "forwarder/io/clients.h"
#include "forwarder/relay/exchange.h"
#include "forwarder/relay/record.h"
#include "forwarder/relay/worker.h"
#include "lib/mem.h"
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void conn_table_init(struct worker *worker)
{
	worker->conns = xmap(worker->relay->connections_max * sizeof *worker->conns);
}

void conn_table_done(struct worker *worker)
{
	xunmap(worker->conns, worker->relay->connections_max * sizeof *worker->conns);
}

static struct conn *new_conn(struct worker *worker)
{
	struct conn *conn;

	if (worker->conn_free) {
		conn = &worker->conns[worker->conn_free - 1];
		worker->conn_free = conn->free_next;
		return conn;
	}
	if (worker->conn_end == worker->relay->connections_max)
		return NULL;
	conn = &worker->conns[worker->conn_end];
	conn->link.number = worker->conn_end++;
	conn->link.generation = 1;
	conn->link.kind = LINK_CLIENT;
	conn->timer.owner = WHEEL_CONN;
	return conn;
}

static void show_count(struct worker *worker)
{
	atomic_store_explicit(&worker->conn_count_shown, worker->conn_count, memory_order_relaxed);
}

static void note_peer(struct conn *conn)
{
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof peer;

	getpeername(conn->link.socket.fd, (struct sockaddr *)&peer, &length);
	conn->peer = conn->address = ip_from_sockaddr((struct sockaddr *)&peer);
	conn->port = ntohs(peer.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&peer)->sin6_port
						      : ((struct sockaddr_in *)&peer)->sin_port);
}

struct conn *conn_table_add(struct worker *worker, int fd, bool is_https)
{
	struct conn *conn = new_conn(worker);

	if (!conn) {
		counter_add(&worker->stats->refused_full, 1);
		close(fd);
		return NULL;
	}
	conn->link.socket = (struct tls_socket){.fd = fd};
	if (!link_watch(&conn->link, worker->epoll_fd)) {
		link_close(&conn->link, true);
		conn->free_next = worker->conn_free;
		worker->conn_free = conn->link.number + 1;
		return NULL;
	}
	conn->is_https = is_https;
	conn->is_counted = false;
	conn->requests = 0;
	conn->scan = (struct http_head_scan){0};
	conn->opened_ms = worker->now_ms;
	note_peer(conn);
	worker->conn_count++;
	show_count(worker);
	counter_add(&worker->stats->opened[is_https], 1);
	return conn;
}

void conn_table_remove(struct worker *worker, struct conn *conn, bool aborts)
{
	assert(conn->phase != CONN_FREE || conn->link.socket.fd >= 0);
	wheel_remove(&worker->wheel, &conn->timer);
	if (conn->is_counted)
		clients_leave(worker->relay->clients, &conn->address);
	buffers_give(&worker->buffers, conn->in);
	conn->in = NULL;
	link_close(&conn->link, aborts);
	conn->phase = CONN_FREE;
	conn->free_next = worker->conn_free;
	worker->conn_free = conn->link.number + 1;
	worker->conn_count--;
	show_count(worker);
	counter_add(&worker->stats->closed[conn->is_https], 1);
}

struct conn *conn_table_get(struct worker *worker, uint32_t number, uint32_t generation)
{
	assert(number < worker->conn_end);
	struct conn *conn = &worker->conns[number];

	return conn->phase != CONN_FREE && conn->link.generation == generation ? conn : NULL;
}

void conn_table_account(struct worker *worker, const struct exchange *exchange)
{
	bool has_origin = exchange->head_ns != 0;
	struct request_stats_item request = {
		.service = exchange->service,
		.tenant = exchange->tenant,
		.has_service = exchange->has_tenant,
		.status = exchange->status,
		.reason = exchange->reason,
		.us_total = (worker->now_ns - exchange->started_ns) / 1000,
		.us_origin = has_origin ? (exchange->head_ns - exchange->connect_ns) / 1000 : 0,
		.bytes_in = exchange->up_octets,
		.bytes_out = exchange->down_octets,
		.websocket_ms = exchange->is_tunnel ? (worker->now_ns - exchange->head_ns) / 1000000 : 0,
	};

	if (exchange->has_tenant)
		tenant_notice_touch(&worker->notices, worker->stats, exchange->tenant, exchange->tenant_hash,
				    exchange->tenant_id, exchange->tenant_id_length);
	request_stats_add(worker->stats, &request);
	if (exchange->draft)
		record_end(worker, exchange);
}

bool conn_table_make_room(struct worker *worker, struct conn *conn)
{
	struct buffer *in = conn->in, *larger;

	if (in->start) {
		buffer_compact(in);
		return true;
	}
	assert(in->size == BUFFER_SMALL); /* a head is at most as long as a large one */
	larger = buffers_take(&worker->buffers, BUFFER_LARGE);
	if (!larger)
		return false;
	memcpy(larger->octets, in->octets, in->end);
	larger->end = in->end;
	buffers_give(&worker->buffers, in);
	conn->in = larger;
	return true;
}
