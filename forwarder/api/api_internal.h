/* What the handlers of the API share. Control thread. */
#pragma once
#include "daemon/http.h"
#include "daemon/http_body.h"
#include "forwarder/api/api.h"

struct api {
	struct server *server;
	const struct seeing *seeing;
	struct api_usage *usage; /* calls that read files */
	struct http_service service;
	struct http_server *http;
};

static inline struct api *api_of(const struct http_request *request)
{
	return request->user;
}

static inline const struct server *api_server(const struct http_request *request)
{
	return api_of(request)->server;
}

extern const struct http_route api_routes[]; /* api_routes.c */
extern const size_t api_route_count;
extern const char api_openapi_text[]; /* openapi.json, as served */

/* ---- views (api_view.c) ---- */

json_t *api_view_origin(const struct origins_row *row);
/* What a tenant may, and with a state how much of it is in use. */
json_t *api_view_limits(const struct policy_limits *limits, const struct tenant_state *state);

/* ---- handlers ---- */

http_handler api_get_healthz, api_get_readyz, api_get_openapi, api_get_status; /* api_state.c */
http_handler api_get_origins, api_get_tenant_state, api_post_reload;
http_handler api_post_route;							/* api_route.c */
http_handler api_get_metrics, api_get_usage, api_get_top, api_get_certificates; /* api_usage.c */
void api_usage_free(struct api *api);
