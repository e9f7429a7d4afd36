/*
 * Answers that the forwarder gives by itself: short text with the reason's word in Proxy-Status (RFC 9209),
 * and the request's id, so that a customer's report finds its line of the log. A worker's thread.
 */
#pragma once
#include "forwarder/relay/exchange.h"

/* Once, before there are workers. */
void own_reply_init(void);
/* A field line of its own for the answer; dropped, where there is no room left. */
void own_reply_add(struct exchange *exchange, const char *name, const char *value, size_t length);
/* Retry-After and what the tenant's limit says, as its tier wants it told. */
void own_reply_add_limit(struct worker *worker, struct exchange *exchange, enum reason reason);
/* Ends the request's way to an origin and makes the answer what is sent; no octet of another one went out
 * yet. `closes`: the client's connection ends behind it. False: there is no buffer, the connection can only
 * be closed. */
bool own_reply_refuse(struct worker *worker, struct exchange *exchange, enum reason reason, bool closes);
/* The same with a status and a body of the operator's (maintenance), or of a service of ours (OPTIONS *). */
bool own_reply_text(struct worker *worker, struct exchange *exchange, enum reason reason, unsigned status,
		    const char *body, size_t length, bool closes);
