/*
 * One request and its answer, from the head that was read to the last octet that was sent: either the
 * forwarder's own answer, or two flows between the client and an origin. What it needs of the world it has
 * copied. A worker's thread.
 */
#pragma once
#include "forwarder/http1/http1_body.h"
#include "forwarder/http1/http1_response.h"
#include "forwarder/io/flow.h"
#include "forwarder/io/tenant_notice.h"
#include "forwarder/plan/pool.h"
#include "forwarder/plan/reason.h"
#include "forwarder/traffic/fair.h"
#include "forwarder/traffic/limit.h"
#include "forwarder/traffic/retry.h"
#include "lib/net.h"

struct log_record_draft;
struct origin_link;
struct worker;

#define EXCHANGE_ID_LENGTH 32
#define EXCHANGE_LOOK_MS 100   /* QUEUED looks so often what nobody told it */
#define EXCHANGE_EXTRA_MAX 384 /* octets of fields that we add to the answer */
#define EXCHANGE_DRAIN_MAX                                                               \
	65536 /* octets of a body that nobody wants, read for the sake of the connection \
	       */

enum exchange_state {
	EXCHANGE_QUEUED, /* waits for its turn: at its tenant's concurrency, or at the pool */
	EXCHANGE_PAUSED, /* before it is tried again */
	EXCHANGE_CONNECTING,
	EXCHANGE_OPEN,	   /* octets flow to and from an origin */
	EXCHANGE_ANSWERED, /* no origin any more: what stands here is sent, and the rest of the request read
			      away */
};

enum exchange_result {
	EXCHANGE_RUNS,	 /* waits for an event, a letter or its deadline */
	EXCHANGE_BUSY,	 /* has used up its part of the turn, or no buffer is left: run it in the next one */
	EXCHANGE_KEEPS,	 /* over; the client's connection goes on */
	EXCHANGE_CLOSES, /* over; the client's connection is closed in order */
	EXCHANGE_ABORTS, /* over; the client must see that something is missing, or is gone */
};

/* What a direction waits for; each has its own patience. */
enum exchange_wait_kind {
	EXCHANGE_WAIT_NOTHING,
	EXCHANGE_WAIT_CLIENT_READ,  /* body of the request */
	EXCHANGE_WAIT_CLIENT_WRITE, /* the client takes the answer too slowly */
	EXCHANGE_WAIT_ORIGIN_WRITE,
	EXCHANGE_WAIT_HEAD, /* of the answer */
	EXCHANGE_WAIT_ORIGIN_READ,
	EXCHANGE_WAIT_SHAPED, /* bandwidth: goes on by itself */
};
struct exchange_wait {
	enum exchange_wait_kind kind;
	uint64_t since_ms, moved, until_ms;
};

/* What the answer of a route needs to know, copied. */
struct exchange_route {
	uint32_t number, timeout_ms, queue_ms;
	uint8_t retry; /* enum route_retry */
};

struct exchange {
	struct exchange *next; /* free ones */
	uint32_t generation;
	uint32_t conn; /* number of the client's connection */
	enum exchange_state state;
	struct link *client;
	struct buffer **in; /* what the client sent and was not used up; NULL there: nothing */
	struct origin_link *link;
	struct buffer *from;	    /* what the origin sent */
	struct http_head_scan scan; /* of the answer's head */
	struct flow up, down;
	struct http1_body up_body, down_body;
	struct exchange_wait up_wait, down_wait;
	uint64_t deadline_ms; /* of a state that has one */
	uint64_t look_ms;     /* QUEUED: when to look for a slot without being told */
	/* the request */
	bool is_head, is_idempotent, is_https, expects_continue, keeps_client;
	bool is_up_dead; /* the origin takes no more of it */
	bool has_tenant, is_up_chunked;
	bool is_tunnel, is_up_full, is_down_full; /* the last read filled its buffer */
	uint8_t client_minor;
	struct http1_response_asked asked;
	struct ip address; /* of the client */
	uint16_t port;
	/* the answer */
	bool has_head, is_answering; /* the final head came; octets of an answer went to the client */
	bool is_down_over, origin_keeps;
	enum http1_framing client_framing;
	uint16_t status;
	enum reason reason;
	uint32_t origin_idle_ms;
	/* whose it is, and where it goes */
	uint32_t service, tenant, policy; /* numbers */
	uint64_t content_length;
	uint64_t tenant_hash;
	uint8_t tenant_id_length;
	char tenant_id[TENANT_NOTICE_ID_MAX];
	uint64_t up_bytes_s, down_bytes_s; /* of the tenant */
	_Atomic uint64_t *up_tat_ns, *down_tat_ns;
	struct exchange_route route;
	uint32_t pool; /* index in the world; pool_state says whether it is still the same */
	struct pool_state *pool_state;
	enum policy_priority priority;
	struct limit_grant grant;
	struct fair_waiter waiter;
	bool waits_for_tenant;
	struct balance_choice choice;
	bool has_slot;
	uint64_t choice_hash;
	char sticky[BALANCE_STICKY_LENGTH]; /* of the request's cookie */
	bool has_sticky, sets_sticky;	    /* the request has a cookie; the pool wants one */
	uint32_t tried[RETRY_ATTEMPTS_MAX]; /* numbers of origins that failed */
	uint8_t tried_count, attempts;
	bool has_retried_fresh;
	uint64_t started_ns, queued_ns, connect_ns, connected_ns, sent_ns, head_ns;
	uint64_t up_octets, down_octets; /* of bodies */
	uint64_t rate_ms, rate_octets;	 /* a window of the body's least rate */
	uint8_t id_length;
	char id[EXCHANGE_ID_LENGTH];
	struct log_record_draft *draft; /* of its record for the access log; NULL: it gets none */
	bool is_logged_anyway;		/* whatever comes of it */
	char upgrade[32];		/* the token that was asked for */
	uint16_t extra_length;
	char extra[EXCHANGE_EXTRA_MAX]; /* last: whole field lines for the answer */
};

/* In memory that is never given back: a letter that comes late finds another generation. */
struct exchange *exchange_new(struct worker *worker);
/* Gives back all that it holds: buffers, slots, grants, the origin's connection. */
void exchange_free(struct worker *worker, struct exchange *exchange);
/* The answer is whole: the slot at the origin and the grants of the tenant are others' now. */
void exchange_release(struct worker *worker, struct exchange *exchange);
