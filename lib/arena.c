/* Bump allocator over a chain of blocks. One thread at a time. */
#include "lib/arena.h"
#include "lib/mem.h"
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN ((size_t)16)
#define ARENA_BLOCK_MIN ((size_t)4 << 10)
#define ARENA_BLOCK_MAX ((size_t)1 << 20)

struct block {
	struct block *next;
	size_t size; /* bytes of data[] */
	_Alignas(16) uint8_t data[];
};

static_assert(offsetof(struct block, data) % ARENA_ALIGN == 0, "pieces of a fresh block are aligned");

struct arena {
	struct block *blocks; /* the first one is being filled */
	size_t used;	      /* bytes of blocks->data handed out */
	size_t block_size;    /* of the next block */
	size_t bytes;
};

struct arena *arena_new(void)
{
	struct arena *arena = xcalloc(1, sizeof *arena);

	arena->block_size = ARENA_BLOCK_MIN;
	arena->bytes = sizeof *arena;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

/* Zeroed by calloc, whose fresh pages cost nothing until they are touched. */
static struct block *block_new(struct arena *arena, size_t size)
{
	struct block *block = xcalloc(1, sizeof *block + size);

	block->size = size;
	arena->bytes += sizeof *block + size;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		abort();
	size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	assert(!arena->blocks || arena->used <= arena->blocks->size);
	if (arena->blocks && size <= arena->blocks->size - arena->used) {
		void *memory = arena->blocks->data + arena->used;
		arena->used += size;
		return memory;
	}
	/* A large piece gets a block of its own behind the one being filled, whose rest stays usable. */
	if (arena->blocks && size > arena->block_size / 4) {
		struct block *block = block_new(arena, size);
		block->next = arena->blocks->next;
		arena->blocks->next = block;
		return block->data;
	}
	struct block *block = block_new(arena, size > arena->block_size ? size : arena->block_size);
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used = size;
	assert(arena->used <= block->size);
	if (arena->block_size < ARENA_BLOCK_MAX)
		arena->block_size *= 2;
	return block->data;
}

void *arena_dup(struct arena *arena, const void *bytes, size_t length)
{
	void *copy = arena_alloc(arena, length);

	if (length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	if (length > 0)
		memcpy(copy, text, length);
	return copy;
}

size_t arena_bytes(const struct arena *arena)
{
	return arena->bytes;
}
