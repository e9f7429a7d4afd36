/*
 * The control path of forwarderd: one thread, one libevent base. It owns configuration, fleet, origins and
 * the feed from gslbd, and publishes worlds; it touches no request. Every function of forwarder/control runs
 * on this thread unless its header says otherwise.
 */
#pragma once
#include "forwarder/build/build.h"
#include "forwarder/certificates/certs.h"
#include "forwarder/control/config.h"
#include "forwarder/control/report.h"
#include "forwarder/feed/feed.h"
#include "forwarder/plan/request_stats.h"
#include "lib/publish.h"
#include <event2/event.h>

/* What main.c lends to the control path, which never sees the relay. */
struct server_hooks {
	void *user;
	/* Binds the listeners and starts the workers; called once, when there is a world. */
	bool (*start_serving)(void *user, struct err_list *errors);
	const struct sockaddr_storage *(*listeners)(void *user, size_t *ret_count); /* as bound */
	struct request_stats *const *(*stats)(void *user, size_t *ret_count);	    /* of the workers */
	size_t (*connections)(void *user);					    /* of clients, open */
	/* A reload brings other addresses for the API: it listens there, or says why not and stays. */
	bool (*rebind)(void *user, const struct node_config *config, struct err_list *errors);
	void (*free_queue)(struct pool_queue *queue); /* the relay's part of a pool that is gone */
};

struct server;

/* Reads node.yaml and starts to load; worlds, listeners and readiness follow on the event loop. When loading
 * fails, the errors are printed, has_failed is set and the loop is left. NULL: errors say why. */
struct server *server_new(struct event_base *base, const char *config_path, const struct server_hooks *hooks,
			  struct publish *world, struct err_list *errors);
/* When no worker runs any more. Takes the world away. NULL is fine. */
void server_free(struct server *server);
/* --check: node.yaml and the fleet; opens no socket. True: good. */
bool server_check(const char *config_path, struct err_list *errors);

/* Reads node.yaml, and the fleet where it is that of files, anew on a helper thread and calls `done`: all of
 * it taken over (errors hold at most warnings), or nothing changed. The files are read after the call. */
typedef void server_reloaded_fn(void *user, const struct err_list *errors);
void server_reload(struct server *server, server_reloaded_fn *done, void *user);
/* From now on it says that it is not ready. */
void server_drain(struct server *server);

/* Names what /readyz waits for ("fleet", "certificates"; NULL ends the list); empty when ready. */
const char *const *server_waiting(const struct server *server);
bool server_has_failed(const struct server *server); /* the start could not be finished; errors were logged */

/* ---- what is looked at ---- */

struct event_base *server_base(const struct server *server);
const struct forwarder_config *server_config(const struct server *server);
const struct fleet *
server_fleet(const struct server *server); /* NULL: none yet; another one after a reload */
const struct build *server_build(const struct server *server); /* the same */
const struct origins *server_origins(const struct server *server);
const struct certs *server_certs(const struct server *server); /* NULL: no directory is configured */
/* What is published; NULL before the first. Stays for the callback that asks: this thread alone publishes. */
const struct world *server_world(const struct server *server);
uint64_t server_started_mono_ms(const struct server *server);
bool server_is_serving(const struct server *server);
bool server_is_draining(const struct server *server);
/* False: the fleet is that of files. */
bool server_feed(const struct server *server, struct feed_facts *ret);
/* Of reports of load; false: nobody is told. */
bool server_report(const struct server *server, struct report_facts *ret);
const char *server_feed_version(const struct server *server); /* "0": none yet; NULL: no feed */
size_t server_set_aside(const struct server *server);	      /* objects of the feed that did not fit */
/* The hooks of that name. */
const struct sockaddr_storage *server_listeners(const struct server *server, size_t *ret_count);
struct request_stats *const *server_stats(const struct server *server, size_t *ret_count);
size_t server_connections(const struct server *server);
