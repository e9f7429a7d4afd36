/* Allocation that cannot fail: out of memory aborts (CONVENTIONS rule 10). Any thread. */
#pragma once
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t length);
void *xmemdup(const void *bytes, size_t length);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Two cache lines: CPUs fetch them in pairs. */
#define MEM_APART 128

/* Zeroed memory for what one thread writes often: no other thread's data stands in its cache lines. free()
 * it. */
void *xcalloc_apart(size_t size);

/* Zeroed memory that is taken from the system only where it is touched: for large, sparse arrays. */
void *xmap(size_t size);
void xunmap(void *memory, size_t size); /* NULL is fine */

/* Grows the array *items (element size `size`) so that it holds at least `need` elements. */
void xgrow(void **items, size_t *capacity, size_t need, size_t size);
