/* The text of our own answers. A worker's thread. */
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/worker.h"
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

static void put(struct text *text, const char *octets, size_t length)
{
	assert(length <= (size_t)(text->end - text->at));
	memcpy(text->at, octets, length);
	text->at += length;
}

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

static void put_head(struct worker *worker, const struct exchange *exchange, struct text *text, size_t length)
{
	const char *error = reason_proxy_error(exchange->reason);

	put_text(text, "HTTP/1.1 ");
	put_number(text, exchange->status);
	put_text(text, " ");
	put_text(text, phrase_of(exchange->status));
	put_text(text, "\r\nDate: ");
	put(text, worker->date, sizeof worker->date);
	put_text(text, "\r\nContent-Length: ");
	put_number(text, length);
	if (length)
		put_text(text, "\r\nContent-Type: text/plain; charset=utf-8");
	put_text(text, "\r\nX-Request-ID: ");
	put(text, exchange->id, exchange->id_length);
	if (error[0]) {
		put_text(text, "\r\nProxy-Status: gslb; error=");
		put_text(text, error);
		put_text(text, "; details=");
		put_text(text, reason_word(exchange->reason));
	}
	if (!exchange->keeps_client)
		put_text(text, "\r\nConnection: close");
	else if (exchange->client_minor == 0)
		put_text(text, "\r\nConnection: keep-alive");
	put_text(text, "\r\n");
	put(text, exchange->extra, exchange->extra_length);
	put_text(text, "\r\n");
}

/* What is left of the request must be read away before the next one; too much of it, or a client that still
 * waits for leave to send it, ends the connection instead. */
static bool can_keep(const struct exchange *exchange, bool closes)
{
	return exchange->keeps_client && !closes &&
	       (http1_body_is_done(&exchange->up_body) ||
		(!exchange->expects_continue && http1_body_left(&exchange->up_body) <= EXCHANGE_DRAIN_MAX));
}

bool own_reply_text(struct worker *worker, struct exchange *exchange, enum reason reason, unsigned status,
		    const char *body, size_t length, bool closes)
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
	struct text text = {down->made->octets + down->made->end, down->made->octets + down->made->size};
	put_head(worker, exchange, &text, length);
	if (!exchange->is_head)
		put(&text, body, length);
	flow_made(down, (size_t)(text.at - down->made->octets) - down->made->end);
	return true;
}

bool own_reply_refuse(struct worker *worker, struct exchange *exchange, enum reason reason, bool closes)
{
	char body[128];
	struct text text = {body, body + sizeof body};
	unsigned status = reason_status(reason);

	own_reply_add_limit(worker, exchange, reason);
	put_number(&text, status);
	put_text(&text, " ");
	put_text(&text, phrase_of(status));
	if (reason_word(reason)[0]) {
		put_text(&text, ": ");
		put_text(&text, reason_word(reason));
	}
	put_text(&text, "\n");
	return own_reply_text(worker, exchange, reason, status, body, (size_t)(text.at - body), closes);
}
