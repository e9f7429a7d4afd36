/*
 * What this node knows about every probed target (address × name × check): verdict, since when, why. Fed by
 * the in-process checker and restored from the store; whoever owns the book reads it, and hears of what
 * changes through hooks. Control thread.
 */
#pragma once
#include "checker/verdict.h"
#include "fleet/fleet.h"
#include <event2/event.h>

struct health_book;
struct notify;
struct store;

struct health_entry {
	struct ip ip;
	char *check; /* id */
	struct verdict verdict;
	uint16_t score;		 /* 0..SCORE_FULL */
	uint64_t changed_ms;	 /* monotonic, last transition */
	int64_t changed_unix_ms; /* 0: never known */
	bool is_long_ago;	 /* restored, and the last transition is older than this boot's clock */
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

static inline uint32_t health_book_pending(const struct health_entry *entry)
{
	return verdict_pending(&entry->verdict);
}

struct health_hooks {
	void *user;
	/* The state of a target at this address changed, or how near it is to its next change. */
	void (*changed)(void *user, const struct ip *vip);
	/* A target finished its first round: health_book_is_complete may answer otherwise now. */
	void (*progressed)(void *user);
};

/* Nobody probes yet: see health_book_configure. `notify` (NULL: nobody is told) and `store` must live as
 * long as the book. */
struct health_book *health_book_new(struct event_base *base, struct store *store, struct notify *notify,
				    const struct health_hooks *hooks);
/* Saves everything and ends the probes; before the store is closed. NULL is fine. */
void health_book_free(struct health_book *book);
/* So many probes at once from the next sync on; 0: nobody probes. Nobody to probe means that nothing is
 * known: turning probes off or on begins with an empty book. */
void health_book_configure(struct health_book *book, unsigned concurrency);
/* Makes the targets those of the fleet: keeps what stays the same (address, name, what the check asks),
 * starts and ends probes. */
void health_book_sync(struct health_book *book, const struct fleet *fleet);
/* NULL: not a target, or nobody keeps a book. */
const struct health_entry *health_book_find(const struct health_book *book, const struct fleet_vip *vip,
					    const char *check);
const struct health_entry *health_book_next(const struct health_book *book, size_t *at);
/* Every probed target has a round or a fresh stored state. */
bool health_book_is_complete(const struct health_book *book);
/* A probe could not be run here for want of descriptors, ports or memory: its target's state is held. */
bool health_book_is_frozen(const struct health_book *book);
/* Writes what is new to the store; by itself it does so soon after a transition and every 10 s. */
void health_book_save(struct health_book *book);
