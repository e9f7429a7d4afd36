/*
 * Start, readiness, reload and expiry: the life of the control path. One thread, one libevent base.
 */
#include "gslb/control/control.h"
#include "gslb/control/api.h"
#include "gslb/control/backup_job.h"
#include "gslb/control/change.h"
#include "gslb/control/controls.h"
#include "gslb/control/export_job.h"
#include "gslb/control/health_book.h"
#include "gslb/control/helper.h"
#include "gslb/control/load.h"
#include "gslb/control/plan_build.h"
#include "gslb/control/resolve_names.h"
#include "gslb/control/store_load.h"
#include "gslb/control/tail.h"
#include "gslb/control/world_builder.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct load_request {
	struct load_request *next; /* asked meanwhile, too */
	control_reloaded_fn *done;
	void *user;
	char *author, *via;
};

static void on_loaded(void *user, struct load_result *result);
static void on_start_wait(evutil_socket_t fd, short what, void *user);
static void on_expiry(evutil_socket_t fd, short what, void *user);
static void on_load_timer(evutil_socket_t fd, short what, void *user);

/* Nobody knows how long we were away but the wall clock. */
static void load_control_row(void *user, const struct control_row *stored)
{
	struct control_row row = *stored;
	int64_t left_ms = row.expires_unix_ms - clock_unix_ms();
	if (row.expires_unix_ms != 0)
		row.expires_mono_ms = clock_mono_ms() + (left_ms > 0 ? (uint64_t)left_ms : 0);
	controls_put(((struct control *)user)->controls, &row);
}

static void arm_load_timer(struct control *control, unsigned seconds)
{
	struct timeval wait = {.tv_sec = seconds};
	evtimer_add(control->load_timer, &wait);
}

/* False, with errno. Takes over `previous`. */
static bool start_loader(struct control *control, struct load_previous *previous)
{
	control->loader = loader_start(control->base, control->config_path, previous, on_loaded, control);
	control->load_began_ms = control->told_ms = clock_mono_ms();
	if (control->loader)
		arm_load_timer(control, 1);
	return control->loader != NULL;
}

struct control *control_new(struct event_base *base, const char *config_path,
			    const struct control_hooks *hooks, struct publish *world, struct err_list *errors)
{
	struct control *control = xcalloc(1, sizeof *control);
	control->base = base;
	control->hooks = hooks;
	control->world = world;
	control->config_path = xstrdup(config_path);
	control->started_mono_ms = clock_mono_ms();
	control->fleet = fleet_new();
	control->controls = controls_new();
	control->start_timer = evtimer_new(base, on_start_wait, control);
	control->expiry_timer = evtimer_new(base, on_expiry, control);
	control->load_timer = evtimer_new(base, on_load_timer, control);
	control->config = config_load(config_path, errors);
	if (!control->config || err_has_errors(errors)) {
		/* The rest of the configuration is read all the same: everything wrong in one pass. */
		err_done(errors);
		control_check(config_path, errors);
		goto failed;
	}
	control->store = store_open(control->config->state_dir, errors);
	if (!control->store)
		goto failed;
	control->fleet_version = store_fleet_version(control->store);
	if (!store_each_control(control->store, load_control_row, control)) {
		err_add(errors, NULL, 0, 0, "the controls in the store cannot be read");
		goto failed;
	}
	control->builder = world_builder_new(control);
	control->health = health_book_new(control);
	control->names = resolve_names_new(control);
	control->notify = notify_new(base);
	control->api = api_new(control, errors);
	if (!control->api)
		goto failed;
	struct load_previous nothing = {0};
	if (start_loader(control, &nothing))
		return control;
	err_add(errors, config_path, 0, 0, "the files cannot be read: %s", strerror(errno));
failed:
	control_free(control);
	return NULL;
}

static void free_requests(struct load_request *request)
{
	while (request) {
		struct load_request *next = request->next;
		free(request->author);
		free(request->via);
		free(request);
		request = next;
	}
}

void control_free(struct control *control)
{
	if (!control)
		return;
	loader_free(control->loader);
	helper_free(control->load_helper);
	order_cache_free(control->load_wanted);
	store_load_free(control->store_load);
	if (control->loaded)
		load_result_done(control->loaded);
	free(control->loaded);
	api_free(control->api);
	resolve_names_free(control->names);
	if (control->health && control->store)
		health_book_save(control->health);
	health_book_free(control->health);
	notify_free(control->notify);
	world_builder_free(control->builder);
	controls_free(control->controls);
	tail_free(control->tail);
	backup_job_free(control->backup);
	export_jobs_free(control->exports);
	store_close(control->store);
	fleet_free(control->fleet);
	config_free(control->config);
	event_free(control->start_timer);
	event_free(control->expiry_timer);
	event_free(control->load_timer);
	free_requests(control->reload);
	free_requests(control->waiting);
	free(control->geo_signature);
	free(control->config_path);
	free(control);
}

bool control_check(const char *config_path, struct err_list *errors)
{
	struct load_result result;
	struct load_previous nothing = {0};
	load_run(config_path, LOAD_CHECK, &nothing, &result);
	bool is_good = result.config && !err_has_errors(&result.errors);
	err_move(errors, &result.errors);
	load_result_done(&result);
	return is_good;
}

/* ---- start rule ---- */

static void start_serving(struct control *control)
{
	struct err_list errors = {0};
	evtimer_del(control->start_timer);
	control->is_waiting_health = false;
	world_builder_settle(control->builder); /* the first answer knows what the probes found */
	if (!control->hooks->start_serving(control->hooks->user, &errors)) {
		err_print(&errors, stderr);
		control->has_failed = true;
		event_base_loopbreak(control->base);
	} else {
		control->is_ready = true;
		for (size_t i = 0; i < errors.count; i++)
			log_warning("%s", errors.items[i].message);
		log_info("ready: answering %zu zones, %zu tenants", fleet_count(control->fleet, FLEET_ZONE),
			 fleet_count(control->fleet, FLEET_TENANT));
	}
	err_done(&errors);
}

/* A name that was not looked up yet is a VIP that nobody could see. */
static bool is_health_known(const struct control *control)
{
	return resolve_names_are_known(control->names) && health_book_is_complete(control->health);
}

void control_health_progress(struct control *control)
{
	if (control->is_waiting_health && is_health_known(control))
		start_serving(control);
}

static void on_start_wait(evutil_socket_t fd, short what, void *user)
{
	struct control *control = user;
	if (!control->is_waiting_health)
		return;
	log_warning("answering without a full round of checks: start_wait is over");
	start_serving(control);
}

static void begin_start_wait(struct control *control)
{
	uint32_t wait_ms = control->config->start_wait_ms;
	control->is_waiting_health = true;
	if (wait_ms == 0 || is_health_known(control)) {
		start_serving(control);
		return;
	}
	struct timeval wait = {wait_ms / 1000, (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(control->start_timer, &wait);
}

const char *const *control_waiting(const struct control *control)
{
	static const char *const nothing[] = {NULL};
	static const char *const health[] = {"health", NULL};
	static const char *const loading[] = {"health", "geo", "fleet", NULL};
	if (control->is_ready)
		return nothing;
	return control->is_loaded ? health : loading;
}

/* ---- taking over what was loaded ---- */

/* The store has some, too, and they may change while we load. */
static void lay_locations(struct load_result *result)
{
	uint64_t hash = load_locations_hash(result->fleet);
	if (hash == result->locations_hash)
		return;
	places_unref(result->laid);
	result->laid = places_with_locations(result->places, result->fleet);
	result->locations_hash = hash;
}

static void take_over(struct control *control, struct load_result *result)
{
	struct node_config *old_config = control->config;
	struct fleet *old_fleet = control->fleet;
	if (old_config->has_random_cookie_secret && result->config->has_random_cookie_secret)
		memcpy(result->config->settings.cookie_secrets[0], old_config->settings.cookie_secrets[0],
		       sizeof old_config->settings.cookie_secrets[0]);
	control->config = result->config;
	control->fleet = result->fleet;
	free(control->geo_signature);
	control->geo_signature = result->geo_signature;
	resolve_names_sync(control->names, control->fleet);
	health_book_sync(control->health, control->fleet);
	notify_configure(control->notify, &control->config->notify);
	fleet_free(old_fleet); /* before the new index needs as much */
	world_builder_load(control->builder, result->places, result->laid, result->orders);
	result->config = NULL;
	result->fleet = NULL;
	result->geo_signature = NULL;
	result->places = result->laid = NULL;
	result->orders = NULL;
	config_free(old_config);
}

static void log_warnings(const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		if (errors->items[i].is_warning)
			log_warning("%s:%u: %s", errors->items[i].file ? errors->items[i].file : "",
				    errors->items[i].line, errors->items[i].message);
}

static void finish_start(struct control *control, struct load_result *result)
{
	struct err_list *errors = &result->errors;
	if (err_has_errors(errors)) {
		err_print(errors, stderr);
		control->has_failed = true;
		event_base_loopbreak(control->base);
		return;
	}
	log_warnings(errors);
	change_restore_serials(control, result->config, result->fleet);
	take_over(control, result);
	control->is_loaded = true;
	change_expire_controls(control); /* no answer by one that was due while nobody ran */
	begin_start_wait(control);
}

static bool finish_reload(struct control *control, struct load_result *result)
{
	struct err_list *errors = &result->errors;
	if (!err_has_errors(errors)) {
		const char *key = config_restart_only_difference(control->config, result->config);
		if (key)
			err_add(errors, control->config_path, 0, 0,
				"'%s' changed, which only a restart can take over", key);
	}
	if (err_has_errors(errors) || !api_rebind(control->api, result->config, errors))
		return false;
	control->fleet_version++;
	change_restore_serials(control, result->config, result->fleet);
	take_over(control, result);
	control_health_progress(control); /* what the start waited for may have left the fleet */
	change_audit_reload(control, control->reload->author, control->reload->via);
	return true;
}

/* Tells everybody who waits for this reload. */
static void end_reload(struct control *control, const struct err_list *errors)
{
	struct load_request *first = control->reload;
	control->reload = NULL;
	for (struct load_request *request = first; request; request = request->next)
		request->done(request->user, errors);
	free_requests(first);
}

static void start_reload(struct control *control)
{
	control->reload = control->waiting;
	control->waiting = NULL;
	struct load_previous previous = {.geo_signature = xstrdup(control->geo_signature),
					 .locations_hash = load_locations_hash(control->fleet)};
	world_builder_share(control->builder, &previous.places, &previous.laid, &previous.orders);
	if (start_loader(control, &previous))
		return;
	struct err_list errors = {0};
	err_add(&errors, NULL, 0, 0, "the files cannot be read now: %s", strerror(errno));
	end_reload(control, &errors);
	err_done(&errors);
}

static void finish_load(struct control *control)
{
	struct load_result *result = control->loaded;
	control->loaded = NULL;
	if (!control->is_loaded) {
		finish_start(control, result);
	} else {
		if (finish_reload(control, result)) {
			log_warnings(&result->errors);
			log_info("reloaded: fleet version %llu", (unsigned long long)control->fleet_version);
		}
		end_reload(control, &result->errors);
	}
	load_result_done(result);
	free(result);
	malloc_trim(0); /* loading leaves holes: at a million tenants a hundred megabytes of them */
	if (control->waiting && control->is_loaded && !control->loader)
		start_reload(control);
}

/* Now the store's objects join those of the files. */
static void on_loaded(void *user, struct load_result *result)
{
	struct control *control = user;
	control->loader = NULL;
	control->loaded = xmemdup(result, sizeof *result);
	memset(result, 0, sizeof *result);
	if (err_has_errors(&control->loaded->errors)) {
		evtimer_del(control->load_timer);
		finish_load(control);
		return;
	}
	control->store_load =
		store_load_new(control->store, control->loaded->fleet, control->fleet_version,
			       control->is_loaded ? STORE_MISFIT_REFUSED : STORE_MISFIT_SET_ASIDE);
	on_load_timer(-1, 0, control);
}

/* A line a second while somebody may wait. */
static void tell_progress(struct control *control)
{
	uint64_t now_ms = clock_mono_ms();
	if (now_ms - control->told_ms < 1000)
		return;
	control->told_ms = now_ms;
	unsigned long long seconds = (now_ms - control->load_began_ms) / 1000;
	if (control->store_load)
		log_info("loading for %llu s: %zu of %zu objects of the store", seconds,
			 store_load_count(control->store_load), store_object_count(control->store));
	else
		log_info("loading for %llu s: files and geography", seconds);
}

static void compile_wanted(void *user)
{
	order_cache_compile(((struct control *)user)->load_wanted);
}

static void finish_when_compiled(struct control *control);

static void on_wanted_compiled(void *user)
{
	struct control *control = user;
	control->load_helper = NULL;
	order_cache_take(control->loaded->orders, control->load_wanted);
	control->load_wanted = NULL;
	finish_when_compiled(control); /* tenants may have changed meanwhile */
}

/* True: what the loaded fleet needs is there, or cannot be made on another thread. */
static bool has_orders(struct control *control)
{
	struct load_result *loaded = control->loaded;
	control->load_wanted = order_cache_new();
	order_cache_want_all(loaded->orders, loaded->fleet, loaded->laid, control->load_wanted);
	if (order_cache_count(control->load_wanted) > 0)
		control->load_helper =
			helper_start(control->base, compile_wanted, on_wanted_compiled, control);
	if (control->load_helper)
		return false;
	order_cache_free(control->load_wanted);
	control->load_wanted = NULL;
	return true;
}

static void finish_when_compiled(struct control *control)
{
	if (!err_has_errors(&control->loaded->errors)) {
		lay_locations(control->loaded);
		if (!has_orders(control)) {
			arm_load_timer(control, 1);
			return;
		}
		control->invalid_objects = store_load_set_aside(control->store_load);
	}
	evtimer_del(control->load_timer);
	store_load_free(control->store_load);
	control->store_load = NULL;
	finish_load(control);
}

static void on_load_timer(evutil_socket_t fd, short what, void *user)
{
	struct control *control = user;
	tell_progress(control);
	if (control->loader || control->load_helper) {
		arm_load_timer(control, 1);
	} else if (store_load_step(control->store_load, &control->loaded->errors)) {
		arm_load_timer(control, 0); /* whoever else waits for the loop comes first */
	} else {
		finish_when_compiled(control);
	}
}

void control_reload(struct control *control, const struct requester *requester, control_reloaded_fn *done,
		    void *user)
{
	struct load_request *request = xcalloc(1, sizeof *request), **last = &control->waiting;
	*request =
		(struct load_request){NULL, done, user, xstrdup(requester->author), xstrdup(requester->via)};
	while (*last)
		last = &(*last)->next;
	*last = request;
	if (!control->loader && !control->store_load)
		start_reload(control);
}

static void on_expiry(evutil_socket_t fd, short what, void *user)
{
	change_expire_controls(user);
}
