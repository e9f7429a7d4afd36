/* See tcp_places.h. Any TCP thread. */
#include "gslb/serve/tcp_places.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include "lib/siphash.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define CAPACITY_MIN 64 /* a power of two, as all that follow */

struct client {
	struct ip ip;
	uint32_t count; /* 0: nobody */
};

struct thread {
	int wake;
	uint32_t taken;
};

struct tcp_places {
	pthread_mutex_t lock;
	uint32_t taken;
	size_t thread_count, thread_capacity, asked; /* the last that was asked for a place */
	struct thread *threads;
	uint8_t key[16]; /* clients choose their addresses, not who shares a slot with whom */
	size_t client_count, capacity;
	struct client *clients; /* open addressing, at most half full */
};

struct tcp_places *tcp_places_new(void)
{
	struct tcp_places *places = xcalloc(1, sizeof *places);
	struct rng rng;
	rng_seed_from_system(&rng);
	static_assert(sizeof rng.s == sizeof places->key, "a whole key");
	memcpy(places->key, rng.s, sizeof places->key);
	pthread_mutex_init(&places->lock, NULL);
	places->capacity = CAPACITY_MIN;
	places->clients = xcalloc(places->capacity, sizeof *places->clients);
	return places;
}

void tcp_places_free(struct tcp_places *places)
{
	if (!places)
		return;
	pthread_mutex_destroy(&places->lock);
	free(places->threads);
	free(places->clients);
	free(places);
}

unsigned tcp_places_join(struct tcp_places *places, int wake)
{
	xgrow((void **)&places->threads, &places->thread_capacity, places->thread_count + 1,
	      sizeof *places->threads);
	places->threads[places->thread_count] = (struct thread){.wake = wake};
	return (unsigned)places->thread_count++;
}

static size_t first_slot(const struct tcp_places *places, const struct ip *ip)
{
	return siphash24(places->key, ip->bytes, sizeof ip->bytes) & (places->capacity - 1);
}

/* The client's slot, or the free one where it would stand. */
static struct client *find(const struct tcp_places *places, const struct ip *ip)
{
	size_t slot = first_slot(places, ip);
	while (places->clients[slot].count != 0 && !ip_equal(&places->clients[slot].ip, ip))
		slot = (slot + 1) & (places->capacity - 1);
	return &places->clients[slot];
}

static void grow(struct tcp_places *places)
{
	struct client *old = places->clients;
	size_t old_capacity = places->capacity;
	places->capacity *= 2;
	places->clients = xcalloc(places->capacity, sizeof *places->clients);
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].count != 0)
			*find(places, &old[i].ip) = old[i];
	free(old);
}

/* Those behind the gap move up where their search would end at it. */
static void close_gap(struct tcp_places *places, struct client *gone)
{
	size_t mask = places->capacity - 1, gap = (size_t)(gone - places->clients);
	for (size_t slot = (gap + 1) & mask; places->clients[slot].count != 0; slot = (slot + 1) & mask) {
		size_t wanted = first_slot(places, &places->clients[slot].ip);
		if (((slot - wanted) & mask) >= ((slot - gap) & mask)) {
			places->clients[gap] = places->clients[slot];
			gap = slot;
		}
	}
	places->clients[gap].count = 0;
}

enum tcp_place tcp_places_take(struct tcp_places *places, unsigned thread, const struct ip *client,
			       uint32_t total, uint32_t per_client)
{
	enum tcp_place result = TCP_PLACE_TAKEN;
	pthread_mutex_lock(&places->lock);
	struct client *entry = find(places, client);
	if (entry->count >= per_client) {
		result = TCP_PLACE_CLIENT_HAS_ITS_SHARE;
	} else if (places->taken >= total) {
		result = TCP_PLACE_ALL_TAKEN;
	} else {
		places->taken++;
		places->threads[thread].taken++;
		entry->ip = *client;
		if (entry->count++ == 0 && ++places->client_count > places->capacity / 2)
			grow(places);
	}
	pthread_mutex_unlock(&places->lock);
	return result;
}

void tcp_places_give(struct tcp_places *places, unsigned thread, const struct ip *client)
{
	pthread_mutex_lock(&places->lock);
	struct client *entry = find(places, client);
	assert(entry->count != 0);
	places->taken--;
	places->threads[thread].taken--;
	if (entry->count > 1) {
		entry->count--;
	} else {
		places->client_count--;
		close_gap(places, entry);
	}
	pthread_mutex_unlock(&places->lock);
}

void tcp_places_ask(struct tcp_places *places, unsigned thread)
{
	pthread_mutex_lock(&places->lock);
	for (size_t turns = 0; turns < places->thread_count; turns++) {
		places->asked = (places->asked + 1) % places->thread_count;
		if (places->asked != thread && places->threads[places->asked].taken != 0) {
			eventfd_write(places->threads[places->asked].wake, 1);
			break;
		}
	}
	pthread_mutex_unlock(&places->lock);
}
