/*
 * The HTTP server of a daemon, carried by libevent's evhttp: the whole service on a Unix socket, and its
 * plain pages on a TCP socket of the loopback. Control thread.
 */
#pragma once
#include "daemon/http_route.h"
#include "lib/net.h"
#include <event2/event.h>

struct http_server;

struct http_addresses {
	const char *socket;	   /* path of the Unix socket */
	const char *plain_written; /* as configured; NULL: no plain listener */
	struct listen_address plain;
};

/* Binds both sockets (the Unix socket with mode 0660; a stale file is replaced, a live one is an error).
 * NULL: errors say why. `service` outlives it; what is in `addresses` is copied. */
struct http_server *http_server_new(struct event_base *base, const struct http_service *service,
				    const struct http_addresses *addresses, struct err_list *errors);
/* NULL is fine. Removes the socket file; calls that wait for their reply are closed without one. */
void http_server_free(struct http_server *server);
/* Moves to other addresses, or changes nothing and says why. */
bool http_server_rebind(struct http_server *server, const struct http_addresses *addresses,
			struct err_list *errors);
/* The plain listener as bound (port 0 = chosen by the kernel); false: there is none. */
bool http_server_plain_address(const struct http_server *server, struct sockaddr_storage *ret);
