/* One pass over the fields collects what decides; then each rule in its order. Pure; a worker's thread. */
#include "forwarder/http1/http1_request.h"
#include <assert.h>
#include <string.h>

#define CONNECTION_NAMES_MAX 16
#define LENGTH_DIGITS_MAX 19

/* The fields that decide something; of those that may come once `…s` counts. */
struct seen {
	const struct http_head_field *host, *length, *coding, *upgrade, *max_forwards;
	uint32_t hosts, lengths, codings, upgrades, names;
	bool has_alias, has_connection, has_te, has_expect;
	bool closes, keeps_alive, names_upgrade; /* Connection */
};

static const struct http1_verdict bad = {REASON_BAD_REQUEST, true};
static const struct http1_verdict good = {REASON_NONE, false};

struct http1_verdict http1_request_refusal(enum http_head_status status)
{
	assert(status != HTTP_HEAD_PARTIAL && status != HTTP_HEAD_DONE);
	switch (status) {
	case HTTP_HEAD_TARGET_LONG:
		return (struct http1_verdict){REASON_TARGET_TOO_LONG, true};
	case HTTP_HEAD_LARGE:
		return (struct http1_verdict){REASON_HEAD_TOO_LARGE, true};
	case HTTP_HEAD_VERSION:
		return (struct http1_verdict){REASON_VERSION, true};
	default:
		return bad;
	}
}

static inline bool is_method(const struct http1_request *request, const char *method, size_t length)
{
	return request->method_length == length && memcmp(request->method, method, length) == 0;
}
#define IS(request, method) is_method(request, method, sizeof method - 1)

static inline bool is_word(const struct http_head_field *field, const char *octets, const char *lower)
{
	return http_head_equals(octets + field->value, field->value_length, lower, strlen(lower));
}

/* ---- Connection (RFC 9110 §7.6.1) ---- */

/* Whom Connection may not take away: what frames and routes, and what we alone say. Their own rules hold. */
static bool is_protected(enum http_field field)
{
	switch (field) {
	case HTTP_FIELD_HOST:
	case HTTP_FIELD_CONTENT_LENGTH:
	case HTTP_FIELD_TRANSFER_ENCODING:
	case HTTP_FIELD_CONNECTION:
	case HTTP_FIELD_TE:
	case HTTP_FIELD_UPGRADE:
	case HTTP_FIELD_FORWARDED:
	case HTTP_FIELD_X_FORWARDED:
	case HTTP_FIELD_X_REAL_IP:
	case HTTP_FIELD_X_REQUEST_ID:
	case HTTP_FIELD_X_TENANT_ID:
	case HTTP_FIELD_GSLB:
	case HTTP_FIELD_TRACEPARENT:
		return true;
	default:
		return false;
	}
}

static bool is_same_name(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t difference = a[i] ^ b[i];
		if (difference && (difference != 0x20 || (a[i] | 0x20) < 'a' || (a[i] | 0x20) > 'z'))
			return false;
	}
	return true;
}

/* Shared with responses: marks what the elements of one Connection field name. False: an element is no token,
 * or the names are too many. */
bool http1_request_connection(struct http_head *head, const char *octets, const struct http_head_field *field,
			      struct http1_connection *ret)
{
	const char *element;
	size_t length, at = 0;
	while (http_head_element(octets + field->value, field->value_length, &at, &element, &length)) {
		if (!http_head_is_token(element, length) || ++ret->names > CONNECTION_NAMES_MAX)
			return false;
		if (http_head_equals(element, length, "close", 5)) {
			ret->closes = true;
		} else if (http_head_equals(element, length, "keep-alive", 10)) {
			ret->keeps_alive = true;
		} else if (http_head_equals(element, length, "upgrade", 7)) {
			ret->upgrades = true;
		} else if (!is_protected(http_head_field(element, length))) {
			for (uint32_t i = 0; i < head->count; i++)
				if (head->fields[i].name_length == length &&
				    is_same_name(octets + head->fields[i].name, element, length))
					head->fields[i].is_named = true;
		}
	}
	return true;
}

/* ---- framing (RFC 9112 §6) ---- */

/* 1*19DIGIT below 2^63. */
bool http1_request_length(const char *text, size_t length, uint64_t *ret)
{
	uint64_t value = 0;
	if (length == 0 || length > LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	if (value > INT64_MAX)
		return false;
	*ret = value;
	return true;
}

/* Transfer-Encoding that is not `chunked` alone: 501 where it is a list of codings that ends as RFC 9112 §6.1
 * wants it and only is unknown here, else 400. */
static struct http1_verdict refuse_coding(const char *list, size_t length)
{
	for (size_t at = 0, end; at <= length; at = end + 1) {
		const char *comma = memchr(list + at, ',', length - at);
		end = comma ? (size_t)(comma - list) : length;
		const char *element = NULL;
		size_t octets = 0, from = 0;
		http_head_element(list + at, end - at, &from, &element, &octets);
		bool is_chunked = http_head_equals(element, octets, "chunked", 7);
		if (!http_head_is_token(element, octets) ||
		    http_head_equals(element, octets, "identity", 8) ||
		    (is_chunked && (end != length || at == 0)))
			return bad;
	}
	return (struct http1_verdict){REASON_CODING, true};
}

/* The one place where it is decided how a request is framed. */
static struct http1_verdict decide_framing(const struct seen *seen, const char *octets,
					   struct http1_request *ret)
{
	ret->framing = HTTP1_NONE;
	if (seen->has_alias || seen->lengths + seen->codings > 1)
		return bad;
	if (seen->coding) {
		if (ret->minor == 0)
			return bad;
		if (!is_word(seen->coding, octets, "chunked"))
			return refuse_coding(octets + seen->coding->value, seen->coding->value_length);
		ret->framing = HTTP1_CHUNKED;
	} else if (seen->length) {
		if (!http1_request_length(octets + seen->length->value, seen->length->value_length,
					  &ret->content_length))
			return bad;
		ret->framing = HTTP1_LENGTH;
	} else if (IS(ret, "POST") || IS(ret, "PUT") || IS(ret, "PATCH")) {
		ret->framing = HTTP1_LENGTH; /* of 0: the origin is told so (RFC 9110 §8.6) */
	}
	return good;
}

static inline bool has_body(const struct http1_request *request)
{
	return request->framing == HTTP1_CHUNKED || request->content_length > 0;
}

/* ---- host and target (RFC 9112 §3.2) ---- */

static uint16_t port_of(const struct target_host *host, bool is_https)
{
	return host->port ? host->port : is_https ? 443 : 80;
}

/* The target's authority is the one that counts; a Host that says something else is an attempt at two. */
static struct http1_verdict read_authority(const struct target *target, const char *octets, bool is_https,
					   const struct http_head_field *host, char *name,
					   struct http1_request *ret)
{
	char other[TARGET_HOST_MAX];
	struct target_host said;
	if (!target_host(target->authority, target->authority_length, name, &ret->host))
		return bad;
	if (host && (!target_host(octets + host->value, host->value_length, other, &said) ||
		     said.length != ret->host.length || memcmp(other, name, said.length) != 0 ||
		     port_of(&said, target->is_https) != port_of(&ret->host, target->is_https)))
		return bad;
	if (target->is_https != is_https)
		return (struct http1_verdict){REASON_MISDIRECTED, true};
	return good;
}

static struct http1_verdict read_path(const struct http_head *head, const struct target *target, char *out,
				      struct http1_request *ret)
{
	const char *text = target->path;
	size_t length = target->path_length;
	bool is_absolute = target->form == TARGET_ABSOLUTE;
	if (target->form == TARGET_ASTERISK || (is_absolute && length == 0 && IS(ret, "OPTIONS"))) {
		ret->path = (struct target_path){.text = "*", .length = 1, .path_length = 1};
		ret->is_options_here = true;
		return IS(ret, "OPTIONS") ? good : bad;
	}
	if (is_absolute && (length == 0 || text[0] != '/')) { /* `http://host?query` is of "/" */
		out[0] = '/';
		memcpy(out + 1, text, length);
		text = out;
		length++;
		out += length;
	}
	assert(length <= head->target_length + 1);
	return target_path(text, length, out, &ret->path) ? good : bad;
}

static struct http1_verdict read_target(const struct http_head *head, const char *octets, bool is_https,
					const struct http_head_field *host, char *scratch,
					struct http1_request *ret)
{
	struct target target;
	target_read(octets + head->target, head->target_length, &target);
	ret->name = scratch;
	ret->has_host = host || target.form == TARGET_ABSOLUTE;
	if (!host && ret->minor > 0)
		return bad;
	if (target.form == TARGET_ABSOLUTE) {
		struct http1_verdict verdict = read_authority(&target, octets, is_https, host, scratch, ret);
		if (verdict.reason != REASON_NONE)
			return verdict;
	} else if (host && !target_host(octets + host->value, host->value_length, scratch, &ret->host)) {
		return bad;
	}
	if (IS(ret, "CONNECT"))
		return (struct http1_verdict){REASON_METHOD, true};
	if (target.form == TARGET_OTHER)
		return bad;
	return read_path(head, &target, scratch + TARGET_HOST_MAX, ret);
}

/* ---- the rest ---- */

/* RFC 9110 §10.1.1. A client that waits for 100 is told by us, after all checks. */
static struct http1_verdict read_expect(const struct http_head *head, const char *octets,
					struct http1_request *ret)
{
	const struct http_head_field *field;
	uint32_t next = 0;
	while (ret->minor > 0 && (field = http_head_next(head, HTTP_FIELD_EXPECT, &next))) {
		if (!is_word(field, octets, "100-continue"))
			return (struct http1_verdict){REASON_EXPECTATION, true};
		ret->expects_continue = has_body(ret);
	}
	return good;
}

static void read_te(const struct http_head *head, const char *octets, struct http1_request *ret)
{
	const struct http_head_field *field;
	uint32_t next = 0;
	while ((field = http_head_next(head, HTTP_FIELD_TE, &next))) {
		const char *element;
		size_t length, at = 0;
		while (http_head_element(octets + field->value, field->value_length, &at, &element, &length))
			ret->accepts_trailers |= http_head_equals(element, length, "trailers", 8);
	}
}

/* One protocol that is not HTTP over this connection, asked for as RFC 9110 §7.8 and RFC 6455 §4.1 want it.
 * Anything else stays HTTP; the fields go no further. */
static struct http1_verdict read_upgrade(const struct seen *seen, const char *octets,
					 struct http1_request *ret)
{
	const char *text = octets + seen->upgrade->value;
	size_t length = seen->upgrade->value_length;
	const char *slash = memchr(text, '/', length);
	size_t name = slash ? (size_t)(slash - text) : length;
	if (ret->minor == 0 || !seen->names_upgrade || seen->upgrades > 1 || !IS(ret, "GET") ||
	    !http_head_is_token(text, name) || (slash && !http_head_is_token(slash + 1, length - name - 1)) ||
	    http_head_equals(text, length, "h2c", 3) || http_head_equals(text, name, "tls", 3))
		return good;
	if (has_body(ret))
		return bad;
	ret->framing = HTTP1_NONE; /* Content-Length: 0 says no more */
	ret->upgrade = (struct route_text){text, length};
	return good;
}

/* RFC 9110 §7.6.2: only OPTIONS is counted here, TRACE is refused. */
static void read_max_forwards(const struct http_head_field *field, const char *octets,
			      struct http1_request *ret)
{
	uint64_t hops;
	if (!IS(ret, "OPTIONS") || !http1_request_length(octets + field->value, field->value_length, &hops))
		return;
	if (hops == 0)
		ret->is_options_here = true;
	else
		ret->max_forwards = hops <= UINT32_MAX ? hops - 1 : UINT32_MAX - 1;
}

/* False: Connection is malformed. */
static bool look(struct http_head *head, const char *octets, struct seen *seen)
{
	struct http1_connection connection = {0};
	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		switch (field->field) {
		case HTTP_FIELD_HOST:
			seen->host = field;
			seen->hosts++;
			break;
		case HTTP_FIELD_CONTENT_LENGTH:
			seen->length = field;
			seen->lengths++;
			break;
		case HTTP_FIELD_TRANSFER_ENCODING:
			seen->coding = field;
			seen->codings++;
			break;
		case HTTP_FIELD_CONNECTION:
			if (!http1_request_connection(head, octets, field, &connection))
				return false;
			break;
		case HTTP_FIELD_UPGRADE:
			seen->upgrade = field;
			seen->upgrades++;
			break;
		case HTTP_FIELD_MAX_FORWARDS:
			seen->max_forwards = field;
			break;
		case HTTP_FIELD_TE:
			seen->has_te = true;
			break;
		case HTTP_FIELD_EXPECT:
			seen->has_expect = true;
			break;
		case HTTP_FIELD_FRAMING_ALIAS:
			seen->has_alias = true;
			break;
		default:
			break;
		}
	}
	seen->closes = connection.closes;
	seen->keeps_alive = connection.keeps_alive;
	seen->names_upgrade = connection.upgrades;
	return true;
}

static struct http1_verdict read_all(struct http_head *head, const char *octets, bool is_https, char *scratch,
				     struct http1_request *ret)
{
	struct seen seen = {0};
	bool is_connection_good = look(head, octets, &seen);
	struct http1_verdict verdict = decide_framing(&seen, octets, ret);
	if (verdict.reason != REASON_NONE)
		return verdict;
	if (!is_connection_good || seen.hosts > 1)
		return bad;
	ret->keeps_alive = !seen.closes && (ret->minor > 0 || seen.keeps_alive);
	verdict = read_target(head, octets, is_https, seen.host, scratch, ret);
	if (verdict.reason != REASON_NONE)
		return verdict;
	if (seen.has_expect) {
		verdict = read_expect(head, octets, ret);
		if (verdict.reason != REASON_NONE)
			return verdict;
	}
	if (seen.upgrade) {
		verdict = read_upgrade(&seen, octets, ret);
		if (verdict.reason != REASON_NONE)
			return verdict;
	}
	if (seen.has_te)
		read_te(head, octets, ret);
	if (seen.max_forwards)
		read_max_forwards(seen.max_forwards, octets, ret);
	if (IS(ret, "TRACE"))
		return (struct http1_verdict){REASON_METHOD, has_body(ret) || !ret->keeps_alive};
	if (!ret->has_host)
		return (struct http1_verdict){REASON_NO_TENANT, true};
	return good;
}

struct http1_verdict http1_request_read(struct http_head *head, const char *octets, bool is_https,
					char *scratch, struct http1_request *ret)
{
	*ret = (struct http1_request){
		.minor = head->minor,
		.method = octets + head->method,
		.method_length = head->method_length,
		.max_forwards = UINT32_MAX,
	};
	ret->is_head = IS(ret, "HEAD");
	ret->is_idempotent = IS(ret, "GET") || ret->is_head || IS(ret, "PUT") || IS(ret, "DELETE") ||
			     IS(ret, "OPTIONS") || IS(ret, "TRACE");
	struct http1_verdict verdict = read_all(head, octets, is_https, scratch, ret);
	ret->keeps_alive &= !verdict.closes;
	return verdict;
}

bool http1_request_upgrades(const struct http1_request *request, const struct route *route)
{
	for (uint16_t i = 0; request->upgrade.text && i < route->upgrade_count; i++)
		if (http_head_equals(request->upgrade.text, request->upgrade.length, route->upgrade[i].text,
				     route->upgrade[i].length))
			return true;
	return false;
}

struct route_request http1_request_route(const struct http1_request *request, const struct http_head *head,
					 const char *octets)
{
	const struct target_path *path = &request->path;
	bool has_query = path->length > path->path_length;
	return (struct route_request){
		.path = path->text,
		.path_length = path->path_length,
		.query = has_query ? path->text + path->path_length + 1 : NULL,
		.query_length = has_query ? path->length - path->path_length - 1 : 0,
		.method = request->method,
		.method_length = request->method_length,
		.head = head,
		.octets = octets,
	};
}
