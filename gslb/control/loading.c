/* The stages of loading, one after the other. Control thread; what runs on helpers says so. */
#include "gslb/control/loading.h"
#include "gslb/compile/steering.h"
#include "lib/clock.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct loading {
	struct event_base *base;
	char *config_path;
	struct store *store;
	const struct loading_hooks *hooks;
	enum loading_stage stage;
	enum store_misfit misfit;
	struct helper *helper;	       /* LOADING_FILES, LOADING_ORDERS */
	struct load_previous previous; /* LOADING_FILES: the helper's own while it runs */
	struct node_files files;       /* LOADING_FILES: the same; from then on what was read */
	struct store_load *store_load; /* LOADING_STORE, LOADING_ORDERS */
	struct order_cache *wanted;    /* LOADING_ORDERS: the helper's own while it runs */
	struct event *timer;
	uint64_t began_ms, told_ms; /* monotonic; progress is told by them */
};

/* The one place that moves on; nothing is skipped, only broken off. */
static void enter(struct loading *loading, enum loading_stage stage)
{
	assert(stage == LOADING_NOTHING || stage == loading->stage + 1);
	loading->stage = stage;
}

static void arm_timer(struct loading *loading, unsigned seconds)
{
	struct timeval wait = {.tv_sec = seconds};
	evtimer_add(loading->timer, &wait);
}

static void finish(struct loading *loading)
{
	struct node_files files = loading->files;
	bool is_good = !err_has_errors(&files.errors);
	size_t set_aside = is_good ? store_load_set_aside(loading->store_load) : 0;
	assert(!loading->helper && !loading->wanted);
	memset(&loading->files, 0, sizeof loading->files);
	store_load_free(loading->store_load);
	loading->store_load = NULL;
	evtimer_del(loading->timer);
	enter(loading, LOADING_NOTHING);
	loading->hooks->finished(loading->hooks->user, &files, set_aside);
}

/* ---- LOADING_ORDERS ---- */

/* The store has some, too, and they may change while we load. */
static void lay_locations(struct load_parts *parts)
{
	uint64_t hash = steering_locations_hash(parts->fleet);
	if (hash == parts->locations_hash)
		return;
	places_unref(parts->laid);
	place_facts_free(parts->facts);
	parts->laid = steering_lay_locations(parts->places, parts->fleet);
	parts->facts = place_facts_new(parts->laid);
	parts->locations_hash = hash;
}

static void compile_wanted(void *user)
{
	order_cache_compile(((struct loading *)user)->wanted);
}

static void compile_orders(struct loading *loading);

static void on_compiled(void *user)
{
	struct loading *loading = user;
	assert(loading->stage == LOADING_ORDERS);
	loading->helper = NULL;
	order_cache_take(loading->files.parts.orders, loading->wanted);
	loading->wanted = NULL;
	compile_orders(loading); /* tenants may have changed meanwhile */
}

/* Finishes when what the loaded fleet needs is there, or cannot be made on another thread. */
static void compile_orders(struct loading *loading)
{
	struct load_parts *parts = &loading->files.parts;
	if (err_has_errors(&loading->files.errors)) {
		finish(loading);
		return;
	}
	lay_locations(parts);
	loading->wanted = order_cache_new();
	order_cache_want_all(parts->orders, parts->fleet, parts->laid, loading->wanted);
	if (order_cache_count(loading->wanted) > 0)
		loading->helper = helper_start(loading->base, compile_wanted, on_compiled, loading);
	if (loading->helper) {
		arm_timer(loading, 1);
		return;
	}
	order_cache_free(loading->wanted);
	loading->wanted = NULL;
	node_files_warn(&loading->files);
	finish(loading);
}

/* ---- LOADING_FILES, LOADING_STORE ---- */

/* A line a second while somebody may wait. */
static void tell_progress(struct loading *loading)
{
	uint64_t now_ms = clock_mono_ms();
	if (now_ms - loading->told_ms < 1000)
		return;
	loading->told_ms = now_ms;
	unsigned long long seconds = (now_ms - loading->began_ms) / 1000;
	if (loading->stage == LOADING_FILES)
		log_info("loading for %llu s: files and geography", seconds);
	else
		log_info("loading for %llu s: %zu of %zu objects of the store", seconds,
			 store_load_count(loading->store_load), store_object_count(loading->store));
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct loading *loading = user;
	tell_progress(loading);
	switch (loading->stage) {
	case LOADING_NOTHING:
		assert(!"the timer is armed while something is loading only");
		break;
	case LOADING_FILES:
	case LOADING_ORDERS:
		arm_timer(loading, 1);
		break;
	case LOADING_STORE:
		if (store_load_step(loading->store_load, &loading->files.errors)) {
			arm_timer(loading, 0); /* whoever else waits for the loop comes first */
			break;
		}
		enter(loading, LOADING_ORDERS);
		compile_orders(loading);
		break;
	}
}

/* On a helper. */
static void read_files(void *user)
{
	struct loading *loading = user;
	node_files_read(loading->config_path, LOAD_ALL, &loading->previous, &loading->files);
	malloc_trim(0); /* what reading geography leaves free would add to the store's objects */
}

/* Now the store's objects join those of the files. */
static void on_files_read(void *user)
{
	struct loading *loading = user;
	assert(loading->stage == LOADING_FILES);
	loading->helper = NULL;
	load_previous_done(&loading->previous);
	if (err_has_errors(&loading->files.errors)) {
		finish(loading);
		return;
	}
	enter(loading, LOADING_STORE);
	loading->store_load =
		store_load_new(loading->store, loading->files.parts.fleet,
			       loading->hooks->fleet_version(loading->hooks->user), loading->misfit);
	on_timer(-1, 0, loading);
}

bool loading_start(struct loading *loading, struct load_previous *previous, enum store_misfit misfit)
{
	assert(loading->stage == LOADING_NOTHING && !loading->helper);
	loading->previous = *previous;
	memset(previous, 0, sizeof *previous);
	loading->helper = helper_start(loading->base, read_files, on_files_read, loading);
	if (!loading->helper) {
		int reason = errno;
		load_previous_done(&loading->previous);
		errno = reason;
		return false;
	}
	enter(loading, LOADING_FILES);
	loading->misfit = misfit;
	loading->began_ms = loading->told_ms = clock_mono_ms();
	arm_timer(loading, 1);
	return true;
}

enum loading_stage loading_stage(const struct loading *loading)
{
	return loading->stage;
}

void loading_follow(struct loading *loading, const struct fleet_result *result)
{
	if (loading->store_load)
		store_load_follow(loading->store_load, result, &loading->files.errors);
}

struct loading *loading_new(struct event_base *base, const char *config_path, struct store *store,
			    const struct loading_hooks *hooks)
{
	struct loading *loading = xcalloc(1, sizeof *loading);
	loading->base = base;
	loading->config_path = xstrdup(config_path);
	loading->store = store;
	loading->hooks = hooks;
	loading->timer = evtimer_new(base, on_timer, loading);
	return loading;
}

void loading_free(struct loading *loading)
{
	if (!loading)
		return;
	helper_free(loading->helper);
	load_previous_done(&loading->previous);
	order_cache_free(loading->wanted);
	store_load_free(loading->store_load);
	node_files_done(&loading->files);
	event_free(loading->timer);
	free(loading->config_path);
	free(loading);
}
