/* What the calls that change something have in common: who asks, and how it came out. Control thread. */
#include "gslb/api/api_internal.h"
#include "lib/json_text.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

struct requester api_requester(const struct http_request *request)
{
	return (struct requester){.author = request->author, .via = "api"};
}

static void retry(void *user)
{
	struct http_deferred *deferred = user;
	deferred->retry(deferred);
}

static enum http_problem problem_of(enum change_outcome outcome)
{
	switch (outcome) {
	case CHANGE_INVALID:
		return HTTP_PROBLEM_INVALID;
	case CHANGE_BASE_OBJECT:
		return HTTP_PROBLEM_BASE_OBJECT;
	case CHANGE_NOT_FOUND:
		return HTTP_PROBLEM_NOT_FOUND;
	case CHANGE_UNAVAILABLE:
		return HTTP_PROBLEM_UNAVAILABLE;
	case CHANGE_DONE:
	case CHANGE_WAITS:
		break;
	}
	assert(!"this outcome is no problem");
	return HTTP_PROBLEM_UNAVAILABLE;
}

void api_reply_outcome(const struct http_request *request, struct http_reply *reply,
		       enum change_outcome outcome, const struct err_list *errors)
{
	if (outcome == CHANGE_WAITS) {
		reply->is_deferred = true;
		server_await(api_server(request), retry, request->deferred);
	} else {
		http_reply_errors(reply, problem_of(outcome), errors);
	}
}

void api_reply_version(const struct http_request *request, struct http_reply *reply, int status,
		       uint64_t version)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, version);
	http_reply_json(reply, status,
			json_pack("{s:o, s:I}", "version", json_text(text), "epoch",
				  (json_int_t)server_epoch(api_server(request))));
	http_reply_set_etag(reply, version);
}
