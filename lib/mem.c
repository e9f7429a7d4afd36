/* Allocation that cannot fail: running out of memory aborts. Any thread. */
#include "lib/mem.h"
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void die_out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
		/* nobody is left to tell */
	}
	abort();
}

static void *checked(void *memory)
{
	if (!memory)
		die_out_of_memory();
	return memory;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size > 0 ? size : 1));
}

static_assert((MEM_APART & (MEM_APART - 1)) == 0, "aligned_alloc() takes powers of two");

void *xcalloc_apart(size_t size)
{
	size_t whole = (size + MEM_APART - 1) / MEM_APART * MEM_APART;

	return memset(checked(aligned_alloc(MEM_APART, whole)), 0, whole);
}

char *xstrdup(const char *text)
{
	return checked(strdup(text));
}

char *xstrndup(const char *text, size_t length)
{
	return checked(strndup(text, length));
}

void *xmemdup(const void *bytes, size_t length)
{
	void *copy = xmalloc(length);

	if (length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

char *xasprintf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	return checked(length < 0 ? NULL : text);
}

void xgrow(void **items, size_t *capacity, size_t need, size_t size)
{
	assert(*capacity == 0 || *items);
	if (need <= *capacity)
		return;
	size_t grown = *capacity > 0 ? *capacity : 8;
	while (grown < need) {
		if (grown > SIZE_MAX / 2)
			die_out_of_memory();
		grown *= 2;
	}
	if (size > 0 && grown > SIZE_MAX / size)
		die_out_of_memory();
	*items = xrealloc(*items, grown * size);
	*capacity = grown;
}

void *xmap(size_t size)
{
	void *memory = mmap(NULL, size > 0 ? size : 1, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return checked(memory != MAP_FAILED ? memory : NULL);
}

void xunmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size > 0 ? size : 1);
}
