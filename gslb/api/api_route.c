/*
 * From a request's method and target to its handler: one table of routes. Control thread.
 */
#include "gslb/api/api_request.h"

#include "lib/mem.h"
#include "lib/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEGMENTS_MAX 8

#define NONE ((const char *const[]){NULL})
#define PAGE ((const char *const[]){"limit", "after", NULL})
#define REASON ((const char *const[]){"reason", NULL})

static const struct route {
	const char *method;
	const char *pattern;	   /* "*" leaves a segment open */
	const char *const *params; /* names in the query; NULL ends */
	api_handler *handler;	   /* NULL: a part of the product that this build lacks */
	enum {
		LOADED,	 /* 503 until the fleet is loaded */
		ANYTIME, /* also before */
		PLAIN,	 /* also before, and on admin.http too */
	} when;
} routes[] = {
	{"GET", "metrics", NONE, api_get_metrics, PLAIN},
	{"GET", "healthz", NONE, api_get_healthz, PLAIN},
	{"GET", "readyz", NONE, api_get_readyz, PLAIN},
	{"GET", "v1/status", NONE, api_get_status, ANYTIME},
	{"GET", "v1/regions", PAGE, api_get_regions, LOADED},
	{"GET", "v1/services", PAGE, api_get_services, LOADED},
	{"GET", "v1/zones", PAGE, api_get_zones, LOADED},
	{"GET", "v1/tenants", PAGE, api_get_tenants, LOADED},
	{"GET", "v1/tenants/*", NONE, api_get_tenant, LOADED},
	{"PUT", "v1/tenants/*", NONE, api_put_tenant, LOADED},
	{"DELETE", "v1/tenants/*", NONE, api_delete_tenant, LOADED},
	{"GET", "v1/vips", PAGE, api_get_vips, LOADED},
	{"POST", "v1/apply", ((const char *const[]){"dry_run", "prune", NULL}), api_post_apply, LOADED},
	{"GET", "v1/export", ((const char *const[]){"source", NULL}), api_get_export, LOADED},
	{"GET", "v1/backup", NONE, api_get_backup, LOADED},
	{"GET", "v1/tail", ((const char *const[]){"tenant", "region", "client", "limit", "for", NULL}),
	 api_get_tail, LOADED},
	{"POST", "v1/explain", NONE, api_post_explain, LOADED},
	{"PUT", "v1/controls/vips/*/*", NONE, api_put_vip, LOADED},
	{"DELETE", "v1/controls/vips/*/*", REASON, api_delete_vip, LOADED},
	{"PUT", "v1/controls/regions/*", NONE, api_put_region, LOADED},
	{"DELETE", "v1/controls/regions/*", REASON, api_delete_region, LOADED},
	{"PUT", "v1/controls/regions/*/services/*", NONE, api_put_region, LOADED},
	{"DELETE", "v1/controls/regions/*/services/*", REASON, api_delete_region, LOADED},
	{"POST", "v1/batch", NONE, api_post_batch, LOADED},
	{"GET", "v1/audit", ((const char *const[]){"since", "after", "limit", NULL}), api_get_audit, ANYTIME},
	{"POST", "v1/reload", NONE, api_post_reload, LOADED},
	{NULL, "v1/observations", NULL, NULL, LOADED},
	{NULL, "v1/load", NULL, NULL, LOADED},
	{NULL, "v1/drills", NULL, NULL, LOADED},
	{NULL, "v1/drills/*", NULL, NULL, LOADED},
};

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

static bool matches(const struct route *route, const struct target *target, struct api_request *request)
{
	const char *pattern = route->pattern;
	request->argument_count = 0;
	if (target->segment_count > SEGMENTS_MAX)
		return false;
	for (size_t i = 0; i < target->segment_count; i++) {
		size_t length = strcspn(pattern, "/");
		if (length == 1 && *pattern == '*' && target->segment[i][0] != '\0')
			request->argument[request->argument_count++] = target->segment[i];
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

static void add_allowed(struct api_reply *reply, const char *method)
{
	size_t used = strlen(reply->allow);
	snprintf(reply->allow + used, sizeof(reply->allow) - used, "%s%s", used ? ", " : "", method);
	if (strcmp(method, "GET") == 0)
		add_allowed(reply, "HEAD");
}

/* NULL after the fitting problem was put into the reply. */
static const struct route *find_route(const struct target *target, struct api_request *request,
				      struct api_reply *reply)
{
	const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
	bool is_known = false, is_lacking = false;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *route = &routes[i];
		if ((request->is_plain && route->when != PLAIN) || !matches(route, target, request))
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
		api_reply_problem(reply, PROBLEM_METHOD, NULL, "this path takes %s", reply->allow);
	else if (is_lacking)
		api_reply_problem(reply, PROBLEM_NOT_FOUND, NULL, "/%s%s%s is not supported by this build",
				  target->segment[0], target->segment_count > 1 ? "/" : "",
				  target->segment_count > 1 ? target->segment[1] : "");
	else
		api_reply_problem(reply, PROBLEM_NOT_FOUND, NULL, "there is no such path");
	return NULL;
}

static bool add_param(const struct route *route, struct api_request *request, char *name, char *value,
		      struct api_reply *reply)
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
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, &errors, "%s", err_first_message(&errors));
		err_done(&errors);
		return false;
	}
	if (api_param(request, name) || request->param_count == API_PARAMS_MAX) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL, "parameter '%s' is given twice", name);
		return false;
	}
	request->param[request->param_count++] = (struct api_param){.name = name, .value = value};
	return true;
}

static bool split_query(const struct route *route, struct api_request *request, char *query,
			struct api_reply *reply)
{
	char *pair;
	while ((pair = strsep(&query, "&"))) {
		if (*pair == '\0')
			continue;
		char *value = pair + strcspn(pair, "=");
		if (*value == '=')
			*value++ = '\0';
		if (!percent_decode(pair, true) || !percent_decode(value, true)) {
			api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL,
					  "the query has a bad percent escape");
			return false;
		}
		if (!add_param(route, request, pair, value, reply))
			return false;
	}
	return true;
}

void api_dispatch(struct api_request *request, struct api_reply *reply)
{
	request->param_count = 0;
	if (request->body_length > API_BODY_MAX) {
		api_reply_problem(
			reply, PROBLEM_TOO_LARGE, NULL,
			"a body has at most 64 MiB; send larger sets by several calls or as fleet files");
		return;
	}
	const char *path = find_path(request->target);
	if (!path || strlen(path) > API_TARGET_MAX) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL,
				  "the request target is a path of at most %d octets", API_TARGET_MAX);
		return;
	}
	struct target target = {.text = xstrdup(path)};
	char *query = target.text + strcspn(target.text, "?");
	if (*query == '?')
		*query++ = '\0';
	if (!split_path(target.text, &target)) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL, "the path has a bad percent escape");
	} else {
		const struct route *route = find_route(&target, request, reply);
		if (!route || !split_query(route, request, query, reply))
			; /* a problem is in the reply */
		else if (route->when == LOADED && !server_is_loaded(request->server))
			api_reply_problem(reply, PROBLEM_UNAVAILABLE, NULL,
					  "the fleet is still being loaded");
		else
			route->handler(request, reply);
	}
	free(target.text);
}
