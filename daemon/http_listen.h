/* The sockets that a daemon's HTTP server listens on. Each is -1 with an entry in errors. Control thread. */
#pragma once
#include "lib/err.h"
#include "lib/net.h"

/* With mode 0660. A socket file that nobody answers on is replaced; `program` is who may answer there. */
int http_listen_unix(const char *path, const char *program, struct err_list *errors);
int http_listen_tcp(const struct listen_address *address, const char *written, struct err_list *errors);
