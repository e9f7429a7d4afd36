/*
 * Which origin of a pool a request goes to, and a slot there. What is usable, what a weight is today (slow
 * start), panic and probation are decided here for all policies alike; in_flight of an origin never passes
 * the pool's concurrency. No allocation, no lock; workers race by compare-and-swap. Any worker.
 */
#pragma once
#include "forwarder/plan/pool.h"
#include "lib/rng.h"

/* One worker's cursor of one pool, by the number of the pool's state; zeroed. */
struct balance_local {
	uint32_t member_count, weight_total; /* of the members that `current` is for */
	int32_t current[POOL_ORIGINS_MAX];   /* smooth weighted round-robin */
};

struct balance_request {
	const struct pool *pool;
	struct balance_local *local;
	struct rng *rng;   /* the worker's */
	uint64_t hash;	   /* balance hash: of what the pool hashes (balance_hash) */
	uint64_t excluded; /* bits of members that this request has tried (balance_excluded) */
	int sticky;	   /* member that the cookie names (balance_sticky_find); -1: none */
	uint64_t now_ns;
};

struct balance_choice {
	struct origin *origin;
	bool is_probation; /* the one request that an origin on probation gets */
	bool is_sticky;	   /* the cookie's; else a sticky pool sets a new one */
};

enum balance_verdict {
	BALANCE_TAKEN, /* one more in flight at the origin: fair_give gives it back, exactly once */
	BALANCE_FULL,  /* every usable origin is at its concurrency: wait (fair_wait) */
	BALANCE_NONE,  /* no origin is left */
};

enum balance_verdict balance_take(const struct balance_request *request, struct balance_choice *ret);
/* Without a look at those who wait: fair_give is what a request calls. */
void balance_give(const struct balance_choice *choice);
/* A slot at this one origin of the pool, whatever the policy; for those who wait. */
bool balance_take_at(const struct pool_state *state, struct origin *origin, uint32_t concurrency,
		     struct balance_choice *ret);

/* The bits of members by the numbers of their origins: what a request tried outlives a world. */
uint64_t balance_excluded(const struct pool *pool, const uint32_t *origin_numbers, unsigned count);
uint64_t balance_hash(const void *octets, size_t length);

/* What a load report says of the pool: origins in use, and their share of the configured weight. */
struct balance_usable {
	uint32_t usable, total, weight, weight_total;
	bool is_panic;
};
struct balance_usable balance_usable(const struct pool *pool);

/* A response's head came (or, with has_failed, did not) so long after the request was sent. A failure counts
 * as at least the route's timeout, otherwise the origin that fails fast would get everything. */
void balance_observe(struct origin *origin, uint64_t latency_ns, bool has_failed, uint64_t timeout_ns,
		     uint64_t now_ns);

/* The value of the sticky cookie: a keyed hash of the origin, which tells nothing and cannot be made up. */
#define BALANCE_STICKY_LENGTH 16
void balance_sticky_make(const uint8_t key[static 16], const struct origin *origin,
			 char out[static BALANCE_STICKY_LENGTH]);
int balance_sticky_find(const struct pool *pool, const uint8_t key[static 16], const char *value,
			size_t length); /* -1: nobody's */
