/*
 * API calls that read and change the fleet: tenants, apply, reload. Control thread.
 */
#include "gslb/api/api_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- tenants ---- */

static struct fleet_object *find_tenant(const struct api_request *request)
{
	return fleet_get(server_fleet(request->server), FLEET_TENANT, request->argument[0]);
}

static void reply_no_tenant(const struct api_request *request, struct api_reply *reply)
{
	api_reply_problem(reply, PROBLEM_NOT_FOUND, NULL, "there is no tenant '%s'", request->argument[0]);
}

void api_get_tenant(struct api_request *request, struct api_reply *reply)
{
	const struct fleet_object *tenant = find_tenant(request);
	if (!tenant) {
		reply_no_tenant(request, reply);
		return;
	}
	api_reply_json(reply, 200, api_view_object(tenant));
	api_reply_set_etag(reply, fleet_object_version(tenant));
}

static bool check_tenant_version(const struct api_request *request, struct api_reply *reply)
{
	const struct fleet_object *tenant = find_tenant(request);
	return api_check_preconditions(request, reply, tenant != NULL,
				       tenant ? fleet_object_version(tenant) : 0);
}

/* A change that could not be read whole is still checked against the fleet, so that everything that is
 * wrong is reported at once; it is never applied. */
static enum change_outcome change_as_read(struct api_request *request, struct fleet_change *change,
					  bool dry_run, const char *verb, const char *object,
					  struct fleet_result *ret, struct err_list *errors)
{
	bool is_unreadable = err_has_errors(errors);
	enum change_outcome outcome = change_fleet(request->server, change, dry_run || is_unreadable,
						   &request->requester, verb, object, ret, errors);
	return is_unreadable && outcome != CHANGE_UNAVAILABLE ? CHANGE_INVALID : outcome;
}

static void put_tenant(struct api_request *request, struct api_reply *reply, const struct doc *doc)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	const char *id = request->argument[0];
	fleet_change_put(change, FLEET_TENANT, id, doc, doc->root, server_fleet_version(request->server) + 1,
			 &errors);
	enum change_outcome outcome =
		change_as_read(request, change, false, "tenant set", id, &result, &errors);
	if (outcome != CHANGE_DONE) {
		api_reply_outcome(reply, outcome, &errors);
	} else {
		const struct fleet_object *tenant = find_tenant(request);
		api_reply_version(reply, result.added ? 201 : 200, request, fleet_object_version(tenant));
	}
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

void api_put_tenant(struct api_request *request, struct api_reply *reply)
{
	if (!check_tenant_version(request, reply))
		return;
	struct doc *doc = api_body(request, reply);
	if (doc)
		put_tenant(request, reply, doc);
	doc_free(doc);
}

void api_delete_tenant(struct api_request *request, struct api_reply *reply)
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
	fleet_change_remove(change, FLEET_TENANT, id);
	enum change_outcome outcome = change_fleet(request->server, change, false, &request->requester,
						   "tenant remove", id, &result, &errors);
	if (outcome == CHANGE_DONE)
		api_reply_version(reply, 200, request, server_fleet_version(request->server));
	else
		api_reply_outcome(reply, outcome, &errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

/* ---- apply ---- */

/* By Content-Type where it names one of the two, else by the first character that is no space. */
static bool is_json_body(const struct api_request *request)
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

static void apply(struct api_request *request, struct api_reply *reply, const struct doc *doc, bool dry_run,
		  bool prune)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	fleet_change_add_document(change, doc, &errors);
	if (prune && !err_has_errors(&errors)) /* what could not be read would count as not named */
		fleet_change_prune(change);
	enum change_outcome outcome = change_as_read(request, change, dry_run, "apply", "", &result, &errors);
	err_sort(&errors);
	if (outcome != CHANGE_DONE)
		api_reply_outcome(reply, outcome, &errors);
	else
		api_reply_json(reply, 200,
			       json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)result.added, "changed",
					 (json_int_t)result.changed, "removed", (json_int_t)result.removed,
					 "unchanged", (json_int_t)result.unchanged));
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

void api_post_apply(struct api_request *request, struct api_reply *reply)
{
	bool dry_run, prune;
	if (!api_param_bool(request, reply, "dry_run", &dry_run) ||
	    !api_param_bool(request, reply, "prune", &prune))
		return;
	struct doc *doc = NULL;
	if (is_json_body(request)) {
		doc = api_body(request, reply);
	} else {
		struct err_list errors = {0};
		doc = doc_from_yaml("body", request->body, request->body_length, &errors);
		if (!doc)
			api_reply_problem(reply, PROBLEM_BAD_REQUEST, &errors, "%s",
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
	struct api_deferred *deferred = user;
	struct api_reply reply;
	api_reply_init(&reply);
	if (err_has_errors(errors))
		api_reply_outcome(&reply, CHANGE_INVALID, errors);
	else
		api_reply_json(&reply, 200,
			       json_pack("{s:I, s:I}", "epoch", (json_int_t)server_epoch(deferred->server),
					 "fleet_version",
					 (json_int_t)server_fleet_version(deferred->server)));
	deferred->finish(deferred, &reply);
	api_reply_done(&reply);
}

void api_post_reload(struct api_request *request, struct api_reply *reply)
{
	reply->is_deferred = true;
	server_reload(request->server, &request->requester, on_reloaded, request->deferred);
}
