/*
 * From a request's method and target to its handler, by a table of routes that each daemon has for itself.
 * Everything that is wrong with the request becomes a problem. Control thread.
 */
#pragma once
#include "daemon/http_request.h"

typedef void http_handler(struct http_request *request, struct http_reply *reply);

enum http_when {
	HTTP_WHEN_AVAILABLE, /* 503 while the service is not available */
	HTTP_WHEN_ALWAYS,
	HTTP_WHEN_PLAIN, /* always, and on the plain listener too */
};

struct http_route {
	const char *method;
	const char *pattern;	   /* segments; one that is a star is left open */
	const char *const *params; /* names in the query; NULL ends */
	http_handler *handler;	   /* NULL: a part of the product that this build lacks */
	enum http_when when;
};

struct http_service {
	const char *program; /* "gslbd" */
	const struct http_route *routes;
	size_t route_count;
	void *user; /* request->user */
	/* Why routes that are HTTP_WHEN_AVAILABLE cannot be called now; NULL: they can. */
	const char *(*unavailable)(const void *user);
	const char *large_advice; /* what a client does whose body is too large */
};

void http_route_dispatch(const struct http_service *service, struct http_request *request,
			 struct http_reply *reply);
