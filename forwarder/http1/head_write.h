/*
 * Writes heads: the origin's from the record of the client's, and the client's from that of the origin's.
 * Neither is a copy: each field is passed on by name or by rule. Pure; a worker's thread.
 */
#pragma once
#include "forwarder/http1/http1_response.h"

#define HEAD_WRITE_TRACE 32
#define HEAD_WRITE_SPAN 16
#define HEAD_WRITE_DATE 29 /* Sun, 06 Nov 1994 08:49:37 GMT */

struct head_write_request {
	const struct http_head *head;
	const char *octets;
	const struct http1_request *request;
	const struct route *route; /* NULL: nothing is rewritten */
	struct route_text tenant;
	struct route_text client; /* address, as X-Real-IP tells it */
	struct route_text peer;	  /* address that is added to a trusted X-Forwarded-For; else the client */
	bool is_trusted;	  /* the peer is a trusted proxy: its forwarding fields are passed on */
	bool is_https;
	bool is_upgrade; /* http1_request_upgrades() */
	struct route_text request_id;
	const char *trace; /* HEAD_WRITE_TRACE hexadecimal digits; NULL: no traceparent is written */
	const char *span;  /* HEAD_WRITE_SPAN */
	bool is_sampled;   /* the trusted traceparent's flag, else true */
};

/* Octets that are enough, about 1 KiB more than the client's head. */
size_t head_write_request_room(const struct head_write_request *from);
/* Returns the length; 0: `size` is less than that. */
size_t head_write_request(const struct head_write_request *from, char *out, size_t size);

struct head_write_response {
	const struct http_head *head;
	const char *octets;
	const struct http1_response *response;
	uint8_t client_minor;
	enum http1_framing framing; /* http1_response_framing() */
	bool keeps_alive;	    /* the client's connection goes on; written where it is not the rule */
	bool is_switch;		    /* 101: Connection and Upgrade are passed on */
	const char *date;	    /* HEAD_WRITE_DATE octets, used where the origin has none */
	struct route_text extra;    /* whole lines with their CRLF: a sticky cookie, RateLimit */
};

size_t head_write_response_room(const struct head_write_response *from);
/* Also of 103 and 101. Returns the length; 0: `size` is less than head_write_response_room(). */
size_t head_write_response(const struct head_write_response *from, char *out, size_t size);
