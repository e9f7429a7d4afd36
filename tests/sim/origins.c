/*
 * Balancing, outlier detection and retries together, on fake origins under a fake clock: two workers of one
 * process, requests of several tenants, origins that refuse, hang, answer 503, or hate one customer. Each
 * scenario says what clients must have seen in the end; the random ones hold what must always hold.
 */
#include "forwarder/plan/outlier.h"
#include "forwarder/plan/route.h"
#include "forwarder/traffic/balance.h"
#include "forwarder/traffic/retry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS ((uint64_t)1000000000)
#define MS_NS ((uint64_t)1000000)
#define ORIGINS 4
#define WORKERS 2
#define REQUESTS_MAX 4096 /* at one time */
#define TIMEOUT_NS (3 * SECOND_NS)
#define SEEDS 300

enum outcome { FINE, REFUSED, HUNG, UNAVAILABLE };
enum event_kind { ARRIVAL, ATTEMPT, END, SWEEP };

struct event {
	uint64_t at_ns;
	enum event_kind kind;
	uint32_t request;
};

struct request {
	bool is_used, is_post;
	uint64_t tenant, sent_ns, deadline_ns;
	unsigned worker, attempts, tried_count;
	uint32_t tried[RETRY_ATTEMPTS_MAX];
	struct balance_choice choice;
	enum outcome outcome;
};

struct sim;
struct scenario {
	const char *name;
	unsigned seconds, per_second, tenants, post_percent;
	uint8_t retry;
	enum outcome (*answer)(struct sim *sim, unsigned origin, uint64_t tenant);
	void (*judge)(struct sim *sim);
};

struct sim {
	const struct scenario *scenario;
	struct rng rng;
	uint64_t now_ns, origin_seed;
	struct event events[2 * REQUESTS_MAX];
	unsigned event_count;
	struct request requests[REQUESTS_MAX];
	struct origin origins[ORIGINS];
	struct pool_member members[ORIGINS];
	struct pool_state state;
	struct pool pool;
	struct balance_local locals[WORKERS];
	struct retry_budget budgets[WORKERS];
	/* what was seen */
	unsigned asked, attempts, retries, over_budget, failed, failed_get, failed_other_tenant;
	unsigned attempts_at[ORIGINS], late_attempts_at[ORIGINS]; /* late: in the last ten seconds */
	unsigned worst_ejected, first_ejected_ms;
	unsigned complaints;
};

static double second_of(const struct sim *sim)
{
	return (double)sim->now_ns / SECOND_NS - 1000;
}

static void expect(struct sim *sim, bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr,
		"%s, second %.3f: not so: %s (asked %u, attempts %u, retries %u, failed %u, GET %u)\n",
		sim->scenario->name, second_of(sim), what, sim->asked, sim->attempts, sim->retries,
		sim->failed, sim->failed_get);
	sim->complaints++;
}

static void schedule(struct sim *sim, uint64_t at_ns, enum event_kind kind, uint32_t request)
{
	unsigned at = sim->event_count++;
	for (; at > 0 && sim->events[(at - 1) / 2].at_ns > at_ns; at = (at - 1) / 2)
		sim->events[at] = sim->events[(at - 1) / 2];
	sim->events[at] = (struct event){at_ns, kind, request};
}

static struct event next_event(struct sim *sim)
{
	struct event first = sim->events[0], last = sim->events[--sim->event_count];
	unsigned at = 0;
	for (unsigned child; (child = 2 * at + 1) < sim->event_count; at = child) {
		child += child + 1 < sim->event_count &&
			 sim->events[child + 1].at_ns < sim->events[child].at_ns;
		if (sim->events[child].at_ns >= last.at_ns)
			break;
		sim->events[at] = sim->events[child];
	}
	sim->events[at] = last;
	return first;
}

static void finish(struct sim *sim, struct request *request, bool is_failure)
{
	request->is_used = false;
	if (!is_failure)
		return;
	sim->failed++;
	sim->failed_get += !request->is_post;
	sim->failed_other_tenant += request->tenant != 1;
}

static void attempt(struct sim *sim, uint32_t number)
{
	struct request *request = &sim->requests[number];
	struct balance_request question = {
		.pool = &sim->pool,
		.local = &sim->locals[request->worker],
		.rng = &sim->rng,
		.excluded = balance_excluded(&sim->pool, request->tried, request->tried_count),
		.sticky = -1,
		.now_ns = sim->now_ns,
	};
	if (!request->attempts)
		retry_budget_request(&sim->budgets[request->worker], sim->now_ns);
	if (balance_take(&question, &request->choice) != BALANCE_TAKEN) {
		finish(sim, request, true);
		return;
	}
	unsigned at = request->choice.origin - sim->origins;
	request->attempts++;
	request->sent_ns = sim->now_ns;
	request->outcome = sim->scenario->answer(sim, at, request->tenant);
	sim->attempts++;
	sim->attempts_at[at]++;
	sim->late_attempts_at[at] += second_of(sim) >= sim->scenario->seconds - 10;
	expect(sim, request->choice.origin->in_flight <= sim->pool.concurrency,
	       "in flight within concurrency");
	uint64_t takes_ns = request->outcome == HUNG	  ? TIMEOUT_NS
			    : request->outcome == REFUSED ? MS_NS / 10
							  : (5 + rng_next(&sim->rng) % 10) * MS_NS;
	schedule(sim, sim->now_ns + takes_ns, END, number);
}

static void try_again(struct sim *sim, uint32_t number)
{
	struct request *request = &sim->requests[number];
	static const enum retry_failure failures[] = {
		[REFUSED] = RETRY_CONNECT, [HUNG] = RETRY_TIMEOUT, [UNAVAILABLE] = RETRY_503};
	uint64_t pause_ns;
	struct retry_request question = {
		.failure = failures[request->outcome],
		.is_idempotent = !request->is_post,
		.is_body_kept = true,
		.listed = sim->scenario->retry,
		.attempts = request->attempts,
		.now_ns = sim->now_ns,
		.deadline_ns = request->deadline_ns,
	};
	if (retry_decide(&question, rng_next(&sim->rng), &pause_ns) != RETRY_OTHER) {
		finish(sim, request, true);
	} else if (!retry_budget_take(&sim->budgets[request->worker], WORKERS, sim->now_ns)) {
		sim->over_budget++;
		finish(sim, request, true);
	} else {
		expect(sim, !request->is_post || request->outcome == REFUSED, "a POST is not sent twice");
		request->tried[request->tried_count++] = request->choice.origin->number;
		sim->retries++;
		schedule(sim, sim->now_ns + pause_ns, ATTEMPT, number);
	}
}

static void end(struct sim *sim, uint32_t number)
{
	struct request *request = &sim->requests[number];
	bool has_failed = request->outcome != FINE;

	balance_give(&request->choice);
	balance_observe(request->choice.origin, sim->now_ns - request->sent_ns, has_failed, TIMEOUT_NS,
			sim->now_ns);
	outlier_report(&sim->pool, request->choice.origin, has_failed, request->choice.is_probation,
		       request->tenant * 0x9e3779b97f4a7c15u, sim->now_ns);
	unsigned ejected = 0;
	for (unsigned i = 0; i < ORIGINS; i++)
		ejected +=
			sim->origins[i].state == ORIGIN_EJECTED || sim->origins[i].state == ORIGIN_PROBATION;
	if (ejected && !sim->first_ejected_ms)
		sim->first_ejected_ms = second_of(sim) * 1000;
	if (ejected > sim->worst_ejected)
		sim->worst_ejected = ejected;
	if (has_failed)
		try_again(sim, number);
	else
		finish(sim, request, false);
}

static void arrive(struct sim *sim)
{
	const struct scenario *scenario = sim->scenario;
	uint32_t number = 0;

	while (number < REQUESTS_MAX && sim->requests[number].is_used)
		number++;
	expect(sim, number < REQUESTS_MAX, "requests end");
	if (number == REQUESTS_MAX)
		return;
	sim->asked++;
	sim->requests[number] = (struct request){
		.is_used = true,
		.is_post = rng_next(&sim->rng) % 100 < scenario->post_percent,
		.tenant = 1 + rng_next(&sim->rng) % scenario->tenants,
		.worker = rng_next(&sim->rng) % WORKERS,
		.deadline_ns = sim->now_ns + 10 * SECOND_NS,
	};
	attempt(sim, number);
	if (second_of(sim) < scenario->seconds)
		schedule(sim, sim->now_ns + rng_next(&sim->rng) % (2 * SECOND_NS / scenario->per_second),
			 ARRIVAL, 0);
}

static unsigned play(const struct scenario *scenario, enum pool_balance balance, uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof *sim);

	sim->scenario = scenario;
	sim->now_ns = 1000 * SECOND_NS;
	sim->origin_seed = seed;
	rng_seed(&sim->rng, seed);
	sim->pool = (struct pool){.state = &sim->state,
				  .balance = balance,
				  .concurrency = 1000,
				  .member_count = ORIGINS,
				  .weight_total = ORIGINS,
				  .members = sim->members,
				  .slow_start_ms = 5000,
				  .max_ejected_hundredths = 5000,
				  .panic_hundredths = 3000};
	sim->state.aged_ns = sim->now_ns;
	for (unsigned i = 0; i < ORIGINS; i++) {
		sim->members[i] = (struct pool_member){&sim->origins[i], 1};
		sim->origins[i].number = i;
	}
	schedule(sim, sim->now_ns, ARRIVAL, 0);
	schedule(sim, sim->now_ns, SWEEP, 0);
	while (sim->event_count > 1) { /* the sweep comes always */
		struct event event = next_event(sim);
		sim->now_ns = event.at_ns;
		if (event.kind == ARRIVAL)
			arrive(sim);
		else if (event.kind == ATTEMPT)
			attempt(sim, event.request);
		else if (event.kind == END)
			end(sim, event.request);
		else {
			outlier_sweep(&sim->pool, sim->now_ns);
			schedule(sim, sim->now_ns + SECOND_NS, SWEEP, 0);
		}
	}
	for (unsigned i = 0; i < ORIGINS; i++)
		expect(sim, !sim->origins[i].in_flight && !sim->origins[i].probation_in_flight,
		       "all is given back");
	expect(sim, sim->worst_ejected <= ORIGINS / 2, "half of the pool stays");
	expect(sim,
	       sim->retries <=
		       sim->asked / 5 + 10 * (scenario->seconds + RETRY_WINDOW_S) + 10 * RETRY_WINDOW_S,
	       "retries within the budget");
	scenario->judge(sim);
	unsigned complaints = sim->complaints;
	free(sim);
	return complaints;
}

/* --- scenarios --- */

static enum outcome killed(struct sim *sim, unsigned origin, uint64_t tenant)
{
	return origin == 0 && second_of(sim) >= 10 && second_of(sim) < 60 ? REFUSED : FINE;
}

static void judge_killed(struct sim *sim)
{
	expect(sim, sim->failed == 0, "no request fails, a POST neither: nothing of it was sent");
	expect(sim, sim->first_ejected_ms >= 10000 && sim->first_ejected_ms < 11000, "it is ejected at once");
	expect(sim, sim->retries <= 16, "a few requests find it out, and one each probation");
	expect(sim, sim->origins[0].ejected_total == 2,
	       "the probation at 40 s fails, that at 100 s does not");
	for (unsigned i = 0; i < ORIGINS; i++)
		expect(sim, sim->late_attempts_at[i] > 800 && sim->late_attempts_at[i] < 1200,
		       "it has its share back");
}

static enum outcome hanging(struct sim *sim, unsigned origin, uint64_t tenant)
{
	return origin == 0 && second_of(sim) >= 10 && second_of(sim) < 60 ? HUNG : FINE;
}

static void judge_hanging(struct sim *sim)
{
	expect(sim, sim->failed_get <= 1, "a GET is asked elsewhere");
	expect(sim, sim->failed <= sim->asked / 100,
	       "POSTs that hung fail, until it is ejected after the first timeouts");
	expect(sim, sim->first_ejected_ms < 14000, "it is ejected after one timeout");
}

static enum outcome all_unavailable(struct sim *sim, unsigned origin, uint64_t tenant)
{
	return second_of(sim) >= 10 && second_of(sim) < 40 ? UNAVAILABLE : FINE;
}

static void judge_all_unavailable(struct sim *sim)
{
	double while_down = 30.0 * sim->scenario->per_second;
	expect(sim, sim->over_budget > 0, "the budget ends it");
	expect(sim, sim->attempts - sim->asked <= while_down / 5 + 10 * 40 + 200, "no storm");
	expect(sim, sim->worst_ejected == ORIGINS / 2, "half stays in use");
	expect(sim, sim->failed >= while_down * 0.9 && sim->failed <= while_down * 1.1,
	       "and all is well behind it");
}

static enum outcome one_customer(struct sim *sim, unsigned origin, uint64_t tenant)
{
	return tenant == 1 ? UNAVAILABLE : FINE;
}

static void judge_one_customer(struct sim *sim)
{
	expect(sim, sim->worst_ejected == 0, "a customer's broken requests eject nobody");
	expect(sim, sim->failed_other_tenant == 0, "and nobody else notices");
	expect(sim, sim->failed > sim->asked / 4, "they do fail");
}

/* Each origin is well or not for two to eleven seconds at a time, the last one always well. */
static enum outcome at_random(struct sim *sim, unsigned origin, uint64_t tenant)
{
	uint64_t x = sim->origin_seed * 1000003 + origin * 7919;
	unsigned phase = second_of(sim) / (2 + x % 10);
	struct rng rng;

	rng_seed(&rng, x + phase);
	return origin == ORIGINS - 1 || rng_next(&rng) % 2 ? FINE : REFUSED + rng_next(&rng) % 3;
}

static void judge_at_random(struct sim *sim)
{
	expect(sim, sim->failed_get <= sim->over_budget + sim->asked / 20,
	       "what may be repeated nearly always finds the one that is well");
	expect(sim, sim->attempts_at[ORIGINS - 1] > 0, "which is used");
}

#define ALL_RETRIES (ROUTE_RETRY_CONNECT | ROUTE_RETRY_TIMEOUT | ROUTE_RETRY_503)

int main(void)
{
	static const struct scenario scenarios[] = {
		{"killed", 160, 400, 4, 20, ROUTE_RETRY_CONNECT, killed, judge_killed},
		{"hanging", 160, 100, 4, 20, ALL_RETRIES, hanging, judge_hanging},
		{"all unavailable", 160, 500, 4, 0, ALL_RETRIES, all_unavailable, judge_all_unavailable},
		{"one customer", 60, 200, 2, 0, ROUTE_RETRY_CONNECT, one_customer, judge_one_customer},
	};
	static const struct scenario random = {"at random", 120,	 50,	    3,
					       30,	    ALL_RETRIES, at_random, judge_at_random};
	unsigned complaints = 0;

	for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		for (uint64_t seed = 1; seed <= 3; seed++)
			complaints += play(&scenarios[i], POOL_ROUND_ROBIN, seed);
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		complaints += play(&random, seed % (POOL_RANDOM + 1), seed);
	return complaints > 0;
}
