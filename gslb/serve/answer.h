/*
 * One DNS message in, one out: parse, decide, write. UDP and TCP workers, the golden tests and the
 * fuzzer enter here. No lock, allocation, log or clock. Any registered reader thread.
 */
#pragma once
#include "gslb/decide/order_table.h"
#include "gslb/decide/resolve.h"
#include "gslb/decide/stats.h"
#include "gslb/decide/world.h"
#include "gslb/serve/message.h"
#include "lib/rng.h"
#include "zones/index_layout.h"

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_COUNT };

struct serve_context {			/* one per worker thread */
	struct stats *stats;		/* this worker's */
	struct rrl *rrl;		/* this worker's; NULL: responses are not limited */
	struct budget_buckets *budgets; /* this worker's; NULL: tenants are not limited */
	uint64_t now_ns;		/* monotonic; set for each batch */
	struct rng rng;
	struct answer *scratch; /* reused for every query */
};

#define MESSAGE_MAX 65535

/* A query that has been read and not yet answered. It points into the packet and into the world: what it says
 * of a batch that is over means nothing. */
struct incoming {
	struct client client;
	enum parse parse;
	struct found found;
	struct message message;
	/* of answer_find: where name and client's place will be looked up, and the names that are not there
	 */
	struct index_cursor name_cursor;
	struct order_cursor order_cursor;
	uint64_t parent_hash;
	struct incoming *next_missing;
};

/* Answers query[0..length) into out[0..capacity) and returns the length of the reply, or 0 when the
 * packet deserves silence (RFC 8906 §3: shorter than a header, or itself a response). `world` may be
 * NULL only before the first publication: then REFUSED. capacity ≥ 512. */
size_t answer_query(struct serve_context *context, const struct world *world, enum transport transport,
		    const struct ip *peer, const uint8_t *query, size_t length, uint8_t *out,
		    size_t capacity);

/* The same in three steps, all with one world: a batch takes each step for all of its queries before the
 * next, so that it waits for memory once, not for each. incoming->client.resolver is the peer already; all
 * else may be of any query before, of another world too. answer_incoming may be called once. */
void answer_read(const struct world *world, const uint8_t *query, size_t length, struct incoming *incoming);
void answer_find(const struct stats *stats, const struct world *world, struct incoming *incoming,
		 unsigned count);
size_t answer_incoming(struct serve_context *context, const struct world *world, enum transport transport,
		       struct incoming *incoming, uint8_t *out, size_t capacity);
