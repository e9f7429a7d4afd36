/*
 * The octets in flight of a worker: buffers of 16 and 64 KiB from its own free lists, so that a request takes
 * none from the system. What is free beyond 4 MiB goes back after a while. One thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_SMALL ((uint32_t)16 << 10)
#define BUFFER_LARGE ((uint32_t)64 << 10)
#define BUFFERS_KEEP ((size_t)4 << 20) /* octets that stay free */
#define BUFFERS_TRIM_MS 10000

struct buffer {
	struct buffer *next; /* in the free list */
	uint32_t size;	     /* BUFFER_SMALL or BUFFER_LARGE */
	uint32_t start, end; /* what it holds; start ≤ end ≤ size */
	char octets[];
};

struct buffers {
	size_t limit, used, kept; /* octets: allowed, lent out, free */
	uint64_t trim_ms;	  /* when free ones go back next; 0: not due */
	struct buffer *free[2];
};

void buffers_init(struct buffers *buffers, size_t limit);
void buffers_done(struct buffers *buffers); /* all must be given back */
/* Empty; NULL: the worker has no more, who asked stops reading and asks again later. */
struct buffer *buffers_take(struct buffers *buffers, uint32_t size);
void buffers_give(struct buffers *buffers, struct buffer *buffer); /* NULL is fine */
/* Gives memory back to the system where it was not needed for BUFFERS_TRIM_MS; once a turn. */
void buffers_trim(struct buffers *buffers, uint64_t now_ms);
/* Above nine tenths: new connections wait. */
static inline bool buffers_are_scarce(const struct buffers *buffers)
{
	return buffers->used > buffers->limit / 10 * 9;
}

static inline uint32_t buffer_held(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}
static inline uint32_t buffer_room(const struct buffer *buffer)
{
	return buffer->size - buffer->end;
}
/* Moves what it holds to its front. */
void buffer_compact(struct buffer *buffer);
