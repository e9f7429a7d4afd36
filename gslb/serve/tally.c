/* Counting: see tally.h. Any reader thread, each its own statistics. */
#include "gslb/serve/tally.h"

static void tally_shed(struct stats *stats, const struct choice *choice)
{
	const struct plan_service *service = choice->service;
	uint32_t slot = service->shed[service->slot[choice->shed_from]].slot;
	if (slot < STATS_SHED_SLOTS)
		counter_add(&stats->shed[slot * SHED_BUCKETS + choice->shed_bucket], 1);
}

/* Beyond the regular step; a family's own choice counts where health or a control is why. */
static void tally_fallback(struct stats *stats, const struct choice *choice)
{
	uint32_t service = choice->policy->service->number;
	if (service >= STATS_SERVICES_MAX)
		return;
	counter *counters = &stats->fallback[(size_t)service * STATS_STEPS];
	if (choice_is_own(choice) && choice->is_forced)
		counter_add(&counters[STEP_FAMILY], 1);
	if (choice->step == STEP_TIER || choice->step == STEP_FAMILY)
		return;
	counter_add(&counters[choice->step], 1);
	if (choice->step == STEP_SHED)
		tally_shed(stats, choice);
}

static void tally_choice(struct stats *stats, const struct answer *answer)
{
	const struct choice *choice = &answer->choice, *other;
	if (choice->region)
		counter_add(&stats->answers[choice->region->counter], 1);
	if (choice->step == STEP_TIER)
		return;
	tally_fallback(stats, choice);
	if ((other = resolve_other(answer)))
		tally_fallback(stats, other);
}

void tally_reply(struct stats *stats, enum transport transport, const struct message *message,
		 const struct answer *answer)
{
	struct stats_transport *counters = &stats->transport[transport];
	counter_add(&counters->queries[rrtype_metric_row(message->question.type)], 1);
	counter_add(&counters->responses[answer->rcode], 1);
	if (message->edns.subnet_length != 0 && message->edns.subnet[1] != 0)
		counter_add(&stats->ecs_queries[message->edns.subnet[1] - 1], 1);
	if (answer->tenant != INDEX_NONE)
		counter_add(answer->tenant < STATS_TENANTS_MAX ? &stats->tenant[answer->tenant]
							       : &stats->tenant_other,
			    1);
	if (answer->choice.policy && !answer->is_truncated)
		tally_choice(stats, answer);
}

void tally_latency(struct stats *stats, enum transport transport, unsigned queries, uint64_t ns)
{
	struct stats_transport *counters = &stats->transport[transport];
	uint64_t us = (ns + 999) / 1000;
	unsigned bucket = us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1);
	if (bucket >= STATS_LATENCY_BUCKETS)
		bucket = STATS_LATENCY_BUCKETS - 1;
	counter_add(&counters->latency[bucket], queries);
	counter_add(&counters->latency_ns, queries * ns);
}
