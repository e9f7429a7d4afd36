/*
 * One pass over the record. What a head can need at most is known before it is begun, so nothing is measured
 * on the way. Pure; a worker's thread.
 */
#include "forwarder/http1/head_write.h"
#include "lib/inline.h"
#include <assert.h>
#include <string.h>

/* What each kind of field meets on its way. */
enum rule {
	PASS,
	DROP,	 /* of one connection only, or written by us */
	TRUSTED, /* passed on from trusted proxies */
	TRAILER, /* passed on where trailers are */
};

static const uint8_t request_rules[HTTP_FIELD_COUNT] = {
	[HTTP_FIELD_HOST] = DROP,
	[HTTP_FIELD_CONTENT_LENGTH] = DROP,
	[HTTP_FIELD_TRANSFER_ENCODING] = DROP,
	[HTTP_FIELD_CONNECTION] = DROP,
	[HTTP_FIELD_KEEP_ALIVE] = DROP,
	[HTTP_FIELD_PROXY_CONNECTION] = DROP,
	[HTTP_FIELD_PROXY_AUTHORIZATION] = DROP,
	[HTTP_FIELD_TE] = DROP,
	[HTTP_FIELD_TRAILER] = TRAILER,
	[HTTP_FIELD_UPGRADE] = DROP,
	[HTTP_FIELD_HTTP2_SETTINGS] = DROP,
	[HTTP_FIELD_EXPECT] = DROP,
	[HTTP_FIELD_FORWARDED] = TRUSTED,
	[HTTP_FIELD_X_FORWARDED] = TRUSTED,
	[HTTP_FIELD_X_REAL_IP] = DROP,
	[HTTP_FIELD_X_REQUEST_ID] = DROP,
	[HTTP_FIELD_X_TENANT_ID] = DROP,
	[HTTP_FIELD_GSLB] = DROP,
	[HTTP_FIELD_TRACEPARENT] = DROP,
	[HTTP_FIELD_TRACESTATE] = TRUSTED,
	[HTTP_FIELD_ALIAS] = DROP,
	[HTTP_FIELD_FRAMING_ALIAS] = DROP,
};

static const uint8_t response_rules[HTTP_FIELD_COUNT] = {
	[HTTP_FIELD_CONTENT_LENGTH] = DROP,   [HTTP_FIELD_TRANSFER_ENCODING] = DROP,
	[HTTP_FIELD_CONNECTION] = DROP,	      [HTTP_FIELD_KEEP_ALIVE] = DROP,
	[HTTP_FIELD_PROXY_CONNECTION] = DROP, [HTTP_FIELD_TE] = DROP,
	[HTTP_FIELD_TRAILER] = TRAILER,	      [HTTP_FIELD_UPGRADE] = DROP,
	[HTTP_FIELD_HTTP2_SETTINGS] = DROP,   [HTTP_FIELD_FRAMING_ALIAS] = DROP,
};

/* ---- writing ---- */

static IN_LINE char *put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}
#define PUT(at, literal) put(at, literal, sizeof literal - 1)

static IN_LINE char *put_text(char *at, struct route_text text)
{
	return put(at, text.text, text.length);
}

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t from = sizeof digits;
	do
		digits[--from] = '0' + number % 10;
	while ((number /= 10) > 0);
	return put(at, digits + from, sizeof digits - from);
}

static char *put_framing(char *at, enum http1_framing framing, uint64_t length)
{
	if (framing == HTTP1_CHUNKED)
		return PUT(at, "Transfer-Encoding: chunked\r\n");
	if (framing == HTTP1_LENGTH)
		return PUT(put_number(PUT(at, "Content-Length: "), length), "\r\n");
	return at;
}

/* "Name: value CRLF"; as one piece where it already stands so. */
static IN_LINE char *put_field(char *at, const char *octets, const struct http_head_field *field)
{
	const char *name = octets + field->name, *value = octets + field->value,
		   *end = value + field->value_length;
	if (value - name == field->name_length + 2 && value[-1] == ' ' && value[-2] == ':' && *end == '\r')
		return put(at, name, end + 2 - name);
	at = PUT(put(at, name, field->name_length), ": ");
	return PUT(put(at, value, field->value_length), "\r\n");
}

static OUT_OF_LINE bool is_rewritten(const struct route *route, const char *name, size_t length)
{
	for (uint16_t i = 0; i < route->remove_count; i++)
		if (http_head_equals(name, length, route->remove[i].text, route->remove[i].length))
			return true;
	for (uint16_t i = 0; i < route->add_count; i++)
		if (http_head_equals(name, length, route->add[i].name.text, route->add[i].name.length))
			return true;
	return false;
}

/* ---- to the origin ---- */

size_t head_write_request_room(const struct head_write_request *from)
{
	const struct route *route = from->route;
	size_t room = 1024 + from->head->length + from->head->count; /* a space for each that had none */
	room += 2 * from->request->host.length + from->tenant.length + 2 * from->client.length +
		from->peer.length + from->request_id.length + from->request->path.length;
	if (!route)
		return room;
	room += route->rewrite_prefix.length + route->rewrite_host.length;
	for (uint16_t i = 0; i < route->add_count; i++)
		room += route->add[i].name.length + route->add[i].value.length + 4;
	return room;
}

/* The route's path at the front gives way to another; neither '/' is doubled nor lost. */
static OUT_OF_LINE char *put_rewritten(char *at, const struct target_path *path, const struct route *route)
{
	const struct route_text *prefix = &route->rewrite_prefix;
	size_t gone = route->path.text ? route->path.length : 0, kept = prefix->length;
	if (route->exact.text)
		gone = path->path_length;
	else if (gone > 0 && route->path.text[gone - 1] == '/')
		gone--;
	assert(gone <= path->path_length);
	if (gone < path->path_length && kept > 0 && prefix->text[kept - 1] == '/')
		kept--;
	char *start = at;
	at = put(at, prefix->text, kept);
	at = put(at, path->text + gone, path->path_length - gone);
	if (at == start)
		*at++ = '/';
	return put(at, path->text + path->path_length, path->length - path->path_length);
}

static char *put_host(char *at, const struct http1_request *request)
{
	at = put(at, request->name, request->host.length);
	return request->host.port ? put_number(PUT(at, ":"), request->host.port) : at;
}

static bool is_forwarded(const struct http_head_field *field, const char *octets, const char *lower)
{
	return field->field == HTTP_FIELD_X_FORWARDED &&
	       http_head_equals(octets + field->name, field->name_length, lower, strlen(lower));
}

/* What a trusted proxy said of the way here, and the peer. Proto and Host are its, where it told them. */
static OUT_OF_LINE char *put_trusted(char *at, const struct head_write_request *from, bool *ret_proto,
				     bool *ret_host)
{
	*ret_proto = *ret_host = false;
	at = PUT(at, "X-Forwarded-For: ");
	for (uint32_t i = 0; i < from->head->count; i++) {
		const struct http_head_field *field = &from->head->fields[i];
		if (is_forwarded(field, from->octets, "x-forwarded-for")) {
			if (field->value_length > 0)
				at = PUT(put(at, from->octets + field->value, field->value_length), ", ");
		}
		*ret_proto |= is_forwarded(field, from->octets, "x-forwarded-proto");
		*ret_host |= is_forwarded(field, from->octets, "x-forwarded-host");
	}
	return PUT(put_text(at, from->peer), "\r\n");
}

/* Who asks, and how: only ever what we know ourselves, or what a trusted proxy told. */
static char *put_identity(char *at, const struct head_write_request *from)
{
	bool has_proto = false, has_host = false;
	at = PUT(put_text(PUT(at, "X-Tenant-ID: "), from->tenant), "\r\n");
	if (from->is_trusted)
		at = put_trusted(at, from, &has_proto, &has_host);
	else
		at = PUT(put_text(PUT(at, "X-Forwarded-For: "), from->client), "\r\n");
	if (!has_proto)
		at = from->is_https ? PUT(at, "X-Forwarded-Proto: https\r\n")
				    : PUT(at, "X-Forwarded-Proto: http\r\n");
	if (!has_host)
		at = PUT(put_host(PUT(at, "X-Forwarded-Host: "), from->request), "\r\n");
	at = PUT(put_text(PUT(at, "X-Real-IP: "), from->client), "\r\n");
	at = PUT(put_text(PUT(at, "X-Request-ID: "), from->request_id), "\r\n");
	if (!from->trace)
		return at;
	at = put(PUT(at, "traceparent: 00-"), from->trace, HEAD_WRITE_TRACE);
	at = put(PUT(at, "-"), from->span, HEAD_WRITE_SPAN);
	return from->is_sampled ? PUT(at, "-01\r\n") : PUT(at, "-00\r\n");
}

static IN_LINE bool goes_to_origin(const struct head_write_request *from, const struct http_head_field *field)
{
	switch (request_rules[field->field]) {
	case PASS:
		return true;
	case TRUSTED:
		return from->is_trusted && !is_forwarded(field, from->octets, "x-forwarded-for");
	case TRAILER:
		return from->request->framing == HTTP1_CHUNKED;
	default:
		return false;
	}
}

static char *put_request_fields(char *at, const struct head_write_request *from)
{
	const struct route *route = from->route;
	const char *octets = from->octets;
	bool is_counted = from->request->max_forwards != UINT32_MAX;
	if (route && route->add_count + route->remove_count == 0)
		route = NULL;
	for (uint32_t i = 0; i < from->head->count; i++) {
		const struct http_head_field *field = &from->head->fields[i];
		if (field->is_named || !goes_to_origin(from, field))
			continue;
		if (route && is_rewritten(route, octets + field->name, field->name_length))
			continue;
		if (is_counted && field->field == HTTP_FIELD_MAX_FORWARDS)
			continue;
		at = put_field(at, octets, field);
	}
	for (uint16_t i = 0; route && i < route->add_count; i++) {
		at = PUT(put_text(at, route->add[i].name), ": ");
		at = PUT(put_text(at, route->add[i].value), "\r\n");
	}
	if (is_counted)
		at = PUT(put_number(PUT(at, "Max-Forwards: "), from->request->max_forwards), "\r\n");
	return at;
}

size_t head_write_request(const struct head_write_request *from, char *out, size_t size)
{
	const struct http1_request *request = from->request;
	const struct route *route = from->route;
	char *at = out;
	if (size < head_write_request_room(from))
		return 0;
	at = PUT(put(at, request->method, request->method_length), " ");
	at = route && route->rewrite_prefix.text ? put_rewritten(at, &request->path, route)
						 : put(at, request->path.text, request->path.length);
	at = PUT(at, " HTTP/1.1\r\nHost: ");
	at = route && route->rewrite_host.text ? put_text(at, route->rewrite_host) : put_host(at, request);
	at = PUT(at, "\r\n");
	at = put_request_fields(at, from);
	at = put_identity(at, from);
	at = request->minor ? PUT(at, "Via: 1.1 gslb\r\n") : PUT(at, "Via: 1.0 gslb\r\n");
	if (from->is_upgrade) {
		assert(request->upgrade.text && request->framing == HTTP1_NONE);
		at = PUT(put_text(PUT(at, "Connection: Upgrade\r\nUpgrade: "), request->upgrade), "\r\n");
	} else if (request->accepts_trailers) {
		at = PUT(at, "Connection: TE\r\nTE: trailers\r\n");
	}
	at = PUT(put_framing(at, request->framing, request->content_length), "\r\n");
	assert(at <= out + size);
	return at - out;
}

/* ---- to the client ---- */

size_t head_write_response_room(const struct head_write_response *from)
{
	return 256 + from->head->length + from->head->count + from->extra.length;
}

/* What is said of the connection, where it is not the rule of the version. */
static char *put_connection(char *at, const struct head_write_response *from)
{
	if (from->client_minor > 0)
		return from->keeps_alive ? at : PUT(at, "Connection: close\r\n");
	return from->keeps_alive ? PUT(at, "Connection: keep-alive\r\n") : at;
}

size_t head_write_response(const struct head_write_response *from, char *out, size_t size)
{
	const struct http_head *head = from->head;
	const struct http1_response *response = from->response;
	const char *octets = from->octets;
	bool is_final = response->status >= 200;
	char *at = out;
	if (size < head_write_response_room(from))
		return 0;
	assert(from->framing != HTTP1_TO_EOF || !from->keeps_alive);
	at = from->client_minor ? PUT(at, "HTTP/1.1 ") : PUT(at, "HTTP/1.0 ");
	at = PUT(put_number(at, response->status), " ");
	at = PUT(put(at, octets + head->reason, head->reason_length), "\r\n");
	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		uint8_t rule = response_rules[field->field];
		if (!field->is_named && (rule == PASS || (rule == TRAILER && from->framing == HTTP1_CHUNKED)))
			at = put_field(at, octets, field);
		else if (from->is_switch && field->field == HTTP_FIELD_UPGRADE)
			at = put_field(at, octets, field);
	}
	if (is_final && !response->has_date)
		at = PUT(put(PUT(at, "Date: "), from->date, HEAD_WRITE_DATE), "\r\n");
	if (from->extra.length > 0)
		at = put_text(at, from->extra);
	if (is_final) {
		bool is_counted = from->framing == HTTP1_NONE && response->has_length;
		at = put_framing(at, is_counted ? HTTP1_LENGTH : from->framing, response->content_length);
		at = put_connection(at, from);
	} else if (from->is_switch) {
		at = PUT(at, "Connection: Upgrade\r\n");
	}
	at = PUT(at, "\r\n");
	assert(at <= out + size);
	return at - out;
}
