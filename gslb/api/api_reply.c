/*
 * Replies of the API: JSON, application/problem+json (RFC 9457), versions with ETag and If-Match, and
 * pages of lists. Control thread.
 */
#include "gslb/api/api_request.h"

#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *type, *title;
	int status;
} problems[PROBLEM_COUNT] = {
	[PROBLEM_INVALID] = {"invalid", "The request is well-formed, but its content is not valid", 422},
	[PROBLEM_NOT_FOUND] = {"not-found", "There is no such object", 404},
	[PROBLEM_CONFLICT] = {"conflict", "The change contradicts the present state", 409},
	[PROBLEM_BASE_OBJECT] = {"base-object", "The object belongs to a fleet file and is read-only here",
				 409},
	[PROBLEM_PRECONDITION] = {"precondition", "The object has another version", 412},
	[PROBLEM_TOO_LARGE] = {"too-large", "The body is too large", 413},
	[PROBLEM_UNAVAILABLE] = {"unavailable", "This node cannot do that now", 503},
	[PROBLEM_METHOD] = {"method", "The path does not take this method", 405},
	[PROBLEM_BAD_REQUEST] = {"bad-request", "The request cannot be understood", 400},
};

void api_reply_init(struct api_reply *reply)
{
	*reply = (struct api_reply){.status = 500, .content_type = "application/json"};
	reply->body = evbuffer_new();
	if (!reply->body)
		abort();
}

void api_reply_done(struct api_reply *reply)
{
	evbuffer_free(reply->body);
	reply->body = NULL;
}

static void set_body(struct api_reply *reply, int status, const char *content_type, const char *text,
		     size_t length)
{
	reply->status = status;
	reply->content_type = content_type;
	evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
	if (evbuffer_add(reply->body, text, length) < 0)
		abort();
}

static void set_json(struct api_reply *reply, int status, const char *content_type, json_t *body)
{
	/* 15 digits: what a double keeps of a decimal, so that 0.95 stays 0.95. */
	char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (!text)
		abort();
	set_body(reply, status, content_type, text, strlen(text));
	free(text);
	json_decref(body);
}

void api_reply_json(struct api_reply *reply, int status, json_t *body)
{
	set_json(reply, status, "application/json", body);
}

void api_reply_text(struct api_reply *reply, int status, const char *content_type, const char *text)
{
	set_body(reply, status, content_type, text, strlen(text));
}

static void free_text(const void *text, size_t length, void *user)
{
	free((void *)text);
}

void api_reply_owned_text(struct api_reply *reply, int status, const char *content_type, char *text,
			  size_t length)
{
	reply->status = status;
	reply->content_type = content_type;
	evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
	if (evbuffer_add_reference(reply->body, text, length, free_text, NULL) < 0)
		abort();
}

void api_reply_problem(struct api_reply *reply, enum api_problem problem, const struct err_list *errors,
		       const char *format, ...)
{
	char *detail = NULL;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&detail, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	char *type = xasprintf("urn:gslb:%s", problems[problem].type);
	json_t *body = json_object();
	json_object_set_new(body, "type", json_text(type));
	json_object_set_new(body, "title", json_text(problems[problem].title));
	json_object_set_new(body, "status", json_integer(problems[problem].status));
	json_object_set_new(body, "detail", json_text(detail));
	if (errors && err_has_errors(errors))
		json_object_set_new(body, "errors", err_to_json(errors));
	free(type);
	free(detail);
	reply->etag[0] = '\0';
	set_json(reply, problems[problem].status, "application/problem+json", body);
}

void api_reply_outcome(struct api_reply *reply, enum change_outcome outcome, const struct err_list *errors)
{
	static const enum api_problem problem_of[] = {
		[CHANGE_DONE] = PROBLEM_UNAVAILABLE,	    [CHANGE_INVALID] = PROBLEM_INVALID,
		[CHANGE_BASE_OBJECT] = PROBLEM_BASE_OBJECT, [CHANGE_NOT_FOUND] = PROBLEM_NOT_FOUND,
		[CHANGE_UNAVAILABLE] = PROBLEM_UNAVAILABLE,
	};
	const char *detail = "no reason known";
	size_t more = 0;
	reply->is_put_off = outcome == CHANGE_WAITS;
	if (reply->is_put_off)
		return;
	for (size_t i = errors->count; i-- > 0;) {
		if (errors->items[i].is_warning)
			continue;
		detail = errors->items[i].message;
		more++;
	}
	if (more > 1)
		api_reply_problem(reply, problem_of[outcome], errors, "%s (and %zu more)", detail, more - 1);
	else
		api_reply_problem(reply, problem_of[outcome], errors, "%s", detail);
}

void api_reply_set_etag(struct api_reply *reply, uint64_t version)
{
	snprintf(reply->etag, sizeof(reply->etag), "\"%" PRIu64 "\"", version);
}

void api_reply_version(struct api_reply *reply, int status, const struct api_request *request,
		       uint64_t version)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, version);
	api_reply_json(reply, status,
		       json_pack("{s:o, s:I}", "version", json_text(text), "epoch",
				 (json_int_t)server_epoch(request->server)));
	api_reply_set_etag(reply, version);
}

/* ---- parameters ---- */

const char *api_param(const struct api_request *request, const char *name)
{
	for (size_t i = 0; i < request->param_count; i++)
		if (strcmp(request->param[i].name, name) == 0)
			return request->param[i].value;
	return NULL;
}

bool api_param_bool(const struct api_request *request, struct api_reply *reply, const char *name, bool *ret)
{
	const char *value = api_param(request, name);
	bool is_true = value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
	if (value && !is_true && strcmp(value, "false") != 0 && strcmp(value, "0") != 0) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL, "%s is true or false", name);
		return false;
	}
	*ret = is_true;
	return true;
}

bool api_param_page(const struct api_request *request, struct api_reply *reply, struct api_page *ret)
{
	const char *limit = api_param(request, "limit");
	uint64_t value = API_PAGE_DEFAULT;
	if (limit && (!text_to_uint(limit, &value) || value < 1 || value > API_PAGE_MAX)) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL, "limit is a number from 1 to %d",
				  API_PAGE_MAX);
		return false;
	}
	*ret = (struct api_page){.limit = (size_t)value, .after = api_param(request, "after")};
	return true;
}

void api_reply_page(struct api_reply *reply, json_t *items, const char *next)
{
	json_t *body = json_object();
	json_object_set_new(body, "items", items);
	json_object_set_new(body, "next", next ? json_text(next) : json_null());
	api_reply_json(reply, 200, body);
}

/* ---- preconditions ---- */

/* Whether a list of entity tags ("1", W/"2", *) names this version. A weak tag never matches where a
 * change is guarded (RFC 9110 §8.8.3.2). A bare number is taken for a tag. */
static bool names_version(const char *list, uint64_t version)
{
	char wanted[24];
	snprintf(wanted, sizeof(wanted), "%" PRIu64, version);
	size_t wanted_length = strlen(wanted);
	while (*list) {
		list += strspn(list, " \t,");
		size_t length = strcspn(list, ",");
		const char *tag = list;
		list += length;
		while (length > 0 && (tag[length - 1] == ' ' || tag[length - 1] == '\t'))
			length--;
		if (length == 1 && *tag == '*')
			return true;
		if (length >= 2 && tag[0] == '"' && tag[length - 1] == '"') {
			tag++;
			length -= 2;
		}
		if (length == wanted_length && memcmp(tag, wanted, length) == 0)
			return true;
	}
	return false;
}

bool api_check_preconditions(const struct api_request *request, struct api_reply *reply, bool exists,
			     uint64_t version)
{
	if (request->if_match && !exists) {
		api_reply_problem(reply, PROBLEM_PRECONDITION, NULL, "If-Match: the object does not exist");
		return false;
	}
	if (request->if_match && !names_version(request->if_match, version)) {
		api_reply_problem(reply, PROBLEM_PRECONDITION, NULL,
				  "If-Match: the object has version %" PRIu64, version);
		return false;
	}
	if (request->if_none_match && exists && names_version(request->if_none_match, version)) {
		api_reply_problem(reply, PROBLEM_PRECONDITION, NULL,
				  "If-None-Match: the object exists, version %" PRIu64, version);
		return false;
	}
	return true;
}
