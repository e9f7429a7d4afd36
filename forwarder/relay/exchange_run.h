/* An exchange goes on: the one engine of all states. A worker's thread. */
#pragma once
#include "forwarder/relay/exchange.h"

/* As far as sockets, buffers and its part of the turn allow. */
enum exchange_result exchange_run(struct worker *worker, struct exchange *exchange);
/* When exchange_expire() is due, CLOCK_MONOTONIC in ms; UINT64_MAX: not by itself. */
uint64_t exchange_due_ms(const struct worker *worker, const struct exchange *exchange);
/* Its time may have come, or a letter did: looks at what it waits for. */
enum exchange_result exchange_expire(struct worker *worker, struct exchange *exchange);
