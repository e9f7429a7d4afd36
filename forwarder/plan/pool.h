/*
 * Origins and pools of them. A pool is an immutable part of a world; the origins and what all workers know
 * of a pool are objects that outlive worlds: the control thread makes them, and frees one when it has left
 * the configuration, nothing is in flight there and a grace period is over. Workers change their words by
 * atomic operations.
 */
#pragma once
#include <assert.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_ORIGINS_MAX 64

/* What decides whether an origin is used. */
enum origin_state { ORIGIN_UP, ORIGIN_DOWN, ORIGIN_EJECTED, ORIGIN_PROBATION };

struct origin {
	uint32_t number;     /* small and reused, index of each worker's idle connections */
	uint32_t generation; /* of the number; ≥ 1 */
	struct sockaddr_storage address;
	socklen_t address_length;
	char text[64]; /* "10.1.0.5:8080" */
	uint64_t key;  /* hash of the address: rendezvous and sticky cookies */
	/* Apart: written for each request. */
	_Alignas(64) _Atomic uint32_t in_flight;
	_Atomic uint32_t state;	      /* enum origin_state */
	_Atomic uint32_t is_draining; /* by a control or gone from the configuration */
	_Atomic uint32_t probation_in_flight;
	_Atomic uint64_t slow_start_ns;		    /* when it came (back); 0: long ago */
	_Atomic uint64_t latency_ns, latency_at_ns; /* peak EWMA */
	/* outlier detection */
	_Atomic uint32_t failures;  /* consecutive gateway failures */
	_Atomic uint64_t failed_by; /* who saw them: one tenant's hash, lowest bit: others too */
	_Atomic uint32_t ejections, successes;
	_Atomic uint64_t until_ns; /* EJECTED: the end of it; UP: when one ejection is forgotten */
	/* counted */
	_Atomic uint64_t requests, errors, ejected_total;
};

static_assert(POOL_ORIGINS_MAX <= 64, "sets of members are bits of one word");

enum pool_balance {
	POOL_ROUND_ROBIN,
	POOL_WEIGHTED,
	POOL_LEAST_REQUESTS,
	POOL_EWMA,
	POOL_HASH,
	POOL_RANDOM,
};
enum pool_hash { POOL_HASH_CLIENT, POOL_HASH_COOKIE, POOL_HASH_HEADER };
enum pool_verify { POOL_VERIFY_FULL, POOL_VERIFY_CHAIN, POOL_VERIFY_NONE };

struct pool_member {
	struct origin *origin;
	uint32_t weight; /* 0..1000; 0: only where no other is usable */
};

struct pool_queue; /* the relay's */

/* What all workers know of a pool. */
struct pool_state {
	char *name; /* "shop/web" */
	uint32_t number;
	_Atomic uint32_t is_in_panic;
	_Atomic uint32_t queued;
	_Atomic uint64_t active[2]; /* who asked in this and the last 10 s, as failed_by */
	_Atomic uint64_t aged_ns;   /* when these moved on */
	_Atomic uint64_t panics, retries, retry_budget_spent;
	_Atomic(struct pool_queue *) queue; /* made when somebody waits first */
};

struct pool_tls; /* immutable settings of TLS to this pool's origins */

struct pool {
	const char *name; /* "web" */
	uint32_t service; /* index in world->services */
	struct pool_state *state;
	enum pool_balance balance;
	enum pool_hash hash;
	const char *hash_name;	   /* lower case, of the cookie or header */
	const char *sticky_cookie; /* NULL: not sticky */
	uint32_t sticky_ttl_s;	   /* 0: a session's */
	uint32_t concurrency;	   /* requests in flight at one origin */
	uint32_t connect_ms, idle_ms, slow_start_ms;
	uint32_t max_ejected_hundredths, panic_hundredths; /* of 10000 */
	bool sends_proxy;				   /* PROXY v2 */
	const struct pool_tls *tls;			   /* NULL: plain */
	uint32_t member_count;
	uint32_t weight_total;
	const struct pool_member *members;
};
