/*
 * What a tenant, a client, a route and a key may: the admission of a request in one fixed order, and the way
 * back of what was taken. A refusal by concurrency or a rate leaves every word as it was. The words are
 * shared by all workers and changed by compare-and-swap; nothing here allocates, and nothing locks but
 * waiting for concurrency (fair.h). Any worker.
 */
#pragma once
#include "forwarder/plan/policy.h"
#include "forwarder/plan/reason.h"
#include "forwarder/plan/route.h"
#include "forwarder/plan/tenant_state.h"
#include "forwarder/traffic/fair.h"
#include "lib/net.h"

struct limits; /* of the process: the words of clients, routes and keys */
/* `lane`: which of two processes of a hand-over this is. */
struct limits *limit_new(struct fair *fair, unsigned lane);
void limit_free(struct limits *limits);

struct limit_request {
	struct tenant_state *state;
	uint32_t tenant; /* number of the state */
	const struct policy *policy;
	const struct route *route;
	const struct http_head *head; /* of the request: API key, `limit: {by: {header}}` */
	const char *octets;	      /* that it points into */
	struct ip client;
	uint64_t body_bytes; /* of Content-Length; 0: none, or not known yet */
	bool is_upgrade;     /* wants to become a tunnel: takes one of the tenant's websockets */
	uint64_t now_ns;
};

/* What a request holds of its tenant, and what its answer says of the limit. The request keeps it; zero it
 * before limit_admit. */
struct limit_grant {
	struct tenant_state *state;
	uint32_t tenant;
	uint8_t taken;	   /* enum limit_taken */
	uint8_t headers;   /* enum policy_headers */
	bool may_wait;	   /* refused for concurrency, but the tier has a queue: limit_wait */
	uint32_t key;	   /* number of the API key + 1; 0: none */
	uint64_t body_max; /* of this request; UINT64_MAX: no limit */
	/* the rate that refused, else the tenant's */
	uint64_t interval_ns, burst, debt_ns, wait_ns;
};

enum limit_taken { LIMIT_TOOK_REQUEST = 1, LIMIT_TOOK_WEBSOCKET = 2 };

/* suspended → API key → client → concurrency → rate → body → websockets. REASON_NONE: admitted. */
enum reason limit_admit(struct limits *limits, const struct limit_request *request, struct limit_grant *ret);

/* After REASON_CONCURRENCY with may_wait. The caller filled worker and cookie of the waiter. REASON_NONE:
 * waiter->status is FAIR_WAITS (park) or FAIR_CHOSEN (limit_resume at once); else refused. */
enum reason limit_wait(struct limits *limits, const struct limit_request *request, struct limit_grant *grant,
		       struct fair_waiter *waiter);
/* The waiter is FAIR_CHOSEN, fair_wake's message came, or its deadline: what comes behind concurrency, or
 * REASON_CONCURRENCY where it waited in vain. */
enum reason limit_resume(struct limits *limits, const struct limit_request *request,
			 struct limit_grant *grant, struct fair_waiter *waiter);
/* The client went while it waited: gives back what it may have got meanwhile. */
void limit_leave(struct limits *limits, struct limit_grant *grant, struct fair_waiter *waiter,
		 uint64_t now_ns);

/* Gives back all that is still held, and wakes who waits for it; a second call does nothing. */
void limit_release(struct limits *limits, struct limit_grant *grant, uint64_t now_ns);
/* 101: what was a request is a tunnel, and holds a websocket alone. */
void limit_become_tunnel(struct limits *limits, struct limit_grant *grant, uint64_t now_ns);

/* Whether the tenant may open one more connection; the reason of a refusal is REASON_CONNECTIONS. */
bool limit_connection(struct tenant_state *state, const struct policy *policy, uint64_t now_ns);

/* Retry-After and the RateLimit fields of the answer, each with its CRLF; returns the length, 0 where none
 * belong. `random`: fresh bits, so that who was refused together does not come back together. */
#define LIMIT_HEADERS_MAX 192
size_t limit_headers(const struct limit_grant *grant, enum reason reason, uint64_t random,
		     char out[static LIMIT_HEADERS_MAX]);
