/*
 * The API of forwarderd on its admin socket: what it serves, why it would answer a request as it does, and
 * reloads. openapi.json has every call. Control thread.
 */
#pragma once
#include "forwarder/control/server.h"
#include "forwarder/seeing/seeing.h"

struct api;

/* Listens where node.yaml says. NULL: errors say why. */
struct api *api_new(struct server *server, const struct seeing *seeing, struct err_list *errors);
void api_free(struct api *api); /* before server_free(); NULL is fine */
/* Other addresses, or nothing changes and errors say why. */
bool api_rebind(struct api *api, const struct node_config *config, struct err_list *errors);
