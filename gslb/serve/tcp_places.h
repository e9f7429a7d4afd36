/*
 * Places for TCP connections: how many the process holds, and how many each client, over all its TCP
 * threads. A lock guards them, taken once when a connection comes and once when it goes.
 */
#pragma once
#include "lib/net.h"

struct tcp_places;

enum tcp_place { TCP_PLACE_TAKEN, TCP_PLACE_ALL_TAKEN, TCP_PLACE_CLIENT_HAS_ITS_SHARE };

struct tcp_places *tcp_places_new(void);
void tcp_places_free(struct tcp_places *places); /* NULL is fine */
/* Before the threads start: the thread that will take places under the returned number. `wake` is an
 * eventfd, written to when another thread finds no place: this one may have one to spare. */
unsigned tcp_places_join(struct tcp_places *places, int wake);

/* A place for a connection of `client`, who may have `per_client` of `total`. */
enum tcp_place tcp_places_take(struct tcp_places *places, unsigned thread, const struct ip *client,
			       uint32_t total, uint32_t per_client);
void tcp_places_give(struct tcp_places *places, unsigned thread, const struct ip *client);
/* Wakes another thread that holds places, each time the next one. */
void tcp_places_ask(struct tcp_places *places, unsigned thread);
