/*
 * Where a request goes: an origin of its pool and a connection to it, its turn where the pool is saturated,
 * another try where one failed. Each function leaves the exchange in the state that says what comes next. A
 * worker's thread.
 */
#pragma once
#include "forwarder/relay/exchange.h"

struct world;

/* The pool as it is now; NULL: it has left the configuration. */
const struct pool *attempt_pool(const struct world *world, struct exchange *exchange);
/* Takes an origin and begins to reach it: OPEN, CONNECTING, QUEUED or, where there is none, ANSWERED. False:
 * the client's connection can only be closed. */
bool attempt_start(struct worker *worker, struct exchange *exchange);
/* QUEUED at the pool, and its turn has come, or its time is over. */
bool attempt_granted(struct worker *worker, struct exchange *exchange);
/* QUEUED at the pool, and not its turn: gives slots of origins that came back to those who wait. */
void attempt_look(struct worker *worker, struct exchange *exchange);
/* CONNECTING, and something happened there: goes on to OPEN or to another try. */
bool attempt_progress(struct worker *worker, struct exchange *exchange);
/* This try failed: another, a pause, or `reason` is the answer. Not after octets of an answer went out. */
bool attempt_fail(struct worker *worker, struct exchange *exchange, enum retry_failure failure,
		  enum reason reason);
/* A whole answer came: the connection is kept for the next request, or dropped. */
void attempt_finish(struct worker *worker, struct exchange *exchange, bool keeps_link);
/* A final answer came: what the pool learns of its origin; true: another try is made instead of passing it
 * on. */
bool attempt_retries(struct worker *worker, struct exchange *exchange, unsigned status);
