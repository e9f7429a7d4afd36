/*
 * All that is told of requests, as one thing: the writer's thread with access log and usage, and the page of
 * metrics. Control thread.
 */
#pragma once
#include "forwarder/control/server.h"
#include "forwarder/seeing/usage.h"
#include "forwarder/seeing/writer.h"

struct seeing;

/* `server` outlives it. */
struct seeing *seeing_new(const struct server *server);
void seeing_free(struct seeing *seeing); /* when the workers have ended, but are still there; NULL is fine */
/* The workers are there, and outlive it. False: errors say why. */
bool seeing_start(struct seeing *seeing, struct worker_view *const *workers, size_t worker_count,
		  struct err_list *errors);
/* The workers have ended: what is left is written. */
void seeing_stop(struct seeing *seeing);
/* Another program has renamed the access log. */
void seeing_reopen(struct seeing *seeing);

/* ---- what is looked at ---- */

const struct server *seeing_server(const struct seeing *seeing);
/* Of nothing before the start. */
struct worker_view *const *seeing_workers(const struct seeing *seeing, size_t *ret_count);
const struct writer *seeing_writer(const struct seeing *seeing); /* NULL: not started, or stopped */
struct usage_sum *seeing_usage(const struct seeing *seeing);	 /* the same */
