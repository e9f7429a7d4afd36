/*
 * From the head of a request to where it goes: read, judged, matched to its tenant and route, admitted, and
 * said anew for the origin. A worker's thread.
 */
#pragma once
#include "forwarder/relay/exchange.h"

/* Whom a request comes from, by its connection. */
struct request_client {
	uint32_t conn;
	struct link *link;
	struct buffer **in;	     /* the head stands at its start */
	struct http_head_scan *scan; /* of it: zero with its first octet */
	struct ip address;	     /* of the peer, as a PROXY header may have told */
	uint16_t port;
	bool is_https;
	bool is_first; /* of its connection */
	bool is_last;  /* the connection ends behind the answer whatever is asked */
};

enum request_status {
	REQUEST_PARTIAL, /* of the head more is needed */
	REQUEST_BEGUN,	 /* *ret is set; exchange_run goes on */
	REQUEST_STARVED, /* no buffer is left: try again later */
};

enum request_status request_begin(struct worker *worker, const struct request_client *client,
				  struct exchange **ret);
/* A request that never became whole: 408. NULL: no buffer is left. */
struct exchange *request_late(struct worker *worker, const struct request_client *client);
