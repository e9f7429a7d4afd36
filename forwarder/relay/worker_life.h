/* Making a worker and what it accepts from. Control thread, but where a function says otherwise. */
#pragma once
#include "forwarder/relay/worker.h"

struct worker_settings {
	size_t buffers_bytes;
	bool has_tls;
	struct tls_settings tls; /* hello and user are the worker's own */
};

/* Control thread, before the worker's thread runs and after it ended. NULL, with errno: no descriptor is
 * left. */
struct worker *worker_new(struct relay_shared *relay, unsigned number,
			  const struct worker_settings *settings);
void worker_free(struct worker *worker); /* NULL is fine */
/* The worker accepts from this socket, which it takes over. */
bool worker_add_listener(struct worker *worker, int fd, bool is_https);
void worker_close_listeners(struct worker *worker); /* its own thread, too */
void worker_write_date(struct worker *worker);	    /* of unix_s; its own thread */
