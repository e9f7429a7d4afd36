/*
 * DNS over TCP. Thread: the one that runs tcp_run; only tcp_stop is called from elsewhere.
 *
 * A connection answers what it has been sent, in order, and all of one read in one write (RFC 7766
 * §6.2.1.1, §7). What it may cost is bounded: a connection that completes no query and drains no reply
 * for `idle` is closed, half-open, slow or silent alike; one that does not fetch its replies is no
 * longer read from. When all places are taken, the connection that has idled longest makes room, for
 * RFC 7766 §6.2.3 lets a server end idle ones at any time; one that has had something under way for a second
 * and got nowhere counts as idle. Where there is none, the newcomer is refused.
 */
#include "gslb/serve/tcp.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/bytes.h"
#include "gslb/serve/tally.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#define LENGTH_OCTETS 2		       /* RFC 1035 §4.2.2 */
#define UNREAD_MAX ((size_t)128 << 10) /* octets of queries that wait; more than one message */
#define UNSENT_MAX ((size_t)256 << 10) /* octets of replies that wait before reading stops */
#define ACCEPT_PAUSE_US 100000	       /* after the process ran out of descriptors */
#define PATIENCE_MS 1000	       /* with a query or reply that gets nowhere, when places are short */
#define LOOKS_MAX 64		       /* connections that are looked at for one that may go */
#define SPARE_MAX 1024		       /* descriptors that are left to the rest of the process: */
#define SPARE_PART 4		       /* a quarter, at most so many */

/* Before the first world there is nothing to answer, so these are not tuned. */
static const struct serve_settings settings_before = {
	.tcp_connections = 64, .tcp_per_client = 8, .tcp_idle_ms = 1000};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct tcp_server *server;
	struct bufferevent *stream;
	struct ip peer;
	uint64_t progress_ms; /* last query answered, or last time that all replies were sent */
	uint32_t answered;
	bool is_ending;	     /* no query is taken any more; goes when its replies are sent */
	bool has_peer_ended; /* the peer will send nothing more */
};

TAILQ_HEAD(connections, connection);

struct tcp_server {
	struct event_base *base;
	struct event *stop, *deadline, *resume;
	int stop_fd;
	size_t listener_count;
	struct evconnlistener **listeners;
	const struct publish *world;
	struct publish_reader reader;
	struct serve_context context;
	size_t connection_count;
	struct connections connections; /* the one without progress for longest first */
	struct map *clients;		/* address → number of its connections */
	uint8_t reply[LENGTH_OCTETS + MESSAGE_MAX];
};

static struct serve_settings current_settings(struct tcp_server *server)
{
	publish_reader_online(&server->reader);
	const struct world *world = publish_get(server->world);
	struct serve_settings settings = world ? world->settings : settings_before;
	publish_reader_offline(&server->reader);
	return settings;
}

/* ---- the connections as a whole ---- */

static uintptr_t count_client(struct tcp_server *server, const struct ip *peer, int change)
{
	char text[IP_TEXT_MAX];
	ip_format(peer, text);
	uintptr_t count = (uintptr_t)map_get(server->clients, text) + (uintptr_t)change;
	if (count == 0)
		map_remove(server->clients, text);
	else if (change != 0)
		map_put(server->clients, text, (void *)count);
	return count;
}

static void connection_free(struct connection *connection)
{
	struct tcp_server *server = connection->server;
	TAILQ_REMOVE(&server->connections, connection, link);
	server->connection_count--;
	count_client(server, &connection->peer, -1);
	bufferevent_free(connection->stream);
	free(connection);
}

static void note_progress(struct connection *connection)
{
	struct connections *connections = &connection->server->connections;
	connection->progress_ms = clock_mono_ms();
	TAILQ_REMOVE(connections, connection, link);
	TAILQ_INSERT_TAIL(connections, connection, link);
}

static void set_timer(struct event *timer, uint64_t us)
{
	struct timeval delay = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
	evtimer_add(timer, &delay);
}

/* Closes what has idled too long; the first that has not says when to look again. */
static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
	struct tcp_server *server = argument;
	uint64_t idle_ms = current_settings(server).tcp_idle_ms, now_ms = clock_mono_ms();
	struct connection *oldest;
	while ((oldest = TAILQ_FIRST(&server->connections)) && oldest->progress_ms + idle_ms <= now_ms)
		connection_free(oldest);
	if (oldest)
		set_timer(server->deadline, (oldest->progress_ms + idle_ms - now_ms) * 1000);
}

/* ---- one connection ---- */

static size_t unsent(const struct connection *connection)
{
	return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

/* When all is said: half a close, so that the peer reads our replies before it learns that its further
 * queries find nobody (closing at once would reset the connection). It ends by the peer's close or by
 * idling. Frees the connection when nothing more can come. */
static void end_if_sent(struct connection *connection)
{
	if (!connection->is_ending || unsent(connection) != 0)
		return;
	if (connection->has_peer_ended) {
		connection_free(connection);
		return;
	}
	shutdown(bufferevent_getfd(connection->stream), SHUT_WR);
	bufferevent_enable(connection->stream, EV_READ);
}

/* The next complete message in the buffer and its length, or NULL. */
static const uint8_t *next_query(struct evbuffer *input, size_t *ret_length)
{
	uint8_t head[LENGTH_OCTETS];
	if (evbuffer_copyout(input, head, LENGTH_OCTETS) != LENGTH_OCTETS)
		return NULL;
	size_t length = bytes_get16(head);
	if (evbuffer_get_length(input) < LENGTH_OCTETS + length)
		return NULL;
	*ret_length = length;
	return evbuffer_pullup(input, (ev_ssize_t)(LENGTH_OCTETS + length)) + LENGTH_OCTETS;
}

/* Answers what is there; returns how many. A message that deserves silence (an empty one too) ends the
 * connection: its sender would only wait, and what follows it is hardly better. */
static unsigned answer_queries(struct connection *connection, const struct world *world)
{
	struct tcp_server *server = connection->server;
	uint32_t most = world ? world->settings.tcp_queries : 0;
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	const uint8_t *query;
	size_t length;
	unsigned answered = 0;
	while (!connection->is_ending && unsent(connection) <= UNSENT_MAX &&
	       (query = next_query(input, &length))) {
		size_t reply = answer_query(&server->context, world, TRANSPORT_TCP, &connection->peer, query,
					    length, server->reply + LENGTH_OCTETS, MESSAGE_MAX);
		evbuffer_drain(input, LENGTH_OCTETS + length);
		if (reply == 0) {
			connection->is_ending = true;
			break;
		}
		bytes_put16(server->reply, (uint16_t)reply);
		evbuffer_add(output, server->reply, LENGTH_OCTETS + reply);
		answered++;
		if (most != 0 && ++connection->answered >= most)
			connection->is_ending = true;
	}
	return answered;
}

static void serve_connection(struct connection *connection)
{
	struct tcp_server *server = connection->server;
	uint64_t start_ns = server->context.now_ns = clock_mono_ns();
	publish_reader_online(&server->reader);
	unsigned answered = answer_queries(connection, publish_get(server->world));
	publish_reader_offline(&server->reader);
	if (answered != 0) {
		tally_latency(server->context.stats, TRANSPORT_TCP, answered, clock_mono_ns() - start_ns);
		note_progress(connection);
	}
	if (connection->is_ending) {
		struct evbuffer *input = bufferevent_get_input(connection->stream);
		evbuffer_drain(input, evbuffer_get_length(input));
	} else if (unsent(connection) > UNSENT_MAX) {
		bufferevent_disable(connection->stream, EV_READ);
	} else {
		bufferevent_enable(connection->stream, EV_READ);
	}
	end_if_sent(connection);
}

static void on_read(struct bufferevent *stream, void *argument)
{
	serve_connection(argument);
}

/* All replies are sent. Queries may wait since reading stopped. */
static void on_sent(struct bufferevent *stream, void *argument)
{
	struct connection *connection = argument;
	if (!connection->is_ending)
		note_progress(connection);
	serve_connection(connection);
}

static void on_event(struct bufferevent *stream, short what, void *argument)
{
	struct connection *connection = argument;
	if ((what & BEV_EVENT_EOF) && unsent(connection) != 0) {
		connection->is_ending = connection->has_peer_ended = true;
		return;
	}
	connection_free(connection);
}

/* ---- new connections ---- */

/* Probes, reloads and the operator need descriptors too, so clients do not get the last ones. The kernel
 * gives the lowest free number: it tells how many are in use. */
static bool is_spare(int fd)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	rlim_t spare = limit.rlim_cur / SPARE_PART;
	return (rlim_t)fd >= limit.rlim_cur - (spare < SPARE_MAX ? spare : SPARE_MAX);
}

/* A place to take away, or NULL. The list begins with those that got nowhere for longest. */
static struct connection *find_idle(struct tcp_server *server)
{
	uint64_t now_ms = clock_mono_ms();
	unsigned looks = LOOKS_MAX;
	struct connection *connection;
	TAILQ_FOREACH(connection, &server->connections, link)
	{
		bool is_idle = unsent(connection) == 0 &&
			       evbuffer_get_length(bufferevent_get_input(connection->stream)) == 0;
		if (is_idle || now_ms - connection->progress_ms >= PATIENCE_MS)
			return connection;
		if (--looks == 0)
			break;
	}
	return NULL;
}

static bool has_room(struct tcp_server *server, const struct ip *peer, int fd)
{
	struct serve_settings settings = current_settings(server);
	if (count_client(server, peer, 0) >= settings.tcp_per_client)
		return false;
	bool is_last = is_spare(fd);
	if (server->connection_count < settings.tcp_connections && !is_last)
		return true;
	struct connection *idle = find_idle(server);
	if (!idle)
		return false;
	counter_add(&server->context.stats->dropped[DROP_LIMIT], 1);
	connection_free(idle);
	return !is_last; /* the descriptor that is now free serves the next */
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *argument)
{
	struct tcp_server *server = argument;
	struct ip peer = ip_from_sockaddr(address);
	if (!has_room(server, &peer, fd)) {
		counter_add(&server->context.stats->dropped[DROP_LIMIT], 1);
		close(fd);
		return;
	}
	struct bufferevent *stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!stream)
		abort(); /* out of memory */
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct connection *connection = xcalloc(1, sizeof *connection);
	connection->server = server;
	connection->stream = stream;
	connection->peer = peer;
	connection->progress_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&server->connections, connection, link);
	server->connection_count++;
	count_client(server, &peer, 1);
	bufferevent_setcb(stream, on_read, on_sent, on_event, connection);
	bufferevent_setwatermark(stream, EV_READ, 0, UNREAD_MAX);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
	if (!evtimer_pending(server->deadline, NULL))
		set_timer(server->deadline, (uint64_t)current_settings(server).tcp_idle_ms * 1000);
}

static void enable_listeners(struct tcp_server *server, bool on)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (on)
			evconnlistener_enable(server->listeners[i]);
		else
			evconnlistener_disable(server->listeners[i]);
}

/* No descriptor or memory left: wait, for the socket stays readable and would keep the loop busy. */
static void on_accept_error(struct evconnlistener *listener, void *argument)
{
	struct tcp_server *server = argument;
	counter_add(&server->context.stats->dropped[DROP_SOCKET], 1);
	enable_listeners(server, false);
	set_timer(server->resume, ACCEPT_PAUSE_US);
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
	enable_listeners(argument, true);
}

/* ---- life ---- */

static void on_stop(evutil_socket_t fd, short what, void *argument)
{
	struct tcp_server *server = argument;
	event_base_loopbreak(server->base);
}

struct tcp_server *tcp_new(const struct publish *world, const int *sockets, size_t count, struct stats *stats)
{
	struct tcp_server *server = xcalloc(1, sizeof *server);
	TAILQ_INIT(&server->connections);
	server->world = world;
	server->clients = map_new();
	server->context.stats = stats;
	server->context.scratch = xcalloc(1, sizeof *server->context.scratch);
	rng_seed_from_system(&server->context.rng);
	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->base = event_base_new();
	if (!server->base || server->stop_fd < 0)
		abort(); /* out of memory or descriptors before anything is served */
	server->stop = event_new(server->base, server->stop_fd, EV_READ | EV_PERSIST, on_stop, server);
	event_add(server->stop, NULL);
	server->deadline = evtimer_new(server->base, on_deadline, server);
	server->resume = evtimer_new(server->base, on_resume, server);
	server->listener_count = count;
	server->listeners = xcalloc(count, sizeof(struct evconnlistener *));
	for (size_t i = 0; i < count; i++) {
		server->listeners[i] =
			evconnlistener_new(server->base, on_accept, server,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, sockets[i]);
		evconnlistener_set_error_cb(server->listeners[i], on_accept_error);
	}
	return server;
}

void *tcp_run(void *argument)
{
	struct tcp_server *server = argument;
	publish_reader_init(&server->reader);
	event_base_dispatch(server->base);
	struct connection *connection;
	while ((connection = TAILQ_FIRST(&server->connections))) {
		evbuffer_write(bufferevent_get_output(connection->stream),
			       bufferevent_getfd(connection->stream));
		connection_free(connection);
	}
	publish_reader_done(&server->reader);
	return NULL;
}

void tcp_stop(struct tcp_server *server)
{
	eventfd_write(server->stop_fd, 1);
}

void tcp_free(struct tcp_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < server->listener_count; i++)
		evconnlistener_free(server->listeners[i]);
	free(server->listeners);
	event_free(server->resume);
	event_free(server->deadline);
	event_free(server->stop);
	event_base_free(server->base);
	close(server->stop_fd);
	map_free(server->clients);
	free(server->context.scratch);
	free(server);
}
