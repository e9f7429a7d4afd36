/*
 * DNS over TCP. Thread: the one that runs tcp_run; only tcp_stop is called from elsewhere.
 *
 * A connection answers what it has been sent, in order, and all of one read in one write (RFC 7766
 * §6.2.1.1, §7): queries are read into a buffer of the thread and answered into another, so that a
 * connection owns memory only for what is incomplete or unsent. What it may cost is bounded: one that
 * completes no query and drains no reply for `idle` is closed, half-open, slow or silent alike; one that
 * does not fetch its replies is no longer read from. When all slots are taken, the connection of this
 * thread that has idled longest makes room, for RFC 7766 §6.2.3 lets a server end idle ones at any time;
 * one that has had something under way for a second and got nowhere counts as idle. Where there is none,
 * the newcomer is refused and another thread asked to make room for the next.
 */
#include "gslb/serve/tcp.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/tally.h"
#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#define LENGTH_OCTETS 2		  /* RFC 1035 §4.2.2 */
#define READ_OCTETS 16384	  /* at once, so that no connection keeps the others waiting */
#define OUTPUT_OCTETS (256 << 10) /* replies that wait to be sent; more than one of the largest */
#define ACCEPTS_MAX 64		  /* at once, for the same reason */
#define ACCEPT_PAUSE_US 100000	  /* after the process ran out of descriptors */
#define PATIENCE_MS 1000	  /* with a query or reply that gets nowhere, when slots are short */
#define LOOKS_MAX 64		  /* connections that are looked at for one that may go */
#define SPARE_MAX 1024		  /* descriptors that are left to the rest of the process: */
#define SPARE_PART 4		  /* a quarter, at most so many */

struct limits {
	uint32_t connections, per_client, idle_ms;
};

/* Before the first world there is nothing to answer, so these are not tuned. */
static const struct limits limits_before = {.connections = 64, .per_client = 8, .idle_ms = 1000};

struct octets {
	uint8_t *at;
	size_t length, capacity;
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct tcp_server *server;
	struct event ready; /* to be read from, or while there is something unsent, to be written to */
	int fd;
	struct ip peer;
	uint64_t progress_ms; /* last query answered, or last time that all replies were sent */
	struct octets
		unanswered; /* an incomplete query; while there is something unsent, complete ones too */
	struct octets unsent;
	uint32_t answered;
	bool is_ending; /* no query is taken any more; goes when its replies are sent */
	bool is_broken; /* nothing more can be sent */
};

TAILQ_HEAD(connections, connection);

struct tcp_server {
	struct event_base *base;
	struct event *stop, *wake, *deadline, *resume;
	int stop_fd, wake_fd;
	size_t listener_count;
	struct event **listeners;
	const struct publish *world;
	struct publish_reader reader;
	struct serve_context context;
	struct tcp_slots *slots;
	unsigned number;		/* among those who share the slots */
	int first_spare;		/* descriptors from here on are not for clients */
	struct connections connections; /* the one without progress for longest first */
	size_t output_length;
	uint8_t input[READ_OCTETS];
	uint8_t output[OUTPUT_OCTETS];
};

static struct limits current_limits(struct tcp_server *server)
{
	struct limits limits = limits_before;
	publish_reader_online(&server->reader);
	const struct world *world = publish_get(server->world);
	if (world)
		limits = (struct limits){world->settings.tcp_connections, world->settings.tcp_per_client,
					 world->settings.tcp_idle_ms};
	publish_reader_offline(&server->reader);
	return limits;
}

/* ---- octets that wait ---- */

static void octets_add(struct octets *octets, const uint8_t *more, size_t length)
{
	xgrow((void **)&octets->at, &octets->capacity, octets->length + length, 1);
	memcpy(octets->at + octets->length, more, length);
	octets->length += length;
}

static void octets_free(struct octets *octets)
{
	free(octets->at);
	*octets = (struct octets){0};
}

/* Few connections have anything that waits: the memory goes with it. */
static void octets_drop_first(struct octets *octets, size_t length)
{
	octets->length -= length;
	if (octets->length == 0)
		octets_free(octets);
	else if (length != 0)
		memmove(octets->at, octets->at + length, octets->length);
}

/* ---- the connections as a whole ---- */

static void connection_free(struct connection *connection)
{
	struct tcp_server *server = connection->server;
	TAILQ_REMOVE(&server->connections, connection, link);
	tcp_slots_give(server->slots, server->number, &connection->peer);
	event_del(&connection->ready);
	close(connection->fd);
	octets_free(&connection->unanswered);
	octets_free(&connection->unsent);
	free(connection);
}

static void note_progress(struct connection *connection, uint64_t now_ns)
{
	struct connections *connections = &connection->server->connections;
	connection->progress_ms = now_ns / 1000000;
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
	uint64_t idle_ms = current_limits(server).idle_ms, now_ms = clock_mono_ms();
	struct connection *oldest;
	while ((oldest = TAILQ_FIRST(&server->connections)) && oldest->progress_ms + idle_ms <= now_ms)
		connection_free(oldest);
	if (oldest)
		set_timer(server->deadline, (oldest->progress_ms + idle_ms - now_ms) * 1000);
}

/* ---- sending ---- */

/* How many of the octets the kernel took. */
static size_t send_some(struct connection *connection, const uint8_t *octets, size_t length)
{
	ssize_t sent = send(connection->fd, octets, length, MSG_NOSIGNAL);
	if (sent >= 0)
		return (size_t)sent;
	connection->is_broken = errno != EAGAIN && errno != EINTR;
	return 0;
}

/* Sends the replies in the thread's buffer. False: not all, the rest is kept. */
static bool send_output(struct connection *connection)
{
	struct tcp_server *server = connection->server;
	size_t length = server->output_length, sent = send_some(connection, server->output, length);
	server->output_length = 0;
	if (sent == length)
		return true;
	octets_add(&connection->unsent, server->output + sent, length - sent);
	return false;
}

/* ---- answering ---- */

/* Answers the complete queries of octets[0..length) until they are through or the replies find no room.
 * A message that deserves silence (an empty one too) ends the connection: its sender would only wait,
 * and what follows it is hardly better. */
static unsigned answer_queries(struct connection *connection, const struct world *world,
			       const uint8_t *octets, size_t length, size_t *ret_used)
{
	struct tcp_server *server = connection->server;
	uint32_t most = world ? world->settings.tcp_queries : 0;
	unsigned answered = 0;
	size_t used = 0;
	while (!connection->is_ending && length - used >= LENGTH_OCTETS) {
		size_t size = bytes_get16(octets + used);
		if (length - used - LENGTH_OCTETS < size)
			break;
		if (OUTPUT_OCTETS - server->output_length < LENGTH_OCTETS + MESSAGE_MAX &&
		    !send_output(connection))
			break;
		uint8_t *reply = server->output + server->output_length;
		size_t reply_size =
			answer_query(&server->context, world, TRANSPORT_TCP, &connection->peer,
				     octets + used + LENGTH_OCTETS, size, reply + LENGTH_OCTETS, MESSAGE_MAX);
		used += LENGTH_OCTETS + size;
		if (reply_size == 0) {
			connection->is_ending = true;
			break;
		}
		bytes_put16(reply, (uint16_t)reply_size);
		server->output_length += LENGTH_OCTETS + reply_size;
		answered++;
		if (most != 0 && ++connection->answered >= most)
			connection->is_ending = true;
	}
	*ret_used = used;
	return answered;
}

/* Answers and sends; returns how many of the octets are dealt with. */
static size_t answer_octets(struct connection *connection, const uint8_t *octets, size_t length)
{
	struct tcp_server *server = connection->server;
	uint64_t start_ns = server->context.now_ns = clock_mono_ns();
	size_t used;
	publish_reader_online(&server->reader);
	unsigned answered = answer_queries(connection, publish_get(server->world), octets, length, &used);
	publish_reader_offline(&server->reader);
	if (server->output_length != 0)
		send_output(connection);
	if (answered != 0) {
		uint64_t now_ns = clock_mono_ns();
		tally_latency(server->context.stats, TRANSPORT_TCP, answered, now_ns - start_ns);
		note_progress(connection, now_ns);
	}
	return connection->is_ending ? length : used;
}

static void on_ready(evutil_socket_t fd, short what, void *argument);

static void wait_for(struct connection *connection, short what)
{
	event_assign(&connection->ready, connection->server->base, connection->fd, what | EV_PERSIST,
		     on_ready, connection);
	event_add(&connection->ready, NULL);
}

/* What comes next after octets were answered or replies sent. Frees a connection that is broken. When
 * all is said: half a close, so that the peer reads our replies before it learns that its further queries
 * find nobody (closing at once would reset the connection). It ends by the peer's close or by idling. */
static void go_on(struct connection *connection)
{
	short wanted = connection->unsent.length != 0 ? EV_WRITE : EV_READ;
	if (connection->is_broken) {
		connection_free(connection);
		return;
	}
	if (connection->is_ending && wanted == EV_READ)
		shutdown(connection->fd, SHUT_WR);
	if (!(event_get_events(&connection->ready) & wanted)) {
		event_del(&connection->ready);
		wait_for(connection, wanted);
	}
}

static void read_queries(struct connection *connection)
{
	struct tcp_server *server = connection->server;
	struct octets *unanswered = &connection->unanswered;
	ssize_t length = recv(connection->fd, server->input, READ_OCTETS, 0);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		connection_free(connection);
		return;
	}
	if (connection->is_ending)
		return; /* read to be forgotten */
	if (unanswered->length == 0) {
		size_t used = answer_octets(connection, server->input, (size_t)length);
		if (used != (size_t)length)
			octets_add(unanswered, server->input + used, (size_t)length - used);
	} else {
		octets_add(unanswered, server->input, (size_t)length);
		octets_drop_first(unanswered, answer_octets(connection, unanswered->at, unanswered->length));
	}
	go_on(connection);
}

/* Queries may wait since reading stopped. */
static void send_unsent(struct connection *connection)
{
	struct octets *unsent = &connection->unsent, *unanswered = &connection->unanswered;
	octets_drop_first(unsent, send_some(connection, unsent->at, unsent->length));
	if (unsent->length == 0 && !connection->is_ending) {
		note_progress(connection, clock_mono_ns());
		octets_drop_first(unanswered, answer_octets(connection, unanswered->at, unanswered->length));
	}
	go_on(connection);
}

static void on_ready(evutil_socket_t fd, short what, void *argument)
{
	struct connection *connection = argument;
	if (connection->unsent.length != 0)
		send_unsent(connection);
	else
		read_queries(connection);
}

/* ---- new connections ---- */

/* Probes, reloads and the operator need descriptors too, so clients do not get the last ones. The kernel
 * gives the lowest free number: it tells how many are in use. */
static int first_spare(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	rlim_t spare = limit.rlim_cur / SPARE_PART;
	return (int)(limit.rlim_cur - (spare < SPARE_MAX ? spare : SPARE_MAX));
}

/* Takes a slot away from one of our own. The list begins with those that got nowhere for longest. */
static bool make_room(struct tcp_server *server)
{
	uint64_t now_ms = clock_mono_ms();
	unsigned looks = LOOKS_MAX;
	struct connection *connection;
	TAILQ_FOREACH(connection, &server->connections, link)
	{
		bool is_idle = connection->unsent.length == 0 && connection->unanswered.length == 0;
		if (is_idle || now_ms - connection->progress_ms >= PATIENCE_MS) {
			counter_add(&server->context.stats->dropped[DROP_LIMIT], 1);
			connection_free(connection);
			return true;
		}
		if (--looks == 0)
			break;
	}
	return false;
}

static bool take_slot(struct tcp_server *server, const struct ip *peer, const struct limits *limits,
		      bool is_spare)
{
	enum tcp_slot_answer slot =
		tcp_slots_take(server->slots, server->number, peer, limits->connections, limits->per_client);
	if (slot == TCP_SLOTS_ALL_TAKEN && make_room(server))
		slot = tcp_slots_take(server->slots, server->number, peer, limits->connections,
				      limits->per_client);
	if (slot == TCP_SLOTS_ALL_TAKEN)
		tcp_slots_ask(server->slots, server->number);
	if (slot != TCP_SLOT_TAKEN)
		return false;
	if (!is_spare)
		return true;
	tcp_slots_give(server->slots, server->number, peer);
	make_room(server); /* the descriptor that is then free serves the next */
	return false;
}

static void welcome(struct tcp_server *server, int fd, const struct sockaddr *address)
{
	struct ip peer = ip_from_sockaddr(address);
	struct limits limits = current_limits(server);
	if (!take_slot(server, &peer, &limits, fd >= server->first_spare)) {
		counter_add(&server->context.stats->dropped[DROP_LIMIT], 1);
		close(fd);
		return;
	}
	struct connection *connection = xcalloc(1, sizeof *connection);
	connection->server = server;
	connection->fd = fd;
	connection->peer = peer;
	connection->progress_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&server->connections, connection, link);
	wait_for(connection, EV_READ);
	if (!evtimer_pending(server->deadline, NULL))
		set_timer(server->deadline, (uint64_t)limits.idle_ms * 1000);
	read_queries(connection); /* a first query has often come with the connection */
}

static void enable_listeners(struct tcp_server *server, bool on)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (on)
			event_add(server->listeners[i], NULL);
		else
			event_del(server->listeners[i]);
}

static void on_connections(evutil_socket_t listener, short what, void *argument)
{
	struct tcp_server *server = argument;
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof address;
		int fd =
			accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(server, fd, (struct sockaddr *)&address);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			/* No descriptor or memory left: wait, for the socket stays readable and would keep
			 * the loop busy. */
			counter_add(&server->context.stats->dropped[DROP_SOCKET], 1);
			enable_listeners(server, false);
			set_timer(server->resume, ACCEPT_PAUSE_US);
			return;
		}
	}
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
	enable_listeners(argument, true);
}

/* Another thread found no slot for a newcomer. */
static void on_wake(evutil_socket_t fd, short what, void *argument)
{
	eventfd_t asked;
	eventfd_read(fd, &asked);
	make_room(argument);
}

/* ---- life ---- */

static void on_stop(evutil_socket_t fd, short what, void *argument)
{
	struct tcp_server *server = argument;
	event_base_loopbreak(server->base);
}

static struct event *watch(struct tcp_server *server, int fd, event_callback_fn callback)
{
	struct event *event = event_new(server->base, fd, EV_READ | EV_PERSIST, callback, server);
	event_add(event, NULL);
	return event;
}

struct tcp_server *tcp_new(const struct publish *world, struct tcp_slots *slots, const int *sockets,
			   size_t count, struct stats *stats)
{
	struct tcp_server *server = xcalloc_apart(sizeof *server);
	TAILQ_INIT(&server->connections);
	server->world = world;
	server->slots = slots;
	server->first_spare = first_spare();
	server->context.stats = stats;
	server->context.scratch = xcalloc_apart(sizeof *server->context.scratch);
	rng_seed_from_system(&server->context.rng);
	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->base = event_base_new();
	if (!server->base || server->stop_fd < 0 || server->wake_fd < 0)
		abort(); /* out of memory or descriptors before anything is served */
	server->number = tcp_slots_join(slots, server->wake_fd);
	server->stop = watch(server, server->stop_fd, on_stop);
	server->wake = watch(server, server->wake_fd, on_wake);
	server->deadline = evtimer_new(server->base, on_deadline, server);
	server->resume = evtimer_new(server->base, on_resume, server);
	server->listener_count = count;
	server->listeners = xcalloc(count, sizeof(struct event *));
	for (size_t i = 0; i < count; i++)
		server->listeners[i] = watch(server, sockets[i], on_connections);
	return server;
}

void *tcp_run(void *argument)
{
	struct tcp_server *server = argument;
	publish_reader_init(&server->reader);
	event_base_dispatch(server->base);
	struct connection *connection;
	while ((connection = TAILQ_FIRST(&server->connections))) {
		send_some(connection, connection->unsent.at, connection->unsent.length);
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
	for (size_t i = 0; i < server->listener_count; i++) {
		int fd = event_get_fd(server->listeners[i]);
		event_free(server->listeners[i]);
		close(fd);
	}
	free(server->listeners);
	event_free(server->resume);
	event_free(server->deadline);
	event_free(server->wake);
	event_free(server->stop);
	event_base_free(server->base);
	close(server->wake_fd);
	close(server->stop_fd);
	free(server->context.scratch);
	free(server);
}
