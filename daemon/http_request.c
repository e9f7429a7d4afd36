/* Parameters and preconditions of a call. Control thread. */
#include "daemon/http_request.h"
#include "lib/text.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *http_request_param(const struct http_request *request, const char *name)
{
	assert(request->param_count <= HTTP_PARAMS_MAX);
	for (size_t i = 0; i < request->param_count; i++)
		if (strcmp(request->param[i].name, name) == 0)
			return request->param[i].value;
	return NULL;
}

bool http_request_bool(const struct http_request *request, struct http_reply *reply, const char *name,
		       bool *ret)
{
	const char *value = http_request_param(request, name);
	bool is_true = value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
	if (value && !is_true && strcmp(value, "false") != 0 && strcmp(value, "0") != 0) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "%s is true or false", name);
		return false;
	}
	*ret = is_true;
	return true;
}

bool http_request_page(const struct http_request *request, struct http_reply *reply, struct http_page *ret)
{
	const char *limit = http_request_param(request, "limit");
	uint64_t value = HTTP_PAGE_DEFAULT;
	if (limit && (!text_to_uint(limit, &value) || value < 1 || value > HTTP_PAGE_MAX)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "limit is a number from 1 to %d",
				   HTTP_PAGE_MAX);
		return false;
	}
	*ret = (struct http_page){.limit = (size_t)value, .after = http_request_param(request, "after")};
	return true;
}

/* ---- preconditions ---- */

/* Whether a list of entity tags ("1", W/"2", *) names this version. A weak tag never matches where a
 * change is guarded (RFC 9110 §8.8.3.2). A bare number is taken for a tag. */
static bool names_version(const char *list, uint64_t version)
{
	char wanted[24];
	snprintf(wanted, sizeof wanted, "%" PRIu64, version);
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

bool http_request_check_version(const struct http_request *request, struct http_reply *reply, bool exists,
				uint64_t version)
{
	if (request->if_match && !exists) {
		http_reply_problem(reply, HTTP_PROBLEM_PRECONDITION, NULL,
				   "If-Match: the object does not exist");
		return false;
	}
	if (request->if_match && !names_version(request->if_match, version)) {
		http_reply_problem(reply, HTTP_PROBLEM_PRECONDITION, NULL,
				   "If-Match: the object has version %" PRIu64, version);
		return false;
	}
	if (request->if_none_match && exists && names_version(request->if_none_match, version)) {
		http_reply_problem(reply, HTTP_PROBLEM_PRECONDITION, NULL,
				   "If-None-Match: the object exists, version %" PRIu64, version);
		return false;
	}
	return true;
}
