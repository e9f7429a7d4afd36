/* The choice of an origin: who is usable, what each weighs today, the policies, and the slot. */
#include "forwarder/traffic/balance.h"
#include "lib/hash.h"
#include "lib/siphash.h"
#include <assert.h>
#include <math.h>

#define SCALE 128 /* of weights, so that a tenth of the weight 1 is something */
#define FLOOR_DIVISOR 10
#define LATENCY_DECAY_NS 10000000000u /* τ */
#define LATENCY_UNKNOWN_NS 1e9	      /* of an origin that has a request and no sample yet */
#define BOUNDED_LOAD_HALVES 3	      /* at most 1.5 × the average by weight */
#define HASH_SEED 0x62616c616e636531u

struct candidates {
	uint64_t free; /* members with a slot, as bits */
	bool is_full;  /* others are usable, without a slot */
	bool is_panic;
	bool is_last_resort;
	uint32_t weights[POOL_ORIGINS_MAX]; /* today's, of members in `free` */
};

#define EACH_BIT(i, bits)                                                    \
	for (uint64_t left_##i = (bits); left_##i; left_##i &= left_##i - 1) \
		for (uint32_t i = __builtin_ctzll(left_##i), once_##i = 1; once_##i; once_##i = 0)

static uint32_t load(const _Atomic uint32_t *word)
{
	return atomic_load_explicit((_Atomic uint32_t *)word, memory_order_relaxed);
}

/* Members by state, as bits. */
struct survey {
	uint64_t alive, up, ejected, probation, weighted;
	uint32_t usable_weight, weight;
	bool is_panic;
};

static struct survey survey_members(const struct pool *pool)
{
	struct survey survey = {0};

	assert(pool->member_count <= POOL_ORIGINS_MAX);
	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct pool_member *member = &pool->members[i];
		uint64_t bit = (uint64_t)1 << i;
		if (load(&member->origin->is_draining))
			continue;
		uint32_t state = load(&member->origin->state);
		survey.alive |= bit;
		survey.up |= state == ORIGIN_UP ? bit : 0;
		survey.ejected |= state == ORIGIN_EJECTED ? bit : 0;
		survey.probation |= state == ORIGIN_PROBATION ? bit : 0;
		survey.weighted |= member->weight ? bit : 0;
		survey.weight += member->weight;
		survey.usable_weight += state == ORIGIN_UP ? member->weight : 0;
	}
	/* A member of weight 0 is what stands in when no other is left, before all are tried. */
	if (survey.usable_weight)
		survey.is_panic = (uint64_t)survey.usable_weight * 10000 <
				  (uint64_t)survey.weight * pool->panic_hundredths;
	else
		survey.is_panic = survey.alive && !survey.up;
	return survey;
}

static void tell_panic(struct pool_state *state, bool is_panic)
{
	uint32_t before = load(&state->is_in_panic);
	if (before != is_panic && atomic_compare_exchange_strong(&state->is_in_panic, &before, is_panic) &&
	    is_panic)
		atomic_fetch_add_explicit(&state->panics, 1, memory_order_relaxed);
}

static uint32_t weight_today(const struct pool *pool, const struct pool_member *member, uint64_t now_ns)
{
	uint32_t weight = pool->balance == POOL_ROUND_ROBIN || !member->weight ? 1 : member->weight;
	uint64_t since_ns = atomic_load_explicit(&member->origin->slow_start_ns, memory_order_relaxed);
	uint64_t window_ns = (uint64_t)pool->slow_start_ms * 1000000;
	weight *= SCALE;
	if (!since_ns || !window_ns || now_ns >= since_ns + window_ns)
		return weight;
	uint32_t part = now_ns > since_ns ? weight * (now_ns - since_ns) / window_ns : 0;
	return part > weight / FLOOR_DIVISOR ? part : weight / FLOOR_DIVISOR;
}

static void consider(const struct balance_request *request, uint64_t one_at_a_time, uint64_t members,
		     struct candidates *candidates)
{
	const struct pool *pool = request->pool;

	EACH_BIT(i, members & ~request->excluded)
	{
		const struct origin *origin = pool->members[i].origin;
		/* In the one order of all threads: see fair.h on lost wake-ups. */
		if (atomic_load(&((struct origin *)origin)->in_flight) >= pool->concurrency) {
			candidates->is_full = true;
			continue;
		}
		if (one_at_a_time >> i & 1 && load(&origin->probation_in_flight))
			continue;
		candidates->free |= (uint64_t)1 << i;
		candidates->weights[i] = weight_today(pool, &pool->members[i], request->now_ns);
	}
}

static void find_candidates(const struct balance_request *request, struct candidates *candidates)
{
	const struct pool *pool = request->pool;
	struct survey survey = survey_members(pool);

	tell_panic(pool->state, survey.is_panic);
	candidates->is_panic = survey.is_panic;
	candidates->free = 0;
	candidates->is_full = candidates->is_last_resort = false;
	uint64_t usable = survey.is_panic ? survey.alive : survey.up | survey.probation;
	if (usable & survey.weighted)
		usable &= survey.weighted;
	consider(request, survey.is_panic ? 0 : survey.probation, usable, candidates);
	/* A retry that has nowhere else to go: who failed others is better than what has failed for sure. */
	if (request->excluded && !candidates->free && !candidates->is_full) {
		candidates->is_last_resort = true;
		consider(request, 0, survey.ejected | survey.probation, candidates);
	}
}

/* One of `bits`, as often as its weight says. */
static uint32_t pick_weighted(const struct candidates *candidates, uint64_t bits, uint64_t random)
{
	uint64_t total = 0;
	uint32_t last = 0;

	EACH_BIT(i, bits)
	total += candidates->weights[i];
	uint64_t at = (uint64_t)((__uint128_t)random * total >> 64);
	EACH_BIT(i, bits)
	{
		last = i;
		if (at < candidates->weights[i])
			return i;
		at -= candidates->weights[i];
	}
	return last;
}

/* Smooth weighted round-robin: who is most behind its share. */
static uint32_t pick_in_turn(const struct balance_request *request, const struct candidates *candidates)
{
	const struct pool *pool = request->pool;
	struct balance_local *local = request->local;

	if (local->member_count != pool->member_count || local->weight_total != pool->weight_total) {
		local->member_count = pool->member_count;
		local->weight_total = pool->weight_total;
		for (uint32_t i = 0; i < pool->member_count; i++) /* each worker starts elsewhere */
			local->current[i] = rng_next(request->rng) % SCALE;
	}
	uint32_t best = __builtin_ctzll(candidates->free);
	int32_t total = 0;
	EACH_BIT(i, candidates->free)
	{
		local->current[i] += candidates->weights[i];
		total += candidates->weights[i];
		if (local->current[i] > local->current[best])
			best = i;
	}
	local->current[best] -= total;
	return best;
}

/* e^(-age/τ), within half a percent: 2^-n by halving, the rest by a parabola. */
static double decay(uint64_t age_ns)
{
	double halvings = age_ns * (1 / (LATENCY_DECAY_NS * 0.693147180559945));
	if (halvings > 60)
		return 0;
	uint32_t whole = halvings;
	double rest = halvings - whole;
	return (1 - rest * (0.6565 - 0.1565 * rest)) / ((uint64_t)1 << whole);
}

static double latency_cost(const struct origin *origin, uint64_t now_ns)
{
	uint64_t at_ns = atomic_load_explicit(&origin->latency_at_ns, memory_order_relaxed);
	double latency_ns = atomic_load_explicit(&origin->latency_ns, memory_order_relaxed);
	uint32_t in_flight = load(&origin->in_flight);
	latency_ns *= decay(now_ns > at_ns ? now_ns - at_ns : 0);
	if (!at_ns)
		latency_ns = in_flight ? LATENCY_UNKNOWN_NS : 0;
	return latency_ns * (in_flight + 1);
}

/* The better of two that chance names. */
static uint32_t pick_of_two(const struct balance_request *request, const struct candidates *candidates)
{
	const struct pool_member *members = request->pool->members;
	bool is_ewma = request->pool->balance == POOL_EWMA;
	struct candidates equal;

	if (is_ewma) { /* the weight is in the cost */
		EACH_BIT(i, candidates->free)
		equal.weights[i] = 1;
	}
	const struct candidates *chances = is_ewma ? &equal : candidates;
	uint32_t a = pick_weighted(chances, candidates->free, rng_next(request->rng));
	uint64_t others = candidates->free & ~((uint64_t)1 << a);
	if (!others)
		return a;
	uint32_t b = pick_weighted(chances, others, rng_next(request->rng));
	uint64_t weight_a = candidates->weights[a], weight_b = candidates->weights[b];
	if (is_ewma)
		return latency_cost(members[a].origin, request->now_ns) * weight_b <=
				       latency_cost(members[b].origin, request->now_ns) * weight_a
			       ? a
			       : b;
	return load(&members[a].origin->in_flight) * weight_b <=
			       load(&members[b].origin->in_flight) * weight_a
		       ? a
		       : b;
}

static double rendezvous_score(uint64_t hash, uint32_t weight)
{
	return weight / -log(((hash >> 11) + 0.5) * 0x1p-53);
}

/* Highest random weight; who has more than its share of what is in flight is passed over. */
static uint32_t pick_by_hash(const struct balance_request *request, const struct candidates *candidates)
{
	const struct pool_member *members = request->pool->members;
	uint64_t in_flight = 1, total = 0, best_hash = 0;
	uint32_t first_weight = candidates->weights[__builtin_ctzll(candidates->free)], best = 0;
	bool are_equal = true;
	double best_score = -1;

	EACH_BIT(i, candidates->free)
	{
		in_flight += load(&members[i].origin->in_flight);
		total += candidates->weights[i];
		are_equal &= candidates->weights[i] == first_weight;
	}
	uint64_t bound = in_flight * BOUNDED_LOAD_HALVES;
	best = __builtin_ctzll(candidates->free);
	EACH_BIT(i, candidates->free)
	{
		uint64_t weight = candidates->weights[i];
		if (load(&members[i].origin->in_flight) >= (bound * weight + 2 * total - 1) / (2 * total))
			continue;
		uint64_t hash = hash_mix(members[i].origin->key, request->hash);
		double score = are_equal ? 0 : rendezvous_score(hash, weight);
		if (score > best_score || (are_equal && hash > best_hash)) {
			best_score = score;
			best_hash = hash;
			best = i;
		}
	}
	return best;
}

static uint32_t pick(const struct balance_request *request, const struct candidates *candidates)
{
	if (request->sticky >= 0 && candidates->free >> request->sticky & 1)
		return request->sticky;
	switch (request->pool->balance) {
	case POOL_ROUND_ROBIN:
	case POOL_WEIGHTED:
		return pick_in_turn(request, candidates);
	case POOL_LEAST_REQUESTS:
	case POOL_EWMA:
		return pick_of_two(request, candidates);
	case POOL_HASH:
		return pick_by_hash(request, candidates);
	case POOL_RANDOM:
		break;
	}
	return pick_weighted(candidates, candidates->free, rng_next(request->rng));
}

static bool take_slot(struct origin *origin, uint32_t concurrency, bool is_panic, struct balance_choice *ret)
{
	bool is_probation = false;
	if (load(&origin->state) == ORIGIN_PROBATION) {
		uint32_t none = 0;
		is_probation = atomic_compare_exchange_strong(&origin->probation_in_flight, &none, 1);
		if (!is_probation && !is_panic)
			return false;
	}
	/* Not added first and taken back: that would look full to others, who would go and wait. */
	uint32_t in_flight = atomic_load(&origin->in_flight);
	do {
		if (in_flight < concurrency)
			continue;
		if (is_probation)
			atomic_store(&origin->probation_in_flight, 0);
		return false;
	} while (!atomic_compare_exchange_weak(&origin->in_flight, &in_flight, in_flight + 1));
	*ret = (struct balance_choice){.origin = origin, .is_probation = is_probation};
	return true;
}

enum balance_verdict balance_take(const struct balance_request *request, struct balance_choice *ret)
{
	struct candidates candidates;

	find_candidates(request, &candidates);
	while (candidates.free) {
		uint32_t member = pick(request, &candidates);
		if (take_slot(request->pool->members[member].origin, request->pool->concurrency,
			      candidates.is_panic || candidates.is_last_resort, ret)) {
			ret->is_sticky = (int)member == request->sticky;
			return BALANCE_TAKEN;
		}
		candidates.free &= ~((uint64_t)1 << member);
		candidates.is_full = true;
	}
	return candidates.is_full ? BALANCE_FULL : BALANCE_NONE;
}

bool balance_take_at(const struct pool_state *state, struct origin *origin, uint32_t concurrency,
		     struct balance_choice *ret)
{
	uint32_t now = load(&origin->state);
	bool is_panic = load(&state->is_in_panic);
	if (load(&origin->is_draining) || (!is_panic && now != ORIGIN_UP && now != ORIGIN_PROBATION))
		return false;
	return take_slot(origin, concurrency, is_panic, ret);
}

void balance_give(const struct balance_choice *choice)
{
	if (choice->is_probation)
		atomic_store(&choice->origin->probation_in_flight, 0);
	uint32_t before = atomic_fetch_sub(&choice->origin->in_flight, 1);
	assert(before > 0);
	(void)before;
}

uint64_t balance_excluded(const struct pool *pool, const uint32_t *origin_numbers, unsigned count)
{
	uint64_t excluded = 0;
	for (uint32_t i = 0; i < pool->member_count; i++)
		for (unsigned j = 0; j < count; j++)
			if (pool->members[i].origin->number == origin_numbers[j])
				excluded |= (uint64_t)1 << i;
	return excluded;
}

uint64_t balance_hash(const void *octets, size_t length)
{
	return hash_bytes(octets, length, HASH_SEED);
}

struct balance_usable balance_usable(const struct pool *pool)
{
	struct survey survey = survey_members(pool);
	return (struct balance_usable){
		.usable = __builtin_popcountll(survey.up),
		.total = pool->member_count,
		.weight = survey.usable_weight,
		.weight_total = pool->weight_total,
		.is_panic = survey.is_panic,
	};
}

void balance_observe(struct origin *origin, uint64_t latency_ns, bool has_failed, uint64_t timeout_ns,
		     uint64_t now_ns)
{
	uint64_t at_ns = atomic_load_explicit(&origin->latency_at_ns, memory_order_relaxed);
	double old_ns = atomic_load_explicit(&origin->latency_ns, memory_order_relaxed);
	double sample_ns = has_failed && latency_ns < timeout_ns ? timeout_ns : latency_ns;
	if (at_ns && sample_ns < old_ns) {
		double kept = decay(now_ns > at_ns ? now_ns - at_ns : 0);
		sample_ns = old_ns * kept + sample_ns * (1 - kept);
	}
	atomic_store_explicit(&origin->latency_ns, (uint64_t)sample_ns, memory_order_relaxed);
	atomic_store_explicit(&origin->latency_at_ns, now_ns, memory_order_relaxed);
}

void balance_sticky_make(const uint8_t key[static 16], const struct origin *origin,
			 char out[static BALANCE_STICKY_LENGTH])
{
	uint8_t octets[8];
	hash_store64(octets, origin->key);
	uint64_t value = siphash24(key, octets, sizeof octets);
	for (unsigned i = 0; i < BALANCE_STICKY_LENGTH; i++)
		out[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
}

int balance_sticky_find(const struct pool *pool, const uint8_t key[static 16], const char *value,
			size_t length)
{
	if (length != BALANCE_STICKY_LENGTH)
		return -1;
	for (uint32_t i = 0; i < pool->member_count; i++) {
		char made[BALANCE_STICKY_LENGTH];
		balance_sticky_make(key, pool->members[i].origin, made);
		if (!memcmp(made, value, length))
			return i;
	}
	return -1;
}
