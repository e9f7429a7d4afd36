/*
 * API calls of the operator's hand: controls on VIPs, regions and regions × services, and batches of
 * them. Control thread.
 */
#include "gslb/api/api_internal.h"

#include "lib/mem.h"
#include "lib/net.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const control_words[] = {"share", "for", "reason", NULL};
static const char *const control_later[] = {"at", "over", "confirm_within", "override", NULL};
static const char *const batch_words[] = {"changes", NULL};
static const char *const batch_later[] = {"if_epoch", "dry_run", "preview", NULL};
static const char *const change_words[] = {"region", "service", "share", "for", "reason", NULL};

/* As gslbctl calls it, so that the audit reads like the operator's shell history. */
static const char *verb_of(const struct control_request *wanted)
{
	assert(wanted->share >= SHARE_RESTORE && wanted->share <= 100);
	if (strcmp(wanted->region, CONTROL_OF_ORIGIN) == 0)
		return wanted->share == 0 ? "origin drain" : "origin restore";
	if (wanted->address)
		return wanted->share == 0 ? "vip drain" : "vip restore";
	if (wanted->share == SHARE_DOWN)
		return "region force-down";
	return wanted->share == SHARE_RESTORE || wanted->share == 100 ? "region restore" : "region drain";
}

static const struct control_row *present_row(const struct server *server,
					     const struct control_request *wanted)
{
	return controls_get(server_controls(server), wanted->region, wanted->service ? wanted->service : "",
			    wanted->address ? wanted->address : "");
}

/* The version of a control is the time it was put. */
static uint64_t version_of(const struct control_row *row)
{
	return row ? (uint64_t)row->since_unix_ms : 0;
}

static void change_one(struct http_request *request, struct http_reply *reply,
		       const struct control_request *wanted)
{
	struct err_list errors = {0};
	const struct control_row *before = present_row(api_server(request), wanted);
	struct requester requester = api_requester(request);
	bool is_new = !before && wanted->share != SHARE_RESTORE;
	if (!http_request_check_version(request, reply, before != NULL, version_of(before)))
		return;
	enum change_outcome outcome =
		change_controls(api_server(request), wanted, 1, &requester, verb_of(wanted), &errors);
	/* What is in the fleet's store of controls is what was asked for. */
	assert(outcome != CHANGE_DONE ||
	       (wanted->share == SHARE_RESTORE) == !present_row(api_server(request), wanted));
	if (outcome == CHANGE_DONE)
		api_reply_version(request, reply, is_new ? 201 : 200,
				  version_of(present_row(api_server(request), wanted)));
	else
		api_reply_outcome(request, reply, outcome, &errors);
	err_done(&errors);
}

static void put_control(struct http_request *request, struct http_reply *reply,
			struct control_request *wanted)
{
	struct doc *doc = http_body_read(request, reply);
	if (!doc)
		return;
	struct err_list errors = {0};
	doc_check_keys(&errors, doc, doc->root, control_words, control_later);
	api_member_control(doc, doc->root, wanted->address != NULL, wanted, &errors);
	if (err_has_errors(&errors))
		api_reply_outcome(request, reply, CHANGE_INVALID, &errors);
	else
		change_one(request, reply, wanted);
	err_done(&errors);
	doc_free(doc);
}

static void delete_control(struct http_request *request, struct http_reply *reply,
			   struct control_request *wanted)
{
	wanted->share = SHARE_RESTORE;
	wanted->reason = http_request_param(request, "reason");
	if (wanted->reason && strlen(wanted->reason) > API_REASON_MAX)
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "reason has at most %d octets",
				   API_REASON_MAX);
	else
		change_one(request, reply, wanted);
}

/* ---- VIPs ---- */

/* The address however it was written; false after a problem was put into the reply. */
static bool find_vip(const struct http_request *request, struct http_reply *reply,
		     char address[static IP_TEXT_MAX], struct control_request *ret)
{
	struct ip ip;
	assert(request->argument_count == 2);
	if (!ip_parse(request->argument[1], &ip)) {
		http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL, "'%s' is no address",
				   request->argument[1]);
		return false;
	}
	ip_format(&ip, address);
	*ret = (struct control_request){.region = request->argument[0], .address = address};
	return true;
}

void api_put_vip(struct http_request *request, struct http_reply *reply)
{
	char address[IP_TEXT_MAX];
	struct control_request wanted;
	if (find_vip(request, reply, address, &wanted))
		put_control(request, reply, &wanted);
}

void api_delete_vip(struct http_request *request, struct http_reply *reply)
{
	char address[IP_TEXT_MAX];
	struct control_request wanted;
	if (find_vip(request, reply, address, &wanted))
		delete_control(request, reply, &wanted);
}

/* ---- origins ---- */

/* Ids have no '/', so the three stay apart. The address however it was written; false after a problem was put
 * into the reply. */
static bool find_origin(const struct http_request *request, struct http_reply *reply,
			char address[static CONTROL_ADDRESS_MAX], struct control_request *ret)
{
	const char *service = request->argument[0], *pool = request->argument[1];
	char text[CONTROL_ADDRESS_MAX];
	struct listen_address parsed;
	assert(request->argument_count == 3);
	snprintf(text, sizeof text, "%s", request->argument[2]);
	for (char *at = text; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at | 0x20);
	if (listen_parse_http(text, &parsed))
		listen_format((const struct sockaddr *)&parsed.sockaddr, false, text);
	if (!text_is_id(service) || !text_is_id(pool) || strlen(text) > 260) {
		http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL, "'%s', '%s' are no ids of origins",
				   service, pool);
		return false;
	}
	snprintf(address, CONTROL_ADDRESS_MAX, "%s/%s/%.260s", service, pool, text);
	*ret = (struct control_request){.region = CONTROL_OF_ORIGIN, .address = address};
	return true;
}

void api_put_origin(struct http_request *request, struct http_reply *reply)
{
	char address[CONTROL_ADDRESS_MAX];
	struct control_request wanted;
	if (find_origin(request, reply, address, &wanted))
		put_control(request, reply, &wanted);
}

void api_delete_origin(struct http_request *request, struct http_reply *reply)
{
	char address[CONTROL_ADDRESS_MAX];
	struct control_request wanted;
	if (find_origin(request, reply, address, &wanted))
		delete_control(request, reply, &wanted);
}

/* ---- regions ---- */

static struct control_request find_region(const struct http_request *request)
{
	assert(request->argument_count == 1 || request->argument_count == 2);
	return (struct control_request){
		.region = request->argument[0],
		.service = request->argument_count > 1 ? request->argument[1] : NULL,
	};
}

void api_put_region(struct http_request *request, struct http_reply *reply)
{
	struct control_request wanted = find_region(request);
	put_control(request, reply, &wanted);
}

void api_delete_region(struct http_request *request, struct http_reply *reply)
{
	struct control_request wanted = find_region(request);
	delete_control(request, reply, &wanted);
}

/* ---- batches ---- */

static bool is_same_object(const struct control_request *a, const struct control_request *b)
{
	return strcmp(a->region, b->region) == 0 &&
	       strcmp(a->service ? a->service : "", b->service ? b->service : "") == 0;
}

static void read_change(const struct http_request *request, const struct doc *doc,
			const struct doc_node *node, const struct control_request *earlier,
			size_t earlier_count, struct control_request *ret, struct err_list *errors)
{
	const struct fleet *fleet = server_fleet(api_server(request));
	if (node->kind != DOC_MAPPING) {
		doc_err(errors, doc, node, "a change is an object with region and share");
		return;
	}
	doc_check_keys(errors, doc, node, change_words, control_later);
	if (http_body_required(doc, node, "region", NAME_TEXT_MAX, errors))
		ret->region = api_member_object(fleet, FLEET_REGION, doc, node, "region", errors);
	ret->service = api_member_object(fleet, FLEET_SERVICE, doc, node, "service", errors);
	api_member_control(doc, node, false, ret, errors);
	for (size_t i = 0; i < earlier_count && ret->region; i++)
		if (earlier[i].region && is_same_object(&earlier[i], ret))
			doc_err(errors, doc, node, "the batch changes this object twice");
}

/* What `gslbctl flip` sends is told as a flip. */
static const char *verb_of_batch(const struct control_request *wanted, size_t count)
{
	bool is_flip = count == 2 && wanted[0].share != wanted[1].share && wanted[0].share % 100 == 0 &&
		       wanted[1].share % 100 == 0;
	return is_flip ? "flip" : count == 1 ? verb_of(wanted) : "batch";
}

static void run_batch(struct http_request *request, struct http_reply *reply, const struct doc *doc,
		      const struct doc_node *changes, struct err_list *errors)
{
	size_t count = 0;
	struct control_request *wanted = xcalloc(changes->count, sizeof *wanted);
	for (const struct doc_node *node = changes->first; node; node = node->next) {
		read_change(request, doc, node, wanted, count, &wanted[count], errors);
		count++;
	}
	assert(count == changes->count);
	enum change_outcome outcome = CHANGE_INVALID;
	struct requester requester = api_requester(request);
	if (!err_has_errors(errors))
		outcome = change_controls(api_server(request), wanted, count, &requester,
					  verb_of_batch(wanted, count), errors);
	if (outcome == CHANGE_DONE)
		http_reply_json(reply, 200,
				json_pack("{s:I}", "epoch", (json_int_t)server_epoch(api_server(request))));
	else
		api_reply_outcome(request, reply, outcome, errors);
	free(wanted);
}

void api_post_batch(struct http_request *request, struct http_reply *reply)
{
	struct doc *doc = http_body_read(request, reply);
	if (!doc)
		return;
	struct err_list errors = {0};
	doc_check_keys(&errors, doc, doc->root, batch_words, batch_later);
	const struct doc_node *changes = doc_get(doc->root, "changes");
	bool is_list = changes && changes->kind == DOC_SEQUENCE && changes->count >= 1 &&
		       changes->count <= API_BATCH_MAX;
	if (!is_list)
		doc_err(&errors, doc, changes ? changes : doc->root, "'changes' is a list of 1 to %d changes",
			API_BATCH_MAX);
	if (is_list)
		run_batch(request, reply, doc, changes, &errors);
	else
		api_reply_outcome(request, reply, CHANGE_INVALID, &errors);
	err_done(&errors);
	doc_free(doc);
}
