/*
 * The sockets that clients connect to: one for each worker and address (SO_REUSEPORT), so that no worker
 * waits for another's accept. Control thread opens and closes them; a worker accepts from its own.
 */
#pragma once
#include "lib/err.h"
#include "lib/net.h"

#define LISTENERS_MAX 64
#define LISTENERS_BACKLOG 4096

struct listener_address {
	struct listen_address address;
	const char *written; /* as configured */
	bool is_https;
};

/* Bound and listening, for one worker; its port may have been chosen by the kernel: `ret` is what it is. -1:
 * an entry in errors. Options that accepted sockets inherit are set. */
int listeners_open(const struct listener_address *listener, struct sockaddr_storage *ret,
		   struct err_list *errors);
