/*
 * API calls that read and change the fleet: tenants, apply, reload. Control thread.
 */
#include "gslb/api/api_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- tenants ---- */

static struct fleet_object *find_tenant(const struct http_request *request)
{
	assert(request->argument_count == 1);
	return fleet_get(server_fleet(api_server(request)), FLEET_TENANT, request->argument[0]);
}

static void reply_no_tenant(const struct http_request *request, struct http_reply *reply)
{
	http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL, "there is no tenant '%s'",
			   request->argument[0]);
}

void api_get_tenant(struct http_request *request, struct http_reply *reply)
{
	const struct fleet_object *tenant = find_tenant(request);
	if (!tenant) {
		reply_no_tenant(request, reply);
		return;
	}
	http_reply_json(reply, 200, api_view_object(tenant));
	http_reply_set_etag(reply, fleet_object_version(tenant));
}

static bool check_tenant_version(const struct http_request *request, struct http_reply *reply)
{
	const struct fleet_object *tenant = find_tenant(request);
	return http_request_check_version(request, reply, tenant != NULL,
					  tenant ? fleet_object_version(tenant) : 0);
}

/* A change that could not be read whole is still checked against the fleet, so that everything that is
 * wrong is reported at once; it is never applied. */
static enum change_outcome change_as_read(struct http_request *request, struct fleet_change *change,
					  bool dry_run, const char *verb, const char *object,
					  struct fleet_result *ret, struct err_list *errors)
{
	bool is_unreadable = err_has_errors(errors);
	struct requester requester = api_requester(request);
	enum change_outcome outcome = change_fleet(api_server(request), change, dry_run || is_unreadable,
						   &requester, verb, object, ret, errors);
	return is_unreadable && outcome != CHANGE_UNAVAILABLE ? CHANGE_INVALID : outcome;
}

static void put_tenant(struct http_request *request, struct http_reply *reply, const struct doc *doc)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	const char *id = request->argument[0];
	fleet_change_put(change, FLEET_TENANT, id, doc, doc->root,
			 server_fleet_version(api_server(request)) + 1, &errors);
	enum change_outcome outcome =
		change_as_read(request, change, false, "tenant set", id, &result, &errors);
	if (outcome != CHANGE_DONE) {
		api_reply_outcome(request, reply, outcome, &errors);
	} else {
		const struct fleet_object *tenant = find_tenant(request);
		assert(tenant && tenant->source == FLEET_STORE && result.added + result.changed <= 1);
		api_reply_version(request, reply, result.added ? 201 : 200, fleet_object_version(tenant));
	}
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

void api_put_tenant(struct http_request *request, struct http_reply *reply)
{
	if (!check_tenant_version(request, reply))
		return;
	struct doc *doc = http_body_read(request, reply);
	if (doc)
		put_tenant(request, reply, doc);
	doc_free(doc);
}

void api_delete_tenant(struct http_request *request, struct http_reply *reply)
{
	if (!find_tenant(request)) {
		reply_no_tenant(request, reply);
		return;
	}
	if (!check_tenant_version(request, reply))
		return;
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	const char *id = request->argument[0];
	struct requester requester = api_requester(request);
	fleet_change_remove(change, FLEET_TENANT, id);
	enum change_outcome outcome = change_fleet(api_server(request), change, false, &requester,
						   "tenant remove", id, &result, &errors);
	assert(outcome != CHANGE_DONE || !find_tenant(request));
	if (outcome == CHANGE_DONE)
		api_reply_version(request, reply, 200, server_fleet_version(api_server(request)));
	else
		api_reply_outcome(request, reply, outcome, &errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

/* What was accepted, but can hardly be meant. */
static void add_warnings(json_t *body, const struct err_list *errors)
{
	json_t *warnings = err_warnings_to_json(errors);
	if (json_array_size(warnings) > 0)
		json_object_set(body, "warnings", warnings);
	json_decref(warnings);
}

static json_t *counts_json(const struct fleet_result *result, const struct err_list *errors)
{
	json_t *body = json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)result->added, "changed",
				 (json_int_t)result->changed, "removed", (json_int_t)result->removed,
				 "unchanged", (json_int_t)result->unchanged);
	add_warnings(body, errors);
	return body;
}

/* ---- apply ---- */

/* By Content-Type where it names one of the two, else by the first character that is no space. */
static bool is_json_body(const struct http_request *request)
{
	const char *type = request->content_type ? request->content_type : "";
	size_t length = strcspn(type, "; ");
	if (length >= 4 && strncasecmp(type + length - 4, "json", 4) == 0)
		return true;
	if (length >= 4 && strncasecmp(type + length - 4, "yaml", 4) == 0)
		return false;
	size_t at = 0;
	while (at < request->body_length && strchr(" \t\r\n", request->body[at]) && request->body[at])
		at++;
	return at < request->body_length && request->body[at] == '{';
}

static void apply(struct http_request *request, struct http_reply *reply, const struct doc *doc, bool dry_run,
		  bool prune)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	fleet_change_add_document(change, doc, &errors);
	if (prune && !err_has_errors(&errors)) /* what could not be read would count as not named */
		fleet_change_prune(change);
	enum change_outcome outcome = change_as_read(request, change, dry_run, "apply", "", &result, &errors);
	if (outcome == CHANGE_DONE && !dry_run)
		fleet_warn_of_change(server_fleet(api_server(request)), &result, &errors);
	err_sort(&errors);
	if (outcome != CHANGE_DONE)
		api_reply_outcome(request, reply, outcome, &errors);
	else
		http_reply_json(reply, 200, counts_json(&result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

void api_post_apply(struct http_request *request, struct http_reply *reply)
{
	bool dry_run, prune;
	if (!http_request_bool(request, reply, "dry_run", &dry_run) ||
	    !http_request_bool(request, reply, "prune", &prune))
		return;
	struct doc *doc = NULL;
	if (is_json_body(request)) {
		doc = http_body_read(request, reply);
	} else {
		struct err_list errors = {0};
		doc = doc_from_yaml("body", request->body, request->body_length, &errors);
		if (!doc)
			http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, &errors, "%s",
					   err_first_message(&errors));
		err_done(&errors);
	}
	if (doc)
		apply(request, reply, doc, dry_run, prune);
	doc_free(doc);
}

/* ---- reload ---- */

static void on_reloaded(void *user, const struct err_list *errors)
{
	struct http_deferred *deferred = user;
	const struct server *server = ((const struct api *)deferred->user)->server;
	struct http_reply reply;
	http_reply_init(&reply);
	if (err_has_errors(errors)) {
		http_reply_errors(&reply, HTTP_PROBLEM_INVALID, errors);
	} else {
		json_t *body = json_pack("{s:I, s:I}", "epoch", (json_int_t)server_epoch(server),
					 "fleet_version", (json_int_t)server_fleet_version(server));
		add_warnings(body, errors);
		http_reply_json(&reply, 200, body);
	}
	deferred->finish(deferred, &reply);
	http_reply_done(&reply);
}

void api_post_reload(struct http_request *request, struct http_reply *reply)
{
	struct requester requester = api_requester(request);
	reply->is_deferred = true;
	server_reload(api_server(request), &requester, on_reloaded, request->deferred);
}
