/*
 * The HTTP/JSON API on the Unix socket (reference/configuration.md, "API") and, on admin.http, the
 * three plain pages /metrics, /healthz, /readyz. libevent's evhttp carries it.
 */
#pragma once
#include "gslb/control/server.h"

struct api;

/* Binds socket (mode 0660; a stale file is replaced, a live one is an error) and admin.http. */
struct api *api_new(struct server *server, struct err_list *errors);
void api_free(struct api *api); /* NULL is fine; before server_free; removes the socket file */
/* Moves to the addresses of another configuration, or changes nothing and says why: for a reload, before
 * the configuration is taken over. */
bool api_rebind(struct api *api, const struct node_config *config, struct err_list *errors);
/* The plain listener as bound (port 0 = chosen by the kernel); false: none. */
bool api_http_address(const struct api *api, struct sockaddr_storage *ret);
