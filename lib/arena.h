/* Bump allocator: many allocations, one free. Not thread-safe; aborts when out of memory. */
#pragma once
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);		     /* NULL is fine */
void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned to 16 bytes */
void *arena_dup(struct arena *arena, const void *bytes, size_t length);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
size_t arena_bytes(const struct arena *arena); /* bytes taken from the system */
