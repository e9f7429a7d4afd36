/*
 * Work on a thread of its own, so that probes, API and answers go on meanwhile. Control thread, but for the
 * work itself.
 */
#pragma once
#include <event2/event.h>

struct helper;

/* Runs `work` on a new thread and then `done` on the base's, after which the helper is gone. NULL, with
 * errno: no thread or descriptor is left. */
struct helper *helper_start(struct event_base *base, void (*work)(void *user), void (*done)(void *user),
			    void *user);
void helper_free(struct helper *helper); /* waits for the work; `done` is not called; NULL is fine */
