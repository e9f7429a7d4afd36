/* Nested prefixes laid flat by one sweep with a stack. Runs on the thread that builds a table. */
#include "gslb/decide/place/spans.h"
#include "lib/mem.h"
#include <stdlib.h>

struct entry {
	address_key first, last;
	uint8_t length;
	uint32_t prefix;
};

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->prefix < b->prefix ? -1 : a->prefix > b->prefix;
}

static void put_span(struct spans *spans, address_key start, uint32_t prefix)
{
	struct span *last = spans->count ? &spans->items[spans->count - 1] : NULL;
	if (last && last->start == start) {
		last->prefix = prefix;
		return;
	}
	if (last && last->prefix == prefix)
		return;
	xgrow((void **)&spans->items, &spans->capacity, spans->count + 1, sizeof(*spans->items));
	spans->items[spans->count++] = (struct span){.start = start, .prefix = prefix};
}

void spans_init(struct spans *spans, const struct prefix *prefixes, size_t count, unsigned family)
{
	struct entry *entries = xcalloc(count + 1, sizeof(*entries));
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		if (prefixes[i].ip.family != family)
			continue;
		address_key first = address_key_of(&prefixes[i].ip);
		entries[used++] = (struct entry){.first = first,
						 .last = first | address_key_tail(prefixes[i].length),
						 .length = prefixes[i].length,
						 .prefix = (uint32_t)i};
	}
	qsort(entries, used, sizeof(*entries), compare_entries);

	*spans = (struct spans){.parent = xcalloc(count + 1, sizeof(*spans->parent))};
	put_span(spans, 0, SPAN_NONE);
	/* The stack of open prefixes: up[i] is the entry below entry i on it. */
	uint32_t *up = xcalloc(used + 1, sizeof(*up)), top = SPAN_NONE;
	for (uint32_t i = 0; i <= used; i++) {
		while (top != SPAN_NONE && (i == used || entries[top].last < entries[i].first)) {
			uint32_t below = up[top];
			if (entries[top].last != ADDRESS_KEY_LAST)
				put_span(spans, entries[top].last + 1,
					 below == SPAN_NONE ? SPAN_NONE : entries[below].prefix);
			top = below;
		}
		if (i == used)
			break;
		spans->parent[entries[i].prefix] = top == SPAN_NONE ? SPAN_NONE : entries[top].prefix;
		put_span(spans, entries[i].first, entries[i].prefix);
		up[i] = top;
		top = i;
	}
	free(up);
	free(entries);
}

void spans_done(struct spans *spans)
{
	free(spans->items);
	free(spans->parent);
	*spans = (struct spans){.count = 0};
}
