/* Start, worlds, reload and the end: the life of the control path. One thread, one libevent base. */
#include "forwarder/control/server.h"
#include "forwarder/control/files.h"
#include "forwarder/control/report.h"
#include "forwarder/control/secrets.h"
#include "forwarder/control/settings.h"
#include "forwarder/plan/outlier.h"
#include "health/resolve_names.h"
#include "lib/clock.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PUBLISH_MS 5	  /* changes of one moment become one world */
#define STEP_TENANTS 5000 /* of a fleet that stands: some milliseconds */
#define PROBES 256	  /* at once, where `probes` says nothing */
#define SNAPSHOT "forwarderd-fleet.jsonl"
#define EPOCH "forwarderd-epoch"

struct reload_request {
	struct reload_request *next; /* asked meanwhile, too */
	server_reloaded_fn *done;
	void *user;
};

struct server {
	struct event_base *base;
	const struct server_hooks *hooks;
	char *config_path, *region;
	struct forwarder_config *config;
	struct publish *publish; /* main.c owns it; workers read it */
	struct world *world;	 /* what is published; NULL: nothing yet */
	uint64_t epoch, published_ms;
	struct slots *slots;
	struct origins *origins;
	struct resolve_names *names;
	struct secrets *secrets;
	struct build_shared shared;
	unsigned nodes;	     /* of the configuration */
	struct fleet *fleet; /* of the build; NULL: none yet */
	struct build *build;
	/* control.api */
	struct feed_copy *copy;
	struct feed *feed;
	struct report *report;
	/* files that are being read, and a fleet of them that is not whole yet */
	struct helper *helper;
	struct files files;
	struct build *next;
	struct reload_request *reload, *queue; /* those who asked for this one, and for the one after it */
	struct event *step_timer, *publish_timer, *tick;
	uint64_t started_ms;
	bool is_serving, is_draining, has_failed;
	bool is_reading_snapshot; /* of the feed */
};

static void start_reading(struct server *server);

/* ---- worlds ---- */

static uint16_t https_port(const struct server *server)
{
	const struct sockaddr_storage *bound;
	size_t count = 0, first = server->config->http_count;

	if (!server->is_serving || server->config->https_count == 0)
		return 0;
	bound = server->hooks->listeners(server->hooks->user, &count);
	if (first >= count)
		return 0;
	return ntohs(bound[first].ss_family == AF_INET
			     ? ((const struct sockaddr_in *)&bound[first])->sin_port
			     : ((const struct sockaddr_in6 *)&bound[first])->sin6_port);
}

/* Origins by name are looked up where services have others than before. */
static void want_names(struct server *server)
{
	char **names;
	size_t count = build_names(server->build, &names);

	resolve_names_want(server->names, (const char *const *)names, count);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void publish_now(struct server *server)
{
	assert(server->build && server->fleet);
	struct world *world = build_world(server->build);
	bool has_services = !server->world || server->world->services != world->services;

	evtimer_del(server->publish_timer);
	world->epoch = ++server->epoch;
	settings_of(server->config, https_port(server), &world->settings);
	secrets_fill(server->secrets, world);
	server->world = world;
	free(publish_swap(server->publish, world));
	secrets_settle(server->secrets);
	build_settle(server->build);
	server->published_ms = clock_mono_ms();
	if (has_services)
		want_names(server);
}

/* Soon, where one was published just now. */
static void publish(struct server *server)
{
	uint64_t age_ms = clock_mono_ms() - server->published_ms;

	if (evtimer_pending(server->publish_timer, NULL))
		return;
	if (age_ms >= PUBLISH_MS)
		publish_now(server);
	else
		evtimer_add(server->publish_timer,
			    &(const struct timeval){.tv_usec = (suseconds_t)(PUBLISH_MS - age_ms) * 1000});
}

static void on_publish(evutil_socket_t none, short what, void *user)
{
	publish_now(user);
}

static void fail(struct server *server, struct err_list *errors)
{
	err_print(errors, stderr);
	server->has_failed = true;
	event_base_loopbreak(server->base);
}

static void start_serving(struct server *server)
{
	struct err_list errors = {0};

	if (server->is_serving || server->has_failed || !server->world || !secrets_are_ready(server->secrets))
		return;
	if (server->is_reading_snapshot)
		return; /* what is known by now may be old */
	if (server->hooks->start_serving(server->hooks->user, &errors)) {
		server->is_serving = true;
		if (server->config->https_count > 0)
			publish_now(server); /* the port of https is known now */
		log_info("serving");
	} else {
		fail(server, &errors);
	}
	err_done(&errors);
}

/* Another fleet takes the place of the one that served. */
static void take(struct server *server, struct fleet *fleet, struct build *build)
{
	struct fleet *old_fleet = server->fleet;
	struct build *old_build = server->build;

	assert(fleet && build && build != old_build);
	server->fleet = fleet;
	server->build = build;
	publish_now(server);
	build_free(old_build);
	fleet_free(old_fleet);
	malloc_trim(0); /* what reading left free */
	start_serving(server);
}

static void on_replaced(void *user, struct fleet *fleet, struct build *build)
{
	take(user, fleet, build);
}

static void on_changed(void *user)
{
	struct server *server = user;

	if (!server->is_reading_snapshot)
		publish(server);
}

/* Of the disk. */
static void on_feed_was_read(void *user)
{
	struct server *server = user;

	server->is_reading_snapshot = false;
	if (server->build && build_is_changed(server->build))
		publish_now(server);
	start_serving(server);
}

static void on_addresses(void *user)
{
	struct server *server = user;

	if (!server->build)
		return;
	build_addresses_changed(server->build);
	if (build_is_changed(server->build))
		publish(server);
}

static void on_secrets(void *user)
{
	struct server *server = user;

	if (server->build)
		publish_now(server);
	start_serving(server);
}

static void on_looked_up(void *user) {}

static void on_tick(evutil_socket_t none, short what, void *user)
{
	struct server *server = user;
	uint64_t now_ns = clock_mono_ns();

	for (size_t i = 0; server->world && i < server->world->pool_count; i++)
		if (server->world->pools[i])
			outlier_sweep(server->world->pools[i], now_ns);
	if (!server->feed)
		return;
	feed_copy_expire(server->copy);
	feed_tick(server->feed, server->fleet);
}

/* ---- reading files ---- */

static void finish_reload(struct server *server, const struct err_list *errors)
{
	struct reload_request *requests = server->reload;

	server->reload = NULL;
	while (requests) {
		struct reload_request *next = requests->next;
		requests->done(requests->user, errors);
		free(requests);
		requests = next;
	}
}

static void log_warnings(const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		char *line = errors->items[i].is_warning ? err_line(errors, i) : NULL;
		if (line)
			log_warning("%s", line);
		free(line);
	}
}

static void end_reading(struct server *server)
{
	struct err_list *errors = &server->files.errors;

	if (err_has_errors(errors) && !server->world && !server->copy)
		fail(server, errors);
	else
		log_warnings(errors);
	finish_reload(server, errors);
	files_done(&server->files);
	if (server->queue && !server->has_failed)
		start_reading(server);
}

/* Worlds point into the old one until the next is published. */
static struct forwarder_config *take_config(struct server *server)
{
	struct forwarder_config *old = server->config;

	assert(old && server->files.config);
	server->config = server->files.config;
	server->files.config = NULL;
	secrets_configure(server->secrets, server->config);
	server->nodes = server->config->nodes;
	return old;
}

static void on_step(evutil_socket_t none, short what, void *user)
{
	struct server *server = user;

	if (!server->next) { /* a helper could not be started */
		end_reading(server);
		return;
	}
	assert(server->files.fleet && server->files.config);
	if (build_step(server->next, STEP_TENANTS)) {
		evtimer_add(server->step_timer,
			    &(const struct timeval){0}); /* others of the loop come first */
		return;
	}
	struct forwarder_config *old = take_config(server);
	struct fleet *fleet = server->files.fleet;
	struct build *build = server->next;
	server->next = NULL;
	server->files.fleet = NULL;
	take(server, fleet, build);
	forwarder_config_free(old);
	end_reading(server);
}

static bool may_take(struct server *server, struct err_list *errors)
{
	const struct forwarder_config *config = server->files.config;

	if (!config || err_has_errors(errors))
		return false;
	const char *key = forwarder_config_restart_only_difference(server->config, config);
	if (key) {
		err_add(errors, config->node.path, 0, 0, "%s cannot change while forwarderd runs; restart it",
			key);
		return false;
	}
	return !server->world || !server->hooks->rebind ||
	       server->hooks->rebind(server->hooks->user, &config->node, errors);
}

static void on_read(void *user)
{
	struct server *server = user;

	server->helper = NULL;
	if (!may_take(server, &server->files.errors)) {
		end_reading(server);
	} else if (server->copy) {
		struct forwarder_config *old = take_config(server);
		if (server->build) {
			build_nodes_changed(server->build);
			publish_now(server);
		}
		forwarder_config_free(old);
		end_reading(server);
	} else {
		assert(server->files.fleet);
		server->nodes = server->files.config->nodes; /* what is built here is taken */
		server->next = build_new(&server->shared, server->files.fleet, server->build);
		on_step(-1, 0, server);
	}
}

static void read_files(void *user)
{
	struct server *server = user;

	files_read(server->config_path, &server->files);
}

static void start_reading(struct server *server)
{
	assert(!server->helper && !server->next && !server->files.config);
	server->reload = server->queue;
	server->queue = NULL;
	server->helper = helper_start(server->base, read_files, on_read, server);
	if (server->helper)
		return;
	err_add(&server->files.errors, server->config_path, 0, 0, "the files cannot be read: %s",
		strerror(errno));
	evtimer_add(server->step_timer, &(const struct timeval){0}); /* nobody is told from within his call */
}

static bool is_reading(const struct server *server)
{
	return server->helper || server->next || evtimer_pending(server->step_timer, NULL);
}

void server_reload(struct server *server, server_reloaded_fn *done, void *user)
{
	struct reload_request *request = xcalloc(1, sizeof *request);

	*request = (struct reload_request){server->queue, done, user};
	server->queue = request;
	if (!is_reading(server))
		start_reading(server);
}

/* ---- reports of load ---- */

/* What node.yaml says, or an equal part of what the region can bear. */
static uint32_t capacity_of(const struct server *server)
{
	const struct fleet_region *region =
		(const struct fleet_region *)fleet_get(server->fleet, FLEET_REGION, server->region);

	if (server->config->capacity > 0)
		return server->config->capacity;
	return region ? region->capacity / server->config->nodes : 0;
}

static bool look_for_report(void *user, struct report_view *ret)
{
	struct server *server = user;

	if (!server->world)
		return false;
	*ret = (struct report_view){.world = server->world, .capacity = capacity_of(server)};
	ret->stats = server_stats(server, &ret->stats_count);
	return true;
}

static bool is_draining_for_report(void *user)
{
	return ((const struct server *)user)->is_draining;
}

static struct report *new_report(struct server *server)
{
	const struct node_config *node = &server->config->node;
	const struct report_hooks hooks = {server, look_for_report, is_draining_for_report};
	char *epoch_path = xasprintf("%s/" EPOCH, node->state_dir);
	const struct report_settings settings = {.socket_path = server->config->control_api,
						 .node = node->name,
						 .region = server->region,
						 .epoch_path = epoch_path};
	struct report *report = report_new(server->base, &settings, &hooks);

	free(epoch_path);
	return report;
}

/* ---- life ---- */

static void new_parts(struct server *server)
{
	const struct node_config *node = &server->config->node;
	const struct origins_hooks origins_hooks = {server, NULL, server->hooks->free_queue};
	const struct resolve_names_hooks names_hooks = {server, on_addresses, on_looked_up};

	mkdir(node->state_dir, 0750); /* where it is not there, and else nothing */
	server->region = xstrdup(node->region);
	server->nodes = server->config->nodes;
	server->slots = slots_new();
	server->origins = origins_new(server->base, node->has_probes ? node->probe_concurrency : PROBES,
				      ORIGINS_GRACE_MS, &origins_hooks);
	server->names = resolve_names_new(server->base, NULL, node->resolvers, &names_hooks);
	server->shared = (struct build_shared){.origins = server->origins,
					       .slots = server->slots,
					       .region = server->region,
					       .nodes = &server->nodes,
					       .addresses = resolve_names_addresses,
					       .addresses_user = server->names};
	server->secrets = secrets_new(server->base, server->config, on_secrets, server);
	if (!server->config->control_api) {
		start_reading(server);
		return;
	}
	const struct feed_copy_hooks copy_hooks = {server, on_replaced, on_changed};
	const struct feed_hooks feed_hooks = {server, on_feed_was_read};
	char *snapshot = xasprintf("%s/" SNAPSHOT, node->state_dir);
	server->copy = feed_copy_new(&server->shared, &copy_hooks);
	server->is_reading_snapshot = true;
	server->feed =
		feed_new(server->base, server->config->control_api, snapshot, server->copy, &feed_hooks);
	server->report = new_report(server);
	free(snapshot);
}

struct server *server_new(struct event_base *base, const char *config_path, const struct server_hooks *hooks,
			  struct publish *world, struct err_list *errors)
{
	struct server *server = xcalloc(1, sizeof *server);

	assert(hooks->start_serving && hooks->listeners);
	assert(!publish_get(world));
	server->base = base;
	server->hooks = hooks;
	server->publish = world;
	server->config_path = xstrdup(config_path);
	server->started_ms = clock_mono_ms();
	server->step_timer = evtimer_new(base, on_step, server);
	server->publish_timer = evtimer_new(base, on_publish, server);
	server->tick = event_new(base, -1, EV_PERSIST, on_tick, server);
	server->config = forwarder_config_load(config_path, errors);
	if (!server->config || err_has_errors(errors)) {
		/* The rest is read all the same: everything wrong in one pass. */
		err_done(errors);
		server_check(config_path, errors);
		server_free(server);
		return NULL;
	}
	new_parts(server);
	event_add(server->tick, &(const struct timeval){.tv_sec = 1});
	return server;
}

static void free_requests(struct reload_request *request)
{
	while (request) {
		struct reload_request *next = request->next;
		free(request);
		request = next;
	}
}

void server_free(struct server *server)
{
	if (!server)
		return;
	helper_free(server->helper);
	report_free(server->report);
	feed_free(server->feed);
	feed_copy_free(server->copy);
	if (server->world)
		free(publish_swap(server->publish, NULL));
	secrets_free(server->secrets);
	build_free(server->next);
	build_free(server->build);
	fleet_free(server->fleet);
	files_done(&server->files);
	resolve_names_free(server->names);
	origins_free(server->origins);
	slots_free(server->slots);
	free_requests(server->reload);
	free_requests(server->queue);
	event_free(server->step_timer);
	event_free(server->publish_timer);
	event_free(server->tick);
	forwarder_config_free(server->config);
	free(server->config_path);
	free(server->region);
	free(server);
}

bool server_check(const char *config_path, struct err_list *errors)
{
	struct files files;

	files_read(config_path, &files);
	bool is_good = files.config && !err_has_errors(&files.errors);
	err_move(errors, &files.errors);
	files_done(&files);
	return is_good;
}

void server_drain(struct server *server)
{
	server->is_draining = true;
}

/* ---- what is looked at ---- */

const char *const *server_waiting(const struct server *server)
{
	static const char *const nothing[] = {NULL}, *const fleet[] = {"fleet", NULL};
	static const char *const certificates[] = {"certificates", NULL};
	static const char *const both[] = {"fleet", "certificates", NULL}, *const draining[] = {"draining",
												NULL};
	bool has_certificates = server->secrets && secrets_are_ready(server->secrets);

	if (server->is_draining)
		return draining;
	if (server->is_serving)
		return nothing;
	return server->world ? certificates : has_certificates ? fleet : both;
}

bool server_has_failed(const struct server *server)
{
	return server->has_failed;
}

struct event_base *server_base(const struct server *server)
{
	return server->base;
}

const struct forwarder_config *server_config(const struct server *server)
{
	return server->config;
}

const struct fleet *server_fleet(const struct server *server)
{
	return server->fleet;
}

const struct build *server_build(const struct server *server)
{
	return server->build;
}

const struct certs *server_certs(const struct server *server)
{
	return secrets_certs(server->secrets);
}

const struct origins *server_origins(const struct server *server)
{
	return server->origins;
}

const struct world *server_world(const struct server *server)
{
	return server->world;
}

uint64_t server_started_mono_ms(const struct server *server)
{
	return server->started_ms;
}

bool server_is_serving(const struct server *server)
{
	return server->is_serving;
}

bool server_is_draining(const struct server *server)
{
	return server->is_draining;
}

bool server_feed(const struct server *server, struct feed_facts *ret)
{
	if (server->feed)
		feed_facts(server->feed, ret);
	return server->feed != NULL;
}

bool server_report(const struct server *server, struct report_facts *ret)
{
	if (server->report)
		report_facts(server->report, ret);
	return server->report != NULL;
}

const char *server_feed_version(const struct server *server)
{
	return server->copy ? feed_copy_version(server->copy) : NULL;
}

size_t server_set_aside(const struct server *server)
{
	return server->copy ? feed_copy_set_aside(server->copy) : 0;
}

const struct sockaddr_storage *server_listeners(const struct server *server, size_t *ret_count)
{
	*ret_count = 0;
	return server->is_serving ? server->hooks->listeners(server->hooks->user, ret_count) : NULL;
}

struct request_stats *const *server_stats(const struct server *server, size_t *ret_count)
{
	*ret_count = 0;
	return server->is_serving && server->hooks->stats
		       ? server->hooks->stats(server->hooks->user, ret_count)
		       : NULL;
}

size_t server_connections(const struct server *server)
{
	return server->is_serving && server->hooks->connections
		       ? server->hooks->connections(server->hooks->user)
		       : 0;
}
