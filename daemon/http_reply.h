/*
 * Replies of HTTP calls: JSON, problems (RFC 9457), versions as ETags, pages of lists. Each function replaces
 * what the reply held. Control thread.
 */
#pragma once
#include "lib/err.h"
#include <event2/buffer.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct http_reply {
	bool is_deferred; /* nothing here: see struct http_deferred */
	int status;
	const char *content_type;
	char etag[32];	/* quoted; "" none */
	char allow[64]; /* "" none */
	struct evbuffer *body;
};

void http_reply_init(struct http_reply *reply);
void http_reply_done(struct http_reply *reply);

void http_reply_json(struct http_reply *reply, int status, json_t *body); /* takes over body */
void http_reply_text(struct http_reply *reply, int status, const char *content_type, const char *text);
/* Takes over the text, which is not copied. */
void http_reply_owned_text(struct http_reply *reply, int status, const char *content_type, char *text,
			   size_t length);
/* Octets that live as long as the process, which are not copied. */
void http_reply_constant(struct http_reply *reply, int status, const char *content_type, const void *octets,
			 size_t length);
/* {items, next}; takes over items; next NULL: the list ends here. */
void http_reply_page(struct http_reply *reply, json_t *items, const char *next);
void http_reply_set_etag(struct http_reply *reply, uint64_t version);

/* The kinds of problems that all daemons tell; the last part of `type` is named like them. */
enum http_problem {
	HTTP_PROBLEM_INVALID,
	HTTP_PROBLEM_NOT_FOUND,
	HTTP_PROBLEM_CONFLICT,
	HTTP_PROBLEM_BASE_OBJECT,
	HTTP_PROBLEM_PRECONDITION,
	HTTP_PROBLEM_TOO_LARGE,
	HTTP_PROBLEM_UNAVAILABLE,
	HTTP_PROBLEM_METHOD,
	HTTP_PROBLEM_BAD_REQUEST,
	HTTP_PROBLEMS
};

struct http_problem_kind {
	const char *type, *title;
	int status;
};
const struct http_problem_kind *http_reply_problem_kind(enum http_problem problem);

/* errors: NULL, or a list for the member `errors` (not emptied). */
void http_reply_problem(struct http_reply *reply, enum http_problem problem, const struct err_list *errors,
			const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, and what the first error says is the detail. */
void http_reply_errors(struct http_reply *reply, enum http_problem problem, const struct err_list *errors);
