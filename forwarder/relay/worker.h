/*
 * What a worker has for itself: its epoll, timers, buffers and tables of connections. The files of relay/
 * share it; nothing of it is locked. What is common to all workers stands in struct relay_shared.
 */
#pragma once
#include "forwarder/io/buffers.h"
#include "forwarder/io/listeners.h"
#include "forwarder/io/mailbox.h"
#include "forwarder/io/wheel.h"
#include "forwarder/io/worker_view.h"
#include "forwarder/plan/request_stats.h"
#include "forwarder/plan/world.h"
#include "forwarder/tls/tls.h"
#include "lib/http/http_head.h"
#include "lib/publish.h"
#include "lib/rng.h"

#define WORKER_PEERS_MAX 256

struct conn;
struct exchange;
struct balance_local;
struct clients;
struct fair;
struct limits;
struct origin_link;
struct retry_budget;
struct tls_context;
struct worker;

/* What all workers of the process share. Constant after the start, but for the words behind atomics. */
struct relay_shared {
	const struct publish *world;
	struct fair *fair;
	struct limits *limits;
	struct clients *clients;
	struct worker *workers[WORKER_PEERS_MAX];
	unsigned worker_count;
	uint32_t connections_max; /* of one worker */
	_Atomic uint32_t is_draining;
};

struct worker_listener {
	int fd;
	bool is_https;
};

struct worker {
	struct relay_shared *relay;
	unsigned number;
	int epoll_fd;
	bool is_stopping;
	struct publish_reader reader;
	unsigned listener_count;
	struct worker_listener listeners[LISTENERS_MAX];
	uint64_t accept_ms;	 /* no connection is accepted before */
	uint64_t date_ms;	 /* when unix_s and date are to be read again */
	uint64_t now_ns, now_ms; /* of this turn, CLOCK_MONOTONIC */
	int64_t unix_s;
	char date[29]; /* "Sun, 06 Nov 1994 08:49:37 GMT" of unix_s */
	struct wheel wheel;
	struct buffers buffers;
	struct request_stats *stats;
	struct rng rng;
	bool has_tls;
	struct tls_settings tls_settings;
	struct tls_context *tls; /* NULL: the build has no use for it */
	/* clients */
	struct conn *conns; /* mapped, connections_max of them */
	uint32_t conn_end, conn_free, conn_count;
	_Atomic uint32_t conn_count_shown; /* for other workers */
	struct conn *deferred;		   /* that have more to do in the next turn */
	/* origins */
	struct origin_link *origin_links;
	uint32_t origin_link_end, origin_link_free;
	struct origin_idle *idle;      /* by number of the origin */
	struct balance_local *balance; /* by number of the pool's state */
	struct retry_budget *budgets;  /* likewise */
	struct exchange *exchange_free;
	/* access log */
	struct log_record_sink log;
	struct worker_view view;
	struct log_record_draft *draft_free;
	struct tenant_notices notices;
	/* What a head is parsed into: it is used up before the next one. */
	struct http_head head;
	struct mailbox mailbox;
};
