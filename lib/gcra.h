/*
 * The generic cell rate algorithm: a budget per second in one number, the moment at which everything
 * used so far will have been earned. A second's worth, but at least one, may be used at once. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define GCRA_BURST_NS 1000000000u
#define GCRA_NOTHING UINT64_MAX /* interval of the rate 0: never */

/* The interval between two uses by one of `sharers` that have the rate together. */
static inline uint64_t gcra_interval_ns(double per_second, unsigned sharers)
{
	return per_second > 0 ? (uint64_t)(1e9 * sharers / per_second) : GCRA_NOTHING;
}

/* Whether one more fits into the budget; then it is used. A debt from a time when the interval was a
 * longer one counts as no more than today's largest. */
static inline bool gcra_take(uint64_t *due_ns, uint64_t interval_ns, uint64_t now_ns)
{
	if (interval_ns == GCRA_NOTHING)
		return false;
	uint64_t burst_ns = interval_ns > GCRA_BURST_NS ? interval_ns : GCRA_BURST_NS;
	uint64_t debt_ns = *due_ns > now_ns ? *due_ns - now_ns : 0;
	if (debt_ns > burst_ns)
		debt_ns = burst_ns;
	bool fits = debt_ns + interval_ns <= burst_ns;
	*due_ns = now_ns + debt_ns + (fits ? interval_ns : 0);
	return fits;
}
