/* Replies: JSON, application/problem+json (RFC 9457), versions, pages of lists. Control thread. */
#include "daemon/http_reply.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct http_problem_kind problems[HTTP_PROBLEMS] = {
	[HTTP_PROBLEM_INVALID] = {"invalid", "The request is well-formed, but its content is not valid", 422},
	[HTTP_PROBLEM_NOT_FOUND] = {"not-found", "There is no such object", 404},
	[HTTP_PROBLEM_CONFLICT] = {"conflict", "The change contradicts the present state", 409},
	[HTTP_PROBLEM_BASE_OBJECT] = {"base-object",
				      "The object belongs to a fleet file and is read-only here", 409},
	[HTTP_PROBLEM_PRECONDITION] = {"precondition", "The object has another version", 412},
	[HTTP_PROBLEM_TOO_LARGE] = {"too-large", "The body is too large", 413},
	[HTTP_PROBLEM_UNAVAILABLE] = {"unavailable", "This node cannot do that now", 503},
	[HTTP_PROBLEM_METHOD] = {"method", "The path does not take this method", 405},
	[HTTP_PROBLEM_BAD_REQUEST] = {"bad-request", "The request cannot be understood", 400},
};

const struct http_problem_kind *http_reply_problem_kind(enum http_problem problem)
{
	assert((unsigned)problem < HTTP_PROBLEMS && problems[problem].type);
	return &problems[problem];
}

void http_reply_init(struct http_reply *reply)
{
	*reply = (struct http_reply){.status = 500, .content_type = "application/json"};
	reply->body = evbuffer_new();
	if (!reply->body)
		abort();
}

void http_reply_done(struct http_reply *reply)
{
	evbuffer_free(reply->body);
	reply->body = NULL;
}

/* Empties the body. */
static void set_head(struct http_reply *reply, int status, const char *content_type)
{
	assert(reply->body && !reply->is_deferred && status >= 200 && status < 600 && content_type);
	reply->status = status;
	reply->content_type = content_type;
	evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
}

static void set_body(struct http_reply *reply, int status, const char *content_type, const char *text,
		     size_t length)
{
	set_head(reply, status, content_type);
	if (evbuffer_add(reply->body, text, length) < 0)
		abort();
}

static void set_json(struct http_reply *reply, int status, const char *content_type, json_t *body)
{
	assert(body);
	/* 15 digits: what a double keeps of a decimal, so that 0.95 stays 0.95. */
	char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (!text)
		abort();
	set_body(reply, status, content_type, text, strlen(text));
	free(text);
	json_decref(body);
}

void http_reply_json(struct http_reply *reply, int status, json_t *body)
{
	set_json(reply, status, "application/json", body);
}

void http_reply_text(struct http_reply *reply, int status, const char *content_type, const char *text)
{
	set_body(reply, status, content_type, text, strlen(text));
}

static void free_text(const void *text, size_t length, void *user)
{
	free((void *)text);
}

void http_reply_owned_text(struct http_reply *reply, int status, const char *content_type, char *text,
			   size_t length)
{
	set_head(reply, status, content_type);
	if (evbuffer_add_reference(reply->body, text, length, free_text, NULL) < 0)
		abort();
}

void http_reply_constant(struct http_reply *reply, int status, const char *content_type, const void *octets,
			 size_t length)
{
	set_head(reply, status, content_type);
	if (evbuffer_add_reference(reply->body, octets, length, NULL, NULL) < 0)
		abort();
}

void http_reply_problem(struct http_reply *reply, enum http_problem problem, const struct err_list *errors,
			const char *format, ...)
{
	char *detail = NULL;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&detail, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	const struct http_problem_kind *kind = http_reply_problem_kind(problem);
	char *type = xasprintf("urn:gslb:%s", kind->type);
	json_t *body = json_object();
	json_object_set_new(body, "type", json_text(type));
	json_object_set_new(body, "title", json_text(kind->title));
	json_object_set_new(body, "status", json_integer(kind->status));
	json_object_set_new(body, "detail", json_text(detail));
	if (errors && err_has_errors(errors))
		json_object_set_new(body, "errors", err_to_json(errors));
	free(type);
	free(detail);
	reply->etag[0] = '\0';
	set_json(reply, kind->status, "application/problem+json", body);
}

void http_reply_errors(struct http_reply *reply, enum http_problem problem, const struct err_list *errors)
{
	const char *detail = "no reason known";
	size_t count = 0;
	for (size_t i = errors->count; i-- > 0;) {
		if (errors->items[i].is_warning)
			continue;
		detail = errors->items[i].message;
		count++;
	}
	if (count > 1)
		http_reply_problem(reply, problem, errors, "%s (and %zu more)", detail, count - 1);
	else
		http_reply_problem(reply, problem, errors, "%s", detail);
}

void http_reply_set_etag(struct http_reply *reply, uint64_t version)
{
	assert(reply->status < 300); /* a problem has no version */
	snprintf(reply->etag, sizeof reply->etag, "\"%" PRIu64 "\"", version);
}

void http_reply_page(struct http_reply *reply, json_t *items, const char *next)
{
	json_t *body = json_object();
	assert(json_is_array(items));
	json_object_set_new(body, "items", items);
	json_object_set_new(body, "next", json_text(next));
	http_reply_json(reply, 200, body);
}
