/* The states of an origin: OK, EJECTED, PROBATION, DOWN. */
#include "forwarder/plan/outlier.h"

#define OTHERS ((uint64_t)1) /* of a word of tenants: more than one */

/* A word remembers one tenant and whether there were others: that is all that "two" needs. */
static void remember(_Atomic uint64_t *word, uint64_t tenant)
{
	tenant = (tenant & ~OTHERS) | 2; /* never 0 */
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
	if (!old && atomic_compare_exchange_strong(word, &old, tenant))
		return;
	if ((old & ~OTHERS) != tenant && !(old & OTHERS))
		atomic_fetch_or_explicit(word, OTHERS, memory_order_relaxed);
}

static bool are_several_active(const struct pool_state *state)
{
	uint64_t now = state->active[0], before = state->active[1];
	return (now | before) & OTHERS || (now && before && now != before);
}

/* Whether the pool bears that this origin is left out: as configured, at least one, never the last. */
static bool may_be_ejected(const struct pool *pool, const struct origin *origin)
{
	uint64_t allowed = (uint64_t)pool->member_count * pool->max_ejected_hundredths / 10000;
	uint32_t ejected = 1, others = 0;

	if (!allowed)
		allowed = pool->max_ejected_hundredths > 0;
	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct origin *other = pool->members[i].origin;
		if (other == origin)
			continue;
		uint32_t state = other->state;
		assert(state <= ORIGIN_PROBATION);
		ejected += state == ORIGIN_EJECTED || state == ORIGIN_PROBATION;
		others += state == ORIGIN_UP && !other->is_draining;
	}
	return ejected <= allowed && others > 0;
}

/* From OK or PROBATION. False: another thread was first. */
static bool eject(struct origin *origin, uint32_t from, uint64_t now_ns)
{
	uint32_t n = origin->ejections + 1;
	uint64_t long_ns = (uint64_t)n * OUTLIER_BASE_NS;

	origin->until_ns = now_ns + (long_ns < OUTLIER_LONGEST_NS ? long_ns : OUTLIER_LONGEST_NS);
	if (!atomic_compare_exchange_strong(&origin->state, &from, ORIGIN_EJECTED))
		return false;
	origin->ejections = n;
	return true;
}

static void forget_failures(struct origin *origin)
{
	origin->failures = 0;
	origin->failed_by = 0;
}

static void report_failure(const struct pool *pool, struct origin *origin, uint64_t tenant, uint64_t now_ns)
{
	remember(&origin->failed_by, tenant);
	if (atomic_fetch_add(&origin->failures, 1) + 1 < OUTLIER_FAILURES || !pool)
		return;
	if (!(origin->failed_by & OTHERS) && are_several_active(pool->state))
		return;
	if (!may_be_ejected(pool, origin) || !eject(origin, ORIGIN_UP, now_ns))
		return;
	/* Two workers may have ejected two origins at once, each seeing the other's in use. */
	uint32_t state = ORIGIN_EJECTED;
	if (!may_be_ejected(pool, origin) &&
	    atomic_compare_exchange_strong(&origin->state, &state, ORIGIN_UP)) {
		atomic_fetch_sub(&origin->ejections, 1);
		return;
	}
	forget_failures(origin);
	atomic_fetch_add(&origin->ejected_total, 1);
}

static void report_probation(struct origin *origin, bool has_failed, uint64_t now_ns)
{
	if (has_failed) {
		if (eject(origin, ORIGIN_PROBATION, now_ns))
			atomic_fetch_add(&origin->ejected_total, 1);
		return;
	}
	if (atomic_fetch_add(&origin->successes, 1) + 1 < OUTLIER_SUCCESSES)
		return;
	uint32_t state = ORIGIN_PROBATION;
	origin->slow_start_ns = now_ns;
	origin->until_ns = now_ns + OUTLIER_FORGET_NS;
	forget_failures(origin);
	atomic_compare_exchange_strong(&origin->state, &state, ORIGIN_UP);
}

void outlier_report(const struct pool *pool, struct origin *origin, bool has_failed, bool is_probation,
		    uint64_t tenant, uint64_t now_ns)
{
	atomic_fetch_add_explicit(&origin->requests, 1, memory_order_relaxed);
	if (has_failed)
		atomic_fetch_add_explicit(&origin->errors, 1, memory_order_relaxed);
	if (pool)
		remember(&pool->state->active[0], tenant);
	uint32_t state = atomic_load_explicit(&origin->state, memory_order_relaxed);
	assert(state <= ORIGIN_PROBATION);
	/* What began before an ejection and ends in its probation says nothing of today. */
	if (state == ORIGIN_PROBATION && is_probation)
		report_probation(origin, has_failed, now_ns);
	else if (state == ORIGIN_UP && has_failed)
		report_failure(pool, origin, tenant, now_ns);
	else if (state == ORIGIN_UP && atomic_load_explicit(&origin->failures, memory_order_relaxed))
		forget_failures(origin);
}

void outlier_check(struct origin *origin, bool is_up, uint64_t now_ns)
{
	uint32_t state = ORIGIN_DOWN;

	if (!is_up) {
		atomic_store(&origin->state, ORIGIN_DOWN);
		return;
	}
	if (origin->state != ORIGIN_DOWN)
		return;
	forget_failures(origin);
	origin->slow_start_ns = now_ns;
	origin->until_ns = now_ns + OUTLIER_FORGET_NS;
	atomic_compare_exchange_strong(&origin->state, &state, ORIGIN_UP);
}

static void sweep_origin(struct origin *origin, uint64_t now_ns)
{
	uint32_t state = origin->state;

	if (now_ns < origin->until_ns)
		return;
	if (state == ORIGIN_EJECTED) {
		origin->successes = 0;
		atomic_compare_exchange_strong(&origin->state, &state, ORIGIN_PROBATION);
	} else if (state == ORIGIN_UP && origin->ejections > 0) {
		origin->until_ns = now_ns + OUTLIER_FORGET_NS;
		atomic_fetch_sub(&origin->ejections, 1);
	}
}

void outlier_sweep(const struct pool *pool, uint64_t now_ns)
{
	struct pool_state *state = pool->state;

	assert(state);
	for (uint32_t i = 0; i < pool->member_count; i++)
		sweep_origin(pool->members[i].origin, now_ns);
	if (now_ns - state->aged_ns < OUTLIER_ACTIVE_NS)
		return;
	state->aged_ns = now_ns;
	state->active[1] = atomic_exchange(&state->active[0], 0);
}
