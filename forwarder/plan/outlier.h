/*
 * Origins that answer badly are left out for a while. Workers report results; the sweep of the control thread
 * ends ejections and forgets old ones; checks say DOWN and UP. The state of an origin is one word, changed by
 * compare-and-swap. One tenant alone ejects nobody where others are active: a customer's broken request must
 * not take an origin from all. Any thread.
 */
#pragma once
#include "forwarder/plan/pool.h"

#define OUTLIER_FAILURES 5  /* in a row */
#define OUTLIER_SUCCESSES 3 /* of probation */
#define OUTLIER_BASE_NS 30000000000u
#define OUTLIER_LONGEST_NS 300000000000u
#define OUTLIER_FORGET_NS 300000000000u /* one ejection less */
#define OUTLIER_ACTIVE_NS 10000000000u	/* a tenant is active that long, and as long again */

/* Gateway failures: connect, timeout, reset before the head, bad response, 502, 503, 504. A plain 500 is a
 * success; a client that went, or a reused connection that was found dead, is not reported. Counts the
 * origin's requests and errors. `pool`: of this turn's world; NULL: it is gone. `tenant`: hash of its id. */
void outlier_report(const struct pool *pool, struct origin *origin, bool has_failed, bool is_probation,
		    uint64_t tenant, uint64_t now_ns);
/* A check's verdict changed. UP after DOWN ends an ejection too, and is a slow start. */
void outlier_check(struct origin *origin, bool is_up, uint64_t now_ns);
/* Once a second, of each pool. */
void outlier_sweep(const struct pool *pool, uint64_t now_ns);
