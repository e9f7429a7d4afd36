/*
 * The certificates of a directory: NAME.crt with NAME.key (and NAME.ocsp), NAME.pem, or a folder NAME with
 * fullchain.pem and privkey.pem, as certbot has them; links are followed. NAME means nothing: what a
 * certificate is for stands in it. Files are read on a helper; the first time, and again when inotify or
 * certs_reload() says so and 500 ms were quiet; only those that changed. A pair that does not match or has
 * expired leaves the one before it in place, with an alarm. Control thread.
 */
#pragma once
#include "forwarder/plan/certnames.h"
#include "lib/err.h"
#include <event2/event.h>

struct certs;

struct certs_hooks {
	/* The table is another (or, the first time, complete): certs_names() goes into a new world. `errors`:
	 * what was wrong, warnings among it; also called when only that changed. */
	void (*loaded)(void *user, const struct err_list *errors);
	void *user;
};

struct certs *certs_new(struct event_base *base, const char *directory, const char *default_name,
			const struct certs_hooks *hooks);
void certs_free(struct certs *certs); /* NULL is fine */
void certs_reload(struct certs *certs);
/* Another directory or default after a reload of node.yaml. */
void certs_configure(struct certs *certs, const char *directory, const char *default_name);
bool certs_is_ready(const struct certs *certs); /* all names are known: https may be accepted */
/* The present table, a reference of it: certnames_unref() when no world has it. Never NULL. */
const struct certnames *certs_names(const struct certs *certs);

/* ---- what is shown ---- */

enum certs_state { CERTS_VALID, CERTS_EXPIRING, CERTS_EXPIRED, CERTS_FAILED, CERTS_STATES };

struct certs_row {
	const char *name; /* NAME */
	const char *file; /* in the directory */
	enum certs_state state;
	const char *kind; /* "ecdsa", "rsa"; NULL: nothing of it is served */
	int64_t not_after_s;
	bool has_staple;
	size_t name_count;
	const char *const *names;
	const char *problem; /* NULL: none */
};

size_t certs_count(const struct certs *certs);
void certs_row(const struct certs *certs, size_t index, struct certs_row *ret); /* by name */
size_t certs_count_of(const struct certs *certs, enum certs_state state);
int64_t certs_first_expiry_s(const struct certs *certs); /* of those in use; INT64_MAX: there is none */
const char *certs_state_word(enum certs_state state);
