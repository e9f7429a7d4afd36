/*
 * A control path as gslbd runs it, in a state directory of its own, with a real event loop, store and loader.
 * Stand-ins: the DNS sockets and the API's (struct server_hooks), what the probes know (health_book.h),
 * and the clocks (lib/clock.h: the system's, and what the test adds). For tests; aborts on its own errors.
 */
#pragma once
#include "gslb/control/server.h"
#include "gslb/decide/resolve.h"
#include "health/health_book.h"

struct rig {
	char directory[64];
	struct event_base *base;
	struct publish world;
	struct server_hooks hooks;
	struct server *server;	/* NULL: not started */
	unsigned times_started; /* calls of start_serving */
	bool refuses_start, refuses_rebind;
	size_t reloads;	     /* done */
	char *reload_errors; /* as printed, of the last reload */
};

void rig_init(struct rig *rig); /* an empty directory and a loop */
void rig_done(struct rig *rig); /* stops it and removes all files */
/* Writes a file of the directory; node.yaml too. Its modification time never repeats. */
void rig_write(const struct rig *rig, const char *name, const char *text);
char *rig_path(const struct rig *rig, const char *name); /* free() it */

/* server_new and the loop, until the first world is published or the start has failed; false: failed, and
 * the errors of server_new (not of the loader, which are printed) are in `errors`. */
bool rig_start(struct rig *rig, struct err_list *errors);
/* The same with a usual node.yaml, written now, and this fleet.yaml; fails the process when it is not good.
 */
void rig_must_start(struct rig *rig, const char *fleet);
void rig_stop(struct rig *rig); /* as SIGTERM does; the directory stays */
/* Turns the loop until it is true; aborts after 20 s. */
void rig_await(struct rig *rig, bool (*is_true)(struct rig *rig));
void rig_turn_ms(struct rig *rig, unsigned ms); /* turns the loop for this long */
/* server_reload, and the loop until it is done; false: refused, see reload_errors. */
bool rig_reload(struct rig *rig);

/* ---- changes ---- */

/* A YAML document through change_fleet; errors may be NULL: they abort. */
enum change_outcome rig_apply(struct rig *rig, const char *yaml, struct err_list *errors);
enum change_outcome rig_apply_pruned(struct rig *rig, const char *yaml); /* as gslbctl apply --prune */
enum change_outcome rig_remove_tenant(struct rig *rig, const char *id, struct err_list *errors);
/* service and address may be NULL. */
enum change_outcome rig_control(struct rig *rig, const char *region, const char *service, const char *address,
				int share, uint64_t for_ms);

/* ---- what the stand-ins say ---- */

void rig_set_health(struct rig *rig, const char *address, const char *check, enum vip_state state,
		    unsigned pending); /* the world builder is told */
void rig_forget_health(void);
void rig_set_health_complete(bool is_complete); /* true at first */
void rig_advance_clocks(int64_t ms);		/* of both; libevent's timers keep theirs */
void rig_step_wall_clock(int64_t ms);

/* ---- what a client sees ---- */

const struct world *rig_world(const struct rig *rig);
/* "NOERROR 192.0.2.11" (addresses, CNAME targets), "NXDOMAIN", "REFUSED", …; ret_ttl may be NULL. Valid until
 * the next call. */
const char *rig_answer(const struct rig *rig, const struct world *world, const char *name, const char *client,
		       uint32_t *ret_ttl);
