/*
 * l7_relay - the floor of an L7 proxy: reads and writes what comes and parses nothing.
 *
 * Each client's connection is paired with one to the origin, which is taken from a pool and goes back
 * there when the client has closed. One thread, edge-triggered epoll, every descriptor is added once,
 * a short read or write means that there is no more: four system calls a request and its part of an
 * epoll_wait.
 *
 *   l7_relay -l [ADDRESS:]PORT -o [ADDRESS:]PORT [-c CPU]
 */
#include "tests/bench/l7_common.h"

enum { BUFFER_BYTES = 65536, EVENTS = 256, IDLE_MAX = 1024 };

struct side {
	int fd;
	bool is_client, can_read, can_write;
	bool has_end;		  /* read until 0, whatever a short read says */
	bool is_asked;		  /* the last octets went to it: an answer is to come */
	struct side *peer, *next; /* next: in the list of those to be freed */
	char *held;		  /* what the peer could not take */
	size_t held_length, held_sent;
};

static int g_epoll;
static struct sockaddr_in g_origin;
static struct side *g_idle[IDLE_MAX], *g_gone;
static unsigned g_idle_count;
static char g_buffer[BUFFER_BYTES];

static struct side *side_new(int fd, bool is_client)
{
	struct side *side = l7_alloc(1, sizeof *side);
	side->fd = fd;
	side->is_client = is_client;
	l7_watch(g_epoll, fd, side);
	return side;
}

/* The memory stays until all events of the batch were looked at. */
static void side_close(struct side *side)
{
	if (side->fd < 0)
		return;
	close(side->fd);
	side->fd = -1;
	side->next = g_gone;
	g_gone = side;
}

static void free_gone(void)
{
	while (g_gone) {
		struct side *side = g_gone;
		g_gone = side->next;
		free(side->held);
		free(side);
	}
}

static bool origin_take(struct side *client)
{
	struct side *origin = NULL;
	if (g_idle_count) {
		origin = g_idle[--g_idle_count];
	} else {
		int fd = l7_connect(&g_origin, NULL);
		if (fd < 0)
			return false;
		origin = side_new(fd, false);
	}
	origin->peer = client;
	client->peer = origin;
	return true;
}

/* One of the two has ended: the client's origin goes to the pool where nothing is on its way. */
static void pair_end(struct side *side)
{
	struct side *client = side->is_client ? side : side->peer;
	struct side *origin = side->is_client ? side->peer : side;
	if (client)
		side_close(client);
	if (!origin)
		return;
	origin->peer = NULL;
	bool is_clean = !origin->held && !client->held && !origin->has_end && !origin->is_asked;
	if (side == client && is_clean && g_idle_count < IDLE_MAX)
		g_idle[g_idle_count++] = origin;
	else
		side_close(origin);
}

static void idle_remove(struct side *origin)
{
	for (unsigned i = 0; i < g_idle_count; i++)
		if (g_idle[i] == origin) {
			g_idle[i] = g_idle[--g_idle_count];
			break;
		}
	side_close(origin);
}

/* What `from` sent and `to` could not take goes on. False: `to` is full. */
static bool flush_held(struct side *from, struct side *to)
{
	while (from->held && to->can_write) {
		ssize_t n = send(to->fd, from->held + from->held_sent, from->held_length - from->held_sent,
				 MSG_NOSIGNAL);
		if (n < 0) {
			to->can_write = false;
			break;
		}
		from->held_sent += (size_t)n;
		if (from->held_sent == from->held_length) {
			free(from->held);
			from->held = NULL;
		}
	}
	return !from->held;
}

static void hold(struct side *from, const char *octets, size_t length)
{
	from->held = l7_alloc(1, length);
	memcpy(from->held, octets, length);
	from->held_length = length;
	from->held_sent = 0;
}

/* False: the pair has ended. */
static bool pump(struct side *from, struct side *to)
{
	if (!flush_held(from, to))
		return true;
	while (from->can_read && to->can_write) {
		ssize_t n = recv(from->fd, g_buffer, sizeof g_buffer, 0);
		if (n < 0 && errno == EAGAIN) {
			from->can_read = false;
			return true;
		}
		if (n <= 0) {
			pair_end(from);
			return false;
		}
		if ((size_t)n < sizeof g_buffer && !from->has_end)
			from->can_read = false;
		ssize_t sent = send(to->fd, g_buffer, (size_t)n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN) {
			pair_end(to);
			return false;
		}
		sent = sent < 0 ? 0 : sent;
		to->is_asked = true;
		from->is_asked = false;
		if (sent < n) {
			to->can_write = false;
			hold(from, g_buffer + sent, (size_t)(n - sent));
		}
	}
	return true;
}

static void handle(struct side *side, uint32_t events)
{
	if (side->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->can_read = true;
	if (events & EPOLLOUT)
		side->can_write = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->has_end = true;
	struct side *peer = side->peer;
	if (!peer) {
		if (!side->is_client && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			idle_remove(side);
		return;
	}
	if (pump(side, peer) && (events & EPOLLOUT))
		(void)pump(peer, side);
}

static void accept_all(int listener)
{
	for (int i = 0; i < 16; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct side *client = side_new(fd, true);
		if (!origin_take(client))
			side_close(client);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in listen_on = l7_address("0");
	for (int option; (option = getopt(argc, argv, "l:o:c:")) != -1;) {
		if (option == 'l')
			listen_on = l7_address(optarg);
		else if (option == 'o')
			g_origin = l7_address(optarg);
		else if (option == 'c')
			l7_pin(atoi(optarg));
		else
			return 2;
	}
	l7_raise_files();
	g_epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = l7_listen(listen_on);
	struct epoll_event event = {.events = EPOLLIN}; /* pointer NULL: the listener, by level */
	if (g_epoll < 0 || epoll_ctl(g_epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		l7_die("epoll");
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(g_epoll, events, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				handle(events[i].data.ptr, events[i].events);
			else
				accept_all(listener);
		}
		free_gone();
	}
}
