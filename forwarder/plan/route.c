/* Matching of routes, in the order of their list. Pure; the data path. */
#include "forwarder/plan/route.h"
#include <string.h>

static bool is_text(const struct route_text *text, const char *octets, size_t length)
{
	return text->length == length && memcmp(text->text, octets, length) == 0;
}

static char lower(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? (char)(letter + ('a' - 'A')) : letter;
}

/* `text` is lower case. */
static bool is_name(const struct route_text *text, const char *octets, size_t length)
{
	if (text->length != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(octets[i]) != text->text[i])
			return false;
	return true;
}

/* Whether the path is `prefix` or goes on behind it with a segment of its own. */
static bool is_below(const struct route_text *prefix, const char *path, size_t length)
{
	if (length < prefix->length || memcmp(path, prefix->text, prefix->length) != 0)
		return false;
	return length == prefix->length || path[prefix->length] == '/' ||
	       (prefix->length > 0 && prefix->text[prefix->length - 1] == '/');
}

static bool has_header(const struct route_request *request, const struct route_pair *wanted)
{
	for (uint32_t i = 0; i < request->head->count; i++) {
		const struct http_head_field *field = &request->head->fields[i];
		if (is_name(&wanted->name, request->octets + field->name, field->name_length) &&
		    is_text(&wanted->value, request->octets + field->value, field->value_length))
			return true;
	}
	return false;
}

/* Whether NAME=VALUE stands in a list of such pairs; without '=' the value is empty. */
static bool has_pair(const char *list, size_t length, char separator, const struct route_pair *wanted)
{
	for (size_t at = 0; at <= length;) {
		const char *end = memchr(list + at, separator, length - at);
		size_t stop = end ? (size_t)(end - list) : length, from = at;
		at = stop + 1;
		while (separator == ';' && from < stop && (list[from] == ' ' || list[from] == '\t'))
			from++;
		while (separator == ';' && stop > from && (list[stop - 1] == ' ' || list[stop - 1] == '\t'))
			stop--;
		const char *equals = memchr(list + from, '=', stop - from);
		size_t middle = equals ? (size_t)(equals - list) : stop;
		size_t value = equals ? middle + 1 : stop;
		if (is_text(&wanted->name, list + from, middle - from) &&
		    is_text(&wanted->value, list + value, stop - value))
			return true;
	}
	return false;
}

static bool has_cookie(const struct route_request *request, const struct route_pair *wanted)
{
	for (uint32_t i = 0; i < request->head->count; i++) {
		const struct http_head_field *field = &request->head->fields[i];
		if (field->field == HTTP_FIELD_COOKIE &&
		    has_pair(request->octets + field->value, field->value_length, ';', wanted))
			return true;
	}
	return false;
}

static bool has_query(const struct route_request *request, const struct route_pair *wanted)
{
	return request->query && has_pair(request->query, request->query_length, '&', wanted);
}

/* All but the method. */
static bool is_match(const struct route *route, const struct route_request *request)
{
	if (route->exact.text && !is_text(&route->exact, request->path, request->path_length))
		return false;
	if (route->path.text && !is_below(&route->path, request->path, request->path_length))
		return false;
	for (unsigned i = 0; i < route->header_count; i++)
		if (!has_header(request, &route->headers[i]))
			return false;
	for (unsigned i = 0; i < route->cookie_count; i++)
		if (!has_cookie(request, &route->cookies[i]))
			return false;
	for (unsigned i = 0; i < route->query_count; i++)
		if (!has_query(request, &route->queries[i]))
			return false;
	return true;
}

static bool has_method(const struct route *route, const struct route_request *request)
{
	for (unsigned i = 0; i < route->method_count; i++)
		if (is_text(&route->methods[i], request->method, request->method_length))
			return true;
	return route->method_count == 0;
}

enum route_result route_find(const struct route_service *service, const struct route_request *request,
			     const struct route **ret)
{
	const struct route *but_method = NULL;

	for (uint32_t i = 0; i < service->route_count; i++) {
		const struct route *route = &service->routes[i];
		if (!is_match(route, request))
			continue;
		if (has_method(route, request)) {
			*ret = route;
			return ROUTE_FOUND;
		}
		if (!but_method)
			but_method = route;
	}
	if (!but_method)
		return ROUTE_NONE;
	*ret = but_method;
	return ROUTE_BUT_METHOD;
}
