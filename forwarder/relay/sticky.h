/* The cookie that brings a client back to its origin. A worker's thread. */
#pragma once
#include "forwarder/relay/exchange.h"

struct worker;

/* The member of the pool that the request's cookie names; -1: none. */
int sticky_find(struct worker *worker, const struct exchange *exchange, const struct pool *pool);
/* Adds Set-Cookie to the answer: the origin is not the one that the request's cookie named. `pool`: of this
 * turn's world; NULL: it is gone. */
void sticky_set(struct worker *worker, struct exchange *exchange, const struct pool *pool);
