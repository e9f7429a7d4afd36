/*
 * The notification hook: tells every transition of health to a command of the operator's (one JSON line
 * on its standard input) or to an HTTP endpoint (POST). One at a time, ten seconds at most, from a queue
 * that drops its oldest; probes and DNS never wait for it. Control thread.
 */
#pragma once
#include "health/notify_settings.h"
#include <event2/event.h>
#include <stdint.h>

#define NOTIFY_QUEUE_MAX 1000
#define NOTIFY_WAIT_S 10 /* for one command or reply */

struct notice {
	int64_t unix_ms;
	const char *service, *region, *vip, *check;
	const char *from, *to; /* "up", "down", "unknown" */
	const char *reason;    /* where the VIP came up: "" or a remark */
};

struct notify_counts {
	uint64_t sent, failed, dropped;
};

struct notify;

struct notify *notify_new(struct event_base *base);
/* What is under way goes on by itself; what is queued is dropped. NULL is fine. */
void notify_free(struct notify *notify);
/* From now on; `settings` must stay valid until the next call or notify_free. */
void notify_configure(struct notify *notify, const struct notify_settings *settings);
void notify_send(struct notify *notify, const struct notice *notice);
struct notify_counts notify_counts(const struct notify *notify);
