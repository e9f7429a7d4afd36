/* Documents → checks. What a type of check may say is its kind's (checker/probe_kind.h). Control thread. */
#include "checker/probe_kinds.h"
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS_DEFAULT 5000
#define TIMEOUT_MS_DEFAULT 1000
#define TIMEOUT_MS_MIN 10
#define KINDS_MAX 16

struct draft {
	struct fleet_check *check;
	struct probe_header *headers; /* the check's, while they are read */
	bool has_timeout, has_clear;
};

static const char *const later_types[] = {"http2", "exec", NULL};

/* Keys that not all kinds have. */
static const struct special_key {
	const char *key;
	enum probe_key bit;
} special_keys[] = {
	{"method", PROBE_KEY_METHOD},
	{"path", PROBE_KEY_PATH},
	{"host", PROBE_KEY_HOST},
	{"headers", PROBE_KEY_HEADERS},
	{"expect", PROBE_KEY_EXPECT},
	{"body", PROBE_KEY_BODY},
	{"sni", PROBE_KEY_SNI},
	{"verify", PROBE_KEY_VERIFY},
	{"expires_within", PROBE_KEY_EXPIRES_WITHIN},
};

static char *copy(const struct draft *draft, const char *text)
{
	return arena_strndup(fleet_object_arena(&draft->check->object), text, strlen(text));
}

static void read_type(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *names[KINDS_MAX + 1] = {NULL};
	const struct probe_kind *kind;
	unsigned word;

	for (unsigned i = 0; (kind = probe_kinds_get(i)) != NULL; i++) {
		assert(i < KINDS_MAX);
		names[i] = kind->name;
	}
	if (doc_read_word(reader, value, "type", names, later_types, &word))
		((struct draft *)target)->check->spec.kind = probe_kinds_get(word);
}

static void read_port(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t port;

	if (doc_read_uint(reader, value, 1, 65535, &port))
		((struct draft *)target)->check->spec.port = (uint16_t)port;
}

static void read_interval(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, 100, 3600000, &ms))
		((struct draft *)target)->check->spec.interval_ms = (uint32_t)ms;
}

static void read_timeout(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	uint64_t ms;

	if (!doc_read_duration_ms(reader, value, TIMEOUT_MS_MIN, 3600000, &ms))
		return;
	draft->has_timeout = true;
	draft->check->spec.timeout_ms = (uint32_t)ms;
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

	if (doc_read_word(reader, value, "method", methods, NULL, &word))
		draft->check->spec.method = copy(draft, methods[word]);
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

	if (!doc_read_text(reader, value, "a path", &text) || !is_short(reader, value, FLEET_TEXT_MAX))
		return;
	if (text[0] != '/' || !fleet_is_graphic(text))
		doc_err(reader->errors, reader->doc, value,
			"must be a path that begins with '/' and has no spaces or control characters");
	else
		draft->check->spec.path = copy(draft, text);
}

static void read_host(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;

	if (!doc_read_text(reader, value, "a host name", &text) || !is_short(reader, value, FLEET_TEXT_MAX))
		return;
	if (text[0] == '\0' || !fleet_is_graphic(text))
		doc_err(reader->errors, reader->doc, value,
			"must be a host name without spaces or control characters");
	else
		draft->check->spec.host = copy(draft, text);
}

static void read_header(const struct doc_reader *reader, const struct doc_node *item, struct draft *draft)
{
	struct fleet_check *check = draft->check;
	const char *text;

	if (!fleet_is_token(item->key)) {
		doc_err_key(reader->errors, reader->doc, item, "must be a header name (RFC 9110 token)");
		return;
	}
	if (strcasecmp(item->key, "host") == 0) {
		doc_err_key(reader->errors, reader->doc, item, "must not be Host; use the key 'host'");
		return;
	}
	for (size_t i = 0; i < check->spec.header_count; i++)
		if (strcasecmp(check->spec.headers[i].name, item->key) == 0)
			doc_err_key(reader->errors, reader->doc, item, "header '%s' is given twice",
				    item->key);
	if (!doc_read_text(reader, item, "a header value", &text) || !is_short(reader, item, FLEET_TEXT_MAX))
		return;
	if (!fleet_is_field_value(text)) {
		doc_err(reader->errors, reader->doc, item, "must not hold control characters");
		return;
	}
	draft->headers[check->spec.header_count++] =
		(struct probe_header){.name = copy(draft, item->key), .value = copy(draft, text)};
}

static void read_headers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	if (!doc_read_is_mapping(reader, value, "a mapping of header names to values"))
		return;
	if (value->count > FLEET_HEADERS_MAX) {
		doc_err(reader->errors, reader->doc, value, "holds %u headers; at most %d", value->count,
			FLEET_HEADERS_MAX);
		return;
	}
	draft->headers = arena_alloc(fleet_object_arena(&draft->check->object),
				     (value->count + 1) * sizeof *draft->headers);
	draft->check->spec.headers = draft->headers;
	for (const struct doc_node *item = value->first; item; item = item->next)
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
static size_t parse_expect(const char *text, struct probe_expect ranges[static FLEET_EXPECT_MAX])
{
	for (size_t count = 0; count < FLEET_EXPECT_MAX;) {
		struct probe_expect *range = &ranges[count++];
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

static void set_expect(struct draft *draft, const char *text, const struct probe_expect *ranges, size_t count)
{
	draft->check->spec.expect =
		arena_dup(fleet_object_arena(&draft->check->object), ranges, count * sizeof *ranges);
	draft->check->spec.expect_count = count;
	draft->check->expect_text = copy(draft, text);
}

static void read_expect(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct probe_expect ranges[FLEET_EXPECT_MAX];
	struct draft *draft = target;
	const char *text;

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

	if (!doc_read_text(reader, value, "text", &text) || !is_short(reader, value, FLEET_BODY_MAX))
		return;
	if (text[0] == '\0')
		doc_err(reader->errors, reader->doc, value, "must not be empty");
	else
		draft->check->spec.body = copy(draft, text);
}

/* What TLS sends in the clear and certificates are compared with: letters, digits, '-', '_' and '.'. */
static bool is_host_name(const char *text)
{
	struct name name;
	struct ip ip;

	for (const char *at = text; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
			return false;
	return strcmp(text, ".") != 0 && !ip_parse(text, &ip) && !name_from_text(text, NULL, &name);
}

static void read_sni(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;

	if (!doc_read_text(reader, value, "a host name", &text))
		return;
	if (!is_host_name(text))
		doc_err(reader->errors, reader->doc, value,
			"must be a host name, not an address or a pattern");
	else
		draft->check->spec.sni = copy(draft, text);
}

static void read_verify(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "verify", fleet_verify_word, NULL, &word))
		((struct draft *)target)->check->spec.verify = (enum probe_verify)word;
}

static void read_expires_within(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_duration_ms(reader, value, 1000, (uint64_t)365 * 86400000,
			     &((struct draft *)target)->check->spec.expires_within_ms);
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
	{"sni", read_sni},
	{"verify", read_verify},
	{"expires_within", read_expires_within},
	{"quorum", NULL},
	{"quorum_down", NULL},
	{"min_vantages", NULL},
	{"failback", NULL},
	{"damp", NULL},
	{NULL},
};

/* "tls and https", "http, https, tls, dns and grpc-health" */
static void list_types_with(enum probe_key key, char *out, size_t size)
{
	const struct probe_kind *kind, *last = NULL;
	size_t length = 0;

	for (unsigned i = 0; (kind = probe_kinds_get(i)) != NULL; i++)
		last = kind->keys & key ? kind : last;
	for (unsigned i = 0; (kind = probe_kinds_get(i)) != NULL && length < size; i++)
		if (kind->keys & key)
			length += (size_t)snprintf(out + length, size - length, "%s%s",
						   length == 0	  ? ""
						   : kind == last ? " and "
								  : ", ",
						   kind->name);
}

static void check_special_keys(const struct doc_reader *reader, const struct doc_node *node,
			       const struct probe_kind *kind)
{
	char types[80];

	for (size_t i = 0; i < sizeof special_keys / sizeof special_keys[0]; i++) {
		const struct special_key *special = &special_keys[i];
		const struct doc_node *value = doc_get(node, special->key);
		if (!value || kind->keys & special->bit)
			continue;
		list_types_with(special->bit, types, sizeof types);
		doc_err_key(reader->errors, reader->doc, value, "'%s' is for checks of type %s", special->key,
			    types);
	}
}

static void finish_type(const struct doc_reader *reader, const struct doc_node *node,
			struct fleet_check *check)
{
	const struct probe_kind *kind = check->spec.kind;
	struct name name;

	check_special_keys(reader, node, kind);
	if (!doc_get(node, "port")) {
		check->spec.port = kind->default_port;
		if (check->spec.port == 0)
			doc_err(reader->errors, reader->doc, node,
				"missing key 'port'; type %s has no default", kind->name);
	}
	if (!kind->asks_for_host || !check->spec.host)
		return;
	const char *wrong = name_from_text(check->spec.host, NULL, &name);
	if (wrong) {
		doc_err(reader->errors, reader->doc, doc_get(node, "host"), "must be the name to ask for: %s",
			wrong);
		return;
	}
	check->spec.question = arena_dup(fleet_object_arena(&check->object), name.octets, name.length);
	check->spec.question_length = name.length;
}

/* What one key says about another. */
static void finish(const struct doc_reader *reader, const struct doc_node *node, struct draft *draft)
{
	struct fleet_check *check = draft->check;
	char interval[24];

	if (!draft->has_clear)
		check->clear = check->rise;
	if (!draft->has_timeout && check->spec.timeout_ms > check->spec.interval_ms)
		check->spec.timeout_ms = check->spec.interval_ms;
	if (check->spec.timeout_ms > check->spec.interval_ms) {
		text_from_duration_ms(check->spec.interval_ms, interval);
		doc_err(reader->errors, reader->doc, doc_get(node, "timeout"),
			"must not be longer than the interval of %s", interval);
	}
	if (check->spec.kind)
		finish_type(reader, node, check);
}

struct fleet_object *fleet_read_check(const struct doc_reader *reader, const struct doc_node *node,
				      const char *id)
{
	struct fleet_check *check = fleet_object_new(sizeof *check, FLEET_CHECK, id);
	struct draft draft = {.check = check};
	size_t errors = reader->errors->errors;

	check->spec.interval_ms = INTERVAL_MS_DEFAULT;
	check->spec.timeout_ms = TIMEOUT_MS_DEFAULT;
	check->rise = check->fall = 2;
	check->spec.method = copy(&draft, "GET");
	check->spec.path = copy(&draft, "/");
	set_expect(&draft, "200-399", &(struct probe_expect){.from = 200, .to = 399}, 1);
	doc_read_mapping(reader, node, check_keys, &draft);
	finish(reader, node, &draft);
	if (reader->errors->errors == errors)
		return &check->object;
	fleet_object_free(&check->object);
	return NULL;
}
