/*
 * Many small pieces of memory that live together: without a head each, and never between others' memory,
 * so that what they leave is not holes. One thread at a time.
 */
#pragma once
#include <stddef.h>

#define SLAB_SIZE_MAX ((size_t)1024)

struct slab;

struct slab *slab_new(void);
void slab_free(struct slab *slab); /* NULL is fine; when all pieces are released */
/* Not zeroed; of 8 octets' alignment; size from 1 to SLAB_SIZE_MAX. */
void *slab_alloc(struct slab *slab, size_t size);
void slab_release(void *piece); /* knows its slab */
