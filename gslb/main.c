/*
 * gslbd: the one place that knows the data path, the control path and the API. It owns the published world;
 * the control path swaps it, the workers read it.
 */
#include "daemon/options.h"
#include "daemon/run.h"
#include "gslb/api/api.h"
#include "gslb/serve/workers.h"
#include "lib/log.h"
#include <assert.h>

struct gslbd {
	struct event_base *base;
	struct server *server;
	struct api *api;
	struct workers *workers;
	struct publish world;
};

/* ---- hooks: what the control path may ask of the data path ---- */

static bool start_serving(void *user, struct err_list *errors)
{
	struct gslbd *gslbd = user;
	const struct gslb_config *node = server_config(gslbd->server);
	struct workers_config config = {
		.listen = node->listen,
		.listen_count = node->listen_count,
		.workers = node->workers,
		.pins_cpus = node->pins_cpus,
		.sockets = {.buffer_bytes = node->socket_buffer_bytes, .has_freebind = node->has_freebind},
		.world = &gslbd->world,
	};
	gslbd->workers = workers_start(&config, errors);
	return gslbd->workers != NULL;
}

static const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	struct gslbd *gslbd = user;
	*ret_count = 0;
	return gslbd->workers ? workers_listeners(gslbd->workers, ret_count) : NULL;
}

static struct stats *const *stats(void *user, size_t *ret_count)
{
	struct gslbd *gslbd = user;
	*ret_count = 0;
	return gslbd->workers ? workers_stats(gslbd->workers, ret_count) : NULL;
}

static uint64_t kernel_dropped(void *user, size_t listener, unsigned transport)
{
	assert(((struct gslbd *)user)->workers); /* else there is no listener */
	return workers_kernel_dropped(((struct gslbd *)user)->workers, listener, (enum transport)transport);
}

static bool rebind(void *user, const struct node_config *config, struct err_list *errors)
{
	struct gslbd *gslbd = user;
	assert(gslbd->api); /* the loop turns, and so reloads come, only when it is there */
	return api_rebind(gslbd->api, config, errors);
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
	struct gslbd *gslbd = user;
	struct requester requester = {.author = "SIGHUP", .via = "signal"};
	if (gslbd->server)
		server_reload(gslbd->server, &requester, on_reloaded, gslbd);
}

static int run(const char *config_path)
{
	static const struct server_hooks hooks_template = {.start_serving = start_serving,
							   .listeners = listeners,
							   .stats = stats,
							   .kernel_dropped = kernel_dropped,
							   .rebind = rebind};
	struct gslbd gslbd = {.base = event_base_new()};
	struct server_hooks hooks = hooks_template;
	hooks.user = &gslbd;
	struct err_list errors = {0};
	int status = 1;
	struct run *signals = run_new(gslbd.base, on_reload, &gslbd);
	gslbd.server = server_new(gslbd.base, config_path, &hooks, &gslbd.world, &errors);
	if (gslbd.server)
		gslbd.api = api_new(gslbd.server, &errors);
	err_print(&errors, stderr);
	err_done(&errors);
	if (gslbd.api) {
		event_base_dispatch(gslbd.base);
		status = server_has_failed(gslbd.server) ? 1 : 0;
	}
	workers_stop(gslbd.workers);
	api_free(gslbd.api);
	server_free(gslbd.server);
	world_free(publish_swap(&gslbd.world, NULL));
	run_free(signals);
	event_base_free(gslbd.base);
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
		"gslbd",
		"Authoritative DNS server that answers each tenant name with the addresses of the\n"
		"best healthy region for that client. Runs in the foreground, logs to standard error."};
	struct options options;
	int status = options_parse(&program, argc, argv, &options);
	if (status >= 0)
		return status;
	log_init(program.name, options.log_format, options.log_level);
	return options.checks_only ? check(options.config_path) : run(options.config_path);
}
