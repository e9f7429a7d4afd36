/* The directions. A worker's thread. */
#include "forwarder/relay/pump.h"
#include "forwarder/http1/head_write.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/attempt.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/worker.h"
#include "forwarder/traffic/shape.h"
#include <assert.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define LAST_CHUNK "0\r\n"
/* What a further piece of a body may need of the made octets: data that is copied, its frame, trailers. */
#define COPY_ROOM (FLOW_COPY_MAX + HTTP1_BODY_TRAILER_BYTES_MAX + 64)

static enum pump_result waits(struct worker *worker, struct exchange_wait *wait, enum exchange_wait_kind kind,
			      uint64_t moved)
{
	if (wait->kind != kind || wait->moved != moved) {
		wait->kind = kind;
		wait->moved = moved;
		wait->since_ms = worker->now_ms;
	}
	return kind == EXCHANGE_WAIT_NOTHING ? PUMP_OVER : PUMP_WAITS;
}

/* Octets that passed are charged; a tenant in debt pauses this direction. */
static void charge(struct worker *worker, struct exchange_wait *wait, _Atomic uint64_t *tat_ns,
		   uint64_t bytes_s, uint64_t bytes, uint64_t message_bytes)
{
	if (bytes_s == SHAPE_UNLIMITED || !tat_ns)
		return;
	uint64_t pause_ns =
		shape_charge(tat_ns, bytes_s, bytes, message_bytes, worker->now_ns, rng_next(&worker->rng));
	wait->until_ms = pause_ns ? worker->now_ms + (pause_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
}

/* When the time is over others may have been faster, and it has to wait again: otherwise all connections of a
 * tenant would go on at once, and each by a whole buffer. */
static bool is_paused(struct worker *worker, struct exchange_wait *wait, const _Atomic uint64_t *tat_ns,
		      uint64_t bytes_s)
{
	if (wait->until_ms == 0 || wait->until_ms > worker->now_ms)
		return wait->until_ms != 0;
	uint64_t pause_ns = shape_pause(tat_ns, bytes_s, worker->now_ns, rng_next(&worker->rng));
	wait->until_ms = pause_ns ? worker->now_ms + (pause_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
	return pause_ns != 0;
}

/* ---- bodies ---- */

/* Frames the data of `take` for the other side: in chunks, or as it is. The octets stay where they are until
 * sent. */
static bool pass_on(struct flow *flow, bool is_chunked, const char *octets,
		    const struct http1_body_take *take, bool is_last, bool keeps)
{
	char head[HTTP1_BODY_CHUNK_HEAD_MAX];

	if (!is_chunked) {
		if (take->data_length)
			flow_pass(flow, octets + take->data, take->data_length, keeps);
		return true;
	}
	size_t head_length = take->data_length ? http1_body_chunk_head(take->data_length, head) : 0;
	size_t behind = (take->data_length ? 2 : 0) +
			(is_last ? sizeof LAST_CHUNK - 1 + take->trailers_length + 2 : 0);
	char *room = flow_room(flow, head_length + behind);
	if (!room && flow_is_empty(flow)) {
		flow_forget(flow);
		room = flow_room(flow, head_length + behind);
	}
	if (!room)
		return false;
	memcpy(room, head, head_length);
	flow_made(flow, head_length);
	if (take->data_length)
		flow_pass_framed(flow, octets + take->data, take->data_length, behind, keeps);
	room = flow_room(flow, behind);
	size_t at = 0;
	if (take->data_length) {
		memcpy(room, "\r\n", 2);
		at = 2;
	}
	if (is_last) {
		memcpy(room + at, LAST_CHUNK, sizeof LAST_CHUNK - 1);
		at += sizeof LAST_CHUNK - 1;
		if (take->trailers_length)
			memcpy(room + at, octets + take->trailers, take->trailers_length);
		at += take->trailers_length;
		memcpy(room + at, "\r\n", 2);
	}
	flow_made_behind(flow, behind);
	return true;
}

/* A buffer for what comes of a body: a large one where there is much of it, by its length or by what came. */
static uint32_t size_for(const struct http1_body *body, bool was_full)
{
	uint64_t left = http1_body_left(body);

	return left > BUFFER_LARGE && (left != UINT64_MAX || was_full) ? BUFFER_LARGE : BUFFER_SMALL;
}

/* While nothing is held, nothing is kept: a connection that waits has no buffer. */
static void release_empty(struct worker *worker, struct buffer **buffer)
{
	if (*buffer && buffer_held(*buffer) == 0) {
		buffers_give(&worker->buffers, *buffer);
		*buffer = NULL;
	}
}

/* ---- the request ---- */

static enum pump_result refuse(struct exchange *exchange, enum http1_body_status status)
{
	exchange->reason = status == HTTP1_BODY_LARGE	   ? REASON_BODY_TOO_LARGE
			   : status == HTTP1_BODY_TRAILERS ? REASON_HEAD_TOO_LARGE
							   : REASON_BAD_REQUEST;
	return PUMP_CLIENT_BAD;
}

/* What of the body was received. WAITS: more is needed first. */
static enum pump_result take_up(struct exchange *exchange)
{
	struct buffer *in = *exchange->in;
	struct http1_body_take take;

	if (!in || buffer_held(in) == 0)
		return PUMP_WAITS;
	bool is_chunked = exchange->is_up_chunked;
	char *octets = in->octets + in->start;
	enum http1_body_status status = http1_body_take(&exchange->up_body, octets, buffer_held(in), &take);
	if (status != HTTP1_BODY_MORE && status != HTTP1_BODY_DONE)
		return refuse(exchange, status);
	in->start += take.taken;
	exchange->up_octets += take.data_length;
	bool is_last = status == HTTP1_BODY_DONE;
	if (take.taken == 0 && !is_last)
		return PUMP_WAITS;
	if (!pass_on(&exchange->up, is_chunked, octets, &take, is_last, exchange->up.is_replayable))
		return refuse(exchange, HTTP1_BODY_TRAILERS);
	return PUMP_BUSY;
}

static enum pump_result receive_up(struct worker *worker, struct exchange *exchange)
{
	struct buffer **in = exchange->in;
	size_t got;

	if (!*in)
		*in = buffers_take(&worker->buffers, size_for(&exchange->up_body, exchange->is_up_full));
	if (!*in)
		return PUMP_BUSY;
	if (buffer_room(*in) == 0)
		buffer_compact(*in);
	if (buffer_room(*in) == 0)
		return refuse(exchange, HTTP1_BODY_TRAILERS);
	switch (link_receive(exchange->client, (*in)->octets + (*in)->end, buffer_room(*in), &got)) {
	case LINK_DONE:
		(*in)->end += (uint32_t)got;
		exchange->is_up_full = buffer_room(*in) == 0;
		exchange->rate_octets += got;
		charge(worker, &exchange->up_wait, exchange->up_tat_ns, exchange->up_bytes_s, got,
		       exchange->up_octets + got);
		return PUMP_BUSY;
	case LINK_AGAIN:
		return PUMP_WAITS;
	case LINK_ENDED:
	case LINK_CUT:
		if (exchange->is_tunnel && http1_body_end(&exchange->up_body) == HTTP1_BODY_DONE) {
			http1_body_start(&exchange->up_body, HTTP1_NONE, 0, 0, false);
			return PUMP_OVER;
		}
		return PUMP_CLIENT_GONE;
	case LINK_FAILED:
		break;
	}
	return PUMP_CLIENT_GONE;
}

static enum pump_result end_up(struct worker *worker, struct exchange *exchange)
{
	if (exchange->sent_ns == 0)
		exchange->sent_ns = worker->now_ns;
	if (exchange->is_tunnel && !exchange->is_up_dead)
		link_finish(&exchange->link->link);
	exchange->is_up_dead |= exchange->is_tunnel;
	return waits(worker, &exchange->up_wait, EXCHANGE_WAIT_NOTHING, 0);
}

enum pump_result pump_up(struct worker *worker, struct exchange *exchange)
{
	struct exchange_wait *wait = &exchange->up_wait;

	if (exchange->is_up_dead)
		return PUMP_OVER;
	for (unsigned pieces = 0; pieces < PUMP_PIECES; pieces++) {
		enum link_result sent = flow_send(&exchange->up, &exchange->link->link);
		if (sent == LINK_AGAIN)
			return waits(worker, wait, EXCHANGE_WAIT_ORIGIN_WRITE, exchange->up.sent);
		if (sent != LINK_DONE) {
			/* It takes no more; its answer may be here already. */
			exchange->is_up_dead = true;
			return waits(worker, wait, EXCHANGE_WAIT_NOTHING, 0);
		}
		if (http1_body_is_done(&exchange->up_body))
			return end_up(worker, exchange);
		enum pump_result taken = take_up(exchange);
		if (taken == PUMP_CLIENT_BAD)
			return taken;
		if (taken == PUMP_BUSY)
			continue;
		if (is_paused(worker, wait, exchange->up_tat_ns, exchange->up_bytes_s))
			return waits(worker, wait, EXCHANGE_WAIT_SHAPED, 0);
		release_empty(worker, exchange->in);
		if (!link_has_input(exchange->client))
			return waits(worker, wait, EXCHANGE_WAIT_CLIENT_READ, exchange->up_octets);
		taken = receive_up(worker, exchange);
		if (taken != PUMP_BUSY && taken != PUMP_WAITS && taken != PUMP_OVER)
			return taken;
	}
	return PUMP_BUSY;
}

enum pump_result pump_drain(struct worker *worker, struct exchange *exchange)
{
	for (unsigned pieces = 0; pieces < PUMP_PIECES; pieces++) {
		if (http1_body_is_done(&exchange->up_body))
			return PUMP_OVER;
		struct buffer *in = *exchange->in;
		struct http1_body_take take = {0};
		if (in && buffer_held(in)) {
			enum http1_body_status status = http1_body_take(
				&exchange->up_body, in->octets + in->start, buffer_held(in), &take);
			if (status != HTTP1_BODY_MORE && status != HTTP1_BODY_DONE)
				return PUMP_CLIENT_GONE;
			in->start += take.taken;
			continue;
		}
		release_empty(worker, exchange->in);
		if (!link_has_input(exchange->client))
			return waits(worker, &exchange->up_wait, EXCHANGE_WAIT_CLIENT_READ,
				     exchange->up_octets);
		enum pump_result got = receive_up(worker, exchange);
		if (got != PUMP_BUSY && got != PUMP_WAITS)
			return PUMP_CLIENT_GONE;
	}
	return PUMP_BUSY;
}

/* ---- the answer ---- */

static bool write_head(struct worker *worker, struct exchange *exchange,
		       const struct http1_response *response, const char *octets, bool is_final)
{
	struct flow *down = &exchange->down;
	struct head_write_response from = {
		.head = &worker->head,
		.octets = octets,
		.response = response,
		.client_minor = exchange->client_minor,
		.framing = exchange->client_framing,
		.keeps_alive = exchange->keeps_client,
		.is_switch = exchange->is_tunnel,
		.date = worker->date,
	};

	if (is_final && exchange->extra_length)
		from.extra = (struct route_text){exchange->extra, exchange->extra_length};
	if (!down->made)
		down->made = buffers_take(&worker->buffers, BUFFER_SMALL);
	if (!down->made)
		return false;
	size_t length =
		head_write_response(&from, down->made->octets + down->made->end, buffer_room(down->made));
	if (length == 0 && flow_grow(down, buffers_take(&worker->buffers, BUFFER_LARGE), &worker->buffers))
		length = head_write_response(&from, down->made->octets + down->made->end,
					     buffer_room(down->made));
	if (length == 0)
		return false;
	flow_made(down, length);
	exchange->is_answering = true;
	return true;
}

/* The tunnel stands: from here on octets go both ways as they are. */
static void become_tunnel(struct worker *worker, struct exchange *exchange)
{
	exchange->is_tunnel = true;
	exchange->keeps_client = false;
	exchange->client_framing = HTTP1_TO_EOF;
	exchange->is_up_chunked = false;
	http1_body_start(&exchange->up_body, HTTP1_TO_EOF, 0, UINT64_MAX, false);
	http1_body_start(&exchange->down_body, HTTP1_TO_EOF, 0, UINT64_MAX, true);
	limit_become_tunnel(worker->relay->limits, &exchange->grant, worker->now_ns);
}

static void begin_answer(struct worker *worker, struct exchange *exchange,
			 const struct http1_response *response)
{
	exchange->has_head = true;
	exchange->status = response->status;
	exchange->head_ns = worker->now_ns;
	exchange->reason = REASON_NONE;
	exchange->client_framing = http1_response_framing(response, exchange->client_minor);
	exchange->keeps_client &= exchange->client_framing != HTTP1_TO_EOF &&
				  !atomic_load_explicit(&worker->relay->is_draining, memory_order_relaxed);
	exchange->origin_keeps = response->keeps_alive;
	if (response->idle_s)
		exchange->origin_idle_ms =
			response->idle_s > 1 && (response->idle_s - 1) * 1000 < exchange->origin_idle_ms
				? (response->idle_s - 1) * 1000
			: response->idle_s > 1 ? exchange->origin_idle_ms
					       : 0;
	/* A body that is still to come, and that nobody will read: the connection ends behind the answer. */
	if (!http1_body_is_done(&exchange->up_body) &&
	    http1_body_left(&exchange->up_body) > EXCHANGE_DRAIN_MAX)
		exchange->keeps_client = false;
	http1_body_start(&exchange->down_body, response->framing, response->content_length, UINT64_MAX, true);
}

static enum pump_result read_head(struct worker *worker, struct exchange *exchange)
{
	struct buffer *from = exchange->from;
	const char *octets = from->octets + from->start;
	struct http1_response response;

	switch (http_head_response(&worker->head, &exchange->scan, octets, buffer_held(from),
				   &http1_response_limits)) {
	case HTTP_HEAD_PARTIAL:
		return PUMP_WAITS;
	case HTTP_HEAD_DONE:
		break;
	default:
		return PUMP_ORIGIN_BAD;
	}
	enum http1_response_kind kind =
		http1_response_read(&worker->head, octets, &exchange->asked, &response);
	switch (kind) {
	case HTTP1_RESPONSE_BAD:
		return PUMP_ORIGIN_BAD;
	case HTTP1_RESPONSE_DROPPED:
		break;
	case HTTP1_RESPONSE_SWITCH:
		begin_answer(worker, exchange, &response);
		become_tunnel(worker, exchange);
		if (!write_head(worker, exchange, &response, octets, true))
			return PUMP_ORIGIN_BAD;
		break;
	case HTTP1_RESPONSE_FINAL:
		if (attempt_retries(worker, exchange, response.status))
			return PUMP_ORIGIN_AGAIN;
		begin_answer(worker, exchange, &response);
		if (!write_head(worker, exchange, &response, octets, true))
			return PUMP_ORIGIN_BAD;
		break;
	case HTTP1_RESPONSE_HINTS:
		if (!write_head(worker, exchange, &response, octets, false))
			return PUMP_ORIGIN_BAD;
		break;
	}
	from->start += worker->head.length;
	exchange->scan = (struct http_head_scan){0};
	return PUMP_BUSY;
}

static enum pump_result take_down(struct exchange *exchange)
{
	struct buffer *from = exchange->from;
	struct http1_body_take take = {0};

	if (http1_body_is_done(&exchange->down_body)) { /* no body at all */
		exchange->is_down_over = true;
		return PUMP_BUSY;
	}
	if (!from || buffer_held(from) == 0)
		return PUMP_WAITS;
	char *octets = from->octets + from->start;
	enum http1_body_status status =
		http1_body_take(&exchange->down_body, octets, buffer_held(from), &take);
	if (status != HTTP1_BODY_MORE && status != HTTP1_BODY_DONE)
		return PUMP_ORIGIN_CUT;
	from->start += take.taken;
	exchange->down_octets += take.data_length;
	exchange->is_down_over = status == HTTP1_BODY_DONE;
	if (take.taken == 0 && !exchange->is_down_over)
		return PUMP_WAITS;
	return pass_on(&exchange->down, exchange->client_framing == HTTP1_CHUNKED, octets, &take,
		       exchange->is_down_over, false)
		       ? PUMP_BUSY
		       : PUMP_ORIGIN_CUT;
}

/* The origin has closed: its answer may end so. */
static enum pump_result end_down(struct exchange *exchange, bool is_cut)
{
	exchange->origin_keeps = false;
	if (!exchange->has_head)
		return PUMP_ORIGIN_LOST;
	if (is_cut || http1_body_end(&exchange->down_body) != HTTP1_BODY_DONE)
		return PUMP_ORIGIN_CUT;
	exchange->is_down_over = true;
	struct http1_body_take nothing = {0};
	bool is_chunked = exchange->client_framing == HTTP1_CHUNKED;
	return !is_chunked || pass_on(&exchange->down, true, NULL, &nothing, true, false) ? PUMP_BUSY
											  : PUMP_ORIGIN_CUT;
}

static enum pump_result receive_down(struct worker *worker, struct exchange *exchange)
{
	struct buffer *from = exchange->from;
	size_t got;

	if (!from)
		from = exchange->from =
			buffers_take(&worker->buffers, exchange->has_head ? size_for(&exchange->down_body,
										     exchange->is_down_full)
									  : BUFFER_SMALL);
	if (!from)
		return PUMP_BUSY;
	if (buffer_room(from) == 0)
		buffer_compact(from);
	if (buffer_room(from) == 0) { /* a head that is larger than the buffer */
		struct buffer *large =
			from->size == BUFFER_SMALL ? buffers_take(&worker->buffers, BUFFER_LARGE) : NULL;
		if (!large)
			return PUMP_ORIGIN_BAD;
		memcpy(large->octets, from->octets, from->end);
		large->end = from->end;
		buffers_give(&worker->buffers, from);
		from = exchange->from = large;
	}
	switch (link_receive(&exchange->link->link, from->octets + from->end, buffer_room(from), &got)) {
	case LINK_DONE:
		from->end += (uint32_t)got;
		exchange->is_down_full = buffer_room(from) == 0;
		charge(worker, &exchange->down_wait, exchange->down_tat_ns, exchange->down_bytes_s, got,
		       exchange->down_octets + got);
		return PUMP_BUSY;
	case LINK_AGAIN:
		return PUMP_WAITS;
	case LINK_ENDED:
		return end_down(exchange, false);
	case LINK_CUT:
		return end_down(exchange, true);
	case LINK_FAILED:
		break;
	}
	return exchange->has_head ? PUMP_ORIGIN_CUT : PUMP_ORIGIN_LOST;
}

static enum pump_result take_answer(struct worker *worker, struct exchange *exchange)
{
	if (exchange->has_head)
		return take_down(exchange);
	return exchange->from && buffer_held(exchange->from) ? read_head(worker, exchange) : PUMP_WAITS;
}

enum pump_result pump_down(struct worker *worker, struct exchange *exchange)
{
	struct exchange_wait *wait = &exchange->down_wait;

	for (unsigned pieces = 0; pieces < PUMP_PIECES; pieces++) {
		enum link_result sent = flow_send(&exchange->down, exchange->client);
		if (sent == LINK_AGAIN)
			return waits(worker, wait, EXCHANGE_WAIT_CLIENT_WRITE, exchange->down.sent);
		if (sent != LINK_DONE)
			return PUMP_CLIENT_GONE;
		if (exchange->is_down_over)
			return waits(worker, wait, EXCHANGE_WAIT_NOTHING, 0);
		enum pump_result taken = take_answer(worker, exchange);
		/* A head is sent with what of the body has come with it. */
		while (taken == PUMP_BUSY && exchange->has_head && exchange->down.data_length == 0 &&
		       !exchange->is_down_over && flow_room(&exchange->down, COPY_ROOM))
			taken = take_down(exchange);
		if (taken == PUMP_BUSY || (taken == PUMP_WAITS && !flow_is_empty(&exchange->down)))
			continue;
		if (taken != PUMP_WAITS)
			return taken;
		if (is_paused(worker, wait, exchange->down_tat_ns, exchange->down_bytes_s))
			return waits(worker, wait, EXCHANGE_WAIT_SHAPED, 0);
		release_empty(worker, &exchange->from);
		if (!link_has_input(&exchange->link->link))
			return waits(worker, wait,
				     exchange->has_head ? EXCHANGE_WAIT_ORIGIN_READ : EXCHANGE_WAIT_HEAD,
				     exchange->has_head ? exchange->down_octets : exchange->up.sent);
		taken = receive_down(worker, exchange);
		if (taken != PUMP_BUSY && taken != PUMP_WAITS)
			return taken;
	}
	return PUMP_BUSY;
}

enum pump_result pump_answer(struct worker *worker, struct exchange *exchange)
{
	switch (flow_send(&exchange->down, exchange->client)) {
	case LINK_DONE:
		return waits(worker, &exchange->down_wait, EXCHANGE_WAIT_NOTHING, 0);
	case LINK_AGAIN:
		return waits(worker, &exchange->down_wait, EXCHANGE_WAIT_CLIENT_WRITE, exchange->down.sent);
	default:
		return PUMP_CLIENT_GONE;
	}
}
