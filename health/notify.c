/*
 * The notification hook's queue and its two ways out: a child process, watched through a descriptor of
 * its own (pidfd), or one HTTP request. A notice is told once; a receiver that fails is logged, not
 * asked again, since the state is always there to be read from the API. Control thread.
 */
#include "health/notify.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096 /* one page: what a fresh pipe always takes at once */

struct item {
	char *line; /* with its newline */
	TAILQ_ENTRY(item) link;
};

struct notify {
	struct event_base *base;
	const struct notify_settings *settings;
	TAILQ_HEAD(, item) queue;
	size_t queued;
	struct notify_counts counts;
	uint64_t dropped_in_a_row; /* since the queue was empty */
	struct event *next;	   /* starts what is queued, from the loop */
	pid_t child;		   /* 0: none */
	int child_fd;
	struct event *child_ended, *child_late;
	bool was_killed;
	struct evhttp_connection *connection; /* NULL: none */
	struct evhttp_connection *spent;      /* freed outside of its own callback */
};

static bool is_busy(const struct notify *notify)
{
	return notify->child != 0 || notify->connection;
}

static void finish(struct notify *notify, bool is_good)
{
	if (is_good)
		notify->counts.sent++;
	else
		notify->counts.failed++;
	event_active(notify->next, EV_TIMEOUT, 0);
}

/* ---- a command ---- */

static void on_child_late(evutil_socket_t fd, short events, void *user)
{
	struct notify *notify = user;
	assert(notify->child > 0); /* 0 would be ourselves */
	notify->was_killed = true;
	kill(notify->child, SIGKILL); /* not reaped yet, so the id is still its own */
}

static void on_child_ended(evutil_socket_t fd, short events, void *user)
{
	struct notify *notify = user;
	int status = 0;
	assert(notify->child > 0);
	if (waitpid(notify->child, &status, WNOHANG) != notify->child)
		return;
	event_free(notify->child_ended);
	event_del(notify->child_late);
	close(notify->child_fd);
	notify->child = 0;
	bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (notify->was_killed)
		log_warning("notify: the command took longer than %d s and was killed", NOTIFY_WAIT_S);
	else if (WIFSIGNALED(status))
		log_warning("notify: the command was ended by signal %d", WTERMSIG(status));
	else if (!is_good)
		log_warning("notify: the command ended with %d", WEXITSTATUS(status));
	finish(notify, is_good);
}

/* The child gets its own end of the pipe, our standard error for both outputs, and nothing else of ours:
 * no other descriptor, no blocked or ignored signal. */
static int spawn(char *const *words, int input, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int error = posix_spawn(ret, words[0], &actions, &attributes, words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void watch_child(struct notify *notify, pid_t child)
{
	assert(child > 0 && !is_busy(notify));
	notify->child_fd = pidfd_open(child, 0);
	if (notify->child_fd < 0) { /* no descriptor left: it may run, but nobody waits for it */
		log_warning("notify: the command cannot be watched: %s", strerror(errno));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		finish(notify, false);
		return;
	}
	notify->child = child;
	notify->was_killed = false;
	notify->child_ended =
		event_new(notify->base, notify->child_fd, EV_READ | EV_PERSIST, on_child_ended, notify);
	if (!notify->child_ended || event_add(notify->child_ended, NULL) != 0)
		abort();
	event_add(notify->child_late, &(const struct timeval){.tv_sec = NOTIFY_WAIT_S});
}

static void start_command(struct notify *notify, const char *line)
{
	int ends[2];
	pid_t child;
	assert(!notify->settings->exec[notify->settings->exec_count]);
	int error = pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
	if (!error) {
		/* Only our end must not block; a fresh pipe takes a line at once. */
		fcntl(ends[0], F_SETFL, 0);
		error = write(ends[1], line, strlen(line)) < 0 ? errno : 0;
		if (!error)
			error = spawn(notify->settings->exec, ends[0], &child);
		close(ends[0]);
		close(ends[1]);
	}
	if (error) {
		log_warning("notify: %s cannot be run: %s", notify->settings->exec[0], strerror(error));
		finish(notify, false);
	} else {
		watch_child(notify, child);
	}
}

/* ---- HTTP ---- */

static void on_reply(struct evhttp_request *request, void *user)
{
	struct notify *notify = user;
	int status = request ? evhttp_request_get_response_code(request) : 0;
	bool is_good = status >= 200 && status <= 299;
	if (status == 0)
		log_warning("notify: %s does not answer",
			    notify->settings->post ? notify->settings->post : "the receiver");
	else if (!is_good)
		log_warning("notify: the receiver answered with status %d", status);
	assert(notify->connection && !notify->spent);
	notify->spent = notify->connection;
	notify->connection = NULL;
	finish(notify, is_good);
}

static void start_post(struct notify *notify, const char *line)
{
	const struct notify_settings *settings = notify->settings;
	struct evhttp_connection *connection =
		evhttp_connection_base_new(notify->base, NULL, settings->post_address, settings->post_port);
	struct evhttp_request *request = evhttp_request_new(on_reply, notify);
	if (!connection || !request)
		abort();
	evhttp_connection_set_timeout(connection, NOTIFY_WAIT_S);
	evhttp_connection_set_max_body_size(connection, 65536);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Host", settings->post_host);
	evhttp_add_header(headers, "Content-Type", "application/json");
	evhttp_add_header(headers, "Connection", "close");
	evbuffer_add(evhttp_request_get_output_buffer(request), line, strlen(line));
	notify->connection = connection;
	if (evhttp_make_request(connection, request, EVHTTP_REQ_POST, settings->post_target) != 0 &&
	    notify->connection) {
		notify->connection = NULL; /* without on_reply; the request is gone */
		evhttp_connection_free(connection);
		log_warning("notify: %s cannot be reached", settings->post);
		finish(notify, false);
	}
}

/* ---- the queue ---- */

static void free_item(struct notify *notify, struct item *item)
{
	assert(notify->queued > 0);
	TAILQ_REMOVE(&notify->queue, item, link);
	notify->queued--;
	free(item->line);
	free(item);
}

static bool is_configured(const struct notify *notify)
{
	return notify->settings && (notify->settings->exec_count > 0 || notify->settings->post);
}

static void free_spent(struct notify *notify)
{
	if (notify->spent)
		evhttp_connection_free(notify->spent);
	notify->spent = NULL;
}

static void on_next(evutil_socket_t fd, short events, void *user)
{
	struct notify *notify = user;
	struct item *item = TAILQ_FIRST(&notify->queue);
	free_spent(notify);
	if (is_busy(notify))
		return;
	if (!item) {
		if (notify->dropped_in_a_row > 0)
			log_warning("notify: %llu notices were dropped in all; the receiver is too slow",
				    (unsigned long long)notify->dropped_in_a_row);
		notify->dropped_in_a_row = 0;
		return;
	}
	assert(is_configured(notify)); /* or the queue would be empty */
	if (notify->settings->exec_count > 0)
		start_command(notify, item->line);
	else
		start_post(notify, item->line);
	free_item(notify, item);
}

static char *write_line(const struct notice *notice)
{
	char time[32];
	text_from_unix_ms(notice->unix_ms, time);
	json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time", json_text(time),
				 "service", json_text(notice->service), "region", json_text(notice->region),
				 "vip", json_text(notice->vip), "check", json_text(notice->check), "from",
				 json_text(notice->from), "to", json_text(notice->to), "reason",
				 json_text(notice->reason));
	if (!json) /* a reason that was cut inside a character */
		return NULL;
	char *text = json_dumps(json, JSON_COMPACT);
	char *line = text ? xasprintf("%s\n", text) : NULL;
	free(text);
	json_decref(json);
	if (line && strlen(line) <= LINE_BYTES_MAX)
		return line;
	free(line);
	return NULL;
}

void notify_send(struct notify *notify, const struct notice *notice)
{
	if (!notify || !is_configured(notify))
		return;
	struct notice plain = *notice;
	plain.reason = "";
	char *line = write_line(notice);
	if (!line)
		line = write_line(&plain);
	if (!line) {
		notify->counts.failed++;
		return;
	}
	if (notify->queued == NOTIFY_QUEUE_MAX) {
		free_item(notify, TAILQ_FIRST(&notify->queue));
		notify->counts.dropped++;
		if (notify->dropped_in_a_row++ == 0)
			log_warning("notify: %d notices wait already; the oldest are dropped",
				    NOTIFY_QUEUE_MAX);
	}
	assert(notify->queued < NOTIFY_QUEUE_MAX);
	struct item *item = xcalloc(1, sizeof *item);
	item->line = line;
	TAILQ_INSERT_TAIL(&notify->queue, item, link);
	notify->queued++;
	if (!is_busy(notify))
		event_active(notify->next, EV_TIMEOUT, 0);
}

struct notify_counts notify_counts(const struct notify *notify)
{
	return notify ? notify->counts : (struct notify_counts){0};
}

/* ---- life ---- */

struct notify *notify_new(struct event_base *base)
{
	struct notify *notify = xcalloc(1, sizeof *notify);
	notify->base = base;
	TAILQ_INIT(&notify->queue);
	notify->next = evtimer_new(base, on_next, notify);
	notify->child_late = evtimer_new(base, on_child_late, notify);
	if (!notify->next || !notify->child_late)
		abort();
	return notify;
}

static void forget_queue(struct notify *notify)
{
	struct item *item;
	while ((item = TAILQ_FIRST(&notify->queue)))
		free_item(notify, item);
}

void notify_configure(struct notify *notify, const struct notify_settings *settings)
{
	notify->settings = settings;
	if (!is_configured(notify))
		forget_queue(notify);
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	forget_queue(notify);
	if (notify->child) {
		event_free(notify->child_ended);
		close(notify->child_fd);
	}
	if (notify->connection)
		evhttp_connection_free(notify->connection);
	free_spent(notify);
	event_free(notify->next);
	event_free(notify->child_late);
	free(notify);
}
