/*
 * One HTTP call, apart from how it is carried: http.c makes requests from evhttp's, tests make them by hand.
 * A handler reads the request and fills the reply; it never waits. Control thread.
 */
#pragma once
#include "daemon/http_reply.h"

#define HTTP_BODY_MAX ((size_t)64 << 20) /* octets; a longer one is 413 */
#define HTTP_TARGET_MAX 8192		 /* octets of path and query */
#define HTTP_ARGUMENTS_MAX 4
#define HTTP_PARAMS_MAX 8
#define HTTP_PAGE_DEFAULT 1000
#define HTTP_PAGE_MAX 10000

struct http_param {
	const char *name, *value; /* percent-decoded */
};

/*
 * How a call is answered later: the handler sets reply->is_deferred, keeps the pointer and calls one of these
 * from the loop, never from within itself. After `finish`, `retry` and `end` the pointer is gone.
 */
enum http_piece { HTTP_PIECE_SENT, HTTP_PIECE_BUSY, HTTP_PIECE_GONE };
struct http_deferred {
	void *user;								  /* that of the service */
	void (*finish)(struct http_deferred *deferred, struct http_reply *reply); /* reply is the caller's */
	/* Handles the request anew. */
	void (*retry)(struct http_deferred *deferred);
	/* Or in pieces, as JSON lines with status 200, and then `end` once. Takes the octets when they are
	 * sent; busy: the client takes them too slowly; gone: it has left, `end` is due. An empty first piece
	 * sends the head. */
	enum http_piece (*piece)(struct http_deferred *deferred, struct evbuffer *octets);
	void (*end)(struct http_deferred *deferred);
};

struct http_request {
	void *user;	    /* that of the service; http_route_dispatch fills it */
	const char *method; /* "GET", …; "" for one that HTTP allows and we never take */
	const char *target; /* as sent: path and query */
	const char *content_type, *if_match, *if_none_match; /* NULL: header absent */
	const char *body;
	size_t body_length;
	bool is_plain;	    /* came in on the plain listener */
	const char *author; /* "uid:1000 (name)" of the peer; "" on the plain listener */
	struct http_deferred *deferred;
	/* Filled by http_route_dispatch, valid during the handler. */
	size_t argument_count, param_count;
	const char *argument[HTTP_ARGUMENTS_MAX]; /* path segments that the pattern leaves open */
	struct http_param param[HTTP_PARAMS_MAX];
};

const char *http_request_param(const struct http_request *request, const char *name); /* NULL: absent */

/* These are false after a problem was put into the reply. */

bool http_request_bool(const struct http_request *request, struct http_reply *reply, const char *name,
		       bool *ret);

struct http_page {
	size_t limit;
	const char *after; /* NULL: from the start */
};
/* `limit` and `after` of a list; the list's reply is http_reply_page's. */
bool http_request_page(const struct http_request *request, struct http_reply *reply, struct http_page *ret);

/* If-Match and If-None-Match (RFC 9110 §13.1) against the object as it is; version is that of an object that
 * exists. */
bool http_request_check_version(const struct http_request *request, struct http_reply *reply, bool exists,
				uint64_t version);
