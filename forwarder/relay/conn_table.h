/* The records of a worker's connections: one mapping, places used again, each with a generation. A worker's
 * thread. */
#pragma once
#include "forwarder/relay/conn.h"
#include <stdbool.h>

void conn_table_init(struct worker *worker);
void conn_table_done(struct worker *worker);
/* Takes over the socket and watches it. NULL: there is no room, or no descriptor; it was closed. */
struct conn *conn_table_add(struct worker *worker, int fd, bool is_https);
/* Closes the socket; nothing of it is under way any more. */
void conn_table_remove(struct worker *worker, struct conn *conn, bool aborts);
/* NULL: it is another by now. */
struct conn *conn_table_get(struct worker *worker, uint32_t number, uint32_t generation);
/* Counts what came of a request. */
void conn_table_account(struct worker *worker, const struct exchange *exchange);
/* More room for a head that is longer than what its buffer holds. False: no buffer is left. */
bool conn_table_make_room(struct worker *worker, struct conn *conn);
