/*
 * What the head of a request means (RFC 9112 §3, §6): its framing, decided in one place; host and path in
 * their one form; what becomes of the connection. Pure; a worker's thread.
 */
#pragma once
#include "forwarder/plan/reason.h"
#include "forwarder/plan/route.h"
#include "forwarder/plan/target.h"
#include "lib/http/http_head.h"

enum http1_framing {
	HTTP1_NONE,   /* no body */
	HTTP1_LENGTH, /* Content-Length, also 0 */
	HTTP1_CHUNKED,
	HTTP1_TO_EOF, /* of responses only */
};

/* For `Allow`, where we answer 405 for a method that no route is asked about, or OPTIONS ourselves. */
#define HTTP1_REQUEST_ALLOW "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"

/* For the host and the path of one request. */
#define HTTP1_REQUEST_SCRATCH(target_bytes) (TARGET_HOST_MAX + 2 * ((target_bytes) + 1))

struct http1_request {
	uint8_t minor;
	enum http1_framing framing;
	uint64_t content_length; /* HTTP1_LENGTH; else 0 */
	bool keeps_alive;	 /* the client's connection goes on behind the answer */
	bool is_head;		 /* HEAD: the answer has no body */
	bool is_options_here;	 /* OPTIONS * or with Max-Forwards 0: 200 by us once the tenant is known */
	bool is_idempotent;	 /* GET HEAD OPTIONS PUT DELETE TRACE (RFC 9110 §9.2.2) */
	bool expects_continue;	 /* 100 is to be sent by us when all checks are passed */
	bool accepts_trailers;	 /* TE: trailers */
	bool has_host;		 /* false: HTTP/1.0 without Host, no tenant */
	struct target_host host;
	const char *name;	 /* of the host, host.length octets in lower case */
	struct target_path path; /* what routes match and the origin gets */
	const char *method;
	uint32_t method_length;
	/* The one protocol that Upgrade asks for where all of RFC 9110 §7.8 holds; text NULL: none. As the
	 * client wrote it. http1_request_upgrade() asks the route. */
	struct route_text upgrade;
	uint32_t max_forwards; /* of OPTIONS, already one less; UINT32_MAX: not said */
};

struct http1_verdict {
	enum reason reason; /* REASON_NONE: the request stands */
	bool closes;	    /* `Connection: close` on our answer, lingering close */
};

/* Of a head that http_head_request() refused; never PARTIAL or DONE. All close. */
struct http1_verdict http1_request_refusal(enum http_head_status status);

/*
 * Reads *head, which points into `octets`, and marks its fields that Connection names. `is_https`: how the
 * client is connected. `scratch` has HTTP1_REQUEST_SCRATCH(limits.target_bytes) octets; *ret points there
 * and into `octets`. With a refusal *ret has at least minor, method, framing and keeps_alive, for the answer.
 */
struct http1_verdict http1_request_read(struct http_head *head, const char *octets, bool is_https,
					char *scratch, struct http1_request *ret);

/* Whether this route lets the request leave HTTP: its `upgrade` has the protocol. */
bool http1_request_upgrades(const struct http1_request *request, const struct route *route);

/* What route_find() asks for. */
struct route_request http1_request_route(const struct http1_request *request, const struct http_head *head,
					 const char *octets);

/* ---- shared with responses ---- */

/* Zero before the first Connection field. */
struct http1_connection {
	uint32_t names;
	bool closes, keeps_alive, upgrades;
};

/* Reads one Connection field and marks the fields that it names, but those that frame, route or are ours
 * alone to say. False: an element is no token, or they are more than 16. */
bool http1_request_connection(struct http_head *head, const char *octets, const struct http_head_field *field,
			      struct http1_connection *ret);
/* A Content-Length: up to 19 digits and below 2^63. */
bool http1_request_length(const char *text, size_t length, uint64_t *ret);
