/*
 * Who is next: requests that wait for a slot at an origin of a saturated pool, and requests that wait for
 * their tenant's concurrency. A waiting request is a record inside the request, which its worker parks; who
 * frees a slot takes it for the next one and tells that one's worker. These queues are the only locks of the
 * data path; they are taken only while somebody waits. Any worker.
 *
 * Lost wake-ups: who comes announces itself (`queued`) and then tries for a slot once more; who frees a slot
 * gives it back and then reads `queued`. In the one order that all threads see, one of them sees the other.
 */
#pragma once
#include "forwarder/plan/policy.h"
#include "forwarder/plan/pool.h"
#include "forwarder/plan/reason.h"
#include "forwarder/plan/tenant_state.h"
#include "forwarder/traffic/balance.h"

#define FAIR_WAITERS_MAX 1024 /* of a pool */
#define FAIR_TENANT_MAX 128   /* of a tenant: in a pool, and for its own concurrency */

enum fair_status {
	FAIR_NOT,    /* does not wait */
	FAIR_WAITS,  /* parked */
	FAIR_CHOSEN, /* has the slot since its own call of fair_wait: no message comes */
	FAIR_TOLD,   /* has the slot, and a message is under way; fair_leave says FAIR_CHOSEN */
	FAIR_LATE,   /* its deadline had passed when it would have been its turn; a message is under way */
};

/* Part of a request, in memory of its worker that is never given back; zero it once. The lock of the queue
 * guards it while it waits. */
struct fair_waiter {
	struct fair_waiter *next, *previous;
	_Atomic uint32_t status; /* enum fair_status */
	uint32_t worker;	 /* whom to tell, and */
	uint64_t cookie;	 /* which request: generation and slot */
	uint32_t tenant;	 /* number of its state */
	uint32_t concurrency;	 /* of an origin, or of the tenant */
	enum policy_priority priority;
	uint64_t since_ns, deadline_ns;
	struct balance_choice choice; /* of a pool's, FAIR_CHOSEN: the slot */
};

/* Called with the queue's lock held: puts (cookie) into the worker's mailbox and returns. */
typedef void fair_wake(void *context, uint32_t worker, uint64_t cookie);

struct fair;
struct fair *fair_new(fair_wake *wake, void *context);
void fair_free(struct fair *fair);
void fair_queue_free(struct pool_queue *queue); /* of a pool that is gone; NULL is fine */

/* Whether a request must not take a slot past others: the pool's queue is not empty. */
static inline bool fair_is_queued(const struct pool_state *state)
{
	return atomic_load_explicit((_Atomic uint32_t *)&state->queued, memory_order_relaxed) > 0;
}

/*
 * Waits for a slot in the pool of *request, which is saturated (BALANCE_FULL) or has others waiting. The
 * caller filled worker, cookie, tenant, priority and deadline_ns of the waiter. REASON_NONE: waiter->status
 * is FAIR_WAITS (park; fair_wake follows), or FAIR_CHOSEN (a slot came free meanwhile: go on with ->choice).
 * REASON_QUEUE_FULL: no room. A retry does not wait: its first failure is its answer.
 */
enum reason fair_wait(struct fair *fair, const struct balance_request *request, struct fair_waiter *waiter);

/* Takes a waiter out whose client went, or whose deadline came by the worker's own timer. What it was:
 * FAIR_WAITS: gone without anything; FAIR_CHOSEN: it holds the slot of ->choice, to be used or given;
 * FAIR_LATE: the same as FAIR_WAITS. The same call answers the message of fair_wake; one that is still under
 * way when a client went finds another generation. */
enum fair_status fair_leave(struct pool_state *state, struct fair_waiter *waiter);

/* Gives a slot back, to the next of those who wait for one. Replaces balance_give. */
void fair_give(struct fair *fair, struct pool_state *state, const struct balance_choice *choice,
	       uint64_t now_ns);

/* Gives slots of origins that came (back) to those who wait; for a pool of which fair_is_queued, about once
 * in 100 ms by any worker. */
void fair_look(struct fair *fair, const struct balance_request *request);

/* The same for the concurrency of a tenant: first come, first served. `lane`: which of two processes.
 * REASON_CONCURRENCY: too many wait already. The caller filled worker, cookie, tenant, concurrency and
 * deadline_ns. */
enum reason fair_tenant_wait(struct fair *fair, struct tenant_state *state, unsigned lane,
			     struct fair_waiter *waiter, uint64_t now_ns);
enum fair_status fair_tenant_leave(struct fair *fair, struct tenant_state *state, struct fair_waiter *waiter);
void fair_tenant_give(struct fair *fair, struct tenant_state *state, uint32_t tenant, unsigned lane,
		      uint64_t now_ns);
/* Whether one more of `concurrency` requests is in flight now: counted on success alone. */
bool fair_tenant_take(struct tenant_state *state, unsigned lane, uint32_t concurrency);
