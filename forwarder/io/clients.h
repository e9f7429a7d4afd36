/*
 * How many connections each client has: words of all workers, four to a place, changed by compare-and-swap. A
 * client whose place is full of others is not counted. Any worker.
 */
#pragma once
#include "lib/net.h"

struct clients;

struct clients *clients_new(void);
void clients_free(struct clients *clients); /* NULL is fine */
/* One more; false: it has `most` already. An IPv6 client is its /64. *ret_counted: it leaves once, later. */
bool clients_enter(struct clients *clients, const struct ip *address, uint32_t most, bool *ret_counted);
void clients_leave(struct clients *clients, const struct ip *address);
