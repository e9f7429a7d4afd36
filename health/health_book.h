/*
 * What this node knows about every probed target (address × check): verdict, since when, why. Fed by
 * the in-process checker, restored from the store, read by the world builder, API and metrics.
 */
#pragma once
#include "checker/verdict.h"
#include "fleet/fleet.h"

struct server;
struct health_book;

struct health_entry {
	struct ip ip;
	char *check; /* id */
	struct verdict verdict;
	uint16_t score;		 /* 0..SCORE_FULL */
	uint64_t changed_ms;	 /* monotonic, last transition */
	int64_t changed_unix_ms; /* 0: never known */
	bool is_settled;	 /* restored, and the last transition is older than this boot's clock */
	bool is_probed;
	bool was_up;	     /* DOWN: it came from UP, not from unknown */
	bool has_round;	     /* finished one round or restored with a state younger than 24 h */
	char reason[96];     /* of the last result that counted against the state, or a remark of the last
			      * good one; "" none */
	uint32_t latency_us; /* of the last round */
	uint64_t transitions;
	uint64_t latency_bucket[16]; /* rounds up to 2^b milliseconds/8, above the one before; last = +Inf */
	uint64_t latency_sum_us, latency_count;
};

static inline enum vip_state health_book_vip_state(enum verdict_state state)
{
	switch (state) {
	case VERDICT_UP:
		return VIP_UP;
	case VERDICT_DOWN:
		return VIP_DOWN;
	case VERDICT_UNKNOWN:
		break;
	}
	return VIP_UNKNOWN;
}

struct health_book *health_book_new(struct server *server);
/* Saves everything and ends the probes; before the store is closed. NULL is fine. */
void health_book_free(struct health_book *book);
/* Makes the targets those of the fleet: keeps what stays the same (address and what the check asks),
 * starts and ends probes. */
void health_book_sync(struct health_book *book, const struct fleet *fleet);
/* NULL: not a target. */
const struct health_entry *health_book_find(const struct health_book *book, const struct ip *ip,
					    const char *check);
const struct health_entry *health_book_next(const struct health_book *book, size_t *at);
/* Every probed target has a round or a fresh stored state. */
bool health_book_is_complete(const struct health_book *book);
/* A probe could not be run here for want of descriptors, ports or memory: its target's state is held. */
bool health_book_is_frozen(const struct health_book *book);
/* Writes what is new to the store; by itself it does so soon after a transition and every 10 s. */
void health_book_save(struct health_book *book);

/* control.c provides it: a target finished its first round, so the start rule may be fulfilled now. */
void server_health_progress(struct server *server);
