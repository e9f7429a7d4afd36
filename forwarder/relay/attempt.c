/* Tries of one request. A worker's thread. */
#include "forwarder/relay/attempt.h"
#include "forwarder/http1/proxy_header.h"
#include "forwarder/plan/outlier.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/record.h"
#include "forwarder/relay/sticky.h"
#include "forwarder/relay/worker.h"
#include "forwarder/tls/tls_origin.h"
#include <assert.h>
#include <string.h>

#define NS_PER_MS 1000000u

const struct pool *attempt_pool(const struct world *world, struct exchange *exchange)
{
	if (exchange->pool < world->pool_count && world->pools[exchange->pool] &&
	    world->pools[exchange->pool]->state == exchange->pool_state)
		return world->pools[exchange->pool];
	for (uint32_t i = 0; i < world->pool_count; i++)
		if (world->pools[i] && world->pools[i]->state == exchange->pool_state) {
			exchange->pool = i;
			return world->pools[i];
		}
	return NULL;
}

static struct balance_request balance_request_of(struct worker *worker, const struct exchange *exchange,
						 const struct pool *pool)
{
	return (struct balance_request){
		.pool = pool,
		.local = &worker->balance[pool->state->number],
		.rng = &worker->rng,
		.hash = exchange->choice_hash,
		.excluded = balance_excluded(pool, exchange->tried, exchange->tried_count),
		.sticky = sticky_find(worker, exchange, pool),
		.now_ns = worker->now_ns,
	};
}

/* The client's own addresses go ahead of all else on a connection that nobody shares. */
static bool send_proxy_header(struct exchange *exchange)
{
	struct proxy_header header = {.source = exchange->address,
				      .source_port = exchange->port,
				      .destination = exchange->address,
				      .destination_port = exchange->port};
	char octets[PROXY_HEADER_WRITE_MAX];
	struct iovec piece = {octets, proxy_header_write(&header, octets)};
	size_t sent;

	return link_send(&exchange->link->link, &piece, 1, &sent) == LINK_DONE && sent == piece.iov_len;
}

static void opened(struct worker *worker, struct exchange *exchange)
{
	exchange->state = EXCHANGE_OPEN;
	exchange->connected_ns = worker->now_ns;
}

static bool reach(struct worker *worker, struct exchange *exchange, const struct pool *pool, bool is_fresh)
{
	struct origin *origin = exchange->choice.origin;
	enum origin_link_failure failure;

	exchange->connect_ns = worker->now_ns;
	if (!is_fresh && !pool->sends_proxy)
		exchange->link = origin_link_take(worker, origin, exchange);
	if (exchange->draft)
		record_origin(exchange, origin);
	if (exchange->link) {
		opened(worker, exchange);
		return true;
	}
	exchange->link = origin_link_connect(worker, origin, pool->connect_ms, exchange, &failure);
	if (!exchange->link)
		return attempt_fail(worker, exchange, RETRY_CONNECT, REASON_ORIGIN_REFUSED);
	exchange->link->is_shared = !pool->sends_proxy;
	exchange->state = EXCHANGE_CONNECTING;
	return true;
}

static bool take_choice(struct worker *worker, struct exchange *exchange, const struct pool *pool,
			const struct balance_choice *choice)
{
	exchange->choice = *choice;
	exchange->has_slot = true;
	exchange->attempts++;
	return reach(worker, exchange, pool, false);
}

static bool wait_in_line(struct worker *worker, struct exchange *exchange, const struct pool *pool,
			 const struct balance_request *request)
{
	struct fair_waiter *waiter = &exchange->waiter;

	waiter->worker = worker->number;
	waiter->cookie = (uint64_t)exchange->generation << 32 | exchange->conn;
	waiter->tenant = exchange->tenant;
	waiter->priority = exchange->priority;
	waiter->deadline_ns = worker->now_ns + (uint64_t)exchange->route.queue_ms * NS_PER_MS;
	enum reason reason = exchange->route.queue_ms ? fair_wait(worker->relay->fair, request, waiter)
						      : REASON_QUEUE_FULL;
	if (reason != REASON_NONE)
		return own_reply_refuse(worker, exchange, reason, false);
	if (waiter->status == FAIR_CHOSEN) {
		fair_leave(pool->state, waiter);
		return take_choice(worker, exchange, pool, &waiter->choice);
	}
	exchange->queued_ns = worker->now_ns;
	exchange->waits_for_tenant = false;
	exchange->state = EXCHANGE_QUEUED;
	exchange->deadline_ms = worker->now_ms + exchange->route.queue_ms;
	exchange->look_ms = worker->now_ms + EXCHANGE_LOOK_MS;
	return true;
}

void attempt_look(struct worker *worker, struct exchange *exchange)
{
	const struct pool *pool = attempt_pool(publish_get(worker->relay->world), exchange);

	if (!pool)
		return;
	struct balance_request request = balance_request_of(worker, exchange, pool);
	fair_look(worker->relay->fair, &request);
}

bool attempt_start(struct worker *worker, struct exchange *exchange)
{
	const struct world *world = publish_get(worker->relay->world);
	const struct pool *pool = attempt_pool(world, exchange);

	if (!pool)
		return own_reply_refuse(worker, exchange, REASON_NO_ORIGIN, false);
	struct balance_request request = balance_request_of(worker, exchange, pool);
	struct balance_choice choice;
	enum balance_verdict verdict = BALANCE_FULL;
	bool is_first = exchange->attempts == 0;
	if (is_first)
		retry_budget_request(&worker->budgets[pool->state->number], worker->now_ns);
	if (!is_first || !fair_is_queued(pool->state))
		verdict = balance_take(&request, &choice);
	if (verdict == BALANCE_TAKEN)
		return take_choice(worker, exchange, pool, &choice);
	if (verdict == BALANCE_FULL && is_first)
		return wait_in_line(worker, exchange, pool, &request);
	return own_reply_refuse(worker, exchange, is_first ? REASON_NO_ORIGIN : exchange->reason, false);
}

bool attempt_granted(struct worker *worker, struct exchange *exchange)
{
	assert(exchange->state == EXCHANGE_QUEUED && !exchange->waits_for_tenant);
	const struct pool *pool = attempt_pool(publish_get(worker->relay->world), exchange);
	enum fair_status status = fair_leave(exchange->pool_state, &exchange->waiter);

	exchange->state = EXCHANGE_OPEN; /* it waits no longer: what follows says for what instead */
	if (status != FAIR_CHOSEN)
		return own_reply_refuse(worker, exchange, REASON_QUEUE_DEADLINE, false);
	if (pool)
		return take_choice(worker, exchange, pool, &exchange->waiter.choice);
	fair_give(worker->relay->fair, exchange->pool_state, &exchange->waiter.choice, worker->now_ns);
	return own_reply_refuse(worker, exchange, REASON_NO_ORIGIN, false);
}

/* TCP stands. What goes first on a new connection goes now. */
static bool begin_talk(struct worker *worker, struct exchange *exchange)
{
	const struct pool *pool = attempt_pool(publish_get(worker->relay->world), exchange);
	struct tls *tls = NULL;

	if (!pool)
		return attempt_fail(worker, exchange, RETRY_CONNECT, REASON_NO_ORIGIN);
	if (pool->sends_proxy && !send_proxy_header(exchange))
		return attempt_fail(worker, exchange, RETRY_CONNECT, REASON_ORIGIN_REFUSED);
	if (pool->tls) {
		tls = tls_origin_connect(worker->tls, pool->tls, exchange->choice.origin);
		if (!tls)
			return attempt_fail(worker, exchange, RETRY_CONNECT, REASON_ORIGIN_TLS);
		origin_link_secure(exchange->link, tls);
		return attempt_progress(worker, exchange);
	}
	origin_link_ready(worker, exchange->link);
	opened(worker, exchange);
	return true;
}

bool attempt_progress(struct worker *worker, struct exchange *exchange)
{
	assert(exchange->state == EXCHANGE_CONNECTING);
	struct origin_link *link = exchange->link;

	switch (origin_link_progress(worker, link)) {
	case ORIGIN_LINK_MAKING:
		return true;
	case ORIGIN_LINK_BROKEN:
		return attempt_fail(worker, exchange, RETRY_CONNECT,
				    link->link.tls ? tls_origin_reason(link->link.tls)
						   : REASON_ORIGIN_REFUSED);
	case ORIGIN_LINK_REACHED:
		return begin_talk(worker, exchange);
	case ORIGIN_LINK_READY:
		break;
	}
	opened(worker, exchange);
	return true;
}

static void observe(struct worker *worker, struct exchange *exchange, bool has_failed)
{
	struct origin *origin = exchange->choice.origin;
	uint64_t since_ns = exchange->sent_ns ? exchange->sent_ns : exchange->connect_ns;

	balance_observe(origin, worker->now_ns - since_ns, has_failed,
			(uint64_t)exchange->route.timeout_ms * NS_PER_MS, worker->now_ns);
	outlier_report(attempt_pool(publish_get(worker->relay->world), exchange), origin, has_failed,
		       exchange->choice.is_probation, exchange->tenant_hash, worker->now_ns);
}

static void leave_origin(struct worker *worker, struct exchange *exchange)
{
	if (exchange->link)
		origin_link_drop(worker, exchange->link, true);
	exchange->link = NULL;
	if (exchange->has_slot)
		fair_give(worker->relay->fair, exchange->pool_state, &exchange->choice, worker->now_ns);
	exchange->has_slot = false;
	buffers_give(&worker->buffers, exchange->from);
	exchange->from = NULL;
}

static bool try_same(struct worker *worker, struct exchange *exchange)
{
	const struct pool *pool = attempt_pool(publish_get(worker->relay->world), exchange);

	origin_link_drop(worker, exchange->link, true);
	exchange->link = NULL;
	exchange->has_retried_fresh = true;
	exchange->attempts++;
	if (!pool)
		return own_reply_refuse(worker, exchange, REASON_NO_ORIGIN, false);
	return reach(worker, exchange, pool, true);
}

/* The request has to be said from its first octet again. */
static void rewind_request(struct exchange *exchange)
{
	if (exchange->up.sent)
		flow_rewind(&exchange->up);
	exchange->is_up_dead = false;
	exchange->has_head = false;
	exchange->scan = (struct http_head_scan){0};
	exchange->asked.interims = exchange->asked.hints = 0;
}

static void blame(struct worker *worker, struct exchange *exchange)
{
	observe(worker, exchange, true);
	if (exchange->tried_count < RETRY_ATTEMPTS_MAX)
		exchange->tried[exchange->tried_count++] = exchange->choice.origin->number;
}

/* Until when another try may begin. A first octet that never came has used up the route's time by itself:
 * where the route wants another try after that, each has as much. */
static uint64_t deadline_of(const struct exchange *exchange)
{
	uint64_t timeout_ns = (uint64_t)exchange->route.timeout_ms * NS_PER_MS;

	return exchange->started_ns +
	       (exchange->route.retry & ROUTE_RETRY_TIMEOUT ? RETRY_ATTEMPTS_MAX * timeout_ns : timeout_ns);
}

static enum retry_answer decide(struct worker *worker, const struct exchange *exchange,
				enum retry_failure failure, uint64_t *ret_pause_ns)
{
	struct retry_request request = {
		.failure = failure,
		.is_idempotent = exchange->is_idempotent,
		.is_body_kept = exchange->up.sent == 0 || exchange->up.is_replayable,
		.sent_nothing = exchange->up.sent == 0,
		.has_answered = exchange->is_answering,
		.has_retried_fresh = exchange->has_retried_fresh,
		.listed = exchange->route.retry,
		.attempts = exchange->attempts,
		.now_ns = worker->now_ns,
		.deadline_ns = deadline_of(exchange),
	};

	return retry_decide(&request, rng_next(&worker->rng), ret_pause_ns);
}

static bool take_budget(struct worker *worker, struct exchange *exchange)
{
	struct retry_budget *budget = &worker->budgets[exchange->pool_state->number];

	if (retry_budget_take(budget, worker->relay->worker_count, worker->now_ns)) {
		atomic_fetch_add_explicit(&exchange->pool_state->retries, 1, memory_order_relaxed);
		return true;
	}
	atomic_fetch_add_explicit(&exchange->pool_state->retry_budget_spent, 1, memory_order_relaxed);
	return false;
}

static void pause_for(struct worker *worker, struct exchange *exchange, uint64_t pause_ns)
{
	rewind_request(exchange);
	exchange->state = EXCHANGE_PAUSED;
	exchange->deadline_ms = worker->now_ms + pause_ns / NS_PER_MS;
}

bool attempt_fail(struct worker *worker, struct exchange *exchange, enum retry_failure failure,
		  enum reason reason)
{
	assert(!exchange->is_answering && exchange->has_slot);
	uint64_t pause_ns;
	enum retry_answer answer = decide(worker, exchange, failure, &pause_ns);

	if (answer == RETRY_SAME) {
		rewind_request(exchange);
		return try_same(worker, exchange);
	}
	if (failure != RETRY_REUSED) /* idle connections end: no origin is worse for it */
		blame(worker, exchange);
	leave_origin(worker, exchange);
	exchange->reason = reason; /* the answer, should no other origin be left */
	if (answer == RETRY_NO)
		return own_reply_refuse(worker, exchange, reason, false);
	if (!take_budget(worker, exchange))
		return own_reply_refuse(worker, exchange, REASON_RETRY_BUDGET, false);
	pause_for(worker, exchange, pause_ns);
	return true;
}

static bool is_gateway_failure(unsigned status)
{
	return status >= 502 && status <= 504;
}

bool attempt_retries(struct worker *worker, struct exchange *exchange, unsigned status)
{
	static const enum retry_failure failures[] = {RETRY_502, RETRY_503, RETRY_504};
	uint64_t pause_ns;

	if (!is_gateway_failure(status)) {
		observe(worker, exchange, false);
		if (exchange->sets_sticky && !exchange->choice.is_sticky)
			sticky_set(worker, exchange,
				   attempt_pool(publish_get(worker->relay->world), exchange));
		return false;
	}
	enum retry_answer answer = decide(worker, exchange, failures[status - 502], &pause_ns);
	blame(worker, exchange);
	if (answer != RETRY_OTHER || !take_budget(worker, exchange))
		return false;
	leave_origin(worker, exchange);
	exchange->reason = REASON_NO_ORIGIN;
	pause_for(worker, exchange, pause_ns);
	return true;
}

void attempt_finish(struct worker *worker, struct exchange *exchange, bool keeps_link)
{
	uint32_t idle_ms = exchange->origin_idle_ms;

	if (keeps_link)
		origin_link_keep(worker, exchange->link, idle_ms);
	else
		origin_link_drop(worker, exchange->link, false);
	exchange->link = NULL;
}
