/*
 * Random rounds against a model that shares nothing with the product: it keeps the whole history and
 * judges it anew each time, by the words of the reference. State, pending count and TTL must agree.
 */
#include "checker/verdict.h"
#include "gslb/decide/vip_input.h"
#include "health/health_book.h"
#include "lib/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300
#define RUNS 3000

struct model {
	char state;		/* '?', 'U', 'D' */
	char since[ROUNDS + 1]; /* rounds since the state was entered */
	size_t count;
	uint64_t changed_ms;
};

/* Failures after the last run of `clear` successes. */
static unsigned failures_that_count(const struct model *model, unsigned clear)
{
	unsigned run = 0, failures = 0;
	for (size_t i = 0; i < model->count; i++) {
		run = model->since[i] == '+' ? run + 1 : 0;
		failures += model->since[i] == '-';
		if (run >= clear)
			failures = 0;
	}
	return failures;
}

static unsigned successes_in_a_row(const struct model *model)
{
	unsigned run = 0;
	while (run < model->count && model->since[model->count - 1 - run] == '+')
		run++;
	return run;
}

static void model_round(struct model *model, const struct verdict_limits *limits, char seen, uint64_t now_ms)
{
	char before = model->state;
	model->since[model->count++] = seen;
	if (before == '?')
		model->state = seen == '+' ? 'U' : 'D';
	else if (before == 'U' && failures_that_count(model, limits->clear) >= limits->fall)
		model->state = 'D';
	else if (before == 'D' && successes_in_a_row(model) >= limits->rise)
		model->state = 'U';
	if (model->state != before) {
		model->count = 0;
		model->changed_ms = now_ms;
	}
}

static unsigned model_pending(const struct model *model, const struct verdict_limits *limits)
{
	return model->state == 'U'   ? failures_that_count(model, limits->clear)
	       : model->state == 'D' ? successes_in_a_row(model)
				     : 0;
}

/* MIN at a transition, doubled after each quiet max(interval, MIN), at most MAX. */
static uint32_t model_ttl(const struct model *model, unsigned pending, uint32_t interval_ms, uint32_t ttl_min,
			  uint32_t ttl_max, uint64_t now_ms)
{
	uint64_t quiet_ms = interval_ms > ttl_min * 1000 ? interval_ms : ttl_min * 1000;
	uint64_t ttl = ttl_min;
	if (model->state == '?' || pending > 0)
		return ttl_min;
	for (uint64_t at_ms = model->changed_ms + quiet_ms; at_ms <= now_ms && ttl < ttl_max;
	     at_ms += quiet_ms)
		ttl *= 2;
	return (uint32_t)(ttl < ttl_max ? ttl : ttl_max);
}

static bool run(struct rng *rng)
{
	struct verdict_limits limits = {rng_next(rng) % 5 + 1, rng_next(rng) % 5 + 1, rng_next(rng) % 5 + 1};
	uint32_t interval_ms = (uint32_t)(rng_next(rng) % 10 + 1) * 1000;
	uint32_t ttl_min = (uint32_t)(rng_next(rng) % 8 + 1),
		 ttl_max = ttl_min * (uint32_t)(rng_next(rng) % 20 + 1);
	unsigned good_of_100 = (unsigned)(rng_next(rng) % 101);
	struct model model = {.state = '?'};
	struct verdict verdict = {.state = VERDICT_UNKNOWN};
	uint64_t changed_ms = 0, now_ms = 1000000;
	char history[ROUNDS + 1] = "";
	for (unsigned i = 0; i < ROUNDS; i++, now_ms += interval_ms) {
		char seen = rng_next(rng) % 100 < good_of_100 ? '+' : '-';
		history[i] = seen;
		model_round(&model, &limits, seen, now_ms);
		if (verdict_update(&verdict, &limits, seen == '+'))
			changed_ms = now_ms;
		unsigned pending = model_pending(&model, &limits);
		uint64_t later_ms = now_ms + rng_next(rng) % interval_ms, next_ms;
		struct vip_health health = {.state = health_book_vip_state(verdict.state),
					    .pending = (uint16_t)verdict_pending(&verdict),
					    .changed_ms = changed_ms,
					    .interval_ms = interval_ms};
		const struct vip_controls controls = {.share = 100};
		struct plan_vip_input vip;
		struct vip_load load = {0};
		vip_input_fill(&vip, &health, &controls, &load, ttl_min, ttl_max, later_ms, &next_ms);
		uint32_t wanted = model_ttl(&model, pending, interval_ms, ttl_min, ttl_max, later_ms);
		if ("DU?"[verdict.state] == model.state && verdict_pending(&verdict) == pending &&
		    vip.ttl == wanted)
			continue;
		fprintf(stderr, "rise %u fall %u clear %u ttl %u..%u interval %u ms: %s\n", limits.rise,
			limits.fall, limits.clear, ttl_min, ttl_max, interval_ms, history);
		fprintf(stderr, "is %c pending %u ttl %u, wanted %c pending %u ttl %u\n",
			"DU?"[verdict.state], verdict_pending(&verdict), vip.ttl, model.state, pending,
			wanted);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct rng rng;
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 20260101;
	rng_seed(&rng, seed);
	for (unsigned i = 0; i < RUNS; i++)
		if (!run(&rng)) {
			fprintf(stderr, "run %u of seed %llu\n", i, (unsigned long long)seed);
			return 1;
		}
	printf("%u runs of %u rounds agree\n", RUNS, ROUNDS);
	return 0;
}
