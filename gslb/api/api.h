/*
 * The HTTP API of gslbd (docs/api.md): the whole of it on the Unix socket, /metrics, /healthz and /readyz on
 * admin.http, too. Control thread.
 */
#pragma once
#include "gslb/control/server.h"

struct api;

/* Listens at the addresses of the server's configuration. NULL: errors say why. */
struct api *api_new(struct server *server, struct err_list *errors);
void api_free(struct api *api); /* NULL is fine; before server_free; removes the socket file */
/* Moves to the addresses of another configuration, or changes nothing and says why: for a reload, before
 * the configuration is taken over. */
bool api_rebind(struct api *api, const struct node_config *config, struct err_list *errors);
/* The plain listener as bound (port 0 = chosen by the kernel); false: none. */
bool api_http_address(const struct api *api, struct sockaddr_storage *ret);
