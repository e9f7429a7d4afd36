/*
 * The connection to gslbd is one for each report, asked as HTTP/1.0: the reply ends with it. Control thread.
 */
#include "forwarder/control/report.h"
#include "forwarder/feed/feed.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EVERY_MS 1000
#define LOOK_MS 40	   /* between two looks at the origins: outliers are found by workers */
#define LOOK_MEMBERS 20000 /* beyond, a look costs too much: each second alone */
#define REPLY_S 2
#define REPLY_OCTETS ((size_t)64 << 10)

struct report {
	struct event_base *base;
	char *socket_path, *node, *region;
	struct report_hooks hooks;
	struct report_sums *sums;
	struct event *look;
	struct bufferevent *connection; /* of the one that is under way; NULL: none is */
	uint64_t epoch, seq, digest, sent_ms;
	bool is_due;		    /* something has changed since the last one */
	bool was_draining, is_told; /* that gslbd does not take them */
	struct report_facts facts;
	char problem[128];
};

static void send_now(struct report *report);

/* ---- epochs ---- */

/* A number that is above those of all starts before: the file says the last one, and the clock, where the
 * file is lost. */
static uint64_t begin_epoch(const char *path)
{
	char text[32] = "";
	uint64_t now = (uint64_t)(clock_unix_ms() / 1000), last = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd >= 0 && pread(fd, text, sizeof text - 1, 0) > 0)
		last = strtoull(text, NULL, 10) & (UINT64_MAX >> 8);
	uint64_t epoch = last >= now ? last + 1 : now;
	int length = snprintf(text, sizeof text, "%llu\n", (unsigned long long)epoch);
	if (fd < 0 || pwrite(fd, text, (size_t)length, 0) != length || ftruncate(fd, length) < 0 ||
	    fsync(fd) < 0)
		log_warning("%s: %s; reports of load may be taken for old ones after a restart", path,
			    strerror(errno));
	if (fd >= 0)
		close(fd);
	return epoch;
}

/* ---- the reply ---- */

static void end_connection(struct report *report)
{
	if (report->connection)
		bufferevent_free(report->connection);
	report->connection = NULL;
}

static void fail(struct report *report, const char *problem)
{
	end_connection(report);
	report->facts.failed++;
	snprintf(report->problem, sizeof report->problem, "%s", problem);
	if (!report->is_told)
		log_warning("gslbd at %s does not take reports of load: %s", report->socket_path, problem);
	report->is_told = true;
}

static void succeed(struct report *report)
{
	end_connection(report);
	report->problem[0] = '\0';
	report->facts.accepted_ms = clock_mono_ms();
	if (report->is_told)
		log_info("gslbd at %s takes reports of load again", report->socket_path);
	report->is_told = false;
	if (report->is_due)
		send_now(report);
}

static void take_reply(struct report *report)
{
	struct evbuffer *input = bufferevent_get_input(report->connection);
	char problem[96], text[REPLY_OCTETS + 1];
	/* The end of a bufferevent's input is libevent's alone: a final NUL cannot be added there. */
	ssize_t length = evbuffer_copyout(input, text, REPLY_OCTETS);
	assert(length >= 0);
	text[length] = '\0';
	if (length < 12 || strncmp(text, "HTTP/1.", 7) != 0) {
		fail(report, "what came is no reply");
	} else if (strncmp(text + 8, " 200", 4) != 0) {
		snprintf(problem, sizeof problem, "it answers '%.*s'", (int)strcspn(text, "\r\n"), text);
		fail(report, problem);
	} else if (!strstr(text, "\"accepted\":true")) {
		fail(report, "it knows a later one: does another forwarder have this node's name?");
	} else {
		succeed(report);
	}
}

static void on_event(struct bufferevent *connection, short what, void *user)
{
	struct report *report = user;
	assert(connection == report->connection);
	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT)
		fail(report, "it says nothing");
	else if (what & BEV_EVENT_ERROR)
		fail(report, strerror(errno));
	else
		take_reply(report);
}

static void on_read(struct bufferevent *connection, void *user)
{
	if (evbuffer_get_length(bufferevent_get_input(connection)) > REPLY_OCTETS)
		fail(user, "its reply has no end");
}

/* ---- sending ---- */

static char *write_report(struct report *report, const struct report_view *view)
{
	struct load_report load = {.epoch = report->epoch, .seq = ++report->seq, .part = 1, .parts = 1};
	snprintf(load.node, sizeof load.node, "%s", report->node);
	snprintf(load.region, sizeof load.region, "%s", report->region);
	load.state = report->was_draining ? LOAD_DRAINING : LOAD_UP;
	report_sums_fill(report->sums, view, clock_mono_ms(), &load);
	char *text = load_report_write(&load);
	load_report_done(&load);
	return text;
}

static void send_now(struct report *report)
{
	struct report_view view;
	if (report->connection || !report->hooks.look(report->hooks.user, &view))
		return;
	report->is_due = false;
	report->sent_ms = clock_mono_ms();
	report->digest = report_sums_digest(view.world);
	report->was_draining = report->hooks.is_draining(report->hooks.user);
	int fd = feed_open_socket(report->socket_path);
	if (fd < 0) {
		fail(report, strerror(errno));
		return;
	}
	char *body = write_report(report, &view);
	report->connection = bufferevent_socket_new(report->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(report->connection, on_read, NULL, on_event, report);
	const struct timeval silence = {.tv_sec = REPLY_S};
	bufferevent_set_timeouts(report->connection, &silence, &silence);
	evbuffer_add_printf(bufferevent_get_output(report->connection),
			    "POST /v1/load HTTP/1.0\r\nHost: gslbd\r\nContent-Type: application/json\r\n"
			    "Content-Length: %zu\r\n\r\n%s",
			    strlen(body), body);
	free(body);
	report->facts.sent++;
	bufferevent_enable(report->connection, EV_READ | EV_WRITE);
}

void report_soon(struct report *report)
{
	report->is_due = true;
	send_now(report);
}

static size_t count_members(const struct world *world)
{
	size_t count = 0;
	for (size_t i = 0; i < world->pool_count && count <= LOOK_MEMBERS; i++)
		count += world->pools[i] ? world->pools[i]->member_count : 0;
	return count;
}

static void on_look(evutil_socket_t none, short what, void *user)
{
	struct report *report = user;
	struct report_view view;
	if (!report->hooks.look(report->hooks.user, &view))
		return;
	bool is_changed = report->was_draining != report->hooks.is_draining(report->hooks.user);
	if (count_members(view.world) <= LOOK_MEMBERS)
		is_changed |= report_sums_digest(view.world) != report->digest;
	bool can_be_told = !report->is_told || clock_mono_ms() - report->sent_ms >= EVERY_MS;
	if ((is_changed && can_be_told) || clock_mono_ms() - report->sent_ms >= EVERY_MS)
		report_soon(report);
}

/* ---- life ---- */

struct report *report_new(struct event_base *base, const struct report_settings *settings,
			  const struct report_hooks *hooks)
{
	struct report *report = xcalloc(1, sizeof *report);
	assert(hooks->look && hooks->is_draining);
	assert(settings->socket_path && settings->node && settings->region && settings->epoch_path);
	report->base = base;
	report->socket_path = xstrdup(settings->socket_path);
	report->node = xstrdup(settings->node);
	report->region = xstrdup(settings->region);
	report->hooks = *hooks;
	report->sums = report_sums_new();
	report->epoch = begin_epoch(settings->epoch_path);
	report->look = event_new(base, -1, EV_PERSIST, on_look, report);
	if (!report->look)
		abort();
	event_add(report->look, &(const struct timeval){.tv_usec = LOOK_MS * 1000});
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	end_connection(report);
	event_free(report->look);
	report_sums_free(report->sums);
	free(report->socket_path);
	free(report->node);
	free(report->region);
	free(report);
}

void report_facts(const struct report *report, struct report_facts *ret)
{
	*ret = report->facts;
	ret->problem = report->problem;
}
