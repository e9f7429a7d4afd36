/* The engine of an exchange. A worker's thread. */
#include "forwarder/relay/exchange_run.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/attempt.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/pump.h"
#include "forwarder/relay/worker.h"
#include <assert.h>

#define ORIGIN_SILENT_MS 60000 /* within a body */
#define RATE_WINDOW_MS 10000
#define RATE_LEAST 500 /* octets a second of a body, on average over the window */

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static enum exchange_result aborted(struct exchange *exchange, enum reason reason)
{
	exchange->reason = reason;
	if (exchange->status == 0)
		exchange->status = (uint16_t)reason_status(reason);
	return EXCHANGE_ABORTS;
}

/* Our own answer instead of one that cannot come, while there is still room for one. */
static enum exchange_result answer_or_abort(struct worker *worker, struct exchange *exchange,
					    enum reason reason)
{
	if (exchange->is_answering || !own_reply_refuse(worker, exchange, reason, true))
		return aborted(exchange, reason);
	return EXCHANGE_RUNS;
}

static bool lost(struct worker *worker, struct exchange *exchange)
{
	return attempt_fail(worker, exchange, exchange->link->is_fresh ? RETRY_CLOSED : RETRY_REUSED,
			    REASON_ORIGIN_CLOSED);
}

static enum exchange_result finish(struct worker *worker, struct exchange *exchange)
{
	bool is_up_whole = http1_body_is_done(&exchange->up_body) && !exchange->is_up_dead;
	bool has_more = exchange->from && buffer_held(exchange->from);

	attempt_finish(worker, exchange,
		       exchange->origin_keeps && is_up_whole && !has_more && !exchange->is_tunnel);
	exchange_release(worker, exchange);
	exchange->state = EXCHANGE_ANSWERED;
	return EXCHANGE_RUNS;
}

static enum exchange_result run_answered(struct worker *worker, struct exchange *exchange)
{
	enum pump_result sent = pump_answer(worker, exchange);

	if (sent == PUMP_CLIENT_GONE)
		return aborted(exchange, REASON_CLIENT_GONE);
	if (sent != PUMP_OVER)
		return EXCHANGE_RUNS;
	if (!exchange->keeps_client)
		return EXCHANGE_CLOSES;
	switch (pump_drain(worker, exchange)) {
	case PUMP_OVER:
		return EXCHANGE_KEEPS;
	case PUMP_BUSY:
		return EXCHANGE_BUSY;
	case PUMP_WAITS:
		return EXCHANGE_RUNS;
	default:
		return EXCHANGE_CLOSES;
	}
}

/* Once it is sure that the request goes to an origin: the client may send the body now (RFC 9110 §10.1.1). */
static void send_continue(struct worker *worker, struct exchange *exchange)
{
	exchange->expects_continue = false;
	if (exchange->up_octets || http1_body_is_done(&exchange->up_body))
		return;
	if (!exchange->down.made)
		exchange->down.made = buffers_take(&worker->buffers, BUFFER_SMALL);
	char *room = flow_room(&exchange->down, sizeof CONTINUE - 1);
	if (!room)
		return; /* the client sends it after a while by itself */
	memcpy(room, CONTINUE, sizeof CONTINUE - 1);
	flow_made(&exchange->down, sizeof CONTINUE - 1);
}

static enum exchange_result run_open(struct worker *worker, struct exchange *exchange)
{
	bool is_good = true;

	if (exchange->expects_continue)
		send_continue(worker, exchange);
	enum pump_result up = pump_up(worker, exchange);
	if (up == PUMP_CLIENT_GONE)
		return aborted(exchange, REASON_CLIENT_GONE);
	if (up == PUMP_CLIENT_BAD)
		return answer_or_abort(worker, exchange, exchange->reason);
	enum pump_result down = pump_down(worker, exchange);
	switch (down) {
	case PUMP_CLIENT_GONE:
		return aborted(exchange, REASON_CLIENT_GONE);
	case PUMP_ORIGIN_LOST:
		is_good = lost(worker, exchange);
		break;
	case PUMP_ORIGIN_BAD:
		if (exchange->is_answering)
			return aborted(exchange, REASON_ORIGIN_RESPONSE);
		is_good = attempt_fail(worker, exchange, RETRY_RESPONSE, REASON_ORIGIN_RESPONSE);
		break;
	case PUMP_ORIGIN_CUT:
		return aborted(exchange, REASON_ORIGIN_CUT);
	case PUMP_OVER:
		if (exchange->is_tunnel && up != PUMP_OVER)
			return up == PUMP_BUSY ? EXCHANGE_BUSY : EXCHANGE_RUNS;
		return finish(worker, exchange);
	default:
		return up == PUMP_BUSY || down == PUMP_BUSY ? EXCHANGE_BUSY : EXCHANGE_RUNS;
	}
	return is_good ? EXCHANGE_RUNS : aborted(exchange, exchange->reason);
}

enum exchange_result exchange_run(struct worker *worker, struct exchange *exchange)
{
	for (;;) {
		enum exchange_state before = exchange->state;
		enum exchange_result result = EXCHANGE_RUNS;
		if (exchange->client->is_broken && before != EXCHANGE_ANSWERED && !exchange->is_tunnel)
			return aborted(exchange, REASON_CLIENT_GONE);
		switch (before) {
		case EXCHANGE_QUEUED:
		case EXCHANGE_PAUSED:
			return EXCHANGE_RUNS;
		case EXCHANGE_CONNECTING:
			if (!attempt_progress(worker, exchange))
				return aborted(exchange, exchange->reason);
			break;
		case EXCHANGE_OPEN:
			result = run_open(worker, exchange);
			break;
		case EXCHANGE_ANSWERED:
			return run_answered(worker, exchange);
		}
		if (result != EXCHANGE_RUNS || exchange->state == before)
			return result;
	}
}

/* ---- time ---- */

static uint64_t patience_ms(const struct world *world, const struct exchange *exchange,
			    enum exchange_wait_kind kind)
{
	const struct world_settings *settings = &world->settings;

	switch (kind) {
	case EXCHANGE_WAIT_NOTHING:
	case EXCHANGE_WAIT_SHAPED:
		break;
	case EXCHANGE_WAIT_CLIENT_READ:
		return exchange->is_tunnel ? settings->tunnel_ms : settings->body_ms;
	case EXCHANGE_WAIT_CLIENT_WRITE:
	case EXCHANGE_WAIT_ORIGIN_WRITE:
		return settings->write_ms;
	case EXCHANGE_WAIT_HEAD:
		/* A client that is still sending has patience of its own; the origin is not to blame. */
		return exchange->up_wait.kind == EXCHANGE_WAIT_NOTHING ? exchange->route.timeout_ms
								       : UINT64_MAX / 2;
	case EXCHANGE_WAIT_ORIGIN_READ:
		return exchange->is_tunnel ? settings->tunnel_ms : ORIGIN_SILENT_MS;
	}
	return UINT64_MAX / 2;
}

/* A tunnel is idle only where both directions are. */
static uint64_t since_ms(const struct exchange *exchange, const struct exchange_wait *wait)
{
	uint64_t other =
		wait == &exchange->up_wait ? exchange->down_wait.since_ms : exchange->up_wait.since_ms;

	return exchange->is_tunnel && other > wait->since_ms ? other : wait->since_ms;
}

static uint64_t due_of(const struct world *world, const struct exchange *exchange,
		       const struct exchange_wait *wait)
{
	if (wait->kind == EXCHANGE_WAIT_SHAPED)
		return wait->until_ms;
	return since_ms(exchange, wait) + patience_ms(world, exchange, wait->kind);
}

static bool has_least_rate(const struct exchange *exchange)
{
	return exchange->up_wait.kind == EXCHANGE_WAIT_CLIENT_READ && !exchange->is_tunnel;
}

uint64_t exchange_due_ms(const struct worker *worker, const struct exchange *exchange)
{
	const struct world *world = publish_get(worker->relay->world);

	if (exchange->state == EXCHANGE_QUEUED && exchange->look_ms < exchange->deadline_ms)
		return exchange->look_ms;
	if (exchange->state == EXCHANGE_QUEUED || exchange->state == EXCHANGE_PAUSED)
		return exchange->deadline_ms;
	if (exchange->state == EXCHANGE_CONNECTING)
		return UINT64_MAX; /* the connection's own timer */
	uint64_t due = due_of(world, exchange, &exchange->up_wait);
	uint64_t down = due_of(world, exchange, &exchange->down_wait);
	if (has_least_rate(exchange) && exchange->rate_ms + RATE_WINDOW_MS < due)
		due = exchange->rate_ms + RATE_WINDOW_MS;
	return down < due ? down : due;
}

/* Of a direction that has waited too long. RUNS: it was given an answer or another try. */
static enum exchange_result give_up(struct worker *worker, struct exchange *exchange,
				    enum exchange_wait_kind kind)
{
	switch (kind) {
	case EXCHANGE_WAIT_CLIENT_READ:
		return exchange->is_tunnel ? EXCHANGE_CLOSES
					   : answer_or_abort(worker, exchange, REASON_BODY_TIMEOUT);
	case EXCHANGE_WAIT_CLIENT_WRITE:
		return aborted(exchange, REASON_CLIENT_SLOW);
	case EXCHANGE_WAIT_ORIGIN_WRITE:
	case EXCHANGE_WAIT_HEAD:
		if (exchange->is_answering)
			return aborted(exchange, REASON_ORIGIN_SILENT);
		return attempt_fail(worker, exchange, RETRY_TIMEOUT, REASON_ORIGIN_TIMEOUT)
			       ? EXCHANGE_RUNS
			       : aborted(exchange, REASON_ORIGIN_TIMEOUT);
	case EXCHANGE_WAIT_ORIGIN_READ:
		return exchange->is_tunnel ? EXCHANGE_CLOSES : aborted(exchange, REASON_ORIGIN_SILENT);
	case EXCHANGE_WAIT_NOTHING:
	case EXCHANGE_WAIT_SHAPED:
		break;
	}
	return EXCHANGE_RUNS;
}

static enum exchange_result look_at_rate(struct worker *worker, struct exchange *exchange)
{
	if (worker->now_ms < exchange->rate_ms + RATE_WINDOW_MS)
		return EXCHANGE_RUNS;
	bool is_slow = has_least_rate(exchange) &&
		       exchange->rate_octets < (worker->now_ms - exchange->rate_ms) * RATE_LEAST / 1000;
	exchange->rate_ms = worker->now_ms;
	exchange->rate_octets = 0;
	return is_slow ? answer_or_abort(worker, exchange, REASON_BODY_SLOW) : EXCHANGE_RUNS;
}

static enum exchange_result expire_open(struct worker *worker, struct exchange *exchange)
{
	const struct world *world = publish_get(worker->relay->world);
	struct exchange_wait *waits[] = {&exchange->up_wait, &exchange->down_wait};

	for (unsigned i = 0; i < 2; i++)
		if (due_of(world, exchange, waits[i]) <= worker->now_ms &&
		    waits[i]->kind != EXCHANGE_WAIT_SHAPED) {
			if (exchange->state == EXCHANGE_ANSWERED)
				return exchange->is_down_over && waits[i] == &exchange->up_wait
					       ? EXCHANGE_CLOSES
					       : aborted(exchange, REASON_CLIENT_SLOW);
			enum exchange_result result = give_up(worker, exchange, waits[i]->kind);
			return result == EXCHANGE_RUNS ? exchange_run(worker, exchange) : result;
		}
	enum exchange_result result = look_at_rate(worker, exchange);
	return result == EXCHANGE_RUNS ? exchange_run(worker, exchange) : result;
}

/* Chosen for its tenant's concurrency, or late: the rest of the admission, and on. */
static bool resume_tenant(struct worker *worker, struct exchange *exchange)
{
	const struct world *world = publish_get(worker->relay->world);
	const struct policy *policy =
		exchange->policy < world->policy_count ? world->policies[exchange->policy] : NULL;
	struct limit_request request = {.state = exchange->grant.state,
					.tenant = exchange->tenant,
					.policy = policy,
					.client = exchange->address,
					.body_bytes = exchange->content_length,
					.is_upgrade = exchange->asked.upgrade.text != NULL,
					.now_ns = worker->now_ns};

	exchange->state = EXCHANGE_OPEN;
	enum reason reason = REASON_NO_TENANT;
	if (policy)
		reason = limit_resume(worker->relay->limits, &request, &exchange->grant, &exchange->waiter);
	else
		limit_leave(worker->relay->limits, &exchange->grant, &exchange->waiter, worker->now_ns);
	if (reason == REASON_NONE)
		return attempt_start(worker, exchange);
	return own_reply_refuse(worker, exchange, reason, reason == REASON_BODY_TOO_LARGE);
}

static enum exchange_result granted(struct worker *worker, struct exchange *exchange)
{
	assert(exchange->state == EXCHANGE_QUEUED);
	bool is_good = exchange->waits_for_tenant ? resume_tenant(worker, exchange)
						  : attempt_granted(worker, exchange);

	return is_good ? exchange_run(worker, exchange) : aborted(exchange, exchange->reason);
}

/* Its turn has come, its time is over, or it looks by itself: for a letter that found the mailbox full, for
 * origins that came back. */
static enum exchange_result expire_queued(struct worker *worker, struct exchange *exchange)
{
	if (worker->now_ms >= exchange->deadline_ms || exchange->waiter.status != FAIR_WAITS)
		return granted(worker, exchange);
	exchange->look_ms = worker->now_ms + EXCHANGE_LOOK_MS;
	if (!exchange->waits_for_tenant)
		attempt_look(worker, exchange);
	return EXCHANGE_RUNS;
}

enum exchange_result exchange_expire(struct worker *worker, struct exchange *exchange)
{
	bool is_good = true;

	switch (exchange->state) {
	case EXCHANGE_QUEUED:
		return expire_queued(worker, exchange);
	case EXCHANGE_PAUSED:
		is_good = attempt_start(worker, exchange);
		break;
	case EXCHANGE_CONNECTING: /* told by the connection's timer */
		is_good = attempt_fail(worker, exchange, RETRY_CONNECT, REASON_ORIGIN_CONNECT_TIMEOUT);
		break;
	case EXCHANGE_OPEN:
	case EXCHANGE_ANSWERED:
		return expire_open(worker, exchange);
	}
	return is_good ? exchange_run(worker, exchange) : aborted(exchange, exchange->reason);
}
