/*
 * A request's record for the access log: its texts are copied when it begins, for head, connection and world
 * may be others at its end; the numbers come at its end. Nothing is done where the log is off. A worker's
 * thread.
 */
#pragma once
#include "forwarder/http1/http1_request.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/exchange.h"

/* What a request was found to be; a member is NULL where it did not come to that. */
struct record_request {
	const struct world *world;
	const struct http1_request *http;
	const struct hosts_entry *host;
	const struct route_service *service;
	const struct route *route;
	const struct policy *policy;
	const char *trace; /* EXCHANGE_ID_LENGTH digits */
};

/* Once, when the log is on. */
void record_begin(struct worker *worker, struct exchange *exchange, const struct record_request *request);
/* Where it goes to; the last one counts. */
void record_origin(struct exchange *exchange, const struct origin *origin);
/* It is over: the record goes to the writer. */
void record_end(struct worker *worker, const struct exchange *exchange);
/* Gives the memory back. */
void record_free(struct worker *worker, struct exchange *exchange);
/* All of the worker's, at its end. */
void record_done(struct worker *worker);
