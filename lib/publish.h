/*
 * One writer publishes an immutable object, many readers use it without waiting.
 *
 * The pointer itself is a C11 atomic (release store, acquire load). Grace periods are those of
 * liburcu's QSBR flavour: a reader registers its thread, takes the pointer, and announces between
 * two uses that it holds nothing. While it sleeps in the kernel it is offline, so a sleeping worker
 * never delays the writer. Each reader also owns an acquire/release mark that the writer reads after
 * the grace period: the happens-before edge that ThreadSanitizer cannot see inside liburcu.
 *
 * A published pointer is never stored and never survives the batch or callback that took it.
 */
#pragma once
#include "lib/mem.h"
#include <stdatomic.h>
#include <stdint.h>

struct publish { /* in cache lines of its own: every reader looks at it before every batch */
	_Alignas(MEM_APART) _Atomic(void *) current;
};

#define PUBLISH_READERS_MAX 2048

struct publish_reader {
	_Atomic uint64_t mark;
	int slot;
};

/* Reader thread: once at its start (offline afterwards) and once before it ends. */
void publish_reader_init(struct publish_reader *reader);
void publish_reader_done(struct publish_reader *reader);

/* Reader thread: from online to offline the object taken stays valid. */
void publish_reader_online(struct publish_reader *reader);
void publish_reader_offline(struct publish_reader *reader);

static inline const void *publish_get(const struct publish *publish)
{
	return atomic_load_explicit(&((struct publish *)publish)->current, memory_order_acquire);
}

/* Writer thread: publishes `object`, waits until no reader holds the previous one, returns that. */
void *publish_swap(struct publish *publish, void *object);
