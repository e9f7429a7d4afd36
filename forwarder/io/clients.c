/* Connections of each client: a tag of 44 bits and a count of 20 in a word. Any worker. */
#include "forwarder/io/clients.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdatomic.h>

#define PLACES ((size_t)1 << 16)
#define WAYS 4
#define COUNT_BITS 20
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)

struct clients {
	_Atomic uint64_t words[PLACES][WAYS];
};

struct clients *clients_new(void)
{
	return xmap(sizeof(struct clients));
}

void clients_free(struct clients *clients)
{
	xunmap(clients, sizeof *clients);
}

static uint64_t hash_of(const struct ip *address)
{
	struct ip client = address->family == 6 ? ip_cut(address, 64) : *address;

	return hash_bytes(client.bytes, sizeof client.bytes, client.family);
}

/* A tag is never 0: a word of 0 is free. */
static uint64_t tag_of(uint64_t hash)
{
	uint64_t tag = hash & ~COUNT_MASK;
	return tag ? tag : COUNT_MASK + 1;
}

/* The client's word, or NULL; *ret_free: one that nobody has. */
static _Atomic uint64_t *find(struct clients *clients, uint64_t hash, _Atomic uint64_t **ret_free)
{
	_Atomic uint64_t *words = clients->words[hash % PLACES];

	*ret_free = NULL;
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
		if ((word & ~COUNT_MASK) == tag_of(hash))
			return &words[i];
		if (word == 0 && !*ret_free)
			*ret_free = &words[i];
	}
	return NULL;
}

bool clients_enter(struct clients *clients, const struct ip *address, uint32_t most, bool *ret_counted)
{
	uint64_t hash = hash_of(address);
	_Atomic uint64_t *place, *word;

	*ret_counted = false;
	for (;;) {
		uint64_t seen = 0;
		word = find(clients, hash, &place);
		if (!word && !place)
			return true;
		if (word)
			seen = atomic_load_explicit(word, memory_order_relaxed);
		else
			word = place;
		if (seen != 0 && (seen & ~COUNT_MASK) != tag_of(hash))
			continue; /* another's by now */
		if ((seen & COUNT_MASK) >= most || (seen & COUNT_MASK) == COUNT_MASK)
			return false;
		uint64_t next = seen ? seen + 1 : tag_of(hash) + 1;
		if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_relaxed,
							  memory_order_relaxed)) {
			*ret_counted = true;
			return true;
		}
	}
}

void clients_leave(struct clients *clients, const struct ip *address)
{
	_Atomic uint64_t *place, *word = find(clients, hash_of(address), &place);

	while (word) {
		uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
		assert((seen & COUNT_MASK) != 0);
		uint64_t next = (seen & COUNT_MASK) == 1 ? 0 : seen - 1;
		if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_relaxed,
							  memory_order_relaxed))
			return;
	}
}
