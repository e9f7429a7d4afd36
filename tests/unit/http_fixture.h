/* A small service whose handlers tell what they were called with. */
#pragma once
#include "daemon/http_route.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static inline void tell(const char *handler, struct http_request *request, struct http_reply *reply)
{
	json_t *arguments = json_array(), *params = json_object();
	for (size_t i = 0; i < request->argument_count; i++)
		json_array_append_new(arguments, json_string(request->argument[i]));
	for (size_t i = 0; i < request->param_count; i++)
		json_object_set_new(params, request->param[i].name, json_string(request->param[i].value));
	http_reply_json(reply, 200,
			json_pack("{s:s, s:o, s:o, s:I, s:s, s:s}", "handler", handler, "arguments",
				  arguments, "params", params, "body", (json_int_t)request->body_length,
				  "author", request->author, "user", (const char *)request->user));
}

#define TELLER(name)                                                             \
	static void name(struct http_request *request, struct http_reply *reply) \
	{                                                                        \
		tell(#name, request, reply);                                     \
	}
TELLER(get_page)
TELLER(get_state)
TELLER(list_things)
TELLER(put_thing)
TELLER(delete_thing)
TELLER(put_part)
TELLER(post_set)

/* The one with a version. */
static void get_thing(struct http_request *request, struct http_reply *reply)
{
	tell("get_thing", request, reply);
	http_reply_set_etag(reply, 7);
}

/* The one that answers later. */
static struct http_deferred *deferred;
static unsigned times_called;

static void post_job(struct http_request *request, struct http_reply *reply)
{
	reply->is_deferred = true;
	deferred = request->deferred;
	times_called++;
}

static const char *unavailable; /* what the service says */

static const char *why_unavailable(const void *user)
{
	return unavailable;
}

#define PARAMS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_PARAMS ((const char *const[]){NULL})

static const struct http_route routes[] = {
	{"GET", "page", NO_PARAMS, get_page, HTTP_WHEN_PLAIN},
	{"GET", "v1/state", NO_PARAMS, get_state, HTTP_WHEN_ALWAYS},
	{"GET", "v1/things", PARAMS("limit", "after"), list_things, HTTP_WHEN_AVAILABLE},
	{"GET", "v1/things/*", NO_PARAMS, get_thing, HTTP_WHEN_AVAILABLE},
	{"PUT", "v1/things/*", NO_PARAMS, put_thing, HTTP_WHEN_AVAILABLE},
	{"DELETE", "v1/things/*", PARAMS("reason"), delete_thing, HTTP_WHEN_AVAILABLE},
	{"PUT", "v1/things/*/parts/*", NO_PARAMS, put_part, HTTP_WHEN_AVAILABLE},
	{"POST", "v1/set", PARAMS("dry_run"), post_set, HTTP_WHEN_AVAILABLE},
	{"POST", "v1/job", NO_PARAMS, post_job, HTTP_WHEN_AVAILABLE},
	{NULL, "v1/later", NULL, NULL, HTTP_WHEN_AVAILABLE},
	{NULL, "v1/later/*", NULL, NULL, HTTP_WHEN_AVAILABLE},
};

static const struct http_service service = {
	.program = "testd",
	.routes = routes,
	.route_count = sizeof routes / sizeof routes[0],
	.user = (void *)"the user",
	.unavailable = why_unavailable,
	.large_advice = "send less",
};
