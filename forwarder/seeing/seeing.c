/* The life of what tells of requests. Control thread. */
#include "forwarder/seeing/seeing.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100

struct seeing {
	const struct server *server;
	struct worker_view *const *workers;
	size_t worker_count;
	struct usage *usage;
	struct writer *writer;
	struct event *tick; /* a reload may have brought another access log */
	struct writer_log log;
};

static struct writer_log log_of(const struct forwarder_config *config)
{
	const struct forwarder_access_log *log = &config->access_log;

	return (struct writer_log){log->is_on, log->path, log->rotate_bytes, log->keep, log->anonymizes};
}

static bool is_same(const struct writer_log *a, const struct writer_log *b)
{
	bool is_same_path = a->path && b->path ? strcmp(a->path, b->path) == 0 : a->path == b->path;

	return a->is_on == b->is_on && is_same_path && a->rotate_bytes == b->rotate_bytes &&
	       a->keep == b->keep && a->anonymizes == b->anonymizes;
}

static void keep_log(struct seeing *seeing, const struct writer_log *log)
{
	free((char *)seeing->log.path);
	seeing->log = *log;
	seeing->log.path = log->path ? xstrdup(log->path) : NULL;
}

static void on_tick(evutil_socket_t none, short what, void *user)
{
	struct seeing *seeing = user;
	struct writer_log log = log_of(server_config(seeing->server));

	assert(seeing->writer);
	if (is_same(&log, &seeing->log))
		return;
	keep_log(seeing, &log);
	writer_configure(seeing->writer, &log);
}

static void on_turn(void *user, bool is_last)
{
	usage_turn(user, is_last);
}

struct seeing *seeing_new(const struct server *server)
{
	struct seeing *seeing = xcalloc(1, sizeof *seeing);

	seeing->server = server;
	seeing->tick = event_new(server_base(server), -1, EV_PERSIST, on_tick, seeing);
	return seeing;
}

void seeing_free(struct seeing *seeing)
{
	if (!seeing)
		return;
	seeing_stop(seeing);
	event_free(seeing->tick);
	free((char *)seeing->log.path);
	free(seeing);
}

bool seeing_start(struct seeing *seeing, struct worker_view *const *workers, size_t worker_count,
		  struct err_list *errors)
{
	const struct forwarder_config *config = server_config(seeing->server);
	struct writer_log log = log_of(config);
	struct usage_settings settings = {.node = config->node.name,
					  .directory = config->usage_dir,
					  .state_dir = config->node.state_dir,
					  .keep_ms = config->usage_keep_ms};

	assert(!seeing->writer);
	seeing->workers = workers;
	seeing->worker_count = worker_count;
	seeing->usage = usage_new(&settings, workers, worker_count);
	struct writer_hooks hooks = {seeing->usage, on_turn};
	seeing->writer = writer_new(config->node.region, workers, worker_count, &log, &hooks);
	if (!seeing->writer) {
		err_add(errors, NULL, 0, 0, "cannot start the writer: %s", strerror(errno));
		seeing_stop(seeing);
		return false;
	}
	keep_log(seeing, &log);
	event_add(seeing->tick, &(const struct timeval){.tv_usec = TICK_MS * 1000});
	return true;
}

void seeing_stop(struct seeing *seeing)
{
	event_del(seeing->tick);
	writer_free(seeing->writer);
	usage_free(seeing->usage);
	seeing->writer = NULL;
	seeing->usage = NULL;
	seeing->worker_count = 0;
}

void seeing_reopen(struct seeing *seeing)
{
	if (seeing->writer)
		writer_reopen(seeing->writer);
}

const struct server *seeing_server(const struct seeing *seeing)
{
	return seeing->server;
}

struct worker_view *const *seeing_workers(const struct seeing *seeing, size_t *ret_count)
{
	*ret_count = seeing->worker_count;
	return seeing->workers;
}

const struct writer *seeing_writer(const struct seeing *seeing)
{
	return seeing->writer;
}

struct usage_sum *seeing_usage(const struct seeing *seeing)
{
	return seeing->usage ? usage_sums(seeing->usage) : NULL;
}
