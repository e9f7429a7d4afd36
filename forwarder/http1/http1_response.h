/*
 * What the head of an origin's response means (RFC 9112 §6.3, RFC 9110 §15.2): interim or final, its framing,
 * and whether the connection can be used again. Pure; a worker's thread.
 */
#pragma once
#include "forwarder/http1/http1_request.h"

#define HTTP1_RESPONSE_HEAD_MAX 32768
#define HTTP1_RESPONSE_FIELDS_MAX 200
#define HTTP1_RESPONSE_INTERIM_MAX 16
#define HTTP1_RESPONSE_HINTS_MAX 8

extern const struct http_head_limits http1_response_limits;

/* What was asked, and what has come before. */
struct http1_response_asked {
	bool is_head;
	uint8_t client_minor;
	struct route_text upgrade; /* the token that the origin was sent; text NULL: none */
	uint8_t interims, hints;   /* so far, zero at first; counted by http1_response_read() */
};

enum http1_response_kind {
	HTTP1_RESPONSE_FINAL,
	HTTP1_RESPONSE_DROPPED, /* an interim one that is not for the client */
	HTTP1_RESPONSE_HINTS,	/* 103: to the client, and on */
	HTTP1_RESPONSE_SWITCH,	/* the 101 that was asked for */
	HTTP1_RESPONSE_BAD,	/* 502, the connection is closed */
};

struct http1_response {
	uint16_t status;
	uint8_t minor;
	enum http1_framing framing; /* of what the origin sends behind the head */
	uint64_t content_length;    /* HTTP1_LENGTH; also what HEAD and 304 tell, see has_length */
	bool has_length;	    /* a Content-Length is told to the client */
	bool keeps_alive;	    /* of the origin: may be used again when the body is whole */
	bool has_date;
	uint32_t idle_s; /* Keep-Alive: timeout=N; 0: not said */
};

/* Reads *head, and marks its fields that Connection names. */
enum http1_response_kind http1_response_read(struct http_head *head, const char *octets,
					     struct http1_response_asked *asked, struct http1_response *ret);

/* How the body goes to a client of this version: NONE, LENGTH, CHUNKED, or TO_EOF, which closes. */
enum http1_framing http1_response_framing(const struct http1_response *response, uint8_t client_minor);
