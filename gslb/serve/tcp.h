/*
 * DNS over TCP (RFC 7766): one thread and one libevent base with its listening sockets and all
 * connections that the kernel gives to these. workers.c binds the sockets and owns the threads.
 */
#pragma once
#include "gslb/serve/answer.h"
#include "gslb/serve/tcp_slots.h"
#include "lib/publish.h"

struct tcp_server;

/* Takes over the sockets, which already listen and do not block, and uses `stats`. Several share `slots`,
 * which live longer. */
struct tcp_server *tcp_new(const struct publish *world, struct tcp_slots *slots, const int *sockets,
			   size_t count, struct stats *stats);
void *tcp_run(void *server);		  /* the thread: serves until tcp_stop */
void tcp_stop(struct tcp_server *server); /* any thread; tcp_run returns soon after */
void tcp_free(struct tcp_server *server); /* after tcp_run has returned; NULL is fine */
