/*
 * Slots for TCP connections: how many the process holds, and how many each client, over all its TCP
 * threads. A lock guards them, taken once when a connection comes and once when it goes.
 */
#pragma once
#include "lib/net.h"

struct tcp_slots;

enum tcp_slot_answer { TCP_SLOT_TAKEN, TCP_SLOTS_ALL_TAKEN, TCP_SLOTS_CLIENT_HAS_ITS_SHARE };

struct tcp_slots *tcp_slots_new(void);
void tcp_slots_free(struct tcp_slots *slots); /* NULL is fine */
/* Before the threads start: the thread that will take slots under the returned number. `wake` is an
 * eventfd, written to when another thread finds no slot: this one may have one to spare. */
unsigned tcp_slots_join(struct tcp_slots *slots, int wake);

/* A slot for a connection of `client`, who may have `per_client` of `total`. */
enum tcp_slot_answer tcp_slots_take(struct tcp_slots *slots, unsigned thread, const struct ip *client,
				    uint32_t total, uint32_t per_client);
void tcp_slots_give(struct tcp_slots *slots, unsigned thread, const struct ip *client);
/* Wakes another thread that holds slots, each time the next one. */
void tcp_slots_ask(struct tcp_slots *slots, unsigned thread);
