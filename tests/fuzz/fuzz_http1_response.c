/*
 * Heads of origins' responses: one verdict however they were cut, and a head to the client that is read again
 * as the same message. The first octet chooses who asked.
 */
#include "forwarder/http1/head_write.h"
#include "lib/mem.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static enum http_head_status read_steps(struct http_head *head, const char *octets, size_t length,
					size_t step)
{
	struct http_head_scan scan = {0};
	enum http_head_status status = HTTP_HEAD_PARTIAL;
	for (size_t at = 0; status == HTTP_HEAD_PARTIAL && at < length;) {
		at = length - at < step ? length : at + step;
		status = http_head_response(head, &scan, octets, at, &http1_response_limits);
	}
	return status;
}

/* Our own head, read as a client would: the same status, framed as was said, one framing field at most. */
static void check_written(const char *written, size_t length, const struct head_write_response *from,
			  bool is_head)
{
	static const struct http_head_limits wide = {65536, 65536, 65536, 300};
	static struct http_head head;
	struct http_head_scan scan = {0};
	struct http1_response_asked asked = {.is_head = is_head, .client_minor = 1};
	struct http1_response again;
	asked.upgrade = from->is_switch ? (struct route_text){"websocket", 9} : asked.upgrade;
	check(http_head_response(&head, &scan, written, length, &wide) == HTTP_HEAD_DONE);
	check(head.length == length && head.status == from->response->status);
	check(head.minor == from->client_minor);
	check(http1_response_read(&head, written, &asked, &again) != HTTP1_RESPONSE_BAD);
	if (from->response->status < 200)
		return;
	check(again.has_date && again.framing == from->framing);
	check(again.content_length == (from->framing == HTTP1_LENGTH || from->response->has_length
					       ? from->response->content_length
					       : 0));
	check(!again.keeps_alive || from->keeps_alive);
}

static void check_meaning(struct http_head *head, const char *octets, uint8_t who)
{
	struct http1_response_asked asked = {.is_head = who & 1, .client_minor = who >> 1 & 1};
	struct http1_response response;
	if (who & 4)
		asked.upgrade = (struct route_text){"websocket", 9};
	enum http1_response_kind kind = http1_response_read(head, octets, &asked, &response);
	if (kind == HTTP1_RESPONSE_BAD || kind == HTTP1_RESPONSE_DROPPED)
		return;
	check(kind == HTTP1_RESPONSE_FINAL || response.status < 200);
	check(!response.keeps_alive || response.framing != HTTP1_TO_EOF);
	struct head_write_response from = {
		.head = head,
		.octets = octets,
		.response = &response,
		.client_minor = asked.client_minor,
		.framing = http1_response_framing(&response, asked.client_minor),
		.is_switch = kind == HTTP1_RESPONSE_SWITCH,
		.date = "Sun, 06 Nov 1994 08:49:37 GMT",
	};
	from.keeps_alive = from.framing != HTTP1_TO_EOF && (who & 8);
	size_t room = head_write_response_room(&from);
	char *written = xmalloc(room);
	size_t length = head_write_response(&from, written, room);
	check(length > 0 && length <= room);
	check_written(written, length, &from, asked.is_head);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head, other;
	if (size < 1)
		return 0;
	const char *octets = (const char *)data + 1;
	enum http_head_status whole = read_steps(&head, octets, size - 1, size);
	enum http_head_status cut = read_steps(&other, octets, size - 1, 1 + (data[0] >> 4));
	check((whole == HTTP_HEAD_DONE) == (cut == HTTP_HEAD_DONE));
	check((whole == HTTP_HEAD_PARTIAL) == (cut == HTTP_HEAD_PARTIAL));
	if (whole != HTTP_HEAD_DONE)
		return 0;
	check(head.length == other.length && head.count == other.count && head.status == other.status);
	check(memcmp(head.fields, other.fields, head.count * sizeof *head.fields) == 0);
	check_meaning(&head, octets, data[0]);
	return 0;
}
