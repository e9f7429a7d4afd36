/*
 * Data is passed over in one step, chunk lines octet by octet, so that it does not matter how they were cut.
 * Trailers wait for their end. Pure; a worker's thread.
 */
#include "forwarder/http1/http1_body.h"
#include "lib/inline.h"
#include <assert.h>
#include <string.h>

#define SIZE_DIGITS_MAX 16
#define SMALL_OCTETS (8u * HTTP1_BODY_SMALL_CHUNKS)

static_assert(SMALL_OCTETS <= UINT16_MAX, "struct http1_body");

/* What the next octet belongs to. */
enum part {
	PART_COUNTED, /* data of a known length */
	PART_REST,    /* data up to the end of the connection */
	PART_DATA,    /* of a chunk */
	PART_DATA_CR, /* its end */
	PART_DATA_LF,
	PART_SIZE_FIRST, /* a chunk line: RFC 9112 §7.1, §7.1.1 */
	PART_SIZE,
	PART_NAME_FIRST,
	PART_NAME,
	PART_NAME_SPACE,
	PART_VALUE_FIRST,
	PART_VALUE,
	PART_QUOTED,
	PART_ESCAPED,
	PART_VALUE_END,
	PART_SPACE,
	PART_LINE_LF,
	PART_TRAILERS,
	PART_DONE,
	PART_FAILED, /* nothing more is read */
};

void http1_body_start(struct http1_body *body, enum http1_framing framing, uint64_t length, uint64_t limit,
		      bool is_response)
{
	static const uint8_t parts[] = {
		[HTTP1_NONE] = PART_DONE,
		[HTTP1_LENGTH] = PART_COUNTED,
		[HTTP1_CHUNKED] = PART_SIZE_FIRST,
		[HTTP1_TO_EOF] = PART_REST,
	};
	assert(framing <= HTTP1_TO_EOF);
	*body = (struct http1_body){
		.left = framing == HTTP1_LENGTH ? length : 0, /* the answer to HEAD tells one, too */
		.limit = limit,
		.is_response = is_response,
		.part = parts[framing],
	};
	if (framing == HTTP1_LENGTH && length == 0)
		body->part = PART_DONE;
}

bool http1_body_is_done(const struct http1_body *body)
{
	return body->part == PART_DONE;
}

uint64_t http1_body_left(const struct http1_body *body)
{
	if (body->part == PART_DONE)
		return 0;
	return body->part == PART_COUNTED ? body->left : UINT64_MAX;
}

/* ---- chunk lines ---- */

static inline int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool is_text(uint8_t c) /* of a quoted string, RFC 9110 §5.6.4 */
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static inline bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Where an extension may end. The next part, PART_FAILED where it may not. */
static inline enum part behind_extension(uint8_t c)
{
	return c == '\r' ? PART_LINE_LF : c == ';' ? PART_NAME_FIRST : PART_FAILED;
}

/* An octet of chunk extensions: `*( ";" name [ "=" value ] )`, white space inside but not at its ends. The
 * next part, PART_FAILED where it is malformed. */
static enum part step_extension(enum part part, uint8_t c)
{
	const char octet = (char)c;
	bool is_token = http_head_is_token(&octet, 1);
	switch (part) {
	case PART_NAME_FIRST:
		return is_token ? PART_NAME : is_space(c) ? PART_NAME_FIRST : PART_FAILED;
	case PART_NAME:
		if (is_token)
			return PART_NAME;
		/* fall through */
	case PART_NAME_SPACE:
		if (is_space(c))
			return PART_NAME_SPACE;
		if (c == '=')
			return PART_VALUE_FIRST;
		return part == PART_NAME || c == ';' ? behind_extension(c) : PART_FAILED;
	case PART_VALUE_FIRST:
		if (is_space(c))
			return PART_VALUE_FIRST;
		return is_token ? PART_VALUE : c == '"' ? PART_QUOTED : PART_FAILED;
	case PART_VALUE:
		if (is_token)
			return PART_VALUE;
		/* fall through */
	case PART_VALUE_END:
		return is_space(c) ? PART_SPACE : behind_extension(c);
	case PART_QUOTED:
		if (!is_text(c))
			return PART_FAILED;
		return c == '"' ? PART_VALUE_END : c == '\\' ? PART_ESCAPED : PART_QUOTED;
	case PART_ESCAPED:
		return is_text(c) ? PART_QUOTED : PART_FAILED;
	default:
		assert(part == PART_SPACE);
		return is_space(c) ? PART_SPACE : c == ';' ? PART_NAME_FIRST : PART_FAILED;
	}
}

/* The line has ended: `left` is the size of the chunk. */
static enum http1_body_status start_chunk(struct http1_body *body)
{
	body->line = 0;
	if (body->left == 0) {
		body->part = PART_TRAILERS;
		return HTTP1_BODY_MORE;
	}
	if (body->left > body->limit - body->total)
		return HTTP1_BODY_LARGE;
	body->part = PART_DATA;
	body->small = body->left < SMALL_OCTETS - body->small ? body->small + body->left : SMALL_OCTETS;
	if (++body->chunks < HTTP1_BODY_SMALL_CHUNKS)
		return HTTP1_BODY_MORE;
	bool is_flood = body->small < SMALL_OCTETS && !body->is_response;
	body->chunks = body->small = 0;
	return is_flood ? HTTP1_BODY_BAD : HTTP1_BODY_MORE;
}

/* One octet that is no data. */
static enum http1_body_status step(struct http1_body *body, uint8_t c)
{
	int digit;
	switch (body->part) {
	case PART_DATA_CR:
		body->part = PART_DATA_LF;
		return c == '\r' ? HTTP1_BODY_MORE : HTTP1_BODY_BAD;
	case PART_DATA_LF:
		body->part = PART_SIZE_FIRST;
		return c == '\n' ? HTTP1_BODY_MORE : HTTP1_BODY_BAD;
	case PART_LINE_LF:
		return c == '\n' ? start_chunk(body) : HTTP1_BODY_BAD;
	case PART_SIZE_FIRST:
	case PART_SIZE:
		body->line++;
		digit = hex_digit(c);
		if (digit >= 0) {
			body->part = PART_SIZE;
			body->left = body->left << 4 | digit;
			return body->line <= SIZE_DIGITS_MAX && body->left <= INT64_MAX ? HTTP1_BODY_MORE
											: HTTP1_BODY_BAD;
		}
		if (body->part == PART_SIZE_FIRST)
			return HTTP1_BODY_BAD;
		body->part = behind_extension(c);
		break;
	default:
		body->line += c != '\r';
		body->part = step_extension(body->part, c);
		if (++body->extensions > HTTP1_BODY_EXTENSIONS_MAX)
			return HTTP1_BODY_BAD;
		break;
	}
	return body->part != PART_DONE && body->line <= HTTP1_BODY_LINE_MAX ? HTTP1_BODY_MORE
									    : HTTP1_BODY_BAD;
}

/* ---- trailers ---- */

/* Names that no trailer may have (RFC 9110 §6.5.1), but those that http_head_field() knows, which none of
 * them may either: they frame, route, tell who asks, or are ours. */
static bool is_refused(const char *name, size_t length)
{
	static const char *const names[] = {
		"content-encoding",
		"content-type",
		"content-range",
		"cache-control",
		"expires",
		"age",
		"pragma",
		"vary",
		"location",
		"retry-after",
		"range",
		"if-match",
		"if-none-match",
		"if-modified-since",
		"if-unmodified-since",
		"if-range",
		"www-authenticate",
		"proxy-authenticate",
		"sec-websocket-key",
		"sec-websocket-accept",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (http_head_equals(name, length, names[i], strlen(names[i])))
			return true;
	return false;
}

/* `octets` begins with the trailer section. What of it goes on is moved together in its place. */
static OUT_OF_LINE enum http1_body_status take_trailers(char *octets, size_t length, uint32_t *ret_kept,
							uint32_t *ret_taken)
{
	static const struct http_head_limits limits = {
		.head_bytes = HTTP1_BODY_TRAILER_BYTES_MAX,
		.line_bytes = HTTP1_BODY_TRAILER_BYTES_MAX,
		.fields = HTTP1_BODY_TRAILER_FIELDS_MAX,
	};
	struct http_head head;
	switch (http_head_trailers(&head, octets, length, &limits)) {
	case HTTP_HEAD_DONE:
		break;
	case HTTP_HEAD_PARTIAL:
		return HTTP1_BODY_MORE;
	case HTTP_HEAD_LARGE:
		return HTTP1_BODY_TRAILERS;
	default:
		return HTTP1_BODY_BAD;
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < head.count; i++) {
		const struct http_head_field *field = &head.fields[i];
		uint32_t line = field->value + field->value_length - field->name;
		if (field->field != HTTP_FIELD_OTHER || is_refused(octets + field->name, field->name_length))
			continue;
		memmove(octets + kept, octets + field->name, line);
		memcpy(octets + kept + line, "\r\n", 2);
		kept += line + 2;
	}
	assert(kept + 2 <= head.length);
	*ret_kept = kept;
	*ret_taken = head.length;
	return HTTP1_BODY_DONE;
}

/* ---- the whole ---- */

/* Octets of data from `at` on: one span, or moved behind the one that there is. */
static inline size_t take_data(struct http1_body *body, char *octets, size_t at, size_t length,
			       struct http1_body_take *ret)
{
	size_t take = body->part == PART_REST || body->left > length - at ? length - at : body->left;
	if (ret->data_length == 0)
		ret->data = at;
	else
		memmove(octets + ret->data + ret->data_length, octets + at, take);
	ret->data_length += take;
	body->total += take;
	if (body->part != PART_REST)
		body->left -= take;
	return at + take;
}

enum http1_body_status http1_body_take(struct http1_body *body, char *octets, size_t length,
				       struct http1_body_take *ret)
{
	enum http1_body_status status = HTTP1_BODY_MORE;
	size_t at = 0;
	*ret = (struct http1_body_take){0};
	while (at < length && status == HTTP1_BODY_MORE) {
		switch (body->part) {
		case PART_COUNTED:
		case PART_REST:
		case PART_DATA:
			at = take_data(body, octets, at, length, ret);
			if (body->left == 0 && body->part == PART_DATA)
				body->part = PART_DATA_CR;
			else if (body->left == 0 && body->part == PART_COUNTED)
				body->part = PART_DONE;
			break;
		case PART_TRAILERS:
			ret->trailers = at;
			uint32_t taken = 0;
			status = take_trailers(octets + at, length - at, &ret->trailers_length, &taken);
			ret->taken = at + taken;
			if (status != HTTP1_BODY_MORE)
				body->part = status == HTTP1_BODY_DONE ? PART_DONE : PART_FAILED;
			return status;
		case PART_DONE:
			status = HTTP1_BODY_DONE;
			break;
		case PART_FAILED:
			status = HTTP1_BODY_BAD;
			break;
		default:
			status = step(body, octets[at]);
			at++;
			break;
		}
	}
	ret->taken = at;
	if (status == HTTP1_BODY_BAD || status == HTTP1_BODY_LARGE)
		body->part = PART_FAILED;
	return status == HTTP1_BODY_MORE && body->part == PART_DONE ? HTTP1_BODY_DONE : status;
}

enum http1_body_status http1_body_end(const struct http1_body *body)
{
	return body->part == PART_REST || body->part == PART_DONE ? HTTP1_BODY_DONE : HTTP1_BODY_BAD;
}

size_t http1_body_chunk_head(uint64_t length, char out[static HTTP1_BODY_CHUNK_HEAD_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char hex[16];
	size_t at = sizeof hex;
	do
		hex[--at] = digits[length & 15];
	while ((length >>= 4) && at > 0);
	size_t count = sizeof hex - at;
	memcpy(out, hex + at, count);
	memcpy(out + count, "\r\n", 2);
	return count + 2;
}
