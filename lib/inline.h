/*
 * What the compiler is told about the data path. It inlines along the usual way of a query as long as the
 * whole stays small, so what is seldom needed says so.
 */
#pragma once

#define OUT_OF_LINE __attribute__((noinline))
#define IN_LINE inline __attribute__((always_inline)) /* what both a usual and a seldom way need */
#define WHOLE __attribute__((flatten)) /* with all that it calls, but for what is out of line */

/* Asks memory for a cache line. gcc 12 drops __builtin_prefetch where its condition or loop has no other use.
 */
static inline void prefetch(const void *at)
{
#ifdef __x86_64__
	__asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)at));
#else
	__builtin_prefetch(at);
#endif
}
