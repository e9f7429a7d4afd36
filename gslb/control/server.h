/*
 * The control path: one thread, one libevent base. It owns the truth (configuration, fleet, store,
 * controls, health), compiles it into worlds and publishes them; it never touches a DNS packet.
 * Every function of control/ runs on this thread unless its header says otherwise.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/control/gslb_config.h"
#include "gslb/decide/stats.h"
#include "gslb/decide/world.h"
#include "lib/publish.h"
#include "store/store.h"
#include <event2/event.h>

/* What main.c lends to the control path, which never sees serve/ and api/. */
struct server_hooks {
	void *user;
	/* Opens the DNS sockets; called once, when the first answers may go out. */
	bool (*start_serving)(void *user, struct err_list *errors);
	const struct sockaddr_storage *(*listeners)(void *user, size_t *ret_count); /* as bound */
	struct stats *const *(*stats)(void *user, size_t *ret_count);
	/* What the kernel dropped at the listener of that number; transport as in struct stats. */
	uint64_t (*kernel_dropped)(void *user, size_t listener, unsigned transport);
	/* A reload brings other addresses for the API: it listens there, or says why not and stays. */
	bool (*rebind)(void *user, const struct node_config *config, struct err_list *errors);
};

struct load_book;
struct shedding;
struct server;

/* Who asks for a change: for the audit. */
struct requester {
	const char *author; /* "uid:1000 (name)" of the peer */
	const char *via;    /* "api" or "signal" */
};

/* Reads node.yaml, opens the store and starts to load; the first world, the DNS sockets and
 * readiness follow on the event loop. When loading fails, the errors are printed, has_failed is set
 * and the loop is left. NULL: errors say why. */
struct server *server_new(struct event_base *base, const char *config_path, const struct server_hooks *hooks,
			  struct publish *world, struct err_list *errors);
void server_free(struct server *server); /* NULL is fine */
/* --check: node.yaml, fleet, zones, geo; opens no socket and no store. True: good. */
bool server_check(const char *config_path, struct err_list *errors);

enum change_outcome {
	CHANGE_DONE,
	CHANGE_INVALID,
	CHANGE_BASE_OBJECT,
	CHANGE_NOT_FOUND,
	CHANGE_UNAVAILABLE,
	/* What it needs is being compiled: to be asked for again when server_await calls. */
	CHANGE_WAITS,
};

/* Fleet: durable and answered by this node when it returns CHANGE_DONE; otherwise nothing changed.
 * Consumes `change`. `ret` counts; call fleet_result_done. */
enum change_outcome change_fleet(struct server *server, struct fleet_change *change, bool dry_run,
				 const struct requester *requester, const char *verb, const char *object,
				 struct fleet_result *ret, struct err_list *errors);

/* Calls `ready` once, when what a change answered CHANGE_WAITS for has been compiled. */
typedef void server_ready_fn(void *user);
void server_await(struct server *server, server_ready_fn *ready, void *user);

/* Controls: all or nothing. share SHARE_RESTORE removes the control (also where none was). */
#define SHARE_RESTORE (-2)
struct control_request {
	const char *region;
	const char *service; /* NULL: all */
	/* Not NULL: a VIP's control, canonical text; with the region CONTROL_OF_ORIGIN an origin's. */
	const char *address;
	int share;
	uint64_t for_ms;    /* 0: until restored */
	const char *reason; /* NULL: none */
};
enum change_outcome change_controls(struct server *server, const struct control_request *requests,
				    size_t count, const struct requester *requester, const char *verb,
				    struct err_list *errors);

/* Reads node.yaml, fleet, zones and geo anew on a helper thread and calls `done` on the control thread:
 * all of it taken over (errors hold at most warnings), or nothing changed. The files are read after the
 * call: where they are being read already, they are read once more for all who asked meanwhile. */
typedef void server_reloaded_fn(void *user, const struct err_list *errors);
void server_reload(struct server *server, const struct requester *requester, server_reloaded_fn *done,
		   void *user);

/* Names what /readyz waits for ("health", "fleet", …; NULL ends the list); empty when ready. */
const char *const *server_waiting(const struct server *server);

/* ---- what the API looks at ---- */

struct event_base *server_base(const struct server *server);
const struct gslb_config *server_config(const struct server *server);
struct fleet *server_fleet(const struct server *server); /* another one after a reload */
struct store *server_store(const struct server *server);
struct controls *server_controls(const struct server *server);
struct journal *server_journal(const struct server *server);
struct loads *server_loads(const struct server *server);
const struct load_book *server_load_book(const struct server *server);
const struct shedding *server_shedding(const struct server *server);
const struct health_book *server_health(const struct server *server);
const struct notify *server_notify(const struct server *server);
struct world_builder *server_builder(const struct server *server);
/* What is published; NULL before the first. Stays for the callback that asks: this thread alone publishes. */
const struct world *server_world(const struct server *server);
uint64_t server_epoch(const struct server *server);	    /* of what is published */
uint64_t server_fleet_version(const struct server *server); /* accepted changes of the fleet */
uint64_t server_index_builds(const struct server *server);  /* of the whole name index */
size_t server_invalid_objects(const struct server *server); /* of the store, set aside at the start */
uint64_t server_started_mono_ms(const struct server *server);
bool server_is_loaded(const struct server *server);  /* the first world is published */
bool server_is_ready(const struct server *server);   /* DNS is answered */
bool server_has_failed(const struct server *server); /* the start could not be finished; errors were logged */
/* The hooks of that name. */
const struct sockaddr_storage *server_listeners(const struct server *server, size_t *ret_count);
struct stats *const *server_stats(const struct server *server, size_t *ret_count);
uint64_t server_kernel_dropped(const struct server *server, size_t listener, unsigned transport);
