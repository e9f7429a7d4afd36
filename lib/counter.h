/*
 * Counters that one thread adds to and any thread reads, without an atomic read-modify-write.
 * Relaxed loads and stores: a reader may be a moment behind, never torn.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __has_feature /* only clang has it */
#define __has_feature(x) 0
#endif

typedef _Atomic uint64_t counter;

static inline void counter_add(counter *c, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
	/* one instruction, where compilers make four of the two below */
	__asm__("addq %1, %0" : "+m"(*c) : "er"(n) : "cc");
#else
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
#endif
}
static inline uint64_t counter_read(const counter *c)
{
	return atomic_load_explicit((counter *)c, memory_order_relaxed);
}

/* Zeroed counters whose memory is taken only where they are touched (anonymous mapping). */
counter *counter_array_new(size_t count);
void counter_array_free(counter *array, size_t count);
