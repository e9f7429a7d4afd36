/*
 * Two steps: where the head ends, by line; then one pass that checks each octet by a table and records where
 * names and values stand. Pure; any thread.
 */
#include "lib/http/http_head.h"
#include "lib/hash.h"
#include "lib/inline.h"
#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define METHOD_BYTES_MAX 32

static_assert(sizeof(struct http_head_field) == 16, "four of them are a cache line");
static_assert(HTTP_FIELD_COUNT <= UINT8_MAX, "a record keeps its kind in an octet");
static_assert(HTTP_HEAD_BYTES_MAX - 2 < UINT16_MAX, "a record keeps lengths in two; a name has its colon");

enum {		   /* classes of octets */
       TOKEN = 1,  /* RFC 9110 §5.6.2 */
       ODD = 2,	   /* a token's octet that CGI turns into '_', but '-' */
       TARGET = 4, /* visible, but those that no part of a URI has: '#', '\' */
       VALUE = 8,  /* RFC 9110 §5.5: HTAB, SP, VCHAR, obs-text */
};

#define ALNUM (TOKEN | TARGET | VALUE)
#define MARK (TOKEN | ODD | TARGET | VALUE)
#define DELIMITER (TARGET | VALUE)

/* clang-format off */
static const uint8_t classes[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['0' ... '9'] = ALNUM, ['A' ... 'Z'] = ALNUM, ['a' ... 'z'] = ALNUM, ['-'] = ALNUM,
	['!'] = MARK, ['$'] = MARK, ['%'] = MARK, ['&'] = MARK, ['\''] = MARK, ['*'] = MARK, ['+'] = MARK,
	['.'] = MARK, ['^'] = MARK, ['_'] = MARK, ['`'] = MARK, ['|'] = MARK, ['~'] = MARK,
	['#'] = TOKEN | ODD | VALUE, ['\\'] = VALUE,
	['"'] = DELIMITER, ['('] = DELIMITER, [')'] = DELIMITER, [','] = DELIMITER, ['/'] = DELIMITER,
	[':'] = DELIMITER, [';'] = DELIMITER, ['<'] = DELIMITER, ['='] = DELIMITER, ['>'] = DELIMITER,
	['?'] = DELIMITER, ['@'] = DELIMITER, ['['] = DELIMITER, [']'] = DELIMITER, ['{'] = DELIMITER,
	['}'] = DELIMITER,
	[0x80 ... 0xff] = VALUE,
};
/* clang-format on */

/* ---- names ---- */

#define KNOWN_SLOTS 64
/* Each known name has a slot of its own; two in one would be an initializer twice, which does not compile. */
#define KNOWN_SLOT(length, first, last) (((length) + (first) + 12 * (last)) % KNOWN_SLOTS)
#define KNOWN(first, last, name, field) \
	[KNOWN_SLOT(sizeof(name) - 1, first, last)] = {name, sizeof(name) - 1, HTTP_FIELD_##field}

static const struct known {
	char name[30]; /* a row has 32 octets */
	uint8_t length, field;
} known[KNOWN_SLOTS] = {
	/* clang-format off */
	KNOWN('h', 't', "host", HOST),
	KNOWN('c', 'h', "content-length", CONTENT_LENGTH),
	KNOWN('t', 'g', "transfer-encoding", TRANSFER_ENCODING),
	KNOWN('c', 'n', "connection", CONNECTION),
	KNOWN('k', 'e', "keep-alive", KEEP_ALIVE),
	KNOWN('p', 'n', "proxy-connection", PROXY_CONNECTION),
	KNOWN('p', 'n', "proxy-authorization", PROXY_AUTHORIZATION),
	KNOWN('t', 'e', "te", TE),
	KNOWN('t', 'r', "trailer", TRAILER),
	KNOWN('u', 'e', "upgrade", UPGRADE),
	KNOWN('h', 's', "http2-settings", HTTP2_SETTINGS),
	KNOWN('e', 't', "expect", EXPECT),
	KNOWN('m', 's', "max-forwards", MAX_FORWARDS),
	KNOWN('v', 'a', "via", VIA),
	KNOWN('d', 'e', "date", DATE),
	KNOWN('c', 'e', "cookie", COOKIE),
	KNOWN('s', 'e', "set-cookie", SET_COOKIE),
	KNOWN('a', 'n', "authorization", AUTHORIZATION),
	KNOWN('f', 'd', "forwarded", FORWARDED),
	KNOWN('x', 'p', "x-real-ip", X_REAL_IP),
	KNOWN('x', 'd', "x-request-id", X_REQUEST_ID),
	KNOWN('x', 'd', "x-tenant-id", X_TENANT_ID),
	KNOWN('t', 't', "traceparent", TRACEPARENT),
	KNOWN('t', 'e', "tracestate", TRACESTATE),
	/* clang-format on */
};

/* 0x20 makes a letter lower and leaves digits and '-' as they are. No other octet that a head may hold
 * becomes one of these by it. */
#define LOWER 0x2020202020202020u

bool http_head_equals(const char *text, size_t length, const char *lower, size_t lower_length)
{
	const uint8_t *a = (const uint8_t *)text, *b = (const uint8_t *)lower;
	if (length != lower_length)
		return false;
	for (; length >= 8; a += 8, b += 8, length -= 8)
		if ((hash_load64(a) | LOWER) != hash_load64(b))
			return false;
	uint64_t mask = length ? LOWER >> 8 * (8 - length) : 0;
	return (hash_load_tail(a, length) | mask) == hash_load_tail(b, length);
}

bool http_head_is_token(const char *text, size_t length)
{
	uint8_t all = TOKEN;
	for (size_t i = 0; i < length; i++)
		all &= classes[(uint8_t)text[i]];
	return length > 0 && all != 0;
}

/* http_head_equals of a length that is the same and at least 1: two words, of which some octets may be in
 * both. */
static IN_LINE bool known_equals(const char *text, const char *lower, size_t length)
{
	const uint8_t *a = (const uint8_t *)text, *b = (const uint8_t *)lower;
	if (length >= 8 && length <= 16)
		return (hash_load64(a) | LOWER) == hash_load64(b) &&
		       (hash_load64(a + length - 8) | LOWER) == hash_load64(b + length - 8);
	if (length >= 4 && length < 8)
		return (hash_load32(a) | (uint32_t)LOWER) == hash_load32(b) &&
		       (hash_load32(a + length - 4) | (uint32_t)LOWER) == hash_load32(b + length - 4);
	return http_head_equals(text, length, lower, length);
}

static IN_LINE enum http_field known_field(const char *name, size_t length)
{
	uint8_t first = name[0] | 0x20, last = name[length - 1] | 0x20;
	const struct known *row = &known[KNOWN_SLOT(length, first, last)];
	if (row->length == length && known_equals(name, row->name, length))
		return row->field;
	if (first == 'x' && length > 12 && http_head_equals(name, 12, "x-forwarded-", 12))
		return HTTP_FIELD_X_FORWARDED;
	if (first == 'g' && length > 5 && http_head_equals(name, 5, "gslb-", 5))
		return HTTP_FIELD_GSLB;
	return HTTP_FIELD_OTHER;
}

/* An origin behind CGI knows a field by its letters and digits, anything else is '_' there (RFC 3875
 * §4.1.18): what would be a field of ours or of the framing is none of the client's. */
static OUT_OF_LINE enum http_field odd_field(const char *name, size_t length)
{
	char plain[32];
	size_t take = length < sizeof plain ? length : sizeof plain;
	for (size_t i = 0; i < take; i++)
		plain[i] = classes[(uint8_t)name[i]] & ODD ? '-' : name[i];
	enum http_field field = known_field(plain, take);
	switch (field) {
	case HTTP_FIELD_CONTENT_LENGTH:
	case HTTP_FIELD_TRANSFER_ENCODING:
		return HTTP_FIELD_FRAMING_ALIAS;
	case HTTP_FIELD_X_FORWARDED:
	case HTTP_FIELD_X_REAL_IP:
	case HTTP_FIELD_X_REQUEST_ID:
	case HTTP_FIELD_X_TENANT_ID:
	case HTTP_FIELD_GSLB:
		/* X-Forwarded-For_x is odd only where nobody looks */
		return known_field(name, length) == field ? field : HTTP_FIELD_ALIAS;
	default:
		return HTTP_FIELD_OTHER;
	}
}

enum http_field http_head_field(const char *name, size_t length)
{
	uint8_t all = 0;
	if (length == 0)
		return HTTP_FIELD_OTHER;
	for (size_t i = 0; i < length; i++)
		all |= classes[(uint8_t)name[i]];
	return all & ODD ? odd_field(name, length) : known_field(name, length);
}

/* ---- where it ends ---- */

enum kind { KIND_REQUEST, KIND_RESPONSE, KIND_TRAILERS };

/* Whether text[at] may stand in a head as far as is known; its line may have no end yet. */
static bool is_sane(const char *text, size_t at, size_t length)
{
	uint8_t c = text[at];
	if (c == '\r')
		return at + 1 == length || text[at + 1] == '\n';
	return c == '\n' ? at > 0 && text[at - 1] == '\r' : classes[c] != 0;
}

static const char *read_request_line(struct http_head *head, const char *octets, const char *at,
				     const char *end, const struct http_head_limits *limits,
				     enum http_head_status *ret);
static const char *read_status_line(struct http_head *head, const char *octets, const char *at,
				    enum http_head_status *ret);

/* The end has not come, and may never: what is wrong already is said now. `first`: the first line has come to
 * its end since the last call, and begins there; else UINT32_MAX. */
static OUT_OF_LINE enum http_head_status unfinished(struct http_head_scan *scan, const char *octets,
						    size_t length, uint32_t first, enum kind kind,
						    const struct http_head_limits *limits)
{
	enum http_head_status status = HTTP_HEAD_PARTIAL;
	bool is_first = kind == KIND_REQUEST && (scan->line == 0 || (scan->line == 2 && octets[0] == '\r'));
	struct http_head line; /* only its beginning is written */
	if (first != UINT32_MAX && kind == KIND_REQUEST)
		read_request_line(&line, octets, octets + first, octets + length, limits, &status);
	else if (first != UINT32_MAX && kind == KIND_RESPONSE)
		read_status_line(&line, octets, octets + first, &status);
	if (status != HTTP_HEAD_PARTIAL && status != HTTP_HEAD_DONE)
		return status;
	for (size_t i = scan->at > 0 ? scan->at - 1 : 0; i < length; i++)
		if (!is_sane(octets, i, length))
			return HTTP_HEAD_BAD;
	/* a request line also holds a method and a version */
	if (is_first && length - scan->line > METHOD_BYTES_MAX + 1 + limits->target_bytes + 11)
		return HTTP_HEAD_TARGET_LONG;
	if (length >= limits->head_bytes)
		return is_first ? HTTP_HEAD_TARGET_LONG : HTTP_HEAD_LARGE;
	if (!is_first && length - scan->line > limits->line_bytes + 1)
		return HTTP_HEAD_LARGE;
	scan->at = length;
	return HTTP_HEAD_PARTIAL;
}

/* The empty line that ends the head; a request may have another before its first line (RFC 9112 §2.2).
 * *ret_start: where the first line begins. */
static enum http_head_status find_end(struct http_head_scan *scan, const char *octets, size_t length,
				      enum kind kind, const struct http_head_limits *limits,
				      size_t *ret_start, size_t *ret_end)
{
	assert(limits->fields <= HTTP_HEAD_FIELDS_MAX && limits->head_bytes <= HTTP_HEAD_BYTES_MAX);
	size_t whole = length < limits->head_bytes ? length : limits->head_bytes;
	size_t line = scan->line, at = scan->at;
	uint32_t first = UINT32_MAX;
	assert(at <= length && line <= at);
	size_t skipped =
		kind == KIND_REQUEST && length >= 2 && octets[0] == '\r' && octets[1] == '\n' ? 2 : 0;
	const char *newline;
	while (at < whole && (newline = memchr(octets + at, '\n', whole - at))) {
		size_t end = newline - octets + 1;
		if (end < 2 || newline[-1] != '\r')
			return HTTP_HEAD_BAD;
		if (end - line == 2 && (line != 0 || kind == KIND_TRAILERS)) {
			*ret_start = skipped;
			*ret_end = end;
			return line == skipped && kind != KIND_TRAILERS ? HTTP_HEAD_BAD : HTTP_HEAD_DONE;
		}
		if (end - line == 2 && kind == KIND_RESPONSE)
			return HTTP_HEAD_BAD;
		if (line == skipped && end > 2 && kind != KIND_TRAILERS)
			first = line;
		else if (end - line > limits->line_bytes + 2)
			return HTTP_HEAD_LARGE;
		line = at = end;
	}
	scan->line = line;
	return unfinished(scan, octets, length, first, kind, limits);
}

/* ---- the pass ---- */

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 §2.3: "HTTP/" DIGIT "." DIGIT. Octet by octet: behind the line's CR there may be none. */
static inline bool is_version(const char *at)
{
	return at[0] == 'H' && at[1] == 'T' && at[2] == 'T' && at[3] == 'P' && at[4] == '/' &&
	       is_digit(at[5]) && at[6] == '.' && is_digit(at[7]);
}

static inline enum http_head_status read_version(const char *at, uint8_t *ret_minor)
{
	if (at[5] != '1')
		return at[5] == '0' ? HTTP_HEAD_BAD : HTTP_HEAD_VERSION;
	*ret_minor = at[7] != '0';
	return HTTP_HEAD_DONE;
}

/* To the first octet that no target has. Its line has an end before `end`. */
static IN_LINE const char *skip_target(const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		__m128i chunk = _mm_loadu_si128((const __m128i *)at);
		__m128i visible = _mm_cmpgt_epi8(chunk, _mm_set1_epi8(' ')); /* above 7F they are negative */
		__m128i other = _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('#')),
					     _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\')),
							  _mm_cmpeq_epi8(chunk, _mm_set1_epi8(0x7f))));
		unsigned bits = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(other, visible)) ^ 0xffff;
		if (bits)
			return at + __builtin_ctz(bits);
	}
#endif
	while (classes[(uint8_t)*at] & TARGET)
		at++;
	return at;
}

/* Returns where the next line begins; a line that is not as RFC 9112 §3 has it sets *ret, else it is DONE.
 * The line has its end before `end`. */
static const char *read_request_line(struct http_head *head, const char *octets, const char *at,
				     const char *end, const struct http_head_limits *limits,
				     enum http_head_status *ret)
{
	const char *start = at;
	*ret = HTTP_HEAD_BAD;
	while (classes[(uint8_t)*at] & TOKEN)
		at++;
	if (at == start || at - start > METHOD_BYTES_MAX || *at != ' ')
		return at;
	head->method = start - octets;
	head->method_length = at - start;
	start = ++at;
	at = skip_target(at, end);
	if (at - start > limits->target_bytes) {
		*ret = HTTP_HEAD_TARGET_LONG;
		return at;
	}
	if (at == start || *at != ' ')
		return at;
	head->target = start - octets;
	head->target_length = at - start;
	at++;
	if (!is_version(at) || at[8] != '\r' || at[9] != '\n')
		return at;
	*ret = read_version(at, &head->minor);
	return at + 10;
}

/* RFC 9112 §4: the last space is often left out. */
static const char *read_status_line(struct http_head *head, const char *octets, const char *at,
				    enum http_head_status *ret)
{
	const char *start = at;
	*ret = HTTP_HEAD_BAD;
	if (!is_version(at) || read_version(start, &head->minor) != HTTP_HEAD_DONE || start[8] != ' ' ||
	    !is_digit(start[9]) || !is_digit(start[10]) || !is_digit(start[11]))
		return at;
	at += 12;
	head->status = (start[9] - '0') * 100 + (start[10] - '0') * 10 + (start[11] - '0');
	if (head->status < 100 || head->status > 599 || (*at != ' ' && *at != '\r'))
		return at;
	at += *at == ' ';
	start = at;
	while (classes[(uint8_t)*at] & VALUE)
		at++;
	if (at[0] != '\r' || at[1] != '\n')
		return at;
	head->reason = start - octets;
	head->reason_length = at - start;
	*ret = HTTP_HEAD_DONE;
	return at + 2;
}

#ifdef __SSE2__
/* Which of 16 octets are neither letters nor digits nor hyphens, of which nearly all names are. */
static IN_LINE unsigned find_other(const char *at)
{
	__m128i chunk = _mm_loadu_si128((const __m128i *)at);
	__m128i letter = _mm_sub_epi8(_mm_or_si128(chunk, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i digit = _mm_sub_epi8(chunk, _mm_set1_epi8('0'));
	__m128i plain =
		_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
					  _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit)),
			     _mm_cmpeq_epi8(chunk, _mm_set1_epi8('-')));
	return (unsigned)_mm_movemask_epi8(plain) ^ 0xffff;
}
#endif

/* How many octets from `at` on can be said to be a name's without a look at each. There is a line end before
 * `end`. */
static IN_LINE size_t plain_length(const char *octets, const char *at, const char *end)
{
	size_t length = 0;
#ifdef __SSE2__
	for (; end - at >= 16; at += 16, length += 16) {
		unsigned bits = find_other(at);
		if (bits)
			return length + (size_t)__builtin_ctz(bits);
	}
	if (end - octets >= 16)
		length += (size_t)__builtin_ctz(find_other(end - 16) >> (16 - (end - at)));
#endif
	return length;
}

#ifdef __SSE2__
/* Which of 16 octets no line has. */
static IN_LINE unsigned find_control(const char *at)
{
	__m128i chunk = _mm_loadu_si128((const __m128i *)at), low = _mm_set1_epi8(0x1f);
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(chunk, low), chunk);
	__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\t')), control),
				   _mm_cmpeq_epi8(chunk, _mm_set1_epi8(0x7f)));
	return (unsigned)_mm_movemask_epi8(bad);
}
#endif

/* To the first octet from `at` on that no line has; `end`: there is none. */
static IN_LINE const char *find_line_end(const char *octets, const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		unsigned bits = find_control(at);
		if (bits)
			return at + __builtin_ctz(bits);
	}
	if (end - octets >= 16 && at < end) { /* the last 16, of which some were looked at */
		unsigned bits = find_control(end - 16) >> (16 - (end - at));
		return bits ? at + __builtin_ctz(bits) : end;
	}
#endif
	while (at < end && classes[(uint8_t)*at] & VALUE)
		at++;
	return at;
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* One field line (RFC 9112 §5), whose CRLF stands at `line_end`. False: it is none. */
static IN_LINE bool read_field(struct http_head_field *field, const char *octets, const char *at,
			       const char *line_end, const char *end, enum kind kind)
{
	const char *name = at;
	uint8_t all = 0, class;
	at += plain_length(octets, at, end);
	if (*at != ':')
		for (; (class = classes[(uint8_t)*at]) & TOKEN; at++)
			all |= class;
	size_t length = at - name;
	if (length == 0)
		return false;
	if (kind == KIND_RESPONSE)
		while (is_space(*at))
			at++;
	if (*at != ':')
		return false;
	at++;
	at += *at == ' '; /* as nearly all have it */
	while (is_space(*at))
		at++;
	const char *last = line_end;
	while (last > at && is_space(last[-1]))
		last--;
	field->name = name - octets;
	field->value = at - octets;
	field->name_length = length;
	field->value_length = last - at;
	field->field = all & ODD ? odd_field(name, length) : known_field(name, length);
	field->is_named = false;
	return true;
}

/* From the first field line on. PARTIAL: no empty line comes before `end`. */
static IN_LINE enum http_head_status read_fields(struct http_head *head, const char *octets, const char *at,
						 const char *end, const struct http_head_limits *limits,
						 enum kind kind)
{
	struct http_head_field *field = head->fields, *behind = field + limits->fields;
	ptrdiff_t line_bytes = limits->line_bytes;
	for (;; field++) {
		const char *line_end = find_line_end(octets, at, end);
		if (end - line_end < 2)
			return HTTP_HEAD_PARTIAL;
		if (line_end[0] != '\r' || line_end[1] != '\n')
			return HTTP_HEAD_BAD;
		if (line_end == at)
			break;
		if (field == behind || line_end - at > line_bytes)
			return HTTP_HEAD_LARGE;
		if (!read_field(field, octets, at, line_end, end, kind))
			return HTTP_HEAD_BAD;
		at = line_end + 2;
	}
	head->count = field - head->fields;
	head->length = at + 2 - octets;
	assert(head->count <= HTTP_HEAD_FIELDS_MAX && head->length <= HTTP_HEAD_BYTES_MAX);
	return HTTP_HEAD_DONE;
}

/* Most heads come whole and are good: one pass. Where it is not so, the steps tell what is wrong. */
static IN_LINE bool is_read_at_once(struct http_head *head, const struct http_head_scan *scan,
				    const char *octets, size_t length, const struct http_head_limits *limits,
				    enum kind kind)
{
	const char *end = octets + (length < limits->head_bytes ? length : limits->head_bytes);
	enum http_head_status status;
	if (scan->at != 0)
		return false;
	const char *at = find_line_end(octets, octets, end);
	if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
		return false;
	at = kind == KIND_REQUEST ? read_request_line(head, octets, octets, end, limits, &status)
				  : read_status_line(head, octets, octets, &status);
	return status == HTTP_HEAD_DONE && read_fields(head, octets, at, end, limits, kind) == HTTP_HEAD_DONE;
}

enum http_head_status http_head_request(struct http_head *head, struct http_head_scan *scan,
					const char *octets, size_t length,
					const struct http_head_limits *limits)
{
	size_t start, end;
	if (is_read_at_once(head, scan, octets, length, limits, KIND_REQUEST))
		return HTTP_HEAD_DONE;
	enum http_head_status status = find_end(scan, octets, length, KIND_REQUEST, limits, &start, &end);
	if (status != HTTP_HEAD_DONE)
		return status;
	const char *at = read_request_line(head, octets, octets + start, octets + end, limits, &status);
	if (status != HTTP_HEAD_DONE)
		return status;
	return read_fields(head, octets, at, octets + end, limits, KIND_REQUEST);
}

enum http_head_status http_head_response(struct http_head *head, struct http_head_scan *scan,
					 const char *octets, size_t length,
					 const struct http_head_limits *limits)
{
	size_t start, end;
	if (is_read_at_once(head, scan, octets, length, limits, KIND_RESPONSE))
		return HTTP_HEAD_DONE;
	enum http_head_status status = find_end(scan, octets, length, KIND_RESPONSE, limits, &start, &end);
	if (status != HTTP_HEAD_DONE)
		return status;
	const char *at = read_status_line(head, octets, octets, &status);
	if (status != HTTP_HEAD_DONE)
		return status;
	return read_fields(head, octets, at, octets + end, limits, KIND_RESPONSE);
}

enum http_head_status http_head_trailers(struct http_head *head, const char *octets, size_t length,
					 const struct http_head_limits *limits)
{
	struct http_head_scan scan = {0};
	size_t start, end;
	enum http_head_status status = find_end(&scan, octets, length, KIND_TRAILERS, limits, &start, &end);
	if (status != HTTP_HEAD_DONE)
		return status;
	return read_fields(head, octets, octets, octets + end, limits, KIND_TRAILERS);
}

/* ---- what readers ask ---- */

const struct http_head_field *http_head_next(const struct http_head *head, enum http_field field,
					     uint32_t *at)
{
	for (uint32_t i = *at; i < head->count; i++)
		if (head->fields[i].field == field) {
			*at = i + 1;
			return &head->fields[i];
		}
	*at = head->count;
	return NULL;
}

bool http_head_element(const char *list, size_t length, size_t *at, const char **ret, size_t *ret_length)
{
	size_t from = *at;
	while (from < length && (is_space(list[from]) || list[from] == ','))
		from++;
	if (from >= length) {
		*at = length;
		return false;
	}
	const char *comma = memchr(list + from, ',', length - from);
	size_t end = comma ? (size_t)(comma - list) : length;
	*at = end;
	while (is_space(list[end - 1])) /* list[from] is none */
		end--;
	*ret = list + from;
	*ret_length = end - from;
	return true;
}
