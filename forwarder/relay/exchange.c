/* The life of the record. A worker's thread. */
#include "forwarder/relay/exchange.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/record.h"
#include "forwarder/relay/worker.h"
#include "lib/mem.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>

struct exchange *exchange_new(struct worker *worker)
{
	struct exchange *exchange = worker->exchange_free;

	if (exchange)
		worker->exchange_free = exchange->next;
	else
		exchange = xcalloc(1, sizeof *exchange);
	exchange->generation++;
	exchange->started_ns = worker->now_ns;
	exchange->rate_ms = worker->now_ms;
	return exchange;
}

void exchange_release(struct worker *worker, struct exchange *exchange)
{
	if (exchange->has_slot)
		fair_give(worker->relay->fair, exchange->pool_state, &exchange->choice, worker->now_ns);
	exchange->has_slot = false;
	limit_release(worker->relay->limits, &exchange->grant, worker->now_ns);
}

/* Zeroes all but what stays with the memory: the generation, the waiter, whose lock others may hold, and the
 * room for field lines, whose length says what is there. */
static void wipe(struct exchange *exchange)
{
	uint32_t generation = exchange->generation;
	char *end = (char *)exchange->extra;
	char *waiter = (char *)&exchange->waiter, *behind = waiter + sizeof exchange->waiter;

	memset(exchange, 0, (size_t)(waiter - (char *)exchange));
	memset(behind, 0, (size_t)(end - behind));
	exchange->generation = generation;
}

void exchange_free(struct worker *worker, struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->state == EXCHANGE_QUEUED && exchange->waits_for_tenant) {
		limit_leave(worker->relay->limits, &exchange->grant, &exchange->waiter, worker->now_ns);
	} else if (exchange->state == EXCHANGE_QUEUED) {
		if (fair_leave(exchange->pool_state, &exchange->waiter) == FAIR_CHOSEN)
			fair_give(worker->relay->fair, exchange->pool_state, &exchange->waiter.choice,
				  worker->now_ns);
	}
	if (exchange->link)
		origin_link_drop(worker, exchange->link, true);
	exchange_release(worker, exchange);
	buffers_give(&worker->buffers, exchange->from);
	buffers_give(&worker->buffers, exchange->up.made);
	buffers_give(&worker->buffers, exchange->down.made);
	record_free(worker, exchange);
	wipe(exchange);
	exchange->next = worker->exchange_free;
	worker->exchange_free = exchange;
}
