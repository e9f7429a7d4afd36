/*
 * JSON bodies of HTTP calls: broken syntax is 400; what is wrong in the content goes into a list of errors,
 * each with a pointer to its member, for one 422. Control thread.
 */
#pragma once
#include "daemon/http_request.h"
#include "lib/doc_read.h"

/* The body as a JSON object; NULL after a problem was put into the reply. */
struct doc *http_body_read(const struct http_request *request, struct http_reply *reply);
/* A string member: NULL when absent, null or wrong (then with an entry in errors). */
const char *http_body_text(const struct doc *doc, const struct doc_node *node, const char *key,
			   size_t octets_max, struct err_list *errors);
/* The same, and absent or null is an error too. */
const char *http_body_required(const struct doc *doc, const struct doc_node *node, const char *key,
			       size_t octets_max, struct err_list *errors);
