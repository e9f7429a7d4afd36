/* Calls that tell of requests: metrics, usage, who asks most, certificates. Control thread. */
#include "forwarder/api/api_internal.h"
#include "forwarder/seeing/metrics.h"
#include "forwarder/seeing/usage_query.h"
#include "lib/clock.h"
#include "lib/exposition.h"
#include "lib/helper.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS ((int64_t)86400000)
#define TOP_DEFAULT 20

void api_get_metrics(struct http_request *request, struct http_reply *reply)
{
	http_reply_text(reply, 200, EXPOSITION_CONTENT_TYPE, "");
	metrics_render(api_of(request)->seeing, reply->body);
}

static void set_fields(json_t *object, const uint64_t fields[static USAGE_FIELDS])
{
	static const char *const names[USAGE_FIELDS] = {"requests",    "bytes_in",  "bytes_out", "c2xx",
							"c3xx",	       "c4xx",	    "c5xx",	 "limited",
							"websocket_s", "handshakes"};

	static_assert(USAGE_HANDSHAKES == 9 && USAGE_WEBSOCKET_MS == 8, "in the order of enum usage_field");
	for (unsigned i = 0; i < USAGE_FIELDS; i++)
		json_object_set_new(object, names[i],
				    i == USAGE_WEBSOCKET_MS ? json_real((double)fields[i] / 1000)
							    : json_integer((json_int_t)fields[i]));
}

/* ---- usage of a tenant: files are read on a helper ---- */

struct api_usage {
	struct api_usage *next;
	struct api *api;
	struct http_deferred *deferred;
	struct helper *helper;
	char *directory, *tenant;
	struct usage_query query;
};

static void free_job(struct api_usage *job)
{
	helper_free(job->helper);
	free(job->directory);
	free(job->tenant);
	free(job);
}

void api_usage_free(struct api *api)
{
	while (api->usage) {
		struct api_usage *job = api->usage;
		api->usage = job->next;
		free_job(job);
	}
}

static void work(void *user)
{
	usage_query_run(&((struct api_usage *)user)->query);
}

static void forget(struct api_usage *job)
{
	struct api_usage **at = &job->api->usage;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
}

static void on_done(void *user)
{
	struct api_usage *job = user;
	struct http_reply reply;
	char since[32];
	json_t *body = json_object();

	assert(job->helper);
	job->helper = NULL;
	text_from_unix_ms(job->query.since_ms, since);
	json_object_set_new(body, "tenant", json_text(job->tenant));
	json_object_set_new(body, "since", json_text(since));
	json_object_set_new(body, "minutes", json_integer((json_int_t)job->query.records));
	set_fields(body, job->query.sums);
	http_reply_init(&reply);
	http_reply_json(&reply, 200, body);
	job->deferred->finish(job->deferred, &reply);
	http_reply_done(&reply);
	forget(job);
	free_job(job);
}

static bool read_since(const char *text, int64_t *ret_ms)
{
	int64_t now_ms = clock_unix_ms();
	uint64_t ago_ms;

	if (!text) {
		*ret_ms = now_ms - DAY_MS;
		return true;
	}
	if (text_to_duration_ms(text, &ago_ms)) {
		*ret_ms = now_ms - (int64_t)ago_ms;
		return true;
	}
	return text_to_unix_ms(text, ret_ms);
}

void api_get_usage(struct http_request *request, struct http_reply *reply)
{
	struct api *api = api_of(request);
	const char *tenant = http_request_param(request, "tenant");
	int64_t since_ms;

	if (!tenant || !text_is_id(tenant)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "tenant: the id of one is required");
		return;
	}
	if (!read_since(http_request_param(request, "since"), &since_ms) || since_ms < 0) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "since: a duration as 24h, or a time as 2026-01-31T12:00:00Z");
		return;
	}
	if (api->usage) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL,
				   "another call is reading the files");
		return;
	}
	struct api_usage *job = xcalloc(1, sizeof *job);
	job->api = api;
	job->deferred = request->deferred;
	job->directory = xstrdup(server_config(api->server)->usage_dir);
	job->tenant = xstrdup(tenant);
	job->query = (struct usage_query){job->directory, job->tenant, since_ms};
	job->helper = helper_start(server_base(api->server), work, on_done, job);
	if (!job->helper) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL, "no thread: %s", strerror(errno));
		free_job(job);
		return;
	}
	job->next = api->usage;
	api->usage = job;
	reply->is_deferred = true;
}

/* ---- the most ---- */

void api_get_top(struct http_request *request, struct http_reply *reply)
{
	const char *text = http_request_param(request, "limit");
	struct usage_sum *usage = seeing_usage(api_of(request)->seeing);
	uint64_t limit = TOP_DEFAULT, others[USAGE_FIELDS] = {0};
	json_t *items = json_array(), *rest = json_object();

	if (text && (!text_to_uint(text, &limit) || limit < 1 || limit > USAGE_SUM_TOP)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "limit: 1 to %d", USAGE_SUM_TOP);
		json_decref(items);
		json_decref(rest);
		return;
	}
	struct usage_row *rows = xcalloc(limit, sizeof *rows);
	size_t count = usage ? usage_sum_top(usage, limit, rows, others) : 0;
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_object();
		json_object_set_new(item, "tenant", json_text(rows[i].id));
		json_object_set_new(item, "recent", json_integer((json_int_t)rows[i].recent));
		set_fields(item, rows[i].total);
		json_array_append_new(items, item);
		free(rows[i].id);
	}
	free(rows);
	set_fields(rest, others);
	http_reply_json(reply, 200, json_pack("{s:o, s:o}", "items", items, "others", rest));
}

/* ---- certificates ---- */

static json_t *view_certificate(const struct certs_row *row)
{
	json_t *names = json_array(), *item = json_object();
	char until[32];

	for (size_t i = 0; i < row->name_count; i++)
		json_array_append_new(names, json_text(row->names[i]));
	text_from_unix_ms(row->not_after_s * 1000, until);
	json_object_set_new(item, "name", json_text(row->name));
	json_object_set_new(item, "file", json_text(row->file));
	json_object_set_new(item, "state", json_text(certs_state_word(row->state)));
	json_object_set_new(item, "kind", json_text(row->kind));
	json_object_set_new(item, "not_after", json_text(row->kind ? until : NULL));
	json_object_set_new(item, "staple", json_boolean(row->has_staple));
	json_object_set_new(item, "names", names);
	json_object_set_new(item, "problem", json_text(row->problem));
	return item;
}

void api_get_certificates(struct http_request *request, struct http_reply *reply)
{
	const struct certs *certs = server_certs(api_server(request));
	size_t count = certs ? certs_count(certs) : 0, i = 0;
	struct http_page page;
	struct certs_row row;
	uint64_t after = 0;

	if (!http_request_page(request, reply, &page))
		return;
	if (page.after && !text_to_uint(page.after, &after)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "after is the next of a page before");
		return;
	}
	json_t *items = json_array();
	for (i = (size_t)after; i < count && json_array_size(items) < page.limit; i++) {
		certs_row(certs, i, &row);
		json_array_append_new(items, view_certificate(&row));
	}
	char next[24];
	snprintf(next, sizeof next, "%zu", i);
	http_reply_page(reply, items, i < count ? next : NULL);
}
