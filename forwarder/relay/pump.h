/*
 * The two directions of an exchange with an origin: what was received is decoded, framed anew and sent, until
 * a socket has no more or takes no more. A worker's thread.
 */
#pragma once
#include "forwarder/relay/exchange.h"

#define PUMP_PIECES 16 /* reads of one direction in a turn */

enum pump_result {
	PUMP_WAITS, /* see the direction's wait */
	PUMP_OVER,  /* all of this direction was sent */
	PUMP_BUSY,
	PUMP_CLIENT_GONE,
	PUMP_CLIENT_BAD,   /* exchange->reason says why the request is refused in its middle */
	PUMP_ORIGIN_LOST,  /* no octet of an answer will come any more */
	PUMP_ORIGIN_BAD,   /* it answered what is no answer */
	PUMP_ORIGIN_CUT,   /* in the middle of its answer */
	PUMP_ORIGIN_AGAIN, /* its answer asks for another try, which the exchange waits for now */
};

enum pump_result pump_up(struct worker *worker, struct exchange *exchange);
enum pump_result pump_down(struct worker *worker, struct exchange *exchange);
/* EXCHANGE_ANSWERED: sends what stands there. */
enum pump_result pump_answer(struct worker *worker, struct exchange *exchange);
/* Reads away what is left of the request. OVER: the next one can be read. */
enum pump_result pump_drain(struct worker *worker, struct exchange *exchange);
