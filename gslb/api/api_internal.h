/*
 * What the handlers of the API share: the API itself, replies and members that know the fleet, and views of
 * what is shown alike in several places. Control thread.
 */
#pragma once
#include "daemon/http.h"
#include "daemon/http_body.h"
#include "gslb/control/server.h"
#include "health/load_book.h"
#include "store/controls.h"

#define API_REASON_MAX 1000 /* octets of a control's reason */
#define API_BATCH_MAX 1000
#define API_WHAT_IF_MAX 256

struct api {
	struct server *server;
	struct http_service service;
	struct http_server *http;
	/* Work that goes on after its call. */
	struct api_tail *tail;	     /* NULL: nobody looked on yet */
	struct api_backup *backup;   /* NULL: none is being taken */
	struct api_export *exports;  /* NULL: none is being written */
	struct api_changes *changes; /* NULL: nobody followed yet */
};

static inline struct api *api_of(const struct http_request *request)
{
	return request->user;
}

static inline struct server *api_server(const struct http_request *request)
{
	return api_of(request)->server;
}

/* What ends with the API; NULL is fine. */
void api_tail_free(struct api_tail *tail);	    /* api_tail.c */
void api_backup_free(struct api_backup *backup);    /* api_backup.c; before store_close */
void api_exports_free(struct api_export *exports);  /* api_export.c; before fleet_free */
void api_changes_free(struct api_changes *changes); /* api_changes.c; before server_free */

extern const struct http_route api_routes[]; /* api_routes.c */
extern const size_t api_route_count;
extern const char api_openapi_text[]; /* openapi.json, as served */

/* ---- changes (api_change.c) ---- */

/* For the audit. */
struct requester api_requester(const struct http_request *request);
/* The problem of an outcome other than CHANGE_DONE; its detail is the first error. CHANGE_WAITS is none: the
 * request is handled anew when it may be. */
void api_reply_outcome(const struct http_request *request, struct http_reply *reply,
		       enum change_outcome outcome, const struct err_list *errors);
/* {version, epoch} and the ETag. */
void api_reply_version(const struct http_request *request, struct http_reply *reply, int status,
		       uint64_t version);

/* ---- members of bodies (api_member.c) ---- */

/* A string member that names an object of the fleet: NULL when absent or wrong. */
const char *api_member_object(const struct fleet *fleet, enum fleet_kind kind, const struct doc *doc,
			      const struct doc_node *node, const char *key, struct err_list *errors);
/* The members `share`, `for` and `reason` of a control's body. A VIP's share is 0 or 100. */
void api_member_control(const struct doc *doc, const struct doc_node *node, bool is_vip,
			struct control_request *ret, struct err_list *errors);
/* An integer 0..100, or "down" where that is allowed. */
bool api_member_share(const struct doc *doc, const struct doc_node *node, bool is_vip, int *ret,
		      struct err_list *errors);

/* ---- views (api_view.c) ---- */

json_t *api_view_control(const struct control_row *row);    /* null for NULL; new reference */
json_t *api_view_time(int64_t unix_ms);			    /* null for 0 */
json_t *api_view_object(const struct fleet_object *object); /* as in YAML + id, source, version */

/* What a region's forwarders report of a service, and what it sheds; null for NULL. With `is_named` region
 * and service, too. */
json_t *api_view_load(const struct server *server, const struct load_entry *entry, bool is_named);

/* One VIP as it stands now. */
struct api_vip {
	const char *region, *service, *check; /* check NULL: none */
	const struct fleet_vip *vip;
	const struct health_entry *entry; /* what the probes know; NULL: nothing */
	enum vip_state state;
	double score;			   /* 0..1; unknown counts as 1 */
	int64_t since_unix_ms;		   /* 0: never known */
	const char *reason;		   /* "" none */
	const struct control_row *control; /* NULL: none */
};
void api_view_vip(const struct server *server, const struct fleet_service *service,
		  const struct fleet_vips *vips, size_t at, struct api_vip *ret);

/* ---- handlers ---- */

http_handler api_get_tenant, api_put_tenant, api_delete_tenant; /* api_fleet.c */
http_handler api_post_apply, api_post_reload;
http_handler api_get_openapi;					/* api_openapi.c */
http_handler api_get_backup;					/* api_backup.c */
http_handler api_get_export;					/* api_export.c */
http_handler api_get_tail;					/* api_tail.c */
http_handler api_get_changes;					/* api_changes.c */
http_handler api_get_status, api_get_regions, api_get_services; /* api_state.c */
http_handler api_post_load, api_get_load;			/* api_load.c */
http_handler api_get_zones, api_get_tenants, api_get_audit;
http_handler api_get_metrics, api_get_healthz, api_get_readyz;
http_handler api_get_vips; /* api_vips.c */
http_handler api_put_vip, api_delete_vip, api_put_origin, api_delete_origin, api_put_region,
	api_delete_region; /* api_controls.c */
http_handler api_post_batch;
http_handler api_post_explain; /* api_explain.c */
