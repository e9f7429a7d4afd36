/*
 * One API call, apart from how it is carried: api.c makes requests from evhttp's, tests make them by
 * hand. A handler reads the request and fills the reply; it never waits. Control thread.
 */
#pragma once
#include "gslb/control/server.h"
#include "store/controls.h"
#include <event2/buffer.h>

#define API_BODY_MAX ((size_t)64 << 20) /* octets; a longer one is 413 */
#define API_TARGET_MAX 8192		/* octets of path and query */
#define API_ARGUMENTS_MAX 4
#define API_PARAMS_MAX 8
#define API_PAGE_DEFAULT 1000
#define API_PAGE_MAX 10000
#define API_REASON_MAX 1000 /* octets of a control's reason */
#define API_BATCH_MAX 1000
#define API_WHAT_IF_MAX 256

struct api_param {
	const char *name, *value; /* percent-decoded */
};

struct api_reply;

/* A reply that comes later: the handler keeps the pointer and calls finish once; reply is the caller's. */
enum api_piece { API_PIECE_SENT, API_PIECE_BUSY, API_PIECE_GONE };
struct api_deferred {
	struct server *server;
	void (*finish)(struct api_deferred *deferred, struct api_reply *reply);
	/* Or in pieces, as JSON lines with status 200, and then `end` once. Takes the octets when they are
	 * sent; busy: the client takes them too slowly; gone: it has left, `end` is due. An empty first piece
	 * sends the head. */
	enum api_piece (*piece)(struct api_deferred *deferred, struct evbuffer *octets);
	void (*end)(struct api_deferred *deferred);
};

/* Work that goes on after its call; the API owns it. */
struct api_jobs {
	struct tail *tail;	    /* NULL: nobody looked on yet */
	struct backup_job *backup;  /* NULL: none is being taken */
	struct export_job *exports; /* NULL: none is being written */
};

struct api_request {
	struct server *server;
	const struct api *api;
	struct api_jobs *jobs;
	const char *method; /* "GET", …; "" for one that HTTP allows and we never take */
	const char *target; /* as sent: path and query */
	const char *content_type, *if_match, *if_none_match; /* NULL: header absent */
	const char *body;
	size_t body_length;
	bool is_plain; /* came in on admin.http */
	struct requester requester;
	struct api_deferred *deferred; /* see api_reply.is_deferred */
	/* Filled by api_dispatch, valid during the handler. */
	size_t argument_count, param_count;
	const char *argument[API_ARGUMENTS_MAX]; /* path segments that the pattern leaves open */
	struct api_param param[API_PARAMS_MAX];
};

struct api_reply {
	bool is_deferred; /* nothing here: the handler calls request->deferred->finish */
	bool is_put_off;  /* nothing here: the request is handled anew (CHANGE_WAITS) */
	int status;
	const char *content_type;
	char etag[32];	/* quoted; "" none */
	char allow[64]; /* "" none */
	struct evbuffer *body;
};

void api_reply_init(struct api_reply *reply);
void api_reply_done(struct api_reply *reply);

/* Finds the route and runs its handler; everything wrong with the request becomes a problem. */
void api_dispatch(struct api_request *request, struct api_reply *reply);

/* ---- replies (api_reply.c); each replaces what the reply held ---- */

/* `type` of application/problem+json, in the order of configuration.md, "API". */
enum api_problem {
	PROBLEM_INVALID,
	PROBLEM_NOT_FOUND,
	PROBLEM_CONFLICT,
	PROBLEM_BASE_OBJECT,
	PROBLEM_PRECONDITION,
	PROBLEM_TOO_LARGE,
	PROBLEM_UNAVAILABLE,
	PROBLEM_METHOD,
	PROBLEM_BAD_REQUEST,
	PROBLEM_COUNT
};

void api_reply_json(struct api_reply *reply, int status, json_t *body); /* takes over body */
void api_reply_text(struct api_reply *reply, int status, const char *content_type, const char *text);
/* Takes over the text, which is not copied. */
void api_reply_owned_text(struct api_reply *reply, int status, const char *content_type, char *text,
			  size_t length);
/* errors: NULL, or a list for the member `errors` (not emptied). */
void api_reply_problem(struct api_reply *reply, enum api_problem problem, const struct err_list *errors,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The problem of an outcome other than CHANGE_DONE; its detail is the first error. CHANGE_WAITS is none: the
 * request is put off. */
void api_reply_outcome(struct api_reply *reply, enum change_outcome outcome, const struct err_list *errors);
/* {version, epoch} and the ETag. */
void api_reply_version(struct api_reply *reply, int status, const struct api_request *request,
		       uint64_t version);
void api_reply_set_etag(struct api_reply *reply, uint64_t version);

/* ---- parameters (api_reply.c): false after a problem was put into the reply ---- */

const char *api_param(const struct api_request *request, const char *name); /* NULL: absent */
bool api_param_bool(const struct api_request *request, struct api_reply *reply, const char *name, bool *ret);

struct api_page {
	size_t limit;
	const char *after; /* NULL: from the start */
};
bool api_param_page(const struct api_request *request, struct api_reply *reply, struct api_page *ret);
/* {items, next}; takes over items; next NULL: the list ends here. */
void api_reply_page(struct api_reply *reply, json_t *items, const char *next);

/* If-Match and If-None-Match (RFC 9110 §13.1) against the object as it is; version is that of an
 * object that exists. */
bool api_check_preconditions(const struct api_request *request, struct api_reply *reply, bool exists,
			     uint64_t version);

/* ---- bodies (api_body.c) ---- */

/* The body as a JSON object; NULL after a problem was put into the reply. */
struct doc *api_body(const struct api_request *request, struct api_reply *reply);
/* A string member: NULL when absent, null or wrong (then with an entry in errors). */
const char *api_member_text(const struct doc *doc, const struct doc_node *node, const char *key,
			    size_t octets_max, struct err_list *errors);
/* The same, and absent or null is an error too. */
const char *api_member_required(const struct doc *doc, const struct doc_node *node, const char *key,
				size_t octets_max, struct err_list *errors);
/* A string member that names an object of the fleet: NULL when absent or wrong. */
const char *api_member_object(const struct fleet *fleet, enum fleet_kind kind, const struct doc *doc,
			      const struct doc_node *node, const char *key, struct err_list *errors);
/* The members `share`, `for` and `reason` of a control's body. A VIP's share is 0 or 100. */
void api_member_control(const struct doc *doc, const struct doc_node *node, bool is_vip,
			struct control_request *ret, struct err_list *errors);
/* An integer 0..100, or "down" where that is allowed. */
bool api_member_share(const struct doc *doc, const struct doc_node *node, bool is_vip, int *ret,
		      struct err_list *errors);

/* ---- views that several handlers share (api_view.c) ---- */

json_t *api_view_control(const struct control_row *row);    /* null for NULL; new reference */
json_t *api_view_time(int64_t unix_ms);			    /* null for 0 */
json_t *api_view_object(const struct fleet_object *object); /* as in YAML + id, source, version */

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

/* ---- jobs: what the API ends with itself; NULL is fine ---- */

void backup_job_free(struct backup_job *job);	/* api_backup.c */
void export_jobs_free(struct export_job *jobs); /* api_export.c */
void tail_free(struct tail *tail);		/* api_tail.c */

/* ---- handlers ---- */

typedef void api_handler(struct api_request *request, struct api_reply *reply);
api_handler api_get_tenant, api_put_tenant, api_delete_tenant; /* api_fleet.c */
api_handler api_get_backup;				       /* api_backup.c */
api_handler api_get_export;				       /* api_export.c */
api_handler api_get_tail;				       /* api_tail.c */
api_handler api_post_apply, api_post_reload;
api_handler api_get_status, api_get_regions, api_get_services, api_get_zones; /* api_state.c */
api_handler api_get_tenants, api_get_vips, api_get_audit;
api_handler api_put_vip, api_delete_vip, api_put_region, api_delete_region; /* api_controls.c */
api_handler api_post_batch;
api_handler api_post_explain;				      /* api_explain.c */
api_handler api_get_metrics, api_get_healthz, api_get_readyz; /* api_state.c */
