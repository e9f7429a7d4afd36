/*
 * The control path: one thread, one libevent base. It owns the truth (configuration, fleet, store,
 * controls, health), compiles it into worlds and publishes them; it never touches a DNS packet.
 * Every function of control/ runs on this thread unless its header says otherwise.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/control/config.h"
#include "gslb/control/loading.h"
#include "gslb/decide/stats.h"
#include "gslb/decide/world.h"
#include "lib/publish.h"
#include "store/store.h"
#include <event2/event.h>

/* What main.c lends to the control path, which never sees serve/. */
struct server_hooks {
	void *user;
	/* Opens the DNS sockets; called once, when the first answers may go out. */
	bool (*start_serving)(void *user, struct err_list *errors);
	const struct sockaddr_storage *(*listeners)(void *user, size_t *ret_count); /* as bound */
	struct stats *const *(*stats)(void *user, size_t *ret_count);
	/* What the kernel dropped at the listener of that number; transport as in struct stats. */
	uint64_t (*kernel_dropped)(void *user, size_t listener, unsigned transport);
};

struct server {
	struct event_base *base;
	const struct server_hooks *hooks;
	struct node_config *config;
	char *config_path;
	struct fleet *fleet;
	struct store *store;
	struct controls *controls;     /* controls.h */
	struct health_book *health;    /* health_book.h */
	struct resolve_names *names;   /* resolve_names.h */
	struct notify *notify;	       /* notify.h */
	struct world_builder *builder; /* world_builder.h */
	struct api *api;	       /* api.h */
	struct loading *loading;
	struct loading_hooks loading_hooks;
	struct tail *tail;		     /* tail.h; NULL: nobody looked on yet */
	struct backup_job *backup;	     /* backup_job.h; NULL: none is being taken */
	struct export_job *exports;	     /* export_job.h; NULL: none is being written */
	struct reload_request *reload;	     /* those who asked for the one that is on; NULL: none is */
	struct reload_request *reload_queue; /* those who asked for the one after it */
	struct publish *world;		     /* main.c owns it; workers read it */
	uint64_t epoch, fleet_version;
	uint64_t index_builds; /* of the whole name index */
	uint64_t started_mono_ms;
	bool is_ready;		/* DNS answers */
	bool is_waiting_health; /* the sockets are not open yet because of health */
	bool is_loaded;		/* the first world is published */
	size_t invalid_objects; /* of the store, set aside at the start */
	char *geo_signature;	/* of the geo files that are in use */
	struct event *start_timer, *expiry_timer;
	bool has_failed; /* the start could not be finished; errors were logged */
};

/* Who asks for a change: for the audit. */
struct requester {
	const char *author; /* "uid:1000 (name)" of the peer */
	const char *via;    /* "api" or "signal" */
};

/* Reads node.yaml, opens store and API and starts to load; the first world, the DNS sockets and
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
	/* What it needs is being compiled: to be asked for again when world_builder_await calls. */
	CHANGE_WAITS,
};

/* Fleet: durable and answered by this node when it returns CHANGE_DONE; otherwise nothing changed.
 * Consumes `change`. `ret` counts; call fleet_result_done. */
enum change_outcome change_fleet(struct server *server, struct fleet_change *change, bool dry_run,
				 const struct requester *requester, const char *verb, const char *object,
				 struct fleet_result *ret, struct err_list *errors);

/* Controls: all or nothing. share SHARE_RESTORE removes the control (also where none was). */
#define SHARE_RESTORE (-2)
struct control_request {
	const char *region;
	const char *service; /* NULL: all */
	const char *address; /* not NULL: a VIP's control, canonical text */
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
/* health_book.c calls it after each target's first finished round: the start rule looks again. */
void server_health_progress(struct server *server);
/* Names what /readyz waits for ("health", "fleet", …; NULL ends the list); empty when ready. */
const char *const *server_waiting(const struct server *server);
