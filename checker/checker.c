/*
 * When each target is probed, and how many at a time. Runs on the caller's libevent base and thread.
 *
 * One timer a target: libevent's heap holds 5,000 of them without effort, and a thousand rounds a
 * second cost a thousand re-insertions. A round is due at a planned time; the plan, not the moment the
 * loop got around to it, fixes the next one, so that lateness never adds up and the promised failover
 * time (fall × interval + timeout) holds.
 */
#include "checker/checker.h"
#include "checker/probe.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define FIRST_ROUND_SPREAD_MS 100
#define JITTER_STEPS 1024
#define MANY_TARGETS 100 /* whose rounds must not come all at once */

struct checker_target {
	struct checker *checker;
	struct ip address;
	struct probe_spec spec; /* owned copy */
	struct probe_kept kept; /* from round to round */
	void *user;
	struct event *timer;
	uint64_t due_ms; /* planned start of the round that is due next */
	enum target_stage {
		TARGET_IDLE,
		TARGET_QUEUED,	/* waits for its turn */
		TARGET_ASKING,	/* `probe` has no verdict yet */
		TARGET_PARTING, /* `probe` has, and ends its connection */
	} stage;
	struct probe *probe;
	bool has_started; /* its first round was due */
	bool is_overdue;  /* a round fell due while the last one had no verdict */
	LIST_ENTRY(checker_target) all;
	TAILQ_ENTRY(checker_target) line; /* in the checker's queue or among those that part */
};
TAILQ_HEAD(target_line, checker_target);

struct checker {
	struct event_base *base;
	unsigned concurrency, in_flight;
	struct rng rng;
	checker_result_fn *on_result;
	struct tls_client *tls; /* from the first target that needs it */
	size_t target_count;
	LIST_HEAD(, checker_target) targets;
	struct target_line queue;   /* first come, first served */
	struct target_line parting; /* the longest first */
};

struct checker *checker_new(struct event_base *base, unsigned concurrency, uint64_t seed,
			    checker_result_fn *on_result)
{
	struct checker *checker = xcalloc(1, sizeof *checker);
	assert(concurrency > 0);
	checker->base = base;
	checker->concurrency = concurrency;
	checker->on_result = on_result;
	rng_seed(&checker->rng, seed);
	LIST_INIT(&checker->targets);
	TAILQ_INIT(&checker->queue);
	TAILQ_INIT(&checker->parting);
	return checker;
}

size_t checker_targets(const struct checker *checker)
{
	return checker->target_count;
}

/* ---- the spec's copy ---- */

static char *copy_text(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void copy_spec(struct probe_spec *to, const struct probe_spec *from)
{
	*to = *from;
	to->name = copy_text(from->name);
	to->method = copy_text(from->method);
	to->path = copy_text(from->path);
	to->host = copy_text(from->host);
	to->body = copy_text(from->body);
	to->sni = copy_text(from->sni);
	to->question = from->question ? xmemdup(from->question, from->question_length) : NULL;
	struct probe_header *headers = xcalloc(from->header_count + 1, sizeof *headers);
	for (size_t i = 0; i < from->header_count; i++) {
		headers[i].name = xstrdup(from->headers[i].name);
		headers[i].value = xstrdup(from->headers[i].value);
	}
	to->headers = headers;
	struct probe_expect *expect = xcalloc(from->expect_count + 1, sizeof *expect);
	if (from->expect_count > 0)
		memcpy(expect, from->expect, from->expect_count * sizeof *expect);
	to->expect = expect;
}

static void free_spec(struct probe_spec *spec)
{
	for (size_t i = 0; i < spec->header_count; i++) {
		free((char *)spec->headers[i].name);
		free((char *)spec->headers[i].value);
	}
	free((void *)spec->headers);
	free((void *)spec->expect);
	free((char *)spec->name);
	free((char *)spec->method);
	free((char *)spec->path);
	free((char *)spec->host);
	free((char *)spec->body);
	free((char *)spec->sni);
	free((void *)spec->question);
}

/* ---- rounds ---- */

static void set_timer(struct checker_target *target, uint64_t now_ms)
{
	uint64_t delay_ms = target->due_ms > now_ms ? target->due_ms - now_ms : 0;
	struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
	evtimer_add(target->timer, &delay);
}

static void enqueue(struct checker_target *target)
{
	assert(target->stage == TARGET_IDLE && !target->probe);
	target->stage = TARGET_QUEUED;
	TAILQ_INSERT_TAIL(&target->checker->queue, target, line);
}

/* The probe is gone. */
static void leave_parting(struct checker_target *target)
{
	assert(target->stage == TARGET_PARTING && target->checker->in_flight > 0);
	TAILQ_REMOVE(&target->checker->parting, target, line);
	target->checker->in_flight--;
	target->probe = NULL;
	target->stage = TARGET_IDLE;
}

static void cut_parting(struct checker_target *target)
{
	probe_cancel(target->probe);
	leave_parting(target);
}

/* A probe that only waits for its target's end never holds up another one. */
static bool make_room(struct checker *checker)
{
	if (checker->in_flight < checker->concurrency)
		return true;
	struct checker_target *longest = TAILQ_FIRST(&checker->parting);
	if (longest)
		cut_parting(longest);
	return longest;
}

static const struct probe_listener listener;

static void start_what_fits(struct checker *checker)
{
	struct checker_target *target;
	while ((target = TAILQ_FIRST(&checker->queue)) && make_room(checker)) {
		assert(target->stage == TARGET_QUEUED);
		TAILQ_REMOVE(&checker->queue, target, line);
		target->stage = TARGET_ASKING;
		checker->in_flight++;
		target->probe = probe_start(checker->base, &target->address, &target->spec, &target->kept,
					    &listener, target);
	}
}

static void on_judged(void *user, const struct probe_result *result)
{
	struct checker_target *target = user;
	struct checker *checker = target->checker;
	assert(target->stage == TARGET_ASKING);
	target->stage = TARGET_PARTING;
	TAILQ_INSERT_TAIL(&checker->parting, target, line);
	bool is_due = target->is_overdue || result->is_late;
	target->is_overdue = false;
	checker->on_result(target->user, result);
	if (is_due) {
		cut_parting(target);
		enqueue(target);
	}
	start_what_fits(checker);
}

static void on_over(void *user)
{
	struct checker_target *target = user;
	leave_parting(target);
	start_what_fits(target->checker);
}

static const struct probe_listener listener = {.judged = on_judged, .over = on_over};

static void on_due(evutil_socket_t fd, short events, void *user)
{
	struct checker_target *target = user;
	struct checker *checker = target->checker;
	uint64_t now_ms = clock_mono_ms();
	/* The next round counts from this one's start: planned, or real where the loop's cached clock
	 * let it start early. A plan that was missed by a whole interval is given up, not caught up. */
	uint64_t start_ms = target->due_ms < now_ms ? target->due_ms : now_ms;
	uint64_t interval_ms = target->spec.interval_ms;
	uint64_t jitter_ms = interval_ms * (rng_next(&checker->rng) % JITTER_STEPS) / (10 * JITTER_STEPS);
	/* The first rounds of all come together; the second of many come at any time of the interval, else
	 * every interval would begin with a burst for as long as the process runs. */
	if (!target->has_started && checker->target_count >= MANY_TARGETS)
		jitter_ms = rng_next(&checker->rng) % interval_ms;
	target->has_started = true;
	target->due_ms = start_ms + interval_ms - jitter_ms;
	if (target->due_ms < now_ms)
		target->due_ms = now_ms;
	set_timer(target, now_ms);
	switch (target->stage) {
	case TARGET_QUEUED:
		return;
	case TARGET_ASKING:
		target->is_overdue = true;
		return;
	case TARGET_PARTING:
		cut_parting(target);
		break;
	case TARGET_IDLE:
		break;
	}
	enqueue(target);
	start_what_fits(checker);
}

/* ---- targets ---- */

struct checker_target *checker_add(struct checker *checker, const struct ip *address,
				   const struct probe_spec *spec, void *user)
{
	struct checker_target *target = xcalloc(1, sizeof *target);
	assert(spec->interval_ms > 0 && spec->timeout_ms > 0);
	target->checker = checker;
	target->address = *address;
	target->user = user;
	copy_spec(&target->spec, spec);
	if (spec->kind->secure && !checker->tls)
		checker->tls = tls_client_new();
	target->kept.tls = checker->tls;
	target->timer = evtimer_new(checker->base, on_due, target);
	assert(target->timer);
	uint32_t spread_ms =
		spec->interval_ms < FIRST_ROUND_SPREAD_MS ? spec->interval_ms : FIRST_ROUND_SPREAD_MS;
	uint64_t now_ms = clock_mono_ms();
	target->due_ms = now_ms + rng_next(&checker->rng) % spread_ms;
	set_timer(target, now_ms);
	LIST_INSERT_HEAD(&checker->targets, target, all);
	checker->target_count++;
	return target;
}

static void drop_target(struct checker *checker, struct checker_target *target)
{
	if (target->stage == TARGET_QUEUED)
		TAILQ_REMOVE(&checker->queue, target, line);
	if (target->stage == TARGET_PARTING)
		TAILQ_REMOVE(&checker->parting, target, line);
	assert(!target->probe == (target->stage == TARGET_IDLE || target->stage == TARGET_QUEUED));
	if (target->probe)
		checker->in_flight--;
	probe_cancel(target->probe);
	probe_kept_done(&target->kept);
	event_free(target->timer);
	LIST_REMOVE(target, all);
	checker->target_count--;
	free_spec(&target->spec);
	free(target);
}

void checker_remove(struct checker *checker, struct checker_target *target)
{
	if (!target)
		return;
	drop_target(checker, target);
	start_what_fits(checker);
}

void checker_free(struct checker *checker)
{
	if (!checker)
		return;
	for (struct checker_target *target; (target = LIST_FIRST(&checker->targets));)
		drop_target(checker, target);
	assert(checker->target_count == 0 && checker->in_flight == 0 && TAILQ_EMPTY(&checker->queue));
	tls_client_free(checker->tls);
	free(checker);
}
