/*
 * l7_origin - a cheap HTTP/1.1 origin. One thread, edge-triggered epoll; reads no more of a request than it
 * must: the path, and of requests with a body its framing.
 *
 *   /128 /10k /1m    as many octets (any other path: 128)
 *   /slow/MS/…       128 octets after MS milliseconds, at most 6,500
 *   /hang            no answer
 *   /ws              101, then everything comes back as it was sent
 *   /close           128 octets with `Connection: close`
 *   /cut             half of the octets that Content-Length says, then the end
 *   /500 /503        with these status codes
 *
 *   l7_origin -l [ADDRESS:]PORT [-c CPU]
 */
#include "tests/bench/l7_common.h"
#include <sys/prctl.h>

enum { HEAD_MAX = 16384, BUFFER_BYTES = 65536, EVENTS = 256, WHEEL = 65536, TICK_NS = 100000, KINDS = 7 };

struct answer {
	const char *path;
	const char *status, *more;
	size_t bytes, promised;
	bool closes;
	char *text;
	size_t length;
};

static struct answer g_answers[KINDS] = {
	{.path = "/128", .status = "200 OK", .more = "", .bytes = 128, .promised = 128},
	{.path = "/10k", .status = "200 OK", .more = "", .bytes = 10240, .promised = 10240},
	{.path = "/1m", .status = "200 OK", .more = "", .bytes = 1048576, .promised = 1048576},
	{.path = "/close",
	 .status = "200 OK",
	 .more = "Connection: close\r\n",
	 .bytes = 128,
	 .promised = 128,
	 .closes = true},
	{.path = "/cut", .status = "200 OK", .more = "", .bytes = 64, .promised = 128, .closes = true},
	{.path = "/500", .status = "500 Internal Server Error", .more = "", .bytes = 128, .promised = 128},
	{.path = "/503", .status = "503 Service Unavailable", .more = "", .bytes = 128, .promised = 128},
};

enum state { HEAD, BODY, WAIT, ANSWER, TUNNEL };

struct conn {
	int fd;
	enum state state;
	bool can_read, has_end, can_write, closes, is_chunked;
	uint64_t body_left;
	char tail[5]; /* of a chunked body: the last octets */
	const struct answer *answer;
	size_t sent;
	char *head; /* an incomplete one, or what a tunnel could not send back */
	size_t head_length, head_sent;
	struct conn *next, *previous; /* in the wheel, or next in the list of those to be freed */
	unsigned slot;
};

static int g_epoll;
static struct conn *g_wheel[WHEEL], *g_gone;
static uint64_t g_tick; /* of 100 µs */
static unsigned g_waiting;
static char g_buffer[BUFFER_BYTES];

static void make_answers(void)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct answer *answer = &g_answers[i];
		answer->text = l7_alloc(1, answer->bytes + 512);
		int head = snprintf(answer->text, 512,
				    "HTTP/1.1 %s\r\nServer: origin\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				    "Content-Type: text/plain\r\n%sContent-Length: %zu\r\n\r\n",
				    answer->status, answer->more, answer->promised);
		memset(answer->text + head, 'x', answer->bytes);
		answer->length = (size_t)head + answer->bytes;
	}
}

static void wheel_remove(struct conn *conn)
{
	if (conn->next)
		conn->next->previous = conn->previous;
	if (conn->previous)
		conn->previous->next = conn->next;
	else
		g_wheel[conn->slot] = conn->next;
	g_waiting--;
}

static void wheel_add(struct conn *conn, unsigned ms)
{
	uint64_t ticks = ms < 1 ? 1 : ms * (1000000ull / TICK_NS);
	conn->slot = (unsigned)((l7_now_ns() / TICK_NS + (ticks < WHEEL ? ticks : WHEEL - 1)) % WHEEL);
	conn->previous = NULL;
	conn->next = g_wheel[conn->slot];
	if (conn->next)
		conn->next->previous = conn;
	g_wheel[conn->slot] = conn;
	g_waiting++;
}

static void conn_close(struct conn *conn)
{
	if (conn->state == WAIT && conn->answer)
		wheel_remove(conn);
	close(conn->fd);
	conn->fd = -1;
	conn->next = g_gone;
	g_gone = conn;
}

/* False: closed, or more must become writable first. */
static bool send_answer(struct conn *conn)
{
	const struct answer *answer = conn->answer;
	while (conn->can_write) {
		ssize_t n =
			send(conn->fd, answer->text + conn->sent, answer->length - conn->sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			conn_close(conn);
			return false;
		}
		conn->sent += n < 0 ? 0 : (size_t)n;
		if (conn->sent == answer->length) {
			if (conn->closes || answer->closes) {
				conn_close(conn);
				return false;
			}
			conn->state = HEAD;
			return true;
		}
		conn->can_write = false;
	}
	return false;
}

static bool answer_with(struct conn *conn, const struct answer *answer)
{
	conn->state = ANSWER;
	conn->answer = answer;
	conn->sent = 0;
	return send_answer(conn);
}

/* The body, if any, has been read. False: nothing more to do now. */
static bool act(struct conn *conn, const char *path, size_t length)
{
	static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
					"Connection: Upgrade\r\n"
					"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	conn->answer = NULL;
	if (length > 6 && !memcmp(path, "/slow/", 6)) {
		conn->state = WAIT;
		conn->answer = &g_answers[0];
		wheel_add(conn, (unsigned)strtoul(path + 6, NULL, 10));
		return false;
	}
	if (length >= 5 && !memcmp(path, "/hang", 5)) {
		conn->state = WAIT;
		return false;
	}
	if (length == 3 && !memcmp(path, "/ws", 3)) {
		conn->state = TUNNEL;
		(void)!send(conn->fd, switching, sizeof switching - 1, MSG_NOSIGNAL);
		return true;
	}
	for (size_t i = 0; i < KINDS; i++)
		if (length == strlen(g_answers[i].path) && !memcmp(path, g_answers[i].path, length))
			return answer_with(conn, &g_answers[i]);
	return answer_with(conn, &g_answers[0]);
}

/* Which answer, until the body is there: its path alone is kept. */
static void keep_path(struct conn *conn, const char *path, size_t length)
{
	conn->head = l7_alloc(1, length + 1);
	memcpy(conn->head, path, length);
	conn->head_length = length;
}

static void read_framing(struct conn *conn, char *head, size_t length)
{
	char saved = head[length - 1];
	head[length - 1] = '\0'; /* the last line feed: nothing is lost */
	const char *field = strcasestr(head, "\ncontent-length:");
	conn->body_left = field ? strtoull(field + 16, NULL, 10) : 0;
	conn->is_chunked = strcasestr(head, "\ntransfer-encoding:") != NULL;
	memset(conn->tail, 0, sizeof conn->tail);
	head[length - 1] = saved;
}

/* Returns how much of the octets was the body's. */
static size_t eat_body(struct conn *conn, const char *octets, size_t length)
{
	if (!conn->is_chunked) {
		size_t part = length < conn->body_left ? length : (size_t)conn->body_left;
		conn->body_left -= part;
		return part;
	}
	for (size_t i = 0; i < length; i++) {
		memmove(conn->tail, conn->tail + 1, 4);
		conn->tail[4] = octets[i];
		if (!memcmp(conn->tail, "0\r\n\r\n", 5)) {
			conn->is_chunked = false;
			return i + 1;
		}
	}
	return length;
}

static bool echo(struct conn *conn, const char *octets, size_t length)
{
	ssize_t n = send(conn->fd, octets, length, MSG_NOSIGNAL);
	if (n != (ssize_t)length) /* messages are small and few: a full socket is an error of the test */
		conn_close(conn);
	return n == (ssize_t)length;
}

/* How many octets a head has, 0: it is not complete. */
static size_t head_end(const char *octets, size_t length)
{
	const char *end = memmem(octets, length, "\r\n\r\n", 4);
	return end ? (size_t)(end - octets) + 4 : 0;
}

/* Takes one step with what was read; *used says how much of it. False: wait. */
static bool step(struct conn *conn, char *octets, size_t length, size_t *used)
{
	*used = 0;
	if (conn->state == TUNNEL) {
		*used = length;
		return length && echo(conn, octets, length);
	}
	if (conn->state == BODY) {
		*used = eat_body(conn, octets, length);
		if (conn->body_left || conn->is_chunked)
			return false;
		char *path = conn->head;
		conn->head = NULL;
		bool goes_on = act(conn, path, conn->head_length);
		conn->head_length = 0;
		free(path);
		return goes_on;
	}
	if (conn->state != HEAD)
		return false;
	size_t head = head_end(octets, length);
	if (!head)
		return false;
	*used = head;
	char *path = memchr(octets, ' ', head);
	char *end = path ? memchr(path + 1, ' ', (size_t)(octets + head - path) - 1) : NULL;
	if (!end) {
		conn_close(conn);
		return false;
	}
	path++;
	size_t path_length = (size_t)(end - path);
	conn->closes = memmem(octets, head, "onnection: close", 16) != NULL;
	if (octets[0] == 'P') {
		read_framing(conn, octets, head);
		if (conn->body_left || conn->is_chunked) {
			keep_path(conn, path, path_length);
			conn->state = BODY;
			return true;
		}
	}
	return act(conn, path, path_length);
}

/* What a step left is kept: the begin of a head, or requests behind the one that is answered. */
static void keep_rest(struct conn *conn, const char *octets, size_t length)
{
	if (!length || conn->state == BODY)
		return;
	if (length > HEAD_MAX) {
		conn_close(conn);
		return;
	}
	char *copy = l7_alloc(1, length);
	memcpy(copy, octets, length);
	free(conn->head);
	conn->head = copy;
	conn->head_length = length;
}

static void run_steps(struct conn *conn, size_t length)
{
	size_t at = 0, used;
	while (step(conn, g_buffer + at, length - at, &used) && conn->fd >= 0) {
		at += used;
		used = 0;
	}
	if (conn->fd >= 0)
		keep_rest(conn, g_buffer + at + used, length - at - used);
}

static void receive(struct conn *conn)
{
	while (conn->fd >= 0 && conn->can_read && conn->state != ANSWER) {
		size_t kept = conn->state == BODY ? 0 : conn->head_length;
		if (kept) {
			memcpy(g_buffer, conn->head, kept);
			free(conn->head);
			conn->head = NULL;
			conn->head_length = 0;
		}
		ssize_t n = recv(conn->fd, g_buffer + kept, sizeof g_buffer - kept, 0);
		if (n < 0 && errno == EAGAIN) {
			conn->can_read = false;
			n = 0;
			if (!kept)
				return;
		} else if (n <= 0) {
			conn_close(conn);
			return;
		} else if ((size_t)n < sizeof g_buffer - kept && !conn->has_end) {
			conn->can_read = false;
		}
		run_steps(conn, kept + (size_t)n);
	}
}

static void handle(struct conn *conn, uint32_t events)
{
	if (conn->fd < 0)
		return;
	conn->can_read |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	conn->has_end |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	conn->can_write |= (events & EPOLLOUT) != 0;
	if (conn->state == ANSWER) {
		if (!send_answer(conn))
			return;
		conn->can_read = true; /* what was kept may be a whole request */
	}
	receive(conn);
}

/* Answers that were to wait. */
static void run_wheel(void)
{
	uint64_t now = l7_now_ns() / TICK_NS;
	for (; g_tick < now; g_tick++) {
		struct conn *conn;
		while ((conn = g_wheel[(g_tick + 1) % WHEEL])) {
			wheel_remove(conn);
			if (answer_with(conn, conn->answer)) {
				conn->can_read = true; /* what was kept may be a whole request */
				receive(conn);
			}
		}
	}
}

/* How long nothing of the wheel is due; NULL: for ever. */
static const struct timespec *wheel_wait(void)
{
	static struct timespec wait;
	if (!g_waiting)
		return NULL;
	unsigned ticks = 1;
	while (ticks < 1000 && !g_wheel[(g_tick + ticks) % WHEEL])
		ticks++;
	int64_t ns = (int64_t)((g_tick + ticks) * TICK_NS - l7_now_ns());
	wait.tv_nsec = ns > 0 ? ns : 0;
	return &wait;
}

static void accept_all(int listener)
{
	for (int i = 0; i < 16; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct conn *conn = l7_alloc(1, sizeof *conn);
		conn->fd = fd;
		l7_watch(g_epoll, fd, conn);
	}
}

static void free_gone(void)
{
	while (g_gone) {
		struct conn *conn = g_gone;
		g_gone = conn->next;
		free(conn->head);
		free(conn);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in listen_on = l7_address("0");
	for (int option; (option = getopt(argc, argv, "l:c:")) != -1;) {
		if (option == 'l')
			listen_on = l7_address(optarg);
		else if (option == 'c')
			l7_pin(atoi(optarg));
		else
			return 2;
	}
	l7_raise_files();
	make_answers();
	g_tick = l7_now_ns() / TICK_NS;
	prctl(PR_SET_TIMERSLACK, 1);
	g_epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = l7_listen(listen_on);
	struct epoll_event event = {.events = EPOLLIN};
	if (g_epoll < 0 || epoll_ctl(g_epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		l7_die("epoll");
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_pwait2(g_epoll, events, EVENTS, wheel_wait(), NULL);
		if (g_waiting)
			run_wheel();
		else
			g_tick = l7_now_ns() / TICK_NS;
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				handle(events[i].data.ptr, events[i].events);
			else
				accept_all(listener);
		}
		free_gone();
	}
}
