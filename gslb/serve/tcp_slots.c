/* See tcp_slots.h. Any TCP thread. */
#include "gslb/serve/tcp_slots.h"
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

struct tcp_slots {
	pthread_mutex_t lock;
	uint32_t taken;
	size_t thread_count, thread_capacity, asked; /* the last that was asked for a slot */
	struct thread *threads;
	uint8_t key[16]; /* clients choose their addresses, not who shares a slot with whom */
	size_t client_count, capacity;
	struct client *clients; /* open addressing, at most half full */
};

struct tcp_slots *tcp_slots_new(void)
{
	struct tcp_slots *slots = xcalloc(1, sizeof *slots);
	struct rng rng;
	rng_seed_from_system(&rng);
	static_assert(sizeof rng.s == sizeof slots->key, "a whole key");
	memcpy(slots->key, rng.s, sizeof slots->key);
	pthread_mutex_init(&slots->lock, NULL);
	slots->capacity = CAPACITY_MIN;
	slots->clients = xcalloc(slots->capacity, sizeof *slots->clients);
	return slots;
}

void tcp_slots_free(struct tcp_slots *slots)
{
	if (!slots)
		return;
	pthread_mutex_destroy(&slots->lock);
	free(slots->threads);
	free(slots->clients);
	free(slots);
}

unsigned tcp_slots_join(struct tcp_slots *slots, int wake)
{
	xgrow((void **)&slots->threads, &slots->thread_capacity, slots->thread_count + 1,
	      sizeof *slots->threads);
	slots->threads[slots->thread_count] = (struct thread){.wake = wake};
	return (unsigned)slots->thread_count++;
}

static size_t first_bucket(const struct tcp_slots *slots, const struct ip *ip)
{
	return siphash24(slots->key, ip->bytes, sizeof ip->bytes) & (slots->capacity - 1);
}

/* The client's bucket, or the free one where it would stand. */
static struct client *find(const struct tcp_slots *slots, const struct ip *ip)
{
	size_t bucket = first_bucket(slots, ip);
	while (slots->clients[bucket].count != 0 && !ip_equal(&slots->clients[bucket].ip, ip))
		bucket = (bucket + 1) & (slots->capacity - 1);
	return &slots->clients[bucket];
}

static void grow(struct tcp_slots *slots)
{
	struct client *old = slots->clients;
	size_t old_capacity = slots->capacity;
	slots->capacity *= 2;
	slots->clients = xcalloc(slots->capacity, sizeof *slots->clients);
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].count != 0)
			*find(slots, &old[i].ip) = old[i];
	free(old);
}

/* Those behind the gap move up where their search would end at it. */
static void close_gap(struct tcp_slots *slots, struct client *gone)
{
	size_t mask = slots->capacity - 1, gap = (size_t)(gone - slots->clients);
	for (size_t bucket = (gap + 1) & mask; slots->clients[bucket].count != 0;
	     bucket = (bucket + 1) & mask) {
		size_t wanted = first_bucket(slots, &slots->clients[bucket].ip);
		if (((bucket - wanted) & mask) >= ((bucket - gap) & mask)) {
			slots->clients[gap] = slots->clients[bucket];
			gap = bucket;
		}
	}
	slots->clients[gap].count = 0;
}

enum tcp_slot_answer tcp_slots_take(struct tcp_slots *slots, unsigned thread, const struct ip *client,
				    uint32_t total, uint32_t per_client)
{
	enum tcp_slot_answer result = TCP_SLOT_TAKEN;
	pthread_mutex_lock(&slots->lock);
	struct client *entry = find(slots, client);
	if (entry->count >= per_client) {
		result = TCP_SLOTS_CLIENT_HAS_ITS_SHARE;
	} else if (slots->taken >= total) {
		result = TCP_SLOTS_ALL_TAKEN;
	} else {
		slots->taken++;
		slots->threads[thread].taken++;
		entry->ip = *client;
		if (entry->count++ == 0 && ++slots->client_count > slots->capacity / 2)
			grow(slots);
	}
	pthread_mutex_unlock(&slots->lock);
	return result;
}

void tcp_slots_give(struct tcp_slots *slots, unsigned thread, const struct ip *client)
{
	pthread_mutex_lock(&slots->lock);
	struct client *entry = find(slots, client);
	assert(entry->count != 0);
	slots->taken--;
	slots->threads[thread].taken--;
	if (entry->count > 1) {
		entry->count--;
	} else {
		slots->client_count--;
		close_gap(slots, entry);
	}
	pthread_mutex_unlock(&slots->lock);
}

void tcp_slots_ask(struct tcp_slots *slots, unsigned thread)
{
	pthread_mutex_lock(&slots->lock);
	for (size_t turns = 0; turns < slots->thread_count; turns++) {
		slots->asked = (slots->asked + 1) % slots->thread_count;
		if (slots->asked != thread && slots->threads[slots->asked].taken != 0) {
			eventfd_write(slots->threads[slots->asked].wake, 1);
			break;
		}
	}
	pthread_mutex_unlock(&slots->lock);
}
