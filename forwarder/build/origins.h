/*
 * The origins and pools that workers write to: objects that outlive worlds. An origin is kept as long as any
 * pool of any build has it, by service, pool and address; what left the configuration is drained, and freed
 * when nothing is in flight there and a grace period is over. Checks run here and say UP and DOWN. Control
 * thread.
 */
#pragma once
#include "checker/probe_spec.h"
#include "checker/verdict.h"
#include "forwarder/plan/pool.h"
#include "lib/net.h"
#include <event2/event.h>

#define ORIGINS_GRACE_MS 60000

struct origins;

struct origins_hooks {
	void *user;
	/* An origin went up or down, or is drained or not. */
	void (*changed)(void *user, const struct origin *origin);
	void (*free_queue)(struct pool_queue *queue); /* the relay's part of a pool that is gone */
};

/* concurrency: probes in flight at most. grace_ms: ORIGINS_GRACE_MS, or what a test can await. */
struct origins *origins_new(struct event_base *base, unsigned concurrency, uint64_t grace_ms,
			    const struct origins_hooks *hooks);
/* When no worker runs any more, and everything that was taken is given back. NULL is fine. */
void origins_free(struct origins *origins);

/* One reference more; made where there is none. */
struct pool_state *origins_take_pool(struct origins *origins, const char *service, const char *pool);
void origins_give_pool(struct origins *origins, struct pool_state *pool);

/* The origin of a pool whose reference the caller holds. `written`: how the configuration names it, which is
 * its address or "NAME:PORT". */
struct origin *origins_take(struct origins *origins, const struct pool_state *pool, const struct ip *ip,
			    uint16_t port, const char *written);
/* One reference less; without any it is drained, and goes when it may. */
void origins_give(struct origins *origins, struct origin *origin);

struct origins_check {
	struct probe_spec spec; /* name and port are the origin's */
	struct verdict_limits limits;
	uint64_t digest; /* another one: another check */
};
/* The check of a taken origin; NULL: it is up whatever happens. The same again changes nothing. */
void origins_set_check(struct origins *origins, struct origin *origin, const struct origins_check *check);

/* An operator's hand: origins of the pool at this address, or written like this, now and later. */
void origins_drain(struct origins *origins, const char *service, const char *pool, const char *address);
void origins_restore(struct origins *origins, const char *service, const char *pool, const char *address);
void origins_restore_all(struct origins *origins);

/* ---- what is shown ---- */

struct origins_row {
	const struct origin *origin;
	const struct pool_state *pool;
	const char *written;
	bool is_leaving, is_drained; /* by the configuration, by an operator */
	bool is_checked;
	enum verdict_state verdict;
	const char *reason;  /* of the last result that counted against it; "" none */
	uint64_t changed_ms; /* monotonic, the last change of the verdict; 0: none yet */
};
/* In order of their numbers. for (size_t at = 0; origins_next(origins, &at, &row);) */
bool origins_next(const struct origins *origins, size_t *at, struct origins_row *ret);
size_t origins_count(const struct origins *origins); /* those that are leaving, too */
