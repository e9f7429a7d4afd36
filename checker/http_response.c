/*
 * Reader of a check's HTTP response (RFC 9112). A check wants to know whether the origin serves, so
 * whatever a careful client would refuse is a failure here: one verdict, one short reason. Pure.
 */
#include "checker/http_response.h"
#include "lib/mem.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHUNK_LINE_BYTES_MAX 256 /* a size and its extensions */
#define LOCATION_BYTES_MAX 50	 /* that are told */

enum part { /* what the next byte belongs to */
	    PART_STATUS,
	    PART_FIELDS,
	    PART_BODY,
	    PART_CHUNK_SIZE,
	    PART_CHUNK_DATA,
	    PART_CHUNK_END,
	    PART_TRAILER
};
enum framing { FRAMING_CLOSE, FRAMING_LENGTH, FRAMING_CHUNKED };

struct http_response {
	const struct probe_spec *spec;
	enum part part;
	char *line; /* the line that is being read, without its end */
	size_t line_length, line_capacity;
	size_t head_bytes;
	unsigned status;
	bool has_length, is_framing_field; /* the last field decides the framing */
	bool has_field;			   /* a field came before this line */
	enum framing framing;
	uint64_t left; /* of the body or chunk */
	char *body;
	size_t body_length, body_capacity;
	bool is_whole;	 /* the message's end was read */
	bool is_closing; /* the server, or what it sent, ends the connection */
	bool is_redirect;
	enum http_verdict verdict;
	char reason[96];
};

/* `word` is in a list of tokens as Connection holds (RFC 9110 §7.6.1). */
static bool has_token(const char *list, size_t length, const char *word)
{
	size_t word_length = strlen(word);
	for (const char *end = list + length; list < end;) {
		size_t token = strcspn(list, " \t,"); /* a line is NUL-terminated */
		if (token == word_length && list + token <= end && strncasecmp(list, word, token) == 0)
			return true;
		list += token + 1;
	}
	return false;
}

bool http_response_may_keep(const struct probe_spec *spec)
{
	for (size_t i = 0; i < spec->header_count; i++) {
		const char *value = spec->headers[i].value;
		if (strcasecmp(spec->headers[i].name, "Connection") == 0 &&
		    has_token(value, strlen(value), "keep-alive"))
			return true;
	}
	return false;
}

struct http_response *http_response_new(const struct probe_spec *spec)
{
	struct http_response *response = xcalloc(1, sizeof *response);
	response->spec = spec;
	return response;
}

void http_response_free(struct http_response *response)
{
	if (!response)
		return;
	free(response->line);
	free(response->body);
	free(response);
}

const char *http_response_reason(const struct http_response *response)
{
	return response->reason;
}

enum http_verdict http_response_verdict(const struct http_response *response)
{
	return response->verdict;
}

bool http_response_is_reusable(const struct http_response *response)
{
	return response->is_whole && !response->is_closing;
}

/* Nothing more can be read. Once the verdict stands, that cannot change it: it only ends the connection. */
static bool bad(struct http_response *response, const char *reason)
{
	if (response->verdict == HTTP_OPEN) {
		response->verdict = HTTP_BAD;
		snprintf(response->reason, sizeof response->reason, "%s", reason);
	}
	return false;
}

static bool invalid(struct http_response *response)
{
	return bad(response, "no valid HTTP response");
}

/* A reason is one line for people: bytes that are not printable ASCII show as '?'. True: it was cut. */
static bool copy_printable(const char *text, size_t length, char *out, size_t size)
{
	size_t take = length < size - 1 ? length : size - 1;
	for (size_t i = 0; i < take; i++)
		out[i] = isascii(text[i]) && isprint(text[i]) ? text[i] : '?';
	out[take] = '\0';
	return take < length;
}

/* ---- body ---- */

/* What a redirect leads to may well hold it, so a redirect's reason stays. */
static void body_lacks(struct http_response *response)
{
	char wanted[48];
	const char *body = response->spec->body;
	size_t length = strlen(body);
	bool is_cut = copy_printable(body, length, wanted, sizeof wanted);
	if (!response->is_redirect)
		snprintf(response->reason, sizeof response->reason, "body does not contain \"%s%s\"", wanted,
			 is_cut ? "…" : "");
	response->verdict = HTTP_BAD;
}

static bool on_message_end(struct http_response *response)
{
	assert(!response->is_whole);
	if (response->verdict == HTTP_OPEN)
		body_lacks(response);
	response->is_whole = true;
	return false;
}

static void search_body(struct http_response *response, const char *bytes, size_t length)
{
	const char *wanted = response->spec->body;
	size_t wanted_length = strlen(wanted), before = response->body_length;
	assert(response->verdict == HTTP_OPEN && before < HTTP_BODY_BYTES_MAX);
	size_t room = HTTP_BODY_BYTES_MAX - before;
	if (length > room)
		length = room;
	xgrow((void **)&response->body, &response->body_capacity, before + length + 1, 1);
	memcpy(response->body + before, bytes, length);
	response->body_length += length;
	/* Only what the new bytes can complete is searched again. */
	size_t from = before >= wanted_length ? before - wanted_length + 1 : 0;
	if (memmem(response->body + from, response->body_length - from, wanted, wanted_length))
		response->verdict = HTTP_GOOD;
	else if (response->body_length == HTTP_BODY_BYTES_MAX)
		body_lacks(response);
}

/* ---- head ---- */

static bool is_expected(const struct probe_spec *spec, unsigned status)
{
	for (size_t i = 0; i < spec->expect_count; i++)
		if (status >= spec->expect[i].from && status <= spec->expect[i].to)
			return true;
	return spec->expect_count == 0 && status >= 200 && status <= 399;
}

/* RFC 9112 §4: HTTP-version SP status-code SP [reason]; the last SP is often left out. */
static bool on_status_line(struct http_response *response)
{
	const char *line = response->line;
	if (response->line_length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !isdigit((uint8_t)line[7]) ||
	    line[8] != ' ' || line[9] < '1' || line[9] > '9' || !isdigit((uint8_t)line[10]) ||
	    !isdigit((uint8_t)line[11]) || (response->line_length > 12 && line[12] != ' '))
		return invalid(response);
	response->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	response->part = PART_FIELDS;
	response->has_field = response->has_length = false;
	response->is_closing = line[7] == '0'; /* HTTP/1.0 */
	response->framing = FRAMING_CLOSE;
	return true;
}

static bool is_token(const char *text, size_t length) /* RFC 9110 §5.6.2 */
{
	for (size_t i = 0; i < length; i++)
		if (!isascii(text[i]) ||
		    (!isalnum((uint8_t)text[i]) && !memchr("!#$%&'*+-.^_`|~", text[i], 15)))
			return false;
	return length > 0;
}

/* Several fields must agree (RFC 9112 §6.3 item 5); a list in one field is refused. */
static bool take_content_length(struct http_response *response, const char *value, size_t length)
{
	uint64_t bytes = 0;
	if (length == 0 || length > 18)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((uint8_t)value[i]))
			return false;
		bytes = bytes * 10 + (value[i] - '0');
	}
	if (response->has_length && response->left != bytes)
		return false;
	response->has_length = true;
	response->left = bytes;
	if (response->framing == FRAMING_CLOSE)
		response->framing = FRAMING_LENGTH;
	return true;
}

/* RFC 9112 §6.1, §6.3: only a last coding `chunked` gives the body's end, and it wins over a length. */
static void take_transfer_encoding(struct http_response *response, const char *value, size_t length)
{
	const char *last = memrchr(value, ',', length);
	last = last ? last + 1 : value;
	while (last < value + length && (*last == ' ' || *last == '\t'))
		last++;
	size_t last_length = value + length - last;
	bool is_chunked = last_length == 7 && strncasecmp(last, "chunked", 7) == 0;
	response->framing = is_chunked ? FRAMING_CHUNKED : FRAMING_CLOSE;
	response->has_length = false;
}

/* RFC 9110 §15.4: the codes that mean to be followed; a probe does not, and says so. */
static void take_location(struct http_response *response, const char *value, size_t length)
{
	char location[LOCATION_BYTES_MAX + 1];
	unsigned status = response->status;
	if ((status < 300 || status > 303) && status != 307 && status != 308)
		return;
	bool is_cut = copy_printable(value, length, location, sizeof location);
	response->is_redirect = true;
	snprintf(response->reason, sizeof response->reason, "status %u to %s%s; redirects are not followed",
		 status, location, is_cut ? "…" : "");
}

static bool on_field_line(struct http_response *response)
{
	const char *line = response->line;
	size_t length = response->line_length;
	if (line[0] == ' ' || line[0] == '\t') /* obs-fold, RFC 9112 §5.2: harmless where we do not look */
		return (response->has_field && !response->is_framing_field) || invalid(response);
	const char *colon = memchr(line, ':', length);
	if (!colon || !is_token(line, colon - line))
		return invalid(response);
	size_t name_length = colon - line;
	const char *value = colon + 1, *end = line + length;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	response->has_field = true;
	response->is_framing_field = false;
	if (name_length == 14 && strncasecmp(line, "content-length", 14) == 0) {
		response->is_framing_field = true;
		if (!take_content_length(response, value, end - value))
			return invalid(response);
	} else if (name_length == 17 && strncasecmp(line, "transfer-encoding", 17) == 0) {
		response->is_framing_field = true;
		take_transfer_encoding(response, value, end - value);
	} else if (name_length == 8 && strncasecmp(line, "location", 8) == 0) {
		take_location(response, value, end - value);
	} else if (name_length == 10 && strncasecmp(line, "connection", 10) == 0) {
		response->is_closing |= has_token(value, end - value, "close");
	}
	return true;
}

static bool on_head_end(struct http_response *response)
{
	/* Interim responses precede the real one (RFC 9110 §15.2). 101 is final, and only comes where
	 * the check's own headers asked for an upgrade. */
	if (response->status < 200 && response->status != 101) {
		response->part = PART_STATUS;
		return true;
	}
	const struct probe_spec *spec = response->spec;
	if (!is_expected(spec, response->status)) {
		if (!response->is_redirect)
			snprintf(response->reason, sizeof response->reason, "status %u", response->status);
		response->verdict = HTTP_BAD;
	} else if (!spec->body || !*spec->body) {
		response->verdict = HTTP_GOOD;
	}
	bool has_no_body = response->status < 200 || response->status == 204 || response->status == 304 ||
			   (spec->method && strcmp(spec->method, "HEAD") == 0); /* RFC 9112 §6.3 */
	if (response->status == 101) /* the connection speaks something else now */
		response->is_closing = true;
	if (has_no_body || (response->framing == FRAMING_LENGTH && response->left == 0))
		return on_message_end(response);
	response->part = response->framing == FRAMING_CHUNKED ? PART_CHUNK_SIZE : PART_BODY;
	return true;
}

/* RFC 9112 §7.1: 1*HEXDIG [ chunk-ext ]. The last chunk ends the body; trailers do not matter. */
static bool on_chunk_size(struct http_response *response)
{
	uint64_t size = 0;
	size_t digits = 0;
	for (; digits < response->line_length && isxdigit((uint8_t)response->line[digits]); digits++) {
		uint8_t c = response->line[digits];
		size = size << 4 | (isdigit(c) ? c - '0' : (c | 32) - 'a' + 10);
	}
	char after = digits < response->line_length ? response->line[digits] : ';';
	if (digits == 0 || digits > 15 || (after != ';' && after != ' ' && after != '\t'))
		return invalid(response);
	if (size == 0) {
		response->part = PART_TRAILER;
		if (response->verdict == HTTP_OPEN)
			body_lacks(response);
		return true;
	}
	response->left = size;
	response->part = PART_CHUNK_DATA;
	return true;
}

static bool on_line(struct http_response *response)
{
	switch (response->part) {
	case PART_STATUS:
		return on_status_line(response);
	case PART_FIELDS:
		return response->line_length > 0 ? on_field_line(response) : on_head_end(response);
	case PART_CHUNK_SIZE:
		return on_chunk_size(response);
	case PART_CHUNK_END:
		if (response->line_length > 0)
			return invalid(response);
		response->part = PART_CHUNK_SIZE;
		return true;
	case PART_TRAILER:
		return response->line_length > 0 || on_message_end(response);
	case PART_BODY:
	case PART_CHUNK_DATA:
		break;
	}
	assert(!"data is no line");
	return false;
}

/* ---- feeding ---- */

static void keep_line_bytes(struct http_response *response, const char *bytes, size_t length)
{
	xgrow((void **)&response->line, &response->line_capacity, response->line_length + length + 1, 1);
	memcpy(response->line + response->line_length, bytes, length);
	response->line_length += length;
}

static bool end_line(struct http_response *response)
{
	assert(response->line_length > 0 && response->line[response->line_length - 1] == '\n');
	size_t length = response->line_length - 1;
	if (length > 0 && response->line[length - 1] == '\r')
		length--;
	response->line[length] = '\0';
	response->line_length = length;
	bool is_text = !memchr(response->line, '\r', length) && !memchr(response->line, '\0', length);
	bool is_more = is_text ? on_line(response) : invalid(response);
	response->line_length = 0;
	return is_more;
}

/* A line ends with CRLF, or LF alone (RFC 9112 §2.2); CR elsewhere and NUL are refused. Takes bytes up
 * to the end of the line and returns how many. The verdict never depends on how the bytes were cut. */
static size_t feed_line(struct http_response *response, const char *bytes, size_t length, bool *ret)
{
	bool is_head = response->part == PART_STATUS || response->part == PART_FIELDS;
	size_t room = is_head ? HTTP_HEAD_BYTES_MAX - response->head_bytes
			      : CHUNK_LINE_BYTES_MAX - response->line_length;
	const char *newline = memchr(bytes, '\n', length);
	size_t take = newline ? (size_t)(newline - bytes) + 1 : length;
	bool is_too_long = take > room;
	if (is_too_long)
		take = room;
	keep_line_bytes(response, bytes, take);
	if (is_head)
		response->head_bytes += take;
	/* What cannot become a status line is told at once: the peer may never send a line's end. */
	static const char version[] = "HTTP/1.";
	size_t compare = response->line_length < 7 ? response->line_length : 7;
	if (response->part == PART_STATUS && memcmp(response->line, version, compare) != 0)
		*ret = invalid(response);
	else if (is_too_long)
		*ret = is_head ? bad(response, "response head longer than 32 KiB") : invalid(response);
	else if (newline)
		*ret = end_line(response);
	return take;
}

static size_t feed_body(struct http_response *response, const char *bytes, size_t length, bool *ret)
{
	bool is_counted = response->part == PART_CHUNK_DATA || response->framing == FRAMING_LENGTH;
	size_t take = is_counted && response->left < length ? response->left : length;
	if (response->verdict == HTTP_OPEN)
		search_body(response, bytes, take);
	if (!is_counted)
		return take;
	assert(take <= response->left);
	response->left -= take;
	if (response->left > 0)
		return take;
	if (response->part == PART_CHUNK_DATA)
		response->part = PART_CHUNK_END;
	else
		*ret = on_message_end(response);
	return take;
}

bool http_response_feed(struct http_response *response, const char *bytes, size_t length)
{
	assert(!response->is_whole);
	bool is_more = true;
	while (length > 0 && is_more) {
		bool is_data = response->part == PART_BODY || response->part == PART_CHUNK_DATA;
		size_t taken = is_data ? feed_body(response, bytes, length, &is_more)
				       : feed_line(response, bytes, length, &is_more);
		bytes += taken;
		length -= taken;
	}
	if (length > 0) /* more than was asked for */
		response->is_closing = true;
	return is_more;
}

void http_response_end(struct http_response *response)
{
	response->is_closing = true;
	if (response->verdict != HTTP_OPEN)
		return;
	if (response->part == PART_BODY && response->framing == FRAMING_CLOSE)
		body_lacks(response);
	else if (response->part == PART_STATUS && response->head_bytes == 0)
		bad(response, "connection closed without a response");
	else
		bad(response, "response cut short");
}
