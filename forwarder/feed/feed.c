/*
 * The connection to gslbd. It is asked as HTTP/1.0: the reply is then lines up to its end, and what an end
 * cuts off is not whole anyway. Control thread.
 */
#include "forwarder/feed/feed.h"
#include "forwarder/feed/feed_snapshot.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT "30s"
#define SILENCE_S 15 /* gslbd says something every 5 s */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define SHORT_MS 1000			    /* of a connection */
#define LINE_MAX_OCTETS ((size_t)128 << 20) /* twice a body of the API */
#define READ_OCTETS ((size_t)64 << 10)

struct feed {
	struct event_base *base;
	char *socket_path;
	struct feed_copy *copy;
	struct feed_hooks hooks;
	struct feed_snapshot *snapshot;
	struct event *timer; /* the next piece of the snapshot, or the next try */
	struct event *renew_timer;
	struct bufferevent *connection; /* NULL: none */
	struct evbuffer_ptr scanned;	/* no end of line before it */
	bool has_status, has_head;
	bool has_news; /* of this connection: a version came */
	enum feed_state state;
	char problem[128];
	bool is_told; /* that it is lost */
	uint64_t connected_ms, heard_ms, connections, backoff_ms;
	struct rng rng;
	const struct fleet *fleet; /* for the renewal */
};

static void connect_now(struct feed *feed);

static void arm(struct event *timer, uint64_t wait_ms)
{
	struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};

	evtimer_add(timer, &wait);
}

static void disconnect(struct feed *feed)
{
	if (feed->connection)
		bufferevent_free(feed->connection);
	feed->connection = NULL;
	feed_copy_abandon(feed->copy);
	feed_snapshot_abandon(feed->snapshot);
}

/* Tries again after a while, which grows with each failure up to a bound. */
static void lose(struct feed *feed, const char *problem)
{
	assert(feed->backoff_ms >= BACKOFF_MIN_MS && feed->backoff_ms <= BACKOFF_MAX_MS);
	disconnect(feed);
	snprintf(feed->problem, sizeof feed->problem, "%s", problem);
	feed->state = FEED_LOST;
	if (!feed->is_told)
		log_warning("gslbd at %s: %s; the fleet stays as it is until it can be followed again",
			    feed->socket_path, problem);
	feed->is_told = true;
	arm(feed->timer, feed->backoff_ms / 2 + rng_next(&feed->rng) % (feed->backoff_ms / 2 + 1));
	feed->backoff_ms = feed->backoff_ms * 2 < BACKOFF_MAX_MS ? feed->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* ---- lines of the reply ---- */

static void take_news(struct feed *feed)
{
	feed->has_news = true;
	feed->heard_ms = clock_mono_ms();
	feed->backoff_ms = BACKOFF_MIN_MS;
	if (feed->is_told)
		log_info("gslbd at %s is followed again", feed->socket_path);
	feed->is_told = false;
}

/* False: the connection is of no use. */
static bool take_line(struct feed *feed, const char *text, size_t length)
{
	bool was_resetting = feed_copy_is_resetting(feed->copy);
	uint64_t resets = feed_copy_resets(feed->copy);
	assert(feed->connection && feed->has_head);
	enum feed_copy_result result = feed_copy_line(feed->copy, text, length);
	if (result == FEED_COPY_BROKEN) {
		feed_copy_forget(feed->copy);
		lose(feed, "what came is no feed");
		return false;
	}
	if (result == FEED_COPY_HEARTBEAT) {
		take_news(feed);
		return true;
	}
	if (feed_copy_resets(feed->copy) != resets) {
		feed_snapshot_reset(feed->snapshot);
		feed->fleet = NULL; /* it will go */
	}
	feed_snapshot_line(feed->snapshot, text, length);
	if (result != FEED_COPY_WHOLE)
		return true;
	feed_snapshot_whole(feed->snapshot);
	take_news(feed);
	if (was_resetting)
		log_info("the fleet of gslbd at %s is known, version %s", feed->socket_path,
			 feed_copy_version(feed->copy));
	return true;
}

/* Of the head of the reply. False: it is no good one. */
static bool take_head(struct feed *feed, const char *text, size_t length)
{
	if (!feed->has_status) {
		feed->has_status = true;
		if (length >= 12 && memcmp(text, "HTTP/1.", 7) == 0 && memcmp(text + 8, " 200", 4) == 0)
			return true;
		char problem[64];
		snprintf(problem, sizeof problem, "it answers '%.40s'", text);
		lose(feed, problem);
		return false;
	}
	if (length > 0)
		return true;
	feed->has_head = true;
	feed->state = FEED_OPEN;
	feed->problem[0] = 0;
	feed->connections++;
	return true;
}

/* The next whole line, without its end, or NULL. */
static char *next_line(struct feed *feed, struct evbuffer *input, size_t *ret_length)
{
	if (feed->scanned.pos > 0 &&
	    evbuffer_ptr_set(input, &feed->scanned, (size_t)feed->scanned.pos, EVBUFFER_PTR_SET) < 0)
		return NULL;
	struct evbuffer_ptr end =
		evbuffer_search(input, "\n", 1, feed->scanned.pos > 0 ? &feed->scanned : NULL);
	if (end.pos < 0) {
		feed->scanned.pos = (ssize_t)evbuffer_get_length(input);
		return NULL;
	}
	feed->scanned.pos = 0;
	char *line = evbuffer_readln(input, ret_length, EVBUFFER_EOL_LF);
	if (line && !feed->has_head && *ret_length > 0 && line[*ret_length - 1] == '\r')
		line[--*ret_length] = 0;
	return line;
}

static void on_read(struct bufferevent *connection, void *user)
{
	struct feed *feed = user;
	struct evbuffer *input = bufferevent_get_input(connection);
	size_t length;

	assert(connection == feed->connection);
	for (char *line; (line = next_line(feed, input, &length));) {
		bool goes_on = feed->has_head ? take_line(feed, line, length) : take_head(feed, line, length);
		free(line);
		if (!goes_on)
			return;
	}
	if (evbuffer_get_length(input) > LINE_MAX_OCTETS)
		lose(feed, "a line has no end");
}

static void on_event(struct bufferevent *connection, short what, void *user)
{
	struct feed *feed = user;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT) {
		lose(feed, "it says nothing");
	} else if (what & BEV_EVENT_ERROR) {
		lose(feed, strerror(errno));
	} else if (feed->has_news) { /* its time was over: asked again, at once where it was a while */
		disconnect(feed);
		if (clock_mono_ms() - feed->connected_ms < SHORT_MS)
			arm(feed->timer, BACKOFF_MIN_MS);
		else
			connect_now(feed);
	} else {
		lose(feed, "the reply ended");
	}
}

/* ---- asking ---- */

int feed_open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		int reason = errno;
		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

static void connect_now(struct feed *feed)
{
	int fd = feed_open_socket(feed->socket_path);

	assert(!feed->connection && feed->state != FEED_READING);
	if (fd < 0) {
		lose(feed, strerror(errno));
		return;
	}
	feed->connection = bufferevent_socket_new(feed->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(feed->connection, on_read, NULL, on_event, feed);
	bufferevent_set_max_single_read(feed->connection, READ_OCTETS);
	bufferevent_set_timeouts(feed->connection, &(const struct timeval){.tv_sec = SILENCE_S}, NULL);
	feed->connected_ms = clock_mono_ms();
	feed->has_status = feed->has_head = feed->has_news = false;
	feed->scanned.pos = 0;
	char *version = evhttp_uriencode(feed_copy_version(feed->copy), -1, 0);
	char *request =
		xasprintf("GET /v1/changes?since=%s&wait=" WAIT " HTTP/1.0\r\nHost: gslbd\r\n\r\n", version);
	bufferevent_write(feed->connection, request, strlen(request));
	free(request);
	free(version);
	bufferevent_enable(feed->connection, EV_READ | EV_WRITE);
}

static void on_timer(evutil_socket_t none, short what, void *user)
{
	struct feed *feed = user;

	if (feed->state != FEED_READING) {
		connect_now(feed);
	} else if (feed_snapshot_read(feed->snapshot, feed->copy)) {
		arm(feed->timer, 0); /* whoever else waits for the loop comes first */
	} else {
		feed->state = FEED_LOST;
		feed->hooks.was_read(feed->hooks.user);
		connect_now(feed);
	}
}

static void on_renew(evutil_socket_t none, short what, void *user)
{
	struct feed *feed = user;

	if (feed->state != FEED_READING && feed->fleet &&
	    feed_snapshot_renew(feed->snapshot, feed->fleet, feed->copy))
		arm(feed->renew_timer, 0);
}

void feed_tick(struct feed *feed, const struct fleet *fleet)
{
	feed->fleet = fleet;
	if (!evtimer_pending(feed->renew_timer, NULL))
		on_renew(-1, 0, feed);
}

void feed_facts(const struct feed *feed, struct feed_facts *ret)
{
	*ret = (struct feed_facts){.state = feed->state,
				   .problem = feed->state == FEED_LOST ? feed->problem : "",
				   .heard_ms = feed->heard_ms,
				   .connections = feed->connections};
}

/* ---- life ---- */

struct feed *feed_new(struct event_base *base, const char *socket_path, const char *snapshot_path,
		      struct feed_copy *copy, const struct feed_hooks *hooks)
{
	struct feed *feed = xcalloc(1, sizeof *feed);

	feed->base = base;
	feed->socket_path = xstrdup(socket_path);
	feed->copy = copy;
	feed->hooks = *hooks;
	feed->snapshot = feed_snapshot_new(snapshot_path);
	feed->timer = evtimer_new(base, on_timer, feed);
	feed->renew_timer = evtimer_new(base, on_renew, feed);
	feed->backoff_ms = BACKOFF_MIN_MS;
	rng_seed_from_system(&feed->rng);
	arm(feed->timer, 0);
	return feed;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	disconnect(feed);
	event_free(feed->timer);
	event_free(feed->renew_timer);
	feed_snapshot_free(feed->snapshot);
	free(feed->socket_path);
	free(feed);
}
