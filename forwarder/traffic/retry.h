/*
 * Whether a failed attempt is repeated, where, and when: one pure function, and the budget that keeps retries
 * from becoming the outage. The budget is one worker's and one pool's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define RETRY_ATTEMPTS_MAX 3
#define RETRY_BODY_MAX 16384u /* octets of a body that are kept for a second attempt */

enum retry_failure {
	RETRY_CONNECT,	/* refused, unreachable, timed out, or TLS did not come about: nothing was sent */
	RETRY_REUSED,	/* a connection from the pool ended before the first octet of an answer */
	RETRY_CLOSED,	/* a fresh one did; answered as 502 */
	RETRY_REFUSED,	/* HTTP/2 REFUSED_STREAM, or above the last stream of a GOAWAY */
	RETRY_TIMEOUT,	/* no head of an answer in time */
	RETRY_RESPONSE, /* an answer that is none; answered as 502 */
	RETRY_502,	/* the origin answered so */
	RETRY_503,
	RETRY_504,
	RETRY_FAILURE_COUNT
};

struct retry_request {
	enum retry_failure failure;
	bool is_idempotent; /* retry_is_idempotent(method) */
	bool is_body_kept;  /* no body, or all of it is here still (≤ RETRY_BODY_MAX) */
	bool sent_nothing;  /* no octet of the request was taken by the kernel */
	bool has_answered;  /* an octet of an answer went to the client */
	bool has_retried_fresh;
	uint8_t listed;		      /* the route's `retry`: enum route_retry */
	uint8_t attempts;	      /* made so far, ≥ 1 */
	uint64_t now_ns, deadline_ns; /* of the route */
};

enum retry_answer {
	RETRY_NO,
	RETRY_SAME, /* once, the same origin, a fresh connection, at once; no origin is blamed */
	RETRY_OTHER /* another origin, after *ret_pause_ns, if the budget allows */
};

bool retry_is_idempotent(const char *method, uint32_t length); /* GET HEAD OPTIONS PUT DELETE */
/* `random`: fresh bits, for the pause: full jitter, 25 ms doubling to 250 ms. */
enum retry_answer retry_decide(const struct retry_request *request, uint64_t random, uint64_t *ret_pause_ns);

/* Zeroed at first. 20 % of the requests of the last 10 s, and 10/s of all workers together. */
#define RETRY_WINDOW_S 10
struct retry_budget {
	uint64_t second; /* of the newest bucket */
	uint32_t requests[RETRY_WINDOW_S], retries[RETRY_WINDOW_S];
	uint32_t request_sum, retry_sum;
};
void retry_budget_request(struct retry_budget *budget, uint64_t now_ns); /* a first attempt */
/* For RETRY_OTHER. False: the first error is the answer (REASON_RETRY_BUDGET). */
bool retry_budget_take(struct retry_budget *budget, unsigned workers, uint64_t now_ns);
