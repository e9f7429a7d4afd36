/*
 * Regions of 1 MiB out of one reserved range of addresses, each with pieces of one size, so that a pointer
 * tells whose it is: no head before a piece, and free() finds the region by masking. A thread's own pieces
 * need no lock; what another thread frees is pushed onto the owner's stack, which it empties when it has
 * nothing else. Large pieces and threads without slabs use malloc. Any thread.
 */
#include "forwarder/tls/tls_mem.h"
#include "lib/mem.h"
#include <assert.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL_MAX ((size_t)1024)
#define STEP ((size_t)8)
#define STATE_MAX ((size_t)8192) /* an SSL is the largest of a connection that stays */
#define STATE_STEP ((size_t)64)
#define CLASSES (SMALL_MAX / STEP + (STATE_MAX - SMALL_MAX) / STATE_STEP)
#define REGION ((size_t)1 << 20)
#define RANGE ((size_t)64 << 30)
#define BUFFER_MIN ((size_t)16 << 10)
#define BUFFER ((size_t)18 << 10)
#define BUFFERS_KEPT 64

struct region {
	struct slabs *owner;
	struct region *next, *previous; /* among those of the class with room */
	void *released;			/* each holds the one before it */
	uint32_t class, size, used, fresh;
	bool is_listed;
};

struct slabs {
	struct region *with_room[CLASSES];
	void *buffers[BUFFERS_KEPT];
	size_t buffer_count;
	struct slabs *next;			      /* whose thread has ended */
	_Alignas(MEM_APART) _Atomic(void *) returned; /* by other threads */
};

static char *range; /* NULL: none was to be had */
static _Atomic size_t range_used;
static _Atomic(struct region *) regions_free; /* taken whole, see region_new */
static _Atomic(struct slabs *) orphans;
static _Thread_local struct slabs *mine;

/* ---- regions ---- */

static size_t class_of(size_t size)
{
	return size <= SMALL_MAX ? (size + STEP - 1) / STEP - 1
				 : SMALL_MAX / STEP + (size - SMALL_MAX + STATE_STEP - 1) / STATE_STEP - 1;
}

static size_t size_of(size_t class)
{
	return class < SMALL_MAX / STEP ? (class + 1) * STEP
					: SMALL_MAX + (class - SMALL_MAX / STEP + 1) * STATE_STEP;
}

static bool is_in_range(const void *piece)
{
	return range && (const char *)piece >= range && (const char *)piece < range + RANGE;
}

static struct region *region_of(const void *piece)
{
	return (struct region *)((uintptr_t)piece & ~(uintptr_t)(REGION - 1));
}

static void list(struct region *region)
{
	struct region **first = &region->owner->with_room[region->class];
	region->previous = NULL;
	region->next = *first;
	if (*first)
		(*first)->previous = region;
	*first = region;
	region->is_listed = true;
}

static void unlist(struct region *region)
{
	if (region->previous)
		region->previous->next = region->next;
	else
		region->owner->with_room[region->class] = region->next;
	if (region->next)
		region->next->previous = region->previous;
	region->is_listed = false;
}

/* The whole list is taken and the rest put back, so that no two threads hold one region. */
static struct region *region_reuse(void)
{
	struct region *first = atomic_exchange(&regions_free, NULL);
	if (!first)
		return NULL;
	struct region *rest = first->next;
	while (rest) {
		struct region *next = rest->next;
		rest->next = atomic_load(&regions_free);
		while (!atomic_compare_exchange_weak(&regions_free, &rest->next, rest))
			;
		rest = next;
	}
	return first;
}

static struct region *region_new(struct slabs *slabs, size_t class)
{
	struct region *region = region_reuse();
	if (!region) {
		size_t at = atomic_fetch_add(&range_used, REGION);
		if (!range || at + REGION > RANGE)
			return NULL;
		region = (struct region *)(range + at);
		if (mprotect(region, REGION, PROT_READ | PROT_WRITE) != 0)
			return NULL;
	}
	size_t size = size_of(class);
	*region = (struct region){.owner = slabs, .class = (uint32_t) class, .size = (uint32_t)size};
	region->fresh = 64; /* behind this head, on 16 octets */
	static_assert(sizeof(struct region) <= 64, "the head of a region");
	list(region);
	return region;
}

static void region_end(struct region *region)
{
	unlist(region);
	/* its pages go back to the system; the first one keeps the list */
	madvise((char *)region + 4096, REGION - 4096, MADV_DONTNEED);
	region->next = atomic_load(&regions_free);
	while (!atomic_compare_exchange_weak(&regions_free, &region->next, region))
		;
}

/* ---- pieces ---- */

static void give_back(void *piece)
{
	struct region *region = region_of(piece);
	*(void **)piece = region->released;
	region->released = piece;
	region->used--;
	if (!region->is_listed)
		list(region);
	else if (region->used == 0 && (region->next || region->previous))
		region_end(region); /* the last of a class stays */
}

static void take_returned(struct slabs *slabs)
{
	void *piece = atomic_exchange_explicit(&slabs->returned, NULL, memory_order_acquire);
	while (piece) {
		void *next = *(void **)piece;
		give_back(piece);
		piece = next;
	}
}

static void *take(struct slabs *slabs, size_t size)
{
	size_t class = class_of(size);
	struct region *region = slabs->with_room[class];
	if (!region && atomic_load_explicit(&slabs->returned, memory_order_relaxed)) {
		take_returned(slabs);
		region = slabs->with_room[class];
	}
	if (!region && !(region = region_new(slabs, class)))
		return NULL;
	void *piece = region->released;
	if (piece) {
		region->released = *(void **)piece;
	} else {
		piece = (char *)region + region->fresh;
		region->fresh += region->size;
	}
	region->used++;
	if (!region->released && region->fresh + region->size > REGION)
		unlist(region);
	return piece;
}

/* ---- what OpenSSL calls ---- */

static void *take_memory(size_t size, const char *file, int line)
{
	struct slabs *slabs = mine;
	if (size == 0)
		return NULL;
	if (slabs && size <= STATE_MAX) {
		void *piece = take(slabs, size);
		if (piece)
			return piece;
	} else if (slabs && size > BUFFER_MIN && size <= BUFFER) {
		return slabs->buffer_count > 0 ? slabs->buffers[--slabs->buffer_count] : malloc(BUFFER);
	}
	return malloc(size);
}

static void release_memory(void *piece, const char *file, int line)
{
	struct slabs *slabs = mine;
	if (!piece)
		return;
	if (is_in_range(piece)) {
		struct slabs *owner = region_of(piece)->owner;
		if (owner == slabs) {
			give_back(piece);
			return;
		}
		void *first = atomic_load_explicit(&owner->returned, memory_order_relaxed);
		do
			*(void **)piece = first;
		while (!atomic_compare_exchange_weak_explicit(&owner->returned, &first, piece,
							      memory_order_release, memory_order_relaxed));
		return;
	}
	if (slabs && slabs->buffer_count < BUFFERS_KEPT) {
		size_t usable = malloc_usable_size(piece);
		if (usable >= BUFFER && usable < BUFFER + 64) {
			slabs->buffers[slabs->buffer_count++] = piece;
			return;
		}
	}
	free(piece);
}

static void *resize_memory(void *old, size_t size, const char *file, int line)
{
	if (!old)
		return take_memory(size, file, line);
	if (size == 0) {
		release_memory(old, file, line);
		return NULL;
	}
	bool is_piece = is_in_range(old);
	if (!is_piece && (!mine || size > STATE_MAX))
		return realloc(old, size);
	size_t had = is_piece ? region_of(old)->size : malloc_usable_size(old);
	if (is_piece && size <= had)
		return old;
	void *new = take_memory(size, file, line);
	if (!new)
		return NULL;
	memcpy(new, old, size < had ? size : had);
	release_memory(old, file, line);
	return new;
}

/* ---- threads ---- */

void tls_mem_install(void)
{
	void *reserved =
		mmap(NULL, RANGE + REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved != MAP_FAILED)
		range = (char *)(((uintptr_t)reserved + REGION - 1) & ~(uintptr_t)(REGION - 1));
	if (!CRYPTO_set_mem_functions(take_memory, resize_memory, release_memory))
		abort(); /* OpenSSL was called before */
}

void tls_mem_thread_start(void)
{
	assert(!mine);
	/* One whose thread has ended goes on where it was: pieces of it may still be out. */
	struct slabs *slabs = atomic_exchange(&orphans, NULL);
	if (slabs && slabs->next) {
		struct slabs *rest = slabs->next, *last = rest;
		while (last->next)
			last = last->next;
		last->next = atomic_load(&orphans);
		while (!atomic_compare_exchange_weak(&orphans, &last->next, rest))
			;
	}
	mine = slabs ? slabs : xcalloc_apart(sizeof *slabs);
	mine->next = NULL;
}

void tls_mem_thread_end(void)
{
	struct slabs *slabs = mine;
	assert(slabs);
	while (slabs->buffer_count > 0)
		free(slabs->buffers[--slabs->buffer_count]);
	take_returned(slabs);
	mine = NULL;
	slabs->next = atomic_load(&orphans);
	while (!atomic_compare_exchange_weak(&orphans, &slabs->next, slabs))
		;
}
