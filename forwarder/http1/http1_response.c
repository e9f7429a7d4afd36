/* One pass over the fields collects what decides; the framing is decided in one place. Pure; a worker's
 * thread.
 */
#include "forwarder/http1/http1_response.h"
#include <assert.h>
#include <string.h>

#define IDLE_SECONDS_MAX 86400

const struct http_head_limits http1_response_limits = {
	.head_bytes = HTTP1_RESPONSE_HEAD_MAX,
	.line_bytes = HTTP1_RESPONSE_HEAD_MAX,
	.target_bytes = HTTP1_RESPONSE_HEAD_MAX,
	.fields = HTTP1_RESPONSE_FIELDS_MAX,
};

struct seen {
	struct http1_connection connection;
	const struct http_head_field *coding, *upgrade;
	uint32_t lengths, codings, upgrades;
	uint64_t length;
};

/* Equal lengths, in several fields or in one list, are one (RFC 9112 §6.3 item 5). */
static bool read_length(const char *text, size_t length, struct seen *seen)
{
	const char *element;
	size_t octets, at = 0;
	uint64_t value;
	uint32_t before = seen->lengths;
	if (before == 0 && http1_request_length(text, length, &seen->length)) { /* as nearly all have it */
		seen->lengths = 1;
		return true;
	}
	while (http_head_element(text, length, &at, &element, &octets)) {
		if (!http1_request_length(element, octets, &value) ||
		    (seen->lengths > 0 && value != seen->length))
			return false;
		seen->length = value;
		seen->lengths++;
	}
	return seen->lengths > before;
}

/* Keep-Alive: timeout=5, max=100. 0: not said. */
static uint32_t read_keep_alive(const char *text, size_t length)
{
	const char *element;
	size_t octets, at = 0;
	uint64_t seconds;
	while (http_head_element(text, length, &at, &element, &octets))
		if (octets > 8 && http_head_equals(element, 8, "timeout=", 8) &&
		    http1_request_length(element + 8, octets - 8, &seconds))
			return seconds < IDLE_SECONDS_MAX ? seconds : IDLE_SECONDS_MAX;
	return 0;
}

/* False: Connection or Content-Length is malformed. */
static bool look(struct http_head *head, const char *octets, struct seen *seen, struct http1_response *ret)
{
	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		const char *value = octets + field->value;
		switch (field->field) {
		case HTTP_FIELD_CONTENT_LENGTH:
			if (!read_length(value, field->value_length, seen))
				return false;
			break;
		case HTTP_FIELD_TRANSFER_ENCODING:
			seen->coding = field;
			seen->codings++;
			break;
		case HTTP_FIELD_CONNECTION:
			if (!http1_request_connection(head, octets, field, &seen->connection))
				return false;
			break;
		case HTTP_FIELD_KEEP_ALIVE:
			ret->idle_s = read_keep_alive(value, field->value_length);
			break;
		case HTTP_FIELD_UPGRADE:
			seen->upgrade = field;
			seen->upgrades++;
			break;
		case HTTP_FIELD_DATE:
			ret->has_date = true;
			break;
		default:
			break;
		}
	}
	return true;
}

/* RFC 9112 §6.3. False: what the response says of its length is not one thing. */
static bool decide_framing(const struct seen *seen, const char *octets, bool is_head,
			   struct http1_response *ret)
{
	const struct http_head_field *coding = seen->coding;
	if (seen->codings > 1 ||
	    (coding && (seen->lengths > 0 || ret->minor == 0 ||
			!http_head_equals(octets + coding->value, coding->value_length, "chunked", 7))))
		return false;
	bool is_empty = ret->status < 200 || ret->status == 204 || ret->status == 205;
	bool has_none = is_empty || is_head || ret->status == 304;
	ret->has_length = seen->lengths > 0 && ret->status >= 200 && ret->status != 204;
	ret->content_length = ret->has_length ? seen->length : 0;
	if (ret->status == 205) { /* RFC 9110 §15.3.6: the client is told 0 */
		ret->has_length = true;
		ret->content_length = 0;
	}
	ret->framing = has_none	       ? HTTP1_NONE
		       : coding	       ? HTTP1_CHUNKED
		       : seen->lengths ? HTTP1_LENGTH
				       : HTTP1_TO_EOF;
	/* an origin that announces a body where none can be may send one */
	bool is_odd = is_empty && !is_head && (coding || seen->length > 0);
	ret->keeps_alive = ret->framing != HTTP1_TO_EOF && !is_odd && !seen->connection.closes &&
			   (ret->minor > 0 || seen->connection.keeps_alive);
	return true;
}

static bool is_switch(const struct seen *seen, const char *octets, const struct http1_response_asked *asked)
{
	const struct http_head_field *upgrade = seen->upgrade;
	if (!asked->upgrade.text || !seen->connection.upgrades || seen->upgrades != 1 ||
	    upgrade->value_length != asked->upgrade.length || seen->coding || seen->length > 0)
		return false;
	const char *value = octets + upgrade->value;
	for (size_t i = 0; i < upgrade->value_length; i++) { /* a protocol's name has no case */
		uint8_t a = value[i], b = asked->upgrade.text[i];
		if (a != b && ((a ^ b) != 0x20 || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
			return false;
	}
	return true;
}

enum http1_response_kind http1_response_read(struct http_head *head, const char *octets,
					     struct http1_response_asked *asked, struct http1_response *ret)
{
	struct seen seen = {0};
	*ret = (struct http1_response){.status = head->status, .minor = head->minor};
	if (!look(head, octets, &seen, ret) || !decide_framing(&seen, octets, asked->is_head, ret))
		return HTTP1_RESPONSE_BAD;
	if (head->status >= 200)
		return HTTP1_RESPONSE_FINAL;
	if (head->status == 101)
		return is_switch(&seen, octets, asked) ? HTTP1_RESPONSE_SWITCH : HTTP1_RESPONSE_BAD;
	if (++asked->interims > HTTP1_RESPONSE_INTERIM_MAX)
		return HTTP1_RESPONSE_BAD;
	if (head->status != 103 || asked->client_minor == 0 || asked->hints >= HTTP1_RESPONSE_HINTS_MAX)
		return HTTP1_RESPONSE_DROPPED;
	asked->hints++;
	return HTTP1_RESPONSE_HINTS;
}

enum http1_framing http1_response_framing(const struct http1_response *response, uint8_t client_minor)
{
	if (response->framing == HTTP1_NONE || response->framing == HTTP1_LENGTH)
		return response->framing;
	return client_minor > 0 ? HTTP1_CHUNKED : HTTP1_TO_EOF;
}
