/*
 * forwarderd: the one place that knows the relay and the control path. It owns the published world; the
 * control path swaps it, the workers read it.
 */
#include "daemon/options.h"
#include "daemon/run.h"
#include "daemon/sd_notify.h"
#include "forwarder/api/api.h"
#include "forwarder/control/server.h"
#include "forwarder/relay/relay.h"
#include "forwarder/seeing/seeing.h"
#include "forwarder/tls/tls_mem.h"
#include "forwarder/traffic/fair.h"
#include "lib/clock.h"
#include "lib/log.h"
#include <assert.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#define DRAIN_LOOK_MS 20

struct forwarderd {
	struct event_base *base;
	struct server *server;
	struct api *api;
	struct relay *relay;
	struct seeing *seeing;
	struct publish world;
	/* draining */
	struct event *look;
	uint64_t leave_ms, until_ms; /* when accepting ends, when everything does */
	bool has_left;
};

/* ---- hooks: what the control path may ask of the relay ---- */

static struct listener_address *listeners_of(const struct forwarder_config *config)
{
	struct listener_address *listeners =
		xcalloc(config->http_count + config->https_count, sizeof *listeners);

	for (size_t i = 0; i < config->http_count; i++)
		listeners[i] =
			(struct listener_address){config->http[i].address, config->http[i].written, false};
	for (size_t i = 0; i < config->https_count; i++)
		listeners[config->http_count + i] =
			(struct listener_address){config->https[i].address, config->https[i].written, true};
	return listeners;
}

static void tell_listeners(const struct relay *relay, size_t http_count)
{
	size_t count;
	const struct sockaddr_storage *bound = relay_listeners(relay, &count);
	char written[64];

	for (size_t i = 0; i < count; i++) {
		listen_format((const struct sockaddr *)&bound[i], false, written);
		log_info("listening on %s (%s)", written, i < http_count ? "http" : "https");
	}
}

static bool start_seeing(struct forwarderd *forwarderd, struct err_list *errors)
{
	size_t count;
	struct worker_view *const *workers = relay_views(forwarderd->relay, &count);

	return seeing_start(forwarderd->seeing, workers, count, errors);
}

static bool start_serving(void *user, struct err_list *errors)
{
	struct forwarderd *forwarderd = user;
	const struct forwarder_config *node = server_config(forwarderd->server);
	struct listener_address *listeners = listeners_of(node);
	struct relay_config config = {
		.world = &forwarderd->world,
		.workers = node->workers,
		.pins_cpus = node->pins_cpus,
		.connections = node->connections,
		.buffers_bytes = node->buffers_bytes,
		.has_tls = true,
		.only_tls_1_3 = node->requires_tls13,
		.certificate_cache_bytes = node->certificate_cache_bytes,
		.listener_count = node->http_count + node->https_count,
		.listeners = listeners,
	};

	assert(!forwarderd->relay && config.listener_count > 0);
	forwarderd->relay = relay_start(&config, errors);
	free(listeners);
	if (!forwarderd->relay || !start_seeing(forwarderd, errors))
		return false;
	tell_listeners(forwarderd->relay, node->http_count);
	sd_notify_send("READY=1");
	return true;
}

static const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	struct forwarderd *forwarderd = user;

	*ret_count = 0;
	return forwarderd->relay ? relay_listeners(forwarderd->relay, ret_count) : NULL;
}

static struct request_stats *const *stats(void *user, size_t *ret_count)
{
	struct forwarderd *forwarderd = user;

	*ret_count = 0;
	return forwarderd->relay ? relay_stats(forwarderd->relay, ret_count) : NULL;
}

static size_t connections(void *user)
{
	struct forwarderd *forwarderd = user;

	return forwarderd->relay ? relay_connections(forwarderd->relay) : 0;
}

static bool rebind(void *user, const struct node_config *config, struct err_list *errors)
{
	struct forwarderd *forwarderd = user;

	assert(forwarderd->api); /* the loop turns, and so reloads come, only when it is there */
	return api_rebind(forwarderd->api, config, errors);
}

/* ---- life ---- */

static void on_reloaded(void *user, const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		if (errors->items[i].is_warning)
			continue;
		char *line = err_line(errors, i);
		log_error("reload refused: %s", line);
		free(line);
	}
}

static void on_reload(void *user)
{
	struct forwarderd *forwarderd = user;

	if (forwarderd->server)
		server_reload(forwarderd->server, on_reloaded, forwarderd);
}

static void on_reopen(void *user)
{
	struct forwarderd *forwarderd = user;

	if (forwarderd->seeing)
		seeing_reopen(forwarderd->seeing);
}

/* ---- the end ---- */

static void look_at_drain(evutil_socket_t fd, short what, void *user)
{
	struct forwarderd *forwarderd = user;
	uint64_t now_ms = clock_mono_ms();

	if (!forwarderd->has_left && now_ms >= forwarderd->leave_ms) {
		forwarderd->has_left = true;
		relay_drain(forwarderd->relay, forwarderd->until_ms);
	}
	if (forwarderd->has_left && (connections(forwarderd) == 0 || now_ms >= forwarderd->until_ms))
		event_base_loopbreak(forwarderd->base);
}

/* SIGTERM: those who ask are told first, then nobody new is let in, then requests end, but not for ever. A
 * second one ends at once. */
static void drain(struct forwarderd *forwarderd)
{
	const struct forwarder_config *config = server_config(forwarderd->server);
	struct timeval every = {0, DRAIN_LOOK_MS * 1000};

	assert(forwarderd->relay && !forwarderd->look);
	server_drain(forwarderd->server);
	sd_notify_send("STOPPING=1");
	forwarderd->leave_ms = clock_mono_ms() + config->leave_ms;
	forwarderd->until_ms = forwarderd->leave_ms + config->drain_ms;
	log_info("draining: %zu connections, at most %u ms", connections(forwarderd),
		 config->leave_ms + config->drain_ms);
	forwarderd->look = event_new(forwarderd->base, -1, EV_PERSIST, look_at_drain, forwarderd);
	event_add(forwarderd->look, &every);
	look_at_drain(-1, 0, forwarderd);
	event_base_dispatch(forwarderd->base);
	event_free(forwarderd->look);
	if (connections(forwarderd))
		log_warning("%zu connections were still open at the end", connections(forwarderd));
}

static int run(const char *config_path)
{
	struct forwarderd forwarderd = {.base = event_base_new()};
	struct server_hooks hooks = {.user = &forwarderd,
				     .start_serving = start_serving,
				     .listeners = listeners,
				     .stats = stats,
				     .connections = connections,
				     .rebind = rebind,
				     .free_queue = fair_queue_free};
	struct err_list errors = {0};
	int status = 1;
	struct run *signals = run_new(forwarderd.base, on_reload, &forwarderd);

	forwarderd.server = server_new(forwarderd.base, config_path, &hooks, &forwarderd.world, &errors);
	run_set_reopen(signals, on_reopen);
	if (forwarderd.server) {
		forwarderd.seeing = seeing_new(forwarderd.server);
		forwarderd.api = api_new(forwarderd.server, forwarderd.seeing, &errors);
	}
	err_print(&errors, stderr);
	err_done(&errors);
	if (forwarderd.api) {
		event_base_dispatch(forwarderd.base);
		status = server_has_failed(forwarderd.server) ? 1 : 0;
		if (status == 0 && forwarderd.relay)
			drain(&forwarderd);
	}
	if (forwarderd.relay)
		relay_join(forwarderd.relay); /* what ended last is written, too */
	api_free(forwarderd.api);
	seeing_free(forwarderd.seeing);
	relay_stop(forwarderd.relay);
	server_free(forwarderd.server);
	run_free(signals);
	event_base_free(forwarderd.base);
	return status;
}

static int check(const char *config_path)
{
	struct err_list errors = {0};
	bool is_good = server_check(config_path, &errors);

	err_print(&errors, stderr);
	err_done(&errors);
	return is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct options_program program = {
		"forwarderd",
		"Forwards HTTP of each tenant to its own origins in this region, within its own limits,\n"
		"and tells DNS the real load. Runs in the foreground, logs to standard error."};
	struct options options;
	int status = options_parse(&program, argc, argv, &options);

	if (status >= 0)
		return status;
	mallopt(M_ARENA_MAX, 2); /* workers have slabs of their own: more arenas only keep memory */
	tls_mem_install();
	signal(SIGPIPE, SIG_IGN);
	log_init(program.name, options.log_format, options.log_level);
	return options.checks_only ? check(options.config_path) : run(options.config_path);
}
