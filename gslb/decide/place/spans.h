/*
 * Nested prefixes laid flat: which is the innermost one at each address of a family. Used where
 * prefix rules and `locations:` are laid over the ranges of a database. Not thread-safe.
 */
#pragma once
#include "gslb/decide/place/address_key.h"

#define SPAN_NONE UINT32_MAX

struct spans { /* span i reaches to where span i + 1 begins */
	size_t count, capacity;
	struct span {
		address_key start;
		uint32_t prefix; /* index of the innermost prefix, or SPAN_NONE */
	} * items;		 /* items[0].start = 0 */
	uint32_t *parent;	 /* of each prefix of the family: the prefix around it, or SPAN_NONE */
};

/* Of equal prefixes the later one counts as the inner one. */
void spans_init(struct spans *spans, const struct prefix *prefixes, size_t count, unsigned family);
void spans_done(struct spans *spans);
