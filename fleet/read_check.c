/* Documents → checks. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS_DEFAULT 5000
#define TIMEOUT_MS_DEFAULT 1000
#define TIMEOUT_MS_MIN 10
#define HTTP_PORT 80

struct draft {
	struct fleet_check *check;
	bool has_type, has_timeout, has_clear;
	const struct doc_node *http_only; /* the first key that only http checks have */
};

static const char *const types[] = {"tcp", "http", NULL}; /* by enum check_type */
static const char *const later_types[] = {"tls", "https", "dns", "grpc-health", "http2", "exec", NULL};

static char *copy(const struct draft *draft, const char *text)
{
	return arena_strndup(draft->check->object.arena, text, strlen(text));
}

static void mark_http(struct draft *draft, const struct doc_node *value)
{
	if (draft->http_only == NULL)
		draft->http_only = value;
}

static void read_type(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	unsigned word;

	if (!doc_read_word(reader, value, "type", types, later_types, &word))
		return;
	draft->has_type = true;
	draft->check->type = (enum check_type)word;
}

static void read_port(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t port;

	if (doc_read_uint(reader, value, 1, 65535, &port))
		((struct draft *)target)->check->port = (uint16_t)port;
}

static void read_interval(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, 100, 3600000, &ms))
		((struct draft *)target)->check->interval_ms = (uint32_t)ms;
}

static void read_timeout(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	uint64_t ms;

	if (!doc_read_duration_ms(reader, value, TIMEOUT_MS_MIN, 3600000, &ms))
		return;
	draft->has_timeout = true;
	draft->check->timeout_ms = (uint32_t)ms;
}

static bool read_count(const struct doc_reader *reader, const struct doc_node *value, uint32_t *ret)
{
	uint64_t count;

	if (!doc_read_uint(reader, value, 1, 100, &count))
		return false;
	*ret = (uint32_t)count;
	return true;
}

static void read_rise(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_count(reader, value, &((struct draft *)target)->check->rise);
}

static void read_fall(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_count(reader, value, &((struct draft *)target)->check->fall);
}

static void read_clear(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	draft->has_clear = read_count(reader, value, &draft->check->clear);
}

static void read_method(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const methods[] = {"GET", "HEAD", NULL};
	struct draft *draft = target;
	unsigned word;

	mark_http(draft, value);
	if (doc_read_word(reader, value, "method", methods, NULL, &word))
		draft->check->method = copy(draft, methods[word]);
}

/* What goes into a request line or head must not be able to end it. */
static bool is_graphic(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool is_header_value(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

/* RFC 9110 §5.6.2 token. */
static bool is_token(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`|~", *text) == NULL)
			return false;
	return true;
}

static bool is_short(const struct doc_reader *reader, const struct doc_node *node, size_t max)
{
	if (node->length <= max)
		return true;
	doc_err(reader->errors, reader->doc, node, "must not be longer than %zu octets", max);
	return false;
}

static void read_path(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;

	mark_http(draft, value);
	if (!doc_read_text(reader, value, "a path", &text) || !is_short(reader, value, FLEET_TEXT_MAX))
		return;
	if (text[0] != '/' || !is_graphic(text))
		doc_err(reader->errors, reader->doc, value,
			"must be a path that begins with '/' and has no spaces or control characters");
	else
		draft->check->path = copy(draft, text);
}

static void read_host(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;

	mark_http(draft, value);
	if (!doc_read_text(reader, value, "a host name", &text) || !is_short(reader, value, FLEET_TEXT_MAX))
		return;
	if (text[0] == '\0' || !is_graphic(text))
		doc_err(reader->errors, reader->doc, value,
			"must be a host name without spaces or control characters");
	else
		draft->check->host = copy(draft, text);
}

static void read_header(const struct doc_reader *reader, const struct doc_node *item, struct draft *draft)
{
	struct fleet_check *check = draft->check;
	const char *text;

	if (!is_token(item->key)) {
		doc_err_key(reader->errors, reader->doc, item, "must be a header name (RFC 9110 token)");
		return;
	}
	if (strcasecmp(item->key, "host") == 0) {
		doc_err_key(reader->errors, reader->doc, item, "must not be Host; use the key 'host'");
		return;
	}
	for (size_t i = 0; i < check->header_count; i++)
		if (strcasecmp(check->headers[i].name, item->key) == 0)
			doc_err_key(reader->errors, reader->doc, item, "header '%s' is given twice",
				    item->key);
	if (!doc_read_text(reader, item, "a header value", &text) || !is_short(reader, item, FLEET_TEXT_MAX))
		return;
	if (!is_header_value(text)) {
		doc_err(reader->errors, reader->doc, item, "must not hold control characters");
		return;
	}
	check->headers[check->header_count++] =
		(struct fleet_header){.name = copy(draft, item->key), .value = copy(draft, text)};
}

static void read_headers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	mark_http(draft, value);
	if (!doc_read_is_mapping(reader, value, "a mapping of header names to values"))
		return;
	if (value->count > FLEET_HEADERS_MAX) {
		doc_err(reader->errors, reader->doc, value, "holds %u headers; at most %d", value->count,
			FLEET_HEADERS_MAX);
		return;
	}
	draft->check->headers =
		arena_alloc(draft->check->object.arena, (value->count + 1) * sizeof(*draft->check->headers));
	for (const struct doc_node *item = value->first; item != NULL; item = item->next)
		read_header(reader, item, draft);
}

static bool take_code(const char **at, uint16_t *ret)
{
	unsigned code = 0;
	int digits = 0;

	for (; isdigit((unsigned char)**at) && digits < 4; digits++)
		code = code * 10 + (unsigned)(*(*at)++ - '0');
	if (digits != 3 || code < 100 || code > 599)
		return false;
	*ret = (uint16_t)code;
	return true;
}

/* "200-399", "200,204,301-302" → ranges; 0: not of this form. */
static size_t parse_expect(const char *text, struct fleet_expect ranges[static FLEET_EXPECT_MAX])
{
	for (size_t count = 0; count < FLEET_EXPECT_MAX;) {
		struct fleet_expect *range = &ranges[count++];
		if (!take_code(&text, &range->from))
			return 0;
		range->to = range->from;
		if (*text == '-' && (text++, !take_code(&text, &range->to) || range->to < range->from))
			return 0;
		if (*text == '\0')
			return count;
		if (*text++ != ',')
			return 0;
	}
	return 0;
}

static void set_expect(struct draft *draft, const char *text, const struct fleet_expect *ranges, size_t count)
{
	draft->check->expect = arena_dup(draft->check->object.arena, ranges, count * sizeof(*ranges));
	draft->check->expect_count = count;
	draft->check->expect_text = copy(draft, text);
}

static void read_expect(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_expect ranges[FLEET_EXPECT_MAX];
	struct draft *draft = target;
	const char *text;

	mark_http(draft, value);
	if (!doc_read_text(reader, value, "status codes", &text))
		return;
	size_t count = parse_expect(text, ranges);
	if (count == 0)
		doc_err(reader->errors, reader->doc, value,
			"must be status codes from 100 to 599, as 200-399 or 200,301-302; at most %d ranges",
			FLEET_EXPECT_MAX);
	else
		set_expect(draft, text, ranges, count);
}

static void read_body(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;

	mark_http(draft, value);
	if (!doc_read_text(reader, value, "text", &text) || !is_short(reader, value, FLEET_BODY_MAX))
		return;
	if (text[0] == '\0')
		doc_err(reader->errors, reader->doc, value, "must not be empty");
	else
		draft->check->body = copy(draft, text);
}

static const struct doc_key check_keys[] = {
	{"type", read_type, true},
	{"port", read_port},
	{"interval", read_interval},
	{"timeout", read_timeout},
	{"rise", read_rise},
	{"fall", read_fall},
	{"clear", read_clear},
	{"method", read_method},
	{"path", read_path},
	{"host", read_host},
	{"headers", read_headers},
	{"expect", read_expect},
	{"body", read_body},
	{"sni", NULL},
	{"verify", NULL},
	{"expires_within", NULL},
	{"quorum", NULL},
	{"quorum_down", NULL},
	{"min_vantages", NULL},
	{"failback", NULL},
	{"damp", NULL},
	{NULL},
};

/* What one key says about another. */
static void finish(const struct doc_reader *reader, const struct doc_node *node, struct draft *draft)
{
	struct fleet_check *check = draft->check;
	char interval[24];

	if (!draft->has_clear)
		check->clear = check->rise;
	if (!draft->has_timeout && check->timeout_ms > check->interval_ms)
		check->timeout_ms = check->interval_ms;
	if (check->timeout_ms > check->interval_ms) {
		text_from_duration_ms(check->interval_ms, interval);
		doc_err(reader->errors, reader->doc, doc_get(node, "timeout"),
			"must not be longer than the interval of %s", interval);
	}
	if (!draft->has_type)
		return;
	if (check->type == CHECK_TCP && doc_get(node, "port") == NULL)
		doc_err(reader->errors, reader->doc, node, "missing key 'port'; type tcp has no default");
	if (check->type == CHECK_TCP && draft->http_only != NULL)
		doc_err_key(reader->errors, reader->doc, draft->http_only, "'%s' is for checks of type http",
			    draft->http_only->key);
	if (check->type == CHECK_HTTP && check->port == 0)
		check->port = HTTP_PORT;
}

struct fleet_object *fleet_read_check(const struct doc_reader *reader, const struct doc_node *node,
				      const char *id)
{
	struct fleet_check *check = fleet_object_new(sizeof(*check), FLEET_CHECK, id);
	struct draft draft = {.check = check};
	size_t errors = reader->errors->errors;

	check->interval_ms = INTERVAL_MS_DEFAULT;
	check->timeout_ms = TIMEOUT_MS_DEFAULT;
	check->rise = check->fall = 2;
	check->method = copy(&draft, "GET");
	check->path = copy(&draft, "/");
	set_expect(&draft, "200-399", &(struct fleet_expect){.from = 200, .to = 399}, 1);
	doc_read_mapping(reader, node, check_keys, &draft);
	finish(reader, node, &draft);
	if (reader->errors->errors == errors)
		return &check->object;
	fleet_object_free(&check->object);
	return NULL;
}
