/*
 * Connections of clients, of one worker: a small record while idle, a buffer and an exchange while a request
 * is under way. A worker's thread.
 */
#pragma once
#include "forwarder/io/link.h"
#include "forwarder/io/wheel.h"
#include "lib/http/http_head.h"
#include "lib/net.h"

struct exchange;
struct worker;

enum conn_phase {
	CONN_FREE,
	CONN_PROXY,	/* a PROXY header is to come first */
	CONN_HANDSHAKE, /* of TLS */
	CONN_IDLE,	/* no octet of a request yet */
	CONN_HEAD,	/* some of a head */
	CONN_EXCHANGE,
	CONN_LINGER, /* our side is over; what the client still sends is read away */
};

struct conn {
	struct link link;
	struct wheel_node timer;
	uint64_t deadline_ms;
	struct buffer *in;
	struct exchange *exchange;
	struct conn *deferred; /* the next in the worker's list */
	struct ip address;     /* of the peer, or what its PROXY header told */
	struct ip peer;
	uint16_t port;
	enum conn_phase phase : 8;
	bool is_https, is_deferred, is_counted;
	struct http_head_scan scan; /* of the head that is coming */
	uint32_t lingered;	    /* octets that were read away */
	uint32_t requests;
	uint32_t free_next; /* in the free list, +1; 0: none */
	uint64_t opened_ms;
};

void conn_done(struct worker *worker); /* closes all */
/* Takes over an accepted socket. False: there is no room, it was closed. */
bool conn_open(struct worker *worker, int fd, bool is_https);
void conn_event(struct worker *worker, uint64_t data, uint32_t events);
void conn_origin_event(struct worker *worker, uint64_t data, uint32_t events);
/* A letter for a request that waits. */
void conn_granted(struct worker *worker, uint64_t cookie);
void conn_run_timers(struct worker *worker);
/* Those that had more to do than fitted into their turn. */
void conn_run_deferred(struct worker *worker);
/* No request comes any more: idle connections end between now and then. */
void conn_drain(struct worker *worker, uint64_t until_ms);
