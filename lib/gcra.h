/*
 * The generic cell rate algorithm: a budget per second in one number, the moment at which everything
 * used so far will have been earned (TAT). gcra_take is one thread's, and a second's worth, but at least one,
 * may be used at once; gcra_shared_take is for words that threads share, and for any burst. Pure.
 */
#pragma once
#include <stdatomic.h>
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

/* `burst` uses as time, the most that a word can owe. */
static inline uint64_t gcra_burst_ns(uint64_t interval_ns, uint64_t burst)
{
	uint64_t burst_ns;
	return __builtin_mul_overflow(interval_ns, burst, &burst_ns) ? UINT64_MAX : burst_ns;
}

struct gcra_answer {
	bool fits;
	uint64_t wait_ns; /* else: the least time until it would; UINT64_MAX: never */
	uint64_t debt_ns; /* what is owed now: after burst - debt nothing is left */
};

/* What `cost` uses at once find at `now_ns`: a debt from a time when the burst was larger counts as no more
 * than today's largest. */
static inline struct gcra_answer gcra_answer_of(uint64_t tat_ns, uint64_t interval_ns, uint64_t burst,
						uint64_t cost, uint64_t now_ns)
{
	uint64_t burst_ns = gcra_burst_ns(interval_ns, burst), cost_ns = gcra_burst_ns(interval_ns, cost);
	uint64_t debt_ns = tat_ns > now_ns ? tat_ns - now_ns : 0;
	if (debt_ns > burst_ns)
		debt_ns = burst_ns;
	if (interval_ns == GCRA_NOTHING || cost_ns > burst_ns)
		return (struct gcra_answer){.wait_ns = UINT64_MAX, .debt_ns = debt_ns};
	if (cost_ns > burst_ns - debt_ns)
		return (struct gcra_answer){.wait_ns = cost_ns - (burst_ns - debt_ns), .debt_ns = debt_ns};
	return (struct gcra_answer){.fits = true, .debt_ns = debt_ns + cost_ns};
}

/* Whether `cost` more fit into a burst of `burst`; then they are used. A refusal writes nothing, so that who
 * goes on asking is served as much as who does not. Any thread. */
static inline struct gcra_answer gcra_shared_take(_Atomic uint64_t *tat_ns, uint64_t interval_ns,
						  uint64_t burst, uint64_t cost, uint64_t now_ns)
{
	uint64_t tat = atomic_load_explicit(tat_ns, memory_order_relaxed);
	struct gcra_answer answer;
	do {
		answer = gcra_answer_of(tat, interval_ns, burst, cost, now_ns);
	} while (answer.fits &&
		 !atomic_compare_exchange_weak_explicit(tat_ns, &tat, now_ns + answer.debt_ns,
							memory_order_relaxed, memory_order_relaxed));
	return answer;
}

/* How many more uses fit at once. */
static inline uint64_t gcra_remaining(uint64_t debt_ns, uint64_t interval_ns, uint64_t burst)
{
	uint64_t burst_ns = gcra_burst_ns(interval_ns, burst);
	if (interval_ns == GCRA_NOTHING || debt_ns >= burst_ns)
		return 0;
	return interval_ns ? (burst_ns - debt_ns) / interval_ns : burst;
}
