/*
 * The rise/fall/clear state machine of one target. Pure; any thread.
 *
 * Three counters' worth of memory in two numbers: while a target is up, `failures` is the evidence
 * against it and `successes` the run of good rounds that would forgive it; while it is down, `successes`
 * is the evidence for it. Failures that are spread thinly but never forgiven still take a target down.
 */
#include "checker/verdict.h"
#include <assert.h>

static bool enter(struct verdict *verdict, enum verdict_state state)
{
	assert(state != verdict->state && state != VERDICT_UNKNOWN);
	*verdict = (struct verdict){.state = state};
	return true;
}

static bool update_up(struct verdict *verdict, const struct verdict_limits *limits, bool is_ok)
{
	if (!is_ok) {
		verdict->successes = 0;
		return ++verdict->failures >= limits->fall && enter(verdict, VERDICT_DOWN);
	}
	if (verdict->failures > 0 && ++verdict->successes >= limits->clear)
		verdict->failures = verdict->successes = 0;
	return false;
}

static bool update_down(struct verdict *verdict, const struct verdict_limits *limits, bool is_ok)
{
	if (!is_ok) {
		verdict->successes = 0;
		return false;
	}
	return ++verdict->successes >= limits->rise && enter(verdict, VERDICT_UP);
}

/* The comparisons are >= because a reload may lower a limit below what was counted already. */
bool verdict_update(struct verdict *verdict, const struct verdict_limits *limits, bool is_ok)
{
	assert(limits->rise > 0 && limits->fall > 0 && limits->clear > 0);
	switch (verdict->state) {
	case VERDICT_UP:
		return update_up(verdict, limits, is_ok);
	case VERDICT_DOWN:
		return update_down(verdict, limits, is_ok);
	case VERDICT_UNKNOWN:
		break;
	}
	return enter(verdict, is_ok ? VERDICT_UP : VERDICT_DOWN);
}

uint32_t verdict_pending(const struct verdict *verdict)
{
	switch (verdict->state) {
	case VERDICT_UP:
		return verdict->failures;
	case VERDICT_DOWN:
		return verdict->successes;
	case VERDICT_UNKNOWN:
		break;
	}
	return 0;
}
