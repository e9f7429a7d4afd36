/*
 * Records of octets from one thread to another, in order, without a lock or a system call: what does not fit
 * is the sender's loss to count, for neither side ever waits for the other.
 */
#pragma once
#include <stddef.h>

struct ring;

/* `size`: octets, a power of two of at least 4096. Memory is taken where it is touched. */
struct ring *ring_new(size_t size);
void ring_free(struct ring *ring); /* NULL is fine */

/* The sender: room for a record of `length` octets, aligned to 8; NULL: the ring is full. What is written
 * there is sent by ring_put(), or given up by another ring_room(). */
void *ring_room(struct ring *ring, size_t length);
void ring_put(struct ring *ring);

/* The receiver: the oldest record; NULL: none is there. It stands until ring_next(). */
const void *ring_peek(struct ring *ring, size_t *ret_length);
void ring_next(struct ring *ring);
