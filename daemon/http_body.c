/* JSON bodies: syntax is 400, content is 422 with a pointer to every wrong member. Control thread. */
#include "daemon/http_body.h"
#include <assert.h>
#include <string.h>

struct doc *http_body_read(const struct http_request *request, struct http_reply *reply)
{
	struct err_list errors = {0};
	struct doc *doc = NULL;
	if (request->body_length == 0)
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "a JSON body is expected");
	else if (!(doc = doc_from_json(request->body, request->body_length, &errors)))
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, &errors, "%s",
				   err_first_message(&errors));
	else if (doc->root->kind != DOC_MAPPING) {
		doc_err(&errors, doc, doc->root, "the body is a JSON object");
		http_reply_problem(reply, HTTP_PROBLEM_INVALID, &errors, "%s", err_first_message(&errors));
		doc_free(doc);
		doc = NULL;
	}
	err_done(&errors);
	return doc;
}

static bool is_null(const struct doc_node *node)
{
	return node->kind == DOC_SCALAR && !node->is_quoted && strcmp(node->text, "null") == 0;
}

const char *http_body_text(const struct doc *doc, const struct doc_node *node, const char *key,
			   size_t octets_max, struct err_list *errors)
{
	const struct doc_node *member = doc_get(node, key);
	if (!member || is_null(member))
		return NULL;
	if (member->kind != DOC_SCALAR || !member->is_quoted)
		doc_err(errors, doc, member, "'%s' is a string", key);
	else if (member->length > octets_max)
		doc_err(errors, doc, member, "'%s' has at most %zu octets", key, octets_max);
	else
		return member->text;
	return NULL;
}

const char *http_body_required(const struct doc *doc, const struct doc_node *node, const char *key,
			       size_t octets_max, struct err_list *errors)
{
	const struct doc_node *member = doc_get(node, key);
	if (!member || is_null(member))
		doc_err(errors, doc, member ? member : node, "'%s' is required", key);
	return http_body_text(doc, node, key, octets_max, errors);
}
