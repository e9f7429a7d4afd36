/*
 * Probes: runs each target's check on time and tells every result. A library on the caller's
 * libevent base, all on one thread. What a target is for, and what its result means, is its owner's.
 */
#pragma once
#include "checker/probe_spec.h"
#include "lib/net.h"
#include <event2/event.h>

struct checker;
struct checker_target;

/* Called once a round for every target; must not add or remove targets. `user` as given to add. */
typedef void checker_result_fn(void *user, const struct probe_result *result);

/* concurrency: probes in flight at most, 1..10000; more wait their turn. seed: jitter. */
struct checker *checker_new(struct event_base *base, unsigned concurrency, uint64_t seed,
			    checker_result_fn *on_result);
void checker_free(struct checker *checker); /* cancels everything; NULL is fine */
/* The first probe starts at once, spread over at most min(interval, 100 ms); then a round starts at
 * least every interval (jitter shortens it by 0 to 10 %; where there are many targets, their second rounds
 * come at any time before that, so that the load is even). A round never overlaps itself. The spec is
 * copied. */
struct checker_target *checker_add(struct checker *checker, const struct ip *address,
				   const struct probe_spec *spec, void *user);
void checker_remove(struct checker *checker, struct checker_target *target);
size_t checker_targets(const struct checker *checker);
