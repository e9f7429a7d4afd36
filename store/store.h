/*
 * What survives kill -9: an SQLite file in the state directory (WAL, synchronous=FULL). A function
 * that changes something returns true only when it is durable. Control thread. Opening takes an
 * exclusive lock, so that two processes never share one state directory.
 */
#pragma once
#include "fleet/fleet.h"
#include <jansson.h>

struct database;
struct store;

/* NULL with an entry in errors (locked by another process, read-only, newer format, …). */
struct store *store_open(const char *state_dir, struct err_list *errors);
void store_close(struct store *store);			    /* NULL is fine */
struct database *store_database(const struct store *store); /* for store_backup.h */

/* ---- fleet objects: one row each, as JSON ---- */
typedef void store_object_fn(void *user, enum fleet_kind kind, const char *id, const char *json,
			     uint64_t version);
/* Objects of a kind in order of definition: at most `limit` behind row *row (0: from the first), which
 * moves to the last of them. False: it could not be read. */
bool store_each_object(struct store *store, enum fleet_kind kind, int64_t *row, size_t limit,
		       store_object_fn *fn, void *user);
size_t store_object_count(struct store *store);
uint64_t store_fleet_version(struct store *store);
int64_t store_fleet_changed_unix_ms(struct store *store); /* last accepted change; 0: none yet */

/* ---- controls ---- */
/* No region is called so: `address` is "SERVICE/POOL/ADDRESS" of an origin. */
#define CONTROL_OF_ORIGIN "-"
#define CONTROL_ADDRESS_MAX 400
struct control_row {
	char region[64];
	char service[64];		   /* "" = all services; unused for VIPs and origins */
	char address[CONTROL_ADDRESS_MAX]; /* "" = a region's control */
	int share;			   /* 0..100, or SHARE_DOWN */
	int64_t expires_unix_ms;	   /* 0: until restored; what a restart goes by */
	uint64_t expires_mono_ms; /* the same while this process runs: nobody steps that clock. Not stored */
	int64_t since_unix_ms;
	char *reason, *author; /* "" when absent; owned by the row's holder */
};
typedef void store_control_fn(void *user, const struct control_row *row);
bool store_each_control(struct store *store, store_control_fn *fn, void *user);

/* ---- one change = one transaction: objects, controls and the audit line ---- */
struct audit_line {
	int64_t time_unix_ms;
	const char *author, *via, *verb, *object, *reason; /* never NULL */
	json_t *before, *after;				   /* borrowed; NULL = null */
};
struct store_change {
	const struct fleet_result *fleet; /* touched store objects; NULL: none */
	uint64_t fleet_version;		  /* with fleet, or alone (a reload); 0: stays */
	size_t control_count;
	const struct control_row *controls; /* to put; see removed */
	const bool *removed;		    /* controls[i] is deleted, not put */
	const struct audit_line *audit;
	size_t audit_count;
};
bool store_commit(struct store *store, const struct store_change *change, struct err_list *errors);

/* ---- audit: newest last, seq > since, at most limit; array of objects as the API gives them ---- */
json_t *store_audit(struct store *store, uint64_t since, size_t limit);

/* ---- health of targets across a restart; not part of a change, written behind ---- */
enum store_health {
	STORE_HEALTH_UNKNOWN,
	STORE_HEALTH_UP,
	STORE_HEALTH_DOWN, /* the last transition was from up */
	STORE_HEALTH_NEVER_UP,
	STORE_HEALTHS
};
struct store_health_row {
	char target[192]; /* address, check and what the check asks (a digest) */
	enum store_health state;
	int64_t changed_unix_ms; /* last transition */
	int64_t seen_unix_ms;	 /* last finished round */
};
typedef void store_health_fn(void *user, const struct store_health_row *row);
bool store_each_health(struct store *store, store_health_fn *fn, void *user);
bool store_save_health(struct store *store, const struct store_health_row *rows, size_t count);

/* ---- the last addresses of VIPs by host name; written behind like health ---- */
bool store_save_resolved(struct store *store, const char *name, const char *addresses); /* NULL: forget it */
char *store_resolved(struct store *store, const char *name); /* free() it; NULL: none */
