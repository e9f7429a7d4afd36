/*
 * What the decision says of itself, as API, metrics and tools show it: one table each, of the word and of
 * what it means to a reader. Constant.
 */
#pragma once
#include "gslb/decide/choose.h"

/* Why a region answers a client, or does not. */
enum region_reason {
	REASON_CHOSEN,
	REASON_NOT_PICKED,
	REASON_LOWER_TIER,
	REASON_RESIDENCY,
	REASON_NOT_LISTED,
	REASON_NO_VIPS,
	REASON_FAMILY,
	REASON_UNHEALTHY,
	REASON_DRAINED,
	REASON_SHARE,
	REASON_SHED,
	REASON_DOWN,
	REGION_REASONS
};

/* Why a TTL is what it is. */
enum ttl_reason { TTL_STABLE, TTL_PENDING, TTL_RECENT, TTL_FALLBACK, TTL_REASONS };

const char *words_step(enum step step);
const char *words_region_reason(enum region_reason reason);
const char *words_ttl_reason(enum ttl_reason reason);
/* What a word means; the word itself where another version of the server said it. */
const char *words_step_meaning(const char *word);
const char *words_region_reason_meaning(const char *word);
const char *words_ttl_reason_meaning(const char *word);
