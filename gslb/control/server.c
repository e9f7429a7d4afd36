/*
 * Start, readiness, reload and expiry: the life of the control path. One thread, one libevent base.
 */
#include "gslb/control/server.h"
#include "gslb/compile/steering.h"
#include "gslb/compile/world_builder.h"
#include "gslb/control/change.h"
#include "gslb/control/journal.h"
#include "gslb/control/loading.h"
#include "gslb/control/loads.h"
#include "gslb/control/serials.h"
#include "gslb/control/server_internal.h"
#include "gslb/control/start.h"
#include "health/health_book.h"
#include "health/notify.h"
#include "health/resolve_names.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "store/controls.h"
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct reload_request {
	struct reload_request *next; /* asked meanwhile, too */
	server_reloaded_fn *done;
	void *user;
	char *author, *via;
};

static uint64_t loaded_version(void *user);
static void on_loaded(void *user, struct node_files *files, size_t set_aside);
static void on_expiry(evutil_socket_t fd, short what, void *user);

/* Nobody knows how long we were away but the wall clock. */
static void load_control_row(void *user, const struct control_row *stored)
{
	struct control_row row = *stored;
	int64_t left_ms = row.expires_unix_ms - clock_unix_ms();
	if (row.expires_unix_ms != 0)
		row.expires_mono_ms = clock_mono_ms() + (left_ms > 0 ? (uint64_t)left_ms : 0);
	controls_put(((struct server *)user)->controls, &row);
}

/* ---- what health tells ---- */

static void on_health_changed(void *user, const struct ip *vip)
{
	world_builder_state_changed(((struct server *)user)->builder, vip);
}

static void on_health_progressed(void *user)
{
	start_progress(user);
}

static void on_addresses_changed(void *user)
{
	struct server *server = user;
	if (!resolve_names_fill(server->names, server->fleet))
		return;
	health_book_sync(server->health, server->fleet);
	world_builder_state_changed(server->builder, NULL);
}

static void new_health(struct server *server)
{
	const struct health_hooks hooks = {server, on_health_changed, on_health_progressed};
	const struct resolve_names_hooks names_hooks = {server, on_addresses_changed, on_health_progressed};
	server->notify = notify_new(server->base);
	server->health = health_book_new(server->base, server->store, server->notify, &hooks);
	server->names =
		resolve_names_new(server->base, server->store, server->config->node.resolvers, &names_hooks);
}

/* ---- life ---- */

struct server *server_new(struct event_base *base, const char *config_path, const struct server_hooks *hooks,
			  struct publish *world, struct err_list *errors)
{
	struct server *server = xcalloc(1, sizeof *server);
	server->base = base;
	server->hooks = hooks;
	server->world = world;
	server->config_path = xstrdup(config_path);
	server->started_mono_ms = clock_mono_ms();
	server->fleet = fleet_new();
	server->controls = controls_new();
	server->journal = journal_new();
	start_init(server);
	server->expiry_timer = evtimer_new(base, on_expiry, server);
	server->config = gslb_config_load(config_path, errors);
	if (!server->config || err_has_errors(errors)) {
		/* The rest of the configuration is read all the same: everything wrong in one pass. */
		err_done(errors);
		server_check(config_path, errors);
		goto failed;
	}
	server->store = store_open(server->config->node.state_dir, errors);
	if (!server->store)
		goto failed;
	server->fleet_version = store_fleet_version(server->store);
	if (!store_each_control(server->store, load_control_row, server)) {
		err_add(errors, NULL, 0, 0, "the controls in the store cannot be read");
		goto failed;
	}
	server->builder = world_builder_new(base, world);
	server->loads = loads_new(server);
	new_health(server);
	struct load_previous nothing = {0};
	server->loading_hooks = (struct loading_hooks){server, loaded_version, on_loaded};
	server->loading = loading_new(base, config_path, server->store, &server->loading_hooks);
	if (loading_start(server->loading, &nothing, STORE_MISFIT_SET_ASIDE))
		return server;
	err_add(errors, config_path, 0, 0, "the files cannot be read: %s", strerror(errno));
failed:
	server_free(server);
	return NULL;
}

static void free_requests(struct reload_request *request)
{
	while (request) {
		struct reload_request *next = request->next;
		free(request->author);
		free(request->via);
		free(request);
		request = next;
	}
}

void server_free(struct server *server)
{
	if (!server)
		return;
	loading_free(server->loading);
	resolve_names_free(server->names);
	if (server->health && server->store)
		health_book_save(server->health);
	health_book_free(server->health);
	notify_free(server->notify);
	loads_free(server->loads);
	world_builder_free(server->builder);
	controls_free(server->controls);
	journal_free(server->journal);
	store_close(server->store);
	fleet_free(server->fleet);
	gslb_config_free(server->config);
	start_done(server);
	event_free(server->expiry_timer);
	free_requests(server->reload);
	free_requests(server->reload_queue);
	free(server->geo_signature);
	free(server->config_path);
	free(server);
}

bool server_check(const char *config_path, struct err_list *errors)
{
	struct node_files files;
	struct load_previous nothing = {0};
	node_files_read(config_path, LOAD_CHECK, &nothing, &files);
	bool is_good = files.config && !err_has_errors(&files.errors);
	err_move(errors, &files.errors);
	node_files_done(&files);
	return is_good;
}

const char *const *server_waiting(const struct server *server)
{
	static const char *const nothing[] = {NULL};
	static const char *const health[] = {"health", NULL};
	static const char *const loading[] = {"health", "geo", "fleet", NULL};
	if (server->is_ready)
		return nothing;
	return server->is_loaded ? health : loading;
}

/* ---- taking over what was loaded ---- */

static void take_over(struct server *server, struct node_files *files, size_t set_aside)
{
	assert(files->config && files->parts.fleet && files->parts.places && files->parts.orders);
	struct gslb_config *old_config = server->config;
	struct fleet *old_fleet = server->fleet;
	struct load_parts *parts = &files->parts;
	if (old_config->has_random_cookie_secret && files->config->has_random_cookie_secret)
		memcpy(files->config->settings.cookie_secrets[0], old_config->settings.cookie_secrets[0],
		       sizeof old_config->settings.cookie_secrets[0]);
	server->config = files->config;
	server->fleet = parts->fleet;
	server->invalid_objects = set_aside;
	free(server->geo_signature);
	server->geo_signature = parts->geo_signature;
	resolve_names_sync(server->names, server->fleet);
	health_book_configure(server->health,
			      server->config->node.has_probes ? server->config->node.probe_concurrency : 0);
	health_book_sync(server->health, server->fleet);
	notify_configure(server->notify, &server->config->notify);
	fleet_free(old_fleet); /* before the new index needs as much */
	const struct world_source source = {
		.fleet = server->fleet,
		.fleet_version = server->fleet_version,
		.controls = server->controls,
		.health = server->health,
		.loads = loads_book(server->loads),
		.shedding = loads_shedding(server->loads),
		.settings = &server->config->settings,
		.workers = server->config->workers,
	};
	world_builder_load(server->builder, &source, parts->places, parts->laid, parts->orders);
	files->config = NULL; /* what was taken over; the rest goes with `files` */
	parts->fleet = NULL;
	parts->places = parts->laid = NULL;
	parts->orders = NULL;
	parts->geo_signature = NULL;
	gslb_config_free(old_config);
}

static void restore_serials(const struct server *server, const struct node_files *files)
{
	serials_restore(files->parts.fleet, server->fleet, &files->config->node,
			store_fleet_changed_unix_ms(server->store) / 1000);
}

static void log_warnings(const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		if (!errors->items[i].is_warning)
			continue;
		char *line = err_line(errors, i);
		log_warning("%s", line);
		free(line);
	}
}

static void finish_start(struct server *server, struct node_files *files, size_t set_aside)
{
	assert(!server->is_loaded && !server->is_ready);
	struct err_list *errors = &files->errors;
	if (err_has_errors(errors)) {
		err_print(errors, stderr);
		server->has_failed = true;
		event_base_loopbreak(server->base);
		return;
	}
	log_warnings(errors);
	restore_serials(server, files);
	take_over(server, files, set_aside);
	server->is_loaded = true;
	change_expire_controls(server); /* no answer by one that was due while nobody ran */
	start_begin(server);
}

static bool finish_reload(struct server *server, struct node_files *files, size_t set_aside)
{
	assert(server->is_loaded && server->reload);
	struct err_list *errors = &files->errors;
	if (!err_has_errors(errors)) {
		const char *key = gslb_config_restart_only_difference(server->config, files->config);
		if (key)
			err_add(errors, server->config_path, 0, 0,
				"'%s' changed, which only a restart can take over", key);
	}
	if (err_has_errors(errors) ||
	    !server->hooks->rebind(server->hooks->user, &files->config->node, errors))
		return false;
	server->fleet_version++;
	restore_serials(server, files);
	take_over(server, files, set_aside);
	journal_reset(server->journal);
	start_progress(server); /* what the start waited for may have left the fleet */
	change_audit_reload(server, server->reload->author, server->reload->via);
	return true;
}

/* Tells everybody who waits for this reload. */
static void end_reload(struct server *server, const struct err_list *errors)
{
	struct reload_request *first = server->reload;
	assert(first);
	server->reload = NULL;
	for (struct reload_request *request = first; request; request = request->next)
		request->done(request->user, errors);
	free_requests(first);
}

static void start_reload(struct server *server)
{
	assert(!server->reload && server->reload_queue);
	server->reload = server->reload_queue;
	server->reload_queue = NULL;
	struct load_previous previous = {.geo_signature = xstrdup(server->geo_signature),
					 .locations_hash = steering_locations_hash(server->fleet)};
	world_builder_share(server->builder, &previous.places, &previous.laid, &previous.orders);
	if (loading_start(server->loading, &previous, STORE_MISFIT_REFUSED))
		return;
	struct err_list errors = {0};
	err_add(&errors, NULL, 0, 0, "the files cannot be read now: %s", strerror(errno));
	end_reload(server, &errors);
	err_done(&errors);
}

static uint64_t loaded_version(void *user)
{
	return ((const struct server *)user)->fleet_version;
}

static void on_loaded(void *user, struct node_files *files, size_t set_aside)
{
	struct server *server = user;
	if (!server->is_loaded) {
		finish_start(server, files, set_aside);
	} else {
		if (finish_reload(server, files, set_aside)) {
			log_warnings(&files->errors);
			log_info("reloaded: fleet version %llu", (unsigned long long)server->fleet_version);
		}
		end_reload(server, &files->errors);
	}
	node_files_done(files);
	malloc_trim(0); /* loading leaves holes: at a million tenants a hundred megabytes of them */
	if (server->reload_queue && server->is_loaded && loading_stage(server->loading) == LOADING_NOTHING)
		start_reload(server);
}

void server_reload(struct server *server, const struct requester *requester, server_reloaded_fn *done,
		   void *user)
{
	assert(requester->author && requester->via);
	struct reload_request *request = xcalloc(1, sizeof *request), **last = &server->reload_queue;
	*request = (struct reload_request){NULL, done, user, xstrdup(requester->author),
					   xstrdup(requester->via)};
	while (*last)
		last = &(*last)->next;
	*last = request;
	if (loading_stage(server->loading) == LOADING_NOTHING)
		start_reload(server);
}

static void on_expiry(evutil_socket_t fd, short what, void *user)
{
	change_expire_controls(user);
}

void server_await(struct server *server, server_ready_fn *ready, void *user)
{
	world_builder_await(server->builder, ready, user);
}

/* ---- what the API looks at ---- */

struct event_base *server_base(const struct server *server)
{
	return server->base;
}

const struct gslb_config *server_config(const struct server *server)
{
	return server->config;
}

struct fleet *server_fleet(const struct server *server)
{
	return server->fleet;
}

struct store *server_store(const struct server *server)
{
	return server->store;
}

struct controls *server_controls(const struct server *server)
{
	return server->controls;
}

struct journal *server_journal(const struct server *server)
{
	return server->journal;
}

struct loads *server_loads(const struct server *server)
{
	return server->loads;
}

const struct shedding *server_shedding(const struct server *server)
{
	return loads_shedding(server->loads);
}

const struct load_book *server_load_book(const struct server *server)
{
	return loads_book(server->loads);
}

const struct health_book *server_health(const struct server *server)
{
	return server->health;
}

const struct notify *server_notify(const struct server *server)
{
	return server->notify;
}

struct world_builder *server_builder(const struct server *server)
{
	return server->builder;
}

uint64_t server_epoch(const struct server *server)
{
	return world_builder_epoch(server->builder);
}

uint64_t server_fleet_version(const struct server *server)
{
	return server->fleet_version;
}

uint64_t server_index_builds(const struct server *server)
{
	return world_builder_index_builds(server->builder);
}

size_t server_invalid_objects(const struct server *server)
{
	return server->invalid_objects;
}

uint64_t server_started_mono_ms(const struct server *server)
{
	return server->started_mono_ms;
}

bool server_is_loaded(const struct server *server)
{
	return server->is_loaded;
}

bool server_is_ready(const struct server *server)
{
	return server->is_ready;
}

bool server_has_failed(const struct server *server)
{
	return server->has_failed;
}

const struct world *server_world(const struct server *server)
{
	return publish_get(server->world);
}

const struct sockaddr_storage *server_listeners(const struct server *server, size_t *ret_count)
{
	return server->hooks->listeners(server->hooks->user, ret_count);
}

struct stats *const *server_stats(const struct server *server, size_t *ret_count)
{
	return server->hooks->stats(server->hooks->user, ret_count);
}

uint64_t server_kernel_dropped(const struct server *server, size_t listener, unsigned transport)
{
	return server->hooks->kernel_dropped(server->hooks->user, listener, transport);
}
