/* Every path of the API. Control thread. */
#include "gslb/api/api_internal.h"

#define NONE ((const char *const[]){NULL})
#define PAGE ((const char *const[]){"limit", "after", NULL})
#define REASON ((const char *const[]){"reason", NULL})
#define PARAMS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define LOADED HTTP_WHEN_AVAILABLE /* 503 until the fleet is loaded */
#define ALWAYS HTTP_WHEN_ALWAYS
#define PLAIN HTTP_WHEN_PLAIN

const struct http_route api_routes[] = {
	{"GET", "metrics", NONE, api_get_metrics, PLAIN},
	{"GET", "healthz", NONE, api_get_healthz, PLAIN},
	{"GET", "readyz", NONE, api_get_readyz, PLAIN},
	{"GET", "v1/openapi.json", NONE, api_get_openapi, ALWAYS},
	{"GET", "v1/status", NONE, api_get_status, ALWAYS},
	{"GET", "v1/regions", PAGE, api_get_regions, LOADED},
	{"GET", "v1/services", PAGE, api_get_services, LOADED},
	{"GET", "v1/zones", PAGE, api_get_zones, LOADED},
	{"GET", "v1/tenants", PAGE, api_get_tenants, LOADED},
	{"GET", "v1/tenants/*", NONE, api_get_tenant, LOADED},
	{"PUT", "v1/tenants/*", NONE, api_put_tenant, LOADED},
	{"DELETE", "v1/tenants/*", NONE, api_delete_tenant, LOADED},
	{"GET", "v1/vips", PAGE, api_get_vips, LOADED},
	{"POST", "v1/apply", PARAMS("dry_run", "prune"), api_post_apply, LOADED},
	{"GET", "v1/export", PARAMS("source"), api_get_export, LOADED},
	{"GET", "v1/backup", NONE, api_get_backup, LOADED},
	{"GET", "v1/tail", PARAMS("tenant", "region", "client", "limit", "for"), api_get_tail, LOADED},
	{"GET", "v1/changes", PARAMS("since", "wait"), api_get_changes, LOADED},
	{"GET", "v1/load", PARAMS("region", "service"), api_get_load, LOADED},
	{"POST", "v1/load", NONE, api_post_load, LOADED},
	{"POST", "v1/explain", NONE, api_post_explain, LOADED},
	{"PUT", "v1/controls/vips/*/*", NONE, api_put_vip, LOADED},
	{"DELETE", "v1/controls/vips/*/*", REASON, api_delete_vip, LOADED},
	{"PUT", "v1/controls/origins/*/*/*", NONE, api_put_origin, LOADED},
	{"DELETE", "v1/controls/origins/*/*/*", REASON, api_delete_origin, LOADED},
	{"PUT", "v1/controls/regions/*", NONE, api_put_region, LOADED},
	{"DELETE", "v1/controls/regions/*", REASON, api_delete_region, LOADED},
	{"PUT", "v1/controls/regions/*/services/*", NONE, api_put_region, LOADED},
	{"DELETE", "v1/controls/regions/*/services/*", REASON, api_delete_region, LOADED},
	{"POST", "v1/batch", NONE, api_post_batch, LOADED},
	{"GET", "v1/audit", PARAMS("since", "after", "limit"), api_get_audit, ALWAYS},
	{"POST", "v1/reload", NONE, api_post_reload, LOADED},
	{NULL, "v1/observations", NULL, NULL, LOADED},
	{NULL, "v1/drills", NULL, NULL, LOADED},
	{NULL, "v1/drills/*", NULL, NULL, LOADED},
};
const size_t api_route_count = sizeof api_routes / sizeof api_routes[0];
