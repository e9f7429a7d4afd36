/*
 * Reports of load to gslbd (POST /v1/load on `control.api`): each second, and at once when an origin becomes
 * usable or ceases to be. What is lost is told by the next one. Control thread.
 */
#pragma once
#include "forwarder/control/report_sums.h"
#include <event2/event.h>

struct report;

struct report_settings {
	const char *socket_path;   /* gslbd's */
	const char *node, *region; /* of this forwarder */
	const char *epoch_path;	   /* the file that counts starts */
};

struct report_hooks {
	void *user;
	/* What there is now; false: no world yet. */
	bool (*look)(void *user, struct report_view *ret);
	bool (*is_draining)(void *user);
};

struct report *report_new(struct event_base *base, const struct report_settings *settings,
			  const struct report_hooks *hooks);
void report_free(struct report *report); /* NULL is fine */
/* As soon as the one that is under way is answered: something has changed. */
void report_soon(struct report *report);

struct report_facts {
	uint64_t accepted_ms; /* monotonic: when one was last taken; 0: none yet */
	uint64_t sent, failed;
	const char *problem; /* "" none since one was taken */
};
void report_facts(const struct report *report, struct report_facts *ret);
