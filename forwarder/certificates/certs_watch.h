/* Tells when something in the directory of certificates, or in a folder of it, has changed, and 500 ms were
 * quiet since. Control thread. */
#pragma once
#include <event2/event.h>
#include <stdbool.h>

#define CERTS_WATCH_QUIET_MS 500
#define CERTS_WATCH_QUIET_MAX_MS 2000 /* where changes never end */
#define CERTS_WATCH_POLL_S 60	      /* what links lead to may change without an event */

struct certs_watch;

/* `changed` is also called each CERTS_WATCH_POLL_S. */
struct certs_watch *certs_watch_new(struct event_base *base, void (*changed)(void *user), void *user);
void certs_watch_free(struct certs_watch *watch); /* NULL is fine */
/* Also again: what is watched stays so. False: the kernel has no more watches; the poll finds it. */
bool certs_watch_add(struct certs_watch *watch, const char *directory);
/* As if something had changed. */
void certs_watch_touch(struct certs_watch *watch);
