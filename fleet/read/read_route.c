/* Documents → the routes of a service. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define METHOD_OCTETS_MAX 32
#define HOUR_MS 3600000u
#define QUEUE_MS_MAX 30000u

struct route_draft {
	struct fleet_route *route;
	struct arena *arena;
	const struct doc_node *limit_by; /* where `by: key` stands */
};

static char *copy(const struct route_draft *draft, const char *text)
{
	return arena_strndup(draft->arena, text, strlen(text));
}

/* ---- what matches ---- */

static bool is_dot_segment(const char *segment, size_t length)
{
	return (length == 1 && segment[0] == '.') || (length == 2 && memcmp(segment, "..", 2) == 0);
}

/* Why no path that a request is matched by is this one; NULL: some is. */
static const char *path_fault(const char *path)
{
	if (path[0] != '/')
		return "must begin with '/'";
	for (const char *at = path; *at != '\0'; at++) {
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || strchr("?#\\", *at))
			return "must be a path as requests have it, without query and with anything but "
			       "ASCII escaped";
		if (*at == '/' && is_dot_segment(at + 1, strcspn(at + 1, "/")))
			return "must not have dot segments: requests are matched without them";
		if (*at != '%')
			continue;
		if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
			return "must have two hex digits behind each '%'";
		char octet = (char)strtoul((char[]){at[1], at[2], '\0'}, NULL, 16);
		if (isalnum((unsigned char)octet) || (octet != '\0' && strchr("-._~", octet)))
			return "must not escape letters, digits and -._~: requests are matched with them "
			       "unescaped";
	}
	return NULL;
}

static bool read_path_text(const struct doc_reader *reader, const struct doc_node *value, const char **ret)
{
	char quoted[TEXT_QUOTE_MAX];

	if (!doc_read_text(reader, value, "a path such as /api", ret))
		return false;
	text_quote(*ret, quoted);
	const char *fault =
		value->length > FLEET_TEXT_MAX ? "must have at most 4096 octets" : path_fault(*ret);
	if (fault)
		doc_err(reader->errors, reader->doc, value, "%s %s", quoted, fault);
	return !fault;
}

/* A prefix ends at a '/', which is not written: /api stands for itself and /api/…. */
static bool read_prefix_text(const struct doc_reader *reader, const struct doc_node *value, const char **ret)
{
	char quoted[TEXT_QUOTE_MAX], meant[TEXT_QUOTE_MAX];

	if (!read_path_text(reader, value, ret))
		return false;
	if (value->length == 1 || (*ret)[value->length - 1] != '/')
		return true;
	text_quote(*ret, quoted);
	snprintf(meant, sizeof meant, "%.*s", (int)value->length - 1, *ret);
	struct err *err =
		doc_err(reader->errors, reader->doc, value,
			"%s must not end with '/': without it, it stands for all below it too", quoted);
	err_set_nearest(err, meant);
	return false;
}

static void read_path(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	const char *text;

	if (read_prefix_text(reader, value, &text))
		draft->route->path = copy(draft, text);
}

static void read_exact(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	const char *text;

	if (read_path_text(reader, value, &text))
		draft->route->exact = copy(draft, text);
}

/* Methods are case-sensitive (RFC 9110 §9.1): `get` would match nothing that clients send. */
static void check_method(const struct doc_reader *reader, const struct doc_node *node)
{
	char upper[METHOD_OCTETS_MAX + 1];

	if (node->kind != DOC_SCALAR || !fleet_is_token(node->text))
		return; /* reported */
	size_t length = strlen(node->text);
	if (length > METHOD_OCTETS_MAX) {
		doc_err(reader->errors, reader->doc, node, "has %zu octets; a method has at most %d", length,
			METHOD_OCTETS_MAX);
		return;
	}
	for (size_t i = 0; i <= length; i++)
		upper[i] = (char)toupper((unsigned char)node->text[i]);
	if (strcmp(upper, node->text) != 0)
		err_set_nearest(doc_err(reader->errors, reader->doc, node,
					"'%s' must be in capital letters: '%s'", node->text, upper),
				upper);
}

static void read_method(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	struct fleet_route *route = draft->route;

	if (value->kind == DOC_SEQUENCE) {
		fleet_read_tokens(reader, value, "a method", false, draft->arena, &route->methods,
				  &route->method_count);
		for (const struct doc_node *item = value->first; item; item = item->next)
			check_method(reader, item);
		if (value->count == 0)
			doc_err(reader->errors, reader->doc, value, "lists no method; leave it out for all");
		return;
	}
	route->methods = arena_alloc(draft->arena, sizeof *route->methods);
	route->method_count = fleet_read_token(reader, value, "a method, as GET, or a list of them", false,
					       draft->arena, &route->methods[0]);
	if (route->method_count > 0)
		check_method(reader, value);
}

static void read_header(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;

	fleet_read_pairs(reader, value, FLEET_PAIR_HEADER, draft->arena, &draft->route->headers,
			 &draft->route->header_count);
}

static void read_cookie(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;

	fleet_read_pairs(reader, value, FLEET_PAIR_COOKIE, draft->arena, &draft->route->cookies,
			 &draft->route->cookie_count);
}

static void read_query(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;

	fleet_read_pairs(reader, value, FLEET_PAIR_QUERY, draft->arena, &draft->route->queries,
			 &draft->route->query_count);
}

/* ---- where to ---- */

/* Whether there is such a pool is found out when all of the service is read. */
static void read_origins(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	const char *id;

	if (doc_read_id(reader, value, &id))
		draft->route->pool = copy(draft, id);
}

static void read_timeout(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 10, HOUR_MS, &((struct route_draft *)target)->route->timeout_ms);
}

static void read_queue(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 0, QUEUE_MS_MAX, &((struct route_draft *)target)->route->queue_ms);
}

static void read_body(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bytes(reader, value, 0, FLEET_BODY_BYTES_MAX,
		       &((struct route_draft *)target)->route->body_bytes);
}

/* ---- rewrite ---- */

static void read_rewrite_prefix(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	const char *text;

	if (read_prefix_text(reader, value, &text))
		draft->route->rewrite_prefix = copy(draft, text);
}

static void read_rewrite_host(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
	struct route_draft *draft = target;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "a host, as shop.example or shop.example:8080", &text))
		return;
	text_quote(text, quoted);
	if (text[0] == '\0' || value->length > 255 || text[strspn(text, letters)] != '\0')
		doc_err(reader->errors, reader->doc, value,
			"%s must be a host, as shop.example or shop.example:8080", quoted);
	else
		draft->route->rewrite_host = copy(draft, text);
}

/* Fields that frame a message or that the forwarder itself says to the origin. */
static const char *own_field(const char *name)
{
	static const char *const framing[] = {
		"connection", "content-length",	   "expect",	      "keep-alive", "te", "trailer",
		"upgrade",    "transfer-encoding", "proxy-connection"};
	static const char *const own[] = {
		"x-tenant-id", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
		"forwarded",   "x-real-ip",	  "x-request-id",     "traceparent",	   "via"};

	if (strcmp(name, "host") == 0)
		return "must not be Host; use rewrite.host";
	for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
		if (strcmp(name, framing[i]) == 0)
			return "must not be a field that frames the message";
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strcmp(name, own[i]) == 0)
			return "must not be a field that the forwarder sets itself";
	return strncmp(name, "gslb-", 5) == 0 ? "must not be a field that the forwarder sets itself" : NULL;
}

static void read_add(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	struct fleet_route *route = draft->route;
	size_t errors = reader->errors->errors;

	fleet_read_pairs(reader, value, FLEET_PAIR_HEADER, draft->arena, &route->add, &route->add_count);
	if (reader->errors->errors != errors)
		return;
	const struct doc_node *item = value->first;
	for (size_t i = 0; i < route->add_count; i++, item = item->next) {
		const char *fault = own_field(route->add[i].name);
		if (fault)
			doc_err_key(reader->errors, reader->doc, item, "'%s' %s", item->key, fault);
	}
}

static void read_remove(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;
	struct fleet_route *route = draft->route;
	size_t errors = reader->errors->errors;

	fleet_read_tokens(reader, value, "the name of a header", true, draft->arena, &route->remove,
			  &route->remove_count);
	if (reader->errors->errors != errors)
		return;
	const struct doc_node *item = value->first;
	for (size_t i = 0; i < route->remove_count; i++, item = item->next) {
		const char *fault = own_field(route->remove[i]);
		if (fault)
			doc_err(reader->errors, reader->doc, item, "'%s' %s", item->text, fault);
	}
}

static void read_rewrite(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"prefix", read_rewrite_prefix},
					      {"host", read_rewrite_host},
					      {"add", read_add},
					      {"remove", read_remove},
					      {NULL}};

	doc_read_mapping(reader, value, keys, target);
}

/* ---- retry, upgrade ---- */

static void read_retry(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_route *route = ((struct route_draft *)target)->route;
	unsigned word;

	if (!doc_read_is_sequence(reader, value, "a list of connect, timeout, 502, 503, 504"))
		return;
	route->retry = 0;
	for (const struct doc_node *item = value->first; item; item = item->next) {
		if (!doc_read_word(reader, item, "reason to retry", fleet_retry_word, NULL, &word))
			continue;
		if (route->retry & 1u << word)
			doc_err(reader->errors, reader->doc, item, "'%s' is listed twice", item->text);
		route->retry |= (uint8_t)(1u << word);
	}
}

static void read_upgrade(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;

	fleet_read_tokens(reader, value, "a protocol, as websocket", true, draft->arena,
			  &draft->route->upgrade, &draft->route->upgrade_count);
}

/* ---- limit, keys ---- */

static void read_limit_rate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &((struct route_draft *)target)->route->limit);
}

static void read_limit_burst(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 1, FLEET_BURST_MAX,
			 &((struct route_draft *)target)->route->limit_burst);
}

static void read_by_header(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct route_draft *draft = target;

	draft->route->limit_by = FLEET_BY_HEADER;
	fleet_read_token(reader, value, "the name of a header", true, draft->arena,
			 &draft->route->limit_header);
}

static void read_limit_by(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"header", read_by_header, true}, {NULL}};
	struct route_draft *draft = target;
	unsigned word;

	if (value->kind == DOC_MAPPING) {
		doc_read_mapping(reader, value, keys, target);
		return;
	}
	if (!doc_read_word(reader, value, "by", fleet_limit_by_word, NULL, &word))
		return;
	if (word == FLEET_BY_HEADER) {
		doc_err(reader->errors, reader->doc, value, "must name the header, as {header: x-user}");
		return;
	}
	draft->route->limit_by = (enum fleet_limit_by)word;
	if (draft->route->limit_by == FLEET_BY_KEY)
		draft->limit_by = value;
}

static void read_limit(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"rate", read_limit_rate, true}, {"burst", read_limit_burst}, {"by", read_limit_by}, {NULL}};

	doc_read_mapping(reader, value, keys, target);
}

static void read_keys(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "keys", fleet_keys_word, NULL, &word))
		((struct route_draft *)target)->route->keys = (enum fleet_keys)word;
}

/* ---- the routes ---- */

static const struct doc_key route_keys[] = {
	{"path", read_path},
	{"exact", read_exact},
	{"method", read_method},
	{"header", read_header},
	{"cookie", read_cookie},
	{"query", read_query},
	{"origins", read_origins, true},
	{"timeout", read_timeout},
	{"queue", read_queue},
	{"rewrite", read_rewrite},
	{"retry", read_retry},
	{"upgrade", read_upgrade},
	{"body", read_body},
	{"limit", read_limit},
	{"keys", read_keys},
	{NULL},
};

static void read_route(const struct doc_reader *reader, const struct doc_node *node,
		       struct fleet_route *route, struct arena *arena)
{
	static char websocket[] = "websocket", *upgrade[] = {websocket};
	struct route_draft draft = {.route = route, .arena = arena};
	const struct doc_node *exact = doc_get(node, "exact");

	*route = (struct fleet_route){.timeout_ms = 30000,
				      .queue_ms = 1000,
				      .retry = FLEET_RETRY_CONNECT,
				      .upgrade = upgrade,
				      .upgrade_count = 1,
				      .body_bytes = FLEET_UNLIMITED_BYTES};
	doc_read_mapping(reader, node, route_keys, &draft);
	assert(!draft.limit_by || route->limit_by == FLEET_BY_KEY);
	if (exact && doc_get(node, "path"))
		doc_err_key(reader->errors, reader->doc, exact, "'exact' and 'path' exclude each other");
	if (draft.limit_by && route->keys == FLEET_KEYS_OFF)
		doc_err(reader->errors, reader->doc, draft.limit_by,
			"'key' needs keys: required, or keys: optional, of the same route");
}

static bool is_catch_all(const struct fleet_route *route)
{
	return (!route->path || strcmp(route->path, "/") == 0) && !route->exact && route->method_count == 0 &&
	       route->header_count + route->cookie_count + route->query_count == 0;
}

void fleet_read_routes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;
	struct arena *arena = fleet_object_arena(&service->object);
	const struct doc_node *behind = NULL; /* a route that takes all */

	if (!doc_read_is_sequence(reader, value, "a list of routes"))
		return;
	if (value->count > FLEET_ROUTES_MAX) {
		doc_err(reader->errors, reader->doc, value, "holds %u routes; at most %d", value->count,
			FLEET_ROUTES_MAX);
		return;
	}
	service->routes = arena_alloc(arena, (value->count + 1) * sizeof *service->routes);
	for (const struct doc_node *node = value->first; node; node = node->next) {
		struct fleet_route *route = &service->routes[service->route_count++];
		size_t errors = reader->errors->errors;
		read_route(reader, node, route, arena);
		if (behind)
			doc_warn(reader->errors, "routes that nothing reaches", reader->doc, node,
				 "no request reaches this route: an earlier one takes all");
		else if (reader->errors->errors == errors && is_catch_all(route))
			behind = node;
	}
	assert(service->route_count == value->count);
}
