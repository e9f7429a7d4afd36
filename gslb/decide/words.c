/* The tables of words. Any thread. */
#include "gslb/decide/words.h"
#include <assert.h>
#include <string.h>

struct word {
	const char *word, *meaning;
};

static const struct word steps[] = {
	[STEP_TIER] = {"tier", "the first tier that is healthy enough"},
	[STEP_FAMILY] = {"family",
			 "this address family by itself: the first tier where it is healthy enough"},
	[STEP_SHED] = {"shed", "the region that was first has too much load: another that has room"},
	[STEP_DEGRADED] = {"degraded", "no tier is healthy enough: the first with any healthy VIP"},
	[STEP_PANIC] = {"panic", "nothing else is healthy: drained regions are used"},
	[STEP_LAST_RESORT] = {"last-resort", "nothing is healthy: the service's last resort"},
	[STEP_NONE] = {"none", "nothing is left to answer with"},
};
_Static_assert(sizeof steps / sizeof *steps == STEP_COUNT, "each step has a word");

static const struct word region_reasons[] = {
	[REASON_CHOSEN] = {"chosen", "chosen"},
	[REASON_NOT_PICKED] = {"not-picked", "the split picked another of its tier"},
	[REASON_LOWER_TIER] = {"lower-tier", "a better tier answers"},
	[REASON_RESIDENCY] = {"residency", "this tenant may not use it"},
	[REASON_NOT_LISTED] = {"not-listed", "the list that matched does not name it"},
	[REASON_NO_VIPS] = {"no-vips", "no VIP of this service"},
	[REASON_FAMILY] = {"family", "no VIP of this address family"},
	[REASON_UNHEALTHY] = {"unhealthy", "too little of it is healthy"},
	[REASON_DRAINED] = {"drained", "drained"},
	[REASON_SHARE] = {"share", "this client is outside the region's share"},
	[REASON_SHED] = {"shed", "its load is above its target: this client is sent elsewhere"},
	[REASON_DOWN] = {"down", "forced down"},
};
_Static_assert(sizeof region_reasons / sizeof *region_reasons == REGION_REASONS, "each reason has a word");

static const struct word ttl_reasons[] = {
	[TTL_STABLE] = {"stable", "everything consulted is quiet"},
	[TTL_PENDING] = {"pending",
			 "a probe's failure or success is pending, or a state unknown: the shortest"},
	[TTL_RECENT] = {"recent", "something changed lately: it grows while all is quiet"},
	[TTL_FALLBACK] = {"fallback", "a fallback answers: the shortest"},
};
_Static_assert(sizeof ttl_reasons / sizeof *ttl_reasons == TTL_REASONS, "each reason has a word");

static const char *meaning(const struct word *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].meaning;
	return word;
}

const char *words_step(enum step step)
{
	assert(step < STEP_COUNT);
	return steps[step].word;
}

const char *words_region_reason(enum region_reason reason)
{
	assert(reason < REGION_REASONS);
	return region_reasons[reason].word;
}

const char *words_ttl_reason(enum ttl_reason reason)
{
	assert(reason < TTL_REASONS);
	return ttl_reasons[reason].word;
}

const char *words_step_meaning(const char *word)
{
	return meaning(steps, STEP_COUNT, word);
}

const char *words_region_reason_meaning(const char *word)
{
	return meaning(region_reasons, REGION_REASONS, word);
}

const char *words_ttl_reason_meaning(const char *word)
{
	return meaning(ttl_reasons, TTL_REASONS, word);
}
