/*
 * What a daemon's process needs around its event loop: SIGTERM and SIGINT leave the loop, SIGHUP asks for
 * a reload, and the limits that suit programs of another kind are raised. Main thread.
 */
#pragma once
#include <event2/event.h>

struct run;
typedef void run_reload_fn(void *user);

/* Handles the signals from now on; `base` stays the caller's and outlives it. */
struct run *run_new(struct event_base *base, run_reload_fn *reload, void *user);
/* SIGUSR1 calls it with the same `user`: log files were renamed. Without it the signal ends the process. */
void run_set_reopen(struct run *run, run_reload_fn *reopen);
void run_free(struct run *run); /* NULL is fine */
