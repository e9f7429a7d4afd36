/* The text of our own answers. A worker's thread. */
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/worker.h"
#include "lib/inline.h"
#include <assert.h>
#include <string.h>

struct phrase {
	unsigned status;
	const char *text;
};

static const struct phrase phrases[] = {
	{200, "OK"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{508, "Loop Detected"},
};

static const char *phrase_of(unsigned status)
{
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (phrases[i].status == status)
			return phrases[i].text;
	return "Status"; /* RFC 9112 §4: clients ignore it */
}

/* A text under construction that knows its bound: what does not fit is cut, which sizes rule out. */
struct text {
	char *at, *end;
};

static IN_LINE void put(struct text *text, const char *octets, size_t length)
{
	assert(length <= (size_t)(text->end - text->at));
	memcpy(text->at, octets, length);
	text->at += length;
}

#define PUT(text, literal) put(text, literal, sizeof literal - 1)

static void put_text(struct text *text, const char *octets)
{
	put(text, octets, strlen(octets));
}

static void put_number(struct text *text, uint64_t number)
{
	char digits[20];
	unsigned at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	put(text, digits + at, sizeof digits - at);
}

void own_reply_add(struct exchange *exchange, const char *name, const char *value, size_t length)
{
	size_t name_length = strlen(name);

	if (exchange->extra_length + name_length + length + 4 > sizeof exchange->extra)
		return;
	struct text text = {exchange->extra + exchange->extra_length,
			    exchange->extra + sizeof exchange->extra};
	put(&text, name, name_length);
	put_text(&text, ": ");
	put(&text, value, length);
	put_text(&text, "\r\n");
	exchange->extra_length = (uint16_t)(text.at - exchange->extra);
}

void own_reply_add_limit(struct worker *worker, struct exchange *exchange, enum reason reason)
{
	if (exchange->extra_length + LIMIT_HEADERS_MAX > sizeof exchange->extra)
		return;
	exchange->extra_length += (uint16_t)limit_headers(&exchange->grant, reason, rng_next(&worker->rng),
							  exchange->extra + exchange->extra_length);
}

/* ---- what is the same of every answer with a reason, made once ---- */

static struct ready {
	char front[288], body[96];
	uint16_t front_length, body_length;
} readies[REASON_COUNT];

/* Up to where the date begins. */
static void put_front(struct text *text, enum reason reason, unsigned status, size_t length)
{
	const char *error = reason_proxy_error(reason);

	put_text(text, "HTTP/1.1 ");
	put_number(text, status);
	put_text(text, " ");
	put_text(text, phrase_of(status));
	put_text(text, "\r\nContent-Length: ");
	put_number(text, length);
	if (length)
		put_text(text, "\r\nContent-Type: text/plain; charset=utf-8");
	if (error[0]) {
		put_text(text, "\r\nProxy-Status: gslb; error=");
		put_text(text, error);
		put_text(text, "; details=");
		put_text(text, reason_word(reason));
	}
	put_text(text, "\r\nDate: ");
}

static void make_ready(enum reason reason, struct ready *ready)
{
	struct text body = {ready->body, ready->body + sizeof ready->body};
	struct text front = {ready->front, ready->front + sizeof ready->front};
	unsigned status = reason_status(reason);

	put_number(&body, status);
	put_text(&body, " ");
	put_text(&body, phrase_of(status));
	if (reason_word(reason)[0]) {
		put_text(&body, ": ");
		put_text(&body, reason_word(reason));
	}
	put_text(&body, "\n");
	ready->body_length = (uint16_t)(body.at - ready->body);
	put_front(&front, reason, status, ready->body_length);
	ready->front_length = (uint16_t)(front.at - ready->front);
}

void own_reply_init(void)
{
	for (unsigned i = 0; i < REASON_COUNT; i++)
		make_ready((enum reason)i, &readies[i]);
}

/* From the date on. */
static void put_rest(struct worker *worker, const struct exchange *exchange, struct text *text)
{
	put(text, worker->date, sizeof worker->date);
	PUT(text, "\r\nX-Request-ID: ");
	put(text, exchange->id, exchange->id_length);
	if (!exchange->keeps_client)
		PUT(text, "\r\nConnection: close");
	else if (exchange->client_minor == 0)
		PUT(text, "\r\nConnection: keep-alive");
	PUT(text, "\r\n");
	put(text, exchange->extra, exchange->extra_length);
	PUT(text, "\r\n");
}

/* What is left of the request must be read away before the next one; too much of it, or a client that still
 * waits for leave to send it, ends the connection instead. */
static bool can_keep(const struct exchange *exchange, bool closes)
{
	return exchange->keeps_client && !closes &&
	       (http1_body_is_done(&exchange->up_body) ||
		(!exchange->expects_continue && http1_body_left(&exchange->up_body) <= EXCHANGE_DRAIN_MAX));
}

/* False: there is no buffer. */
static bool begin(struct worker *worker, struct exchange *exchange, enum reason reason, unsigned status,
		  bool closes, struct text *ret)
{
	assert(!exchange->is_answering);
	struct flow *down = &exchange->down;

	if (!down->made)
		down->made = buffers_take(&worker->buffers, BUFFER_SMALL);
	if (!down->made)
		return false;
	if (exchange->link)
		origin_link_drop(worker, exchange->link, true);
	exchange->link = NULL;
	exchange->state = EXCHANGE_ANSWERED;
	exchange->reason = reason;
	exchange->status = (uint16_t)status;
	exchange->keeps_client = can_keep(exchange, closes);
	exchange->is_down_over = true;
	exchange->is_answering = true;
	/* Nothing of another answer was sent; an interim one may stand there. */
	down->data_length = 0;
	*ret = (struct text){down->made->octets + down->made->end, down->made->octets + down->made->size};
	return true;
}

static void end(struct worker *worker, struct exchange *exchange, struct text *text, const char *body,
		size_t length)
{
	struct flow *down = &exchange->down;

	put_rest(worker, exchange, text);
	if (!exchange->is_head)
		put(text, body, length);
	flow_made(down, (size_t)(text->at - down->made->octets) - down->made->end);
}

bool own_reply_text(struct worker *worker, struct exchange *exchange, enum reason reason, unsigned status,
		    const char *body, size_t length, bool closes)
{
	struct text text;

	if (!begin(worker, exchange, reason, status, closes, &text))
		return false;
	put_front(&text, reason, status, length);
	end(worker, exchange, &text, body, length);
	return true;
}

bool own_reply_refuse(struct worker *worker, struct exchange *exchange, enum reason reason, bool closes)
{
	const struct ready *ready = &readies[reason];
	struct text text;

	assert(ready->front_length);
	own_reply_add_limit(worker, exchange, reason);
	if (!begin(worker, exchange, reason, reason_status(reason), closes, &text))
		return false;
	put(&text, ready->front, ready->front_length);
	end(worker, exchange, &text, ready->body, ready->body_length);
	return true;
}
