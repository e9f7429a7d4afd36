/*
 * Stand-ins for the API's handlers, so that routing and carrying are tested alone: each one tells what
 * it was called with.
 */
#pragma once
#include "gslb/api/api_request.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static inline void tell(const char *handler, struct api_request *request, struct api_reply *reply)
{
	json_t *arguments = json_array(), *params = json_object();
	for (size_t i = 0; i < request->argument_count; i++)
		json_array_append_new(arguments, json_string(request->argument[i]));
	for (size_t i = 0; i < request->param_count; i++)
		json_object_set_new(params, request->param[i].name, json_string(request->param[i].value));
	api_reply_json(reply, 200,
		       json_pack("{s:s, s:o, s:o, s:I, s:s}", "handler", handler, "arguments", arguments,
				 "params", params, "body", (json_int_t)request->body_length, "author",
				 request->requester.author));
}

#define STAND_IN(name)                                                  \
	void name(struct api_request *request, struct api_reply *reply) \
	{                                                               \
		tell(#name, request, reply);                            \
	}
STAND_IN(api_get_metrics)
STAND_IN(api_get_healthz)
STAND_IN(api_get_readyz)
STAND_IN(api_get_status)
STAND_IN(api_get_regions)
STAND_IN(api_get_services)
STAND_IN(api_get_zones)
STAND_IN(api_get_tenants)
STAND_IN(api_put_tenant)
STAND_IN(api_delete_tenant)
STAND_IN(api_get_vips)
STAND_IN(api_post_apply)
STAND_IN(api_post_explain)
STAND_IN(api_put_vip)
STAND_IN(api_delete_vip)
STAND_IN(api_put_region)
STAND_IN(api_delete_region)
STAND_IN(api_post_batch)
STAND_IN(api_get_audit)

/* The one with a version. */
void api_get_tenant(struct api_request *request, struct api_reply *reply)
{
	tell("api_get_tenant", request, reply);
	api_reply_set_etag(reply, 7);
}

/* The one that answers later: see release_deferred. */
static struct api_deferred *deferred;

void api_post_reload(struct api_request *request, struct api_reply *reply)
{
	reply->is_deferred = true;
	deferred = request->deferred;
}
