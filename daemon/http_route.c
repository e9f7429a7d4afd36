/* From a request's method and target to its handler. Control thread. */
#include "daemon/http_route.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEGMENTS_MAX 8

struct target {
	char *text; /* path and query, cut and decoded in place */
	size_t segment_count;
	char *segment[SEGMENTS_MAX];
};

/* Decodes %XX in place; false: a bad escape, one of NUL, which would end the text, or no UTF-8. */
static bool percent_decode(char *text, bool plus_is_space)
{
	char *to = text;
	for (const char *from = text; *from; from++) {
		if (*from == '+' && plus_is_space) {
			*to++ = ' ';
		} else if (*from != '%') {
			*to++ = *from;
		} else {
			if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
				return false;
			char digits[3] = {from[1], from[2], '\0'};
			char octet = (char)strtoul(digits, NULL, 16);
			if (octet == '\0')
				return false;
			*to++ = octet;
			from += 2;
		}
	}
	*to = '\0';
	return text_is_utf8(text); /* it may end up in JSON */
}

/* The path of origin-form and absolute-form (RFC 9112 §3.2); NULL: neither. */
static const char *find_path(const char *target)
{
	if (strncasecmp(target, "http://", 7) == 0)
		target = strchr(target + 7, '/');
	return target && *target == '/' ? target : NULL;
}

/* A slash that comes encoded belongs to its segment: the path is cut first, then decoded. Too many
 * segments leave segment_count above SEGMENTS_MAX, which matches no route. */
static bool split_path(char *path, struct target *target)
{
	char *rest = path + 1, *segment;
	while ((segment = strsep(&rest, "/"))) {
		if (!percent_decode(segment, false))
			return false;
		if (target->segment_count < SEGMENTS_MAX)
			target->segment[target->segment_count] = segment;
		target->segment_count++;
	}
	return true;
}

static void add_argument(struct http_request *request, const char *text)
{
	assert(request->argument_count < HTTP_ARGUMENTS_MAX);
	request->argument[request->argument_count++] = text;
}

static bool matches(const struct http_route *route, const struct target *target, struct http_request *request)
{
	const char *pattern = route->pattern;
	request->argument_count = 0;
	if (target->segment_count > SEGMENTS_MAX)
		return false;
	for (size_t i = 0; i < target->segment_count; i++) {
		size_t length = strcspn(pattern, "/");
		if (length == 1 && *pattern == '*' && target->segment[i][0] != '\0')
			add_argument(request, target->segment[i]);
		else if (strlen(target->segment[i]) != length ||
			 memcmp(target->segment[i], pattern, length) != 0)
			return false;
		pattern += length;
		bool is_last = i + 1 == target->segment_count;
		if (is_last != (*pattern == '\0'))
			return false;
		pattern += *pattern == '/';
	}
	return true;
}

static void add_allowed(struct http_reply *reply, const char *method)
{
	size_t used = strlen(reply->allow);
	snprintf(reply->allow + used, sizeof reply->allow - used, "%s%s", used ? ", " : "", method);
	if (strcmp(method, "GET") == 0)
		add_allowed(reply, "HEAD");
}

/* Every path is tried against every route, so what is wrong with a table shows at the first request. */
static void check_route(const struct http_route *route)
{
	size_t params = 0;
	assert(route->pattern[0] != '/' && route->pattern[0] != '\0');
	assert(!route->handler || (route->method && route->params));
	while (route->handler && route->params[params])
		params++;
	assert(params <= HTTP_PARAMS_MAX);
}

/* NULL after the fitting problem was put into the reply. */
static const struct http_route *find_route(const struct http_service *service, const struct target *target,
					   struct http_request *request, struct http_reply *reply)
{
	const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
	bool is_known = false, is_lacking = false;
	for (size_t i = 0; i < service->route_count; i++) {
		const struct http_route *route = &service->routes[i];
		check_route(route);
		if ((request->is_plain && route->when != HTTP_WHEN_PLAIN) || !matches(route, target, request))
			continue;
		if (!route->handler) {
			is_lacking = true;
		} else if (strcmp(route->method, method) == 0) {
			reply->allow[0] = '\0';
			return route;
		} else {
			is_known = true;
			add_allowed(reply, route->method);
		}
	}
	if (is_known)
		http_reply_problem(reply, HTTP_PROBLEM_METHOD, NULL, "this path takes %s", reply->allow);
	else if (is_lacking)
		http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL,
				   "/%s%s%s is not supported by this build", target->segment[0],
				   target->segment_count > 1 ? "/" : "",
				   target->segment_count > 1 ? target->segment[1] : "");
	else
		http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL, "there is no such path");
	return NULL;
}

static bool add_param(const struct http_route *route, struct http_request *request, char *name, char *value,
		      struct http_reply *reply)
{
	size_t count = 0;
	while (route->params[count] && strcmp(route->params[count], name) != 0)
		count++;
	if (!route->params[count]) {
		struct err_list errors = {0};
		const char *nearest = text_nearest(name, route->params, count);
		struct err *err = err_add(&errors, NULL, 0, 0, "unknown parameter '%s'%s%s%s", name,
					  nearest ? "; did you mean '" : "", nearest ? nearest : "",
					  nearest ? "'?" : "");
		err_set_nearest(err, nearest);
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, &errors, "%s",
				   err_first_message(&errors));
		err_done(&errors);
		return false;
	}
	if (http_request_param(request, name) || request->param_count == HTTP_PARAMS_MAX) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "parameter '%s' is given twice",
				   name);
		return false;
	}
	request->param[request->param_count++] = (struct http_param){.name = name, .value = value};
	return true;
}

static bool split_query(const struct http_route *route, struct http_request *request, char *query,
			struct http_reply *reply)
{
	char *pair;
	while ((pair = strsep(&query, "&"))) {
		if (*pair == '\0')
			continue;
		char *value = pair + strcspn(pair, "=");
		if (*value == '=')
			*value++ = '\0';
		if (!percent_decode(pair, true) || !percent_decode(value, true)) {
			http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
					   "the query has a bad percent escape");
			return false;
		}
		if (!add_param(route, request, pair, value, reply))
			return false;
	}
	return true;
}

static void call_route(const struct http_service *service, const struct http_route *route,
		       struct http_request *request, struct http_reply *reply)
{
	const char *why = NULL;
	if (route->when == HTTP_WHEN_AVAILABLE && service->unavailable)
		why = service->unavailable(service->user);
	if (why)
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL, "%s", why);
	else
		route->handler(request, reply);
}

void http_route_dispatch(const struct http_service *service, struct http_request *request,
			 struct http_reply *reply)
{
	assert(service->routes && request->method && request->target && request->body);
	request->user = service->user;
	request->param_count = 0;
	if (request->body_length > HTTP_BODY_MAX) {
		http_reply_problem(reply, HTTP_PROBLEM_TOO_LARGE, NULL, "a body has at most %zu MiB%s%s",
				   HTTP_BODY_MAX >> 20, service->large_advice ? "; " : "",
				   service->large_advice ? service->large_advice : "");
		return;
	}
	const char *path = find_path(request->target);
	if (!path || strlen(path) > HTTP_TARGET_MAX) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "the request target is a path of at most %d octets", HTTP_TARGET_MAX);
		return;
	}
	struct target target = {.text = xstrdup(path)};
	char *query = target.text + strcspn(target.text, "?");
	if (*query == '?')
		*query++ = '\0';
	if (!split_path(target.text, &target)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "the path has a bad percent escape");
	} else {
		const struct http_route *route = find_route(service, &target, request, reply);
		if (route && split_query(route, request, query, reply))
			call_route(service, route, request, reply);
	}
	free(target.text);
}
