/* Every path of the API. Control thread. */
#include "forwarder/api/api_internal.h"

#define NONE ((const char *const[]){NULL})
#define PARAMS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct http_route api_routes[] = {
	{"GET", "metrics", NONE, api_get_metrics, HTTP_WHEN_PLAIN},
	{"GET", "healthz", NONE, api_get_healthz, HTTP_WHEN_PLAIN},
	{"GET", "readyz", NONE, api_get_readyz, HTTP_WHEN_PLAIN},
	{"GET", "v1/openapi.json", NONE, api_get_openapi, HTTP_WHEN_ALWAYS},
	{"GET", "v1/status", NONE, api_get_status, HTTP_WHEN_ALWAYS},
	{"GET", "v1/origins", PARAMS("service", "limit", "after"), api_get_origins, HTTP_WHEN_AVAILABLE},
	{"GET", "v1/tenants/*/state", NONE, api_get_tenant_state, HTTP_WHEN_AVAILABLE},
	{"GET", "v1/certificates", PARAMS("limit", "after"), api_get_certificates, HTTP_WHEN_AVAILABLE},
	{"GET", "v1/top", PARAMS("limit"), api_get_top, HTTP_WHEN_AVAILABLE},
	{"GET", "v1/usage", PARAMS("tenant", "since"), api_get_usage, HTTP_WHEN_AVAILABLE},
	{"POST", "v1/route", NONE, api_post_route, HTTP_WHEN_AVAILABLE},
	{"POST", "v1/reload", NONE, api_post_reload, HTTP_WHEN_ALWAYS},
};
const size_t api_route_count = sizeof api_routes / sizeof api_routes[0];
