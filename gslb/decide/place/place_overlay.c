/* `locations:` laid over the databases. Runs on the thread that loads geography. */
#include "gslb/decide/place/place_build.h"
#include "gslb/decide/place/spans.h"
#include "lib/mem.h"
#include <stdlib.h>

struct overlay {
	const struct places *base;
	const struct location *locations;
	struct prefix *prefixes;
	size_t count;
	uint32_t *number; /* of each place of the base in the new set; UINT32_MAX: not yet needed */
	struct place_build *build;
};

/* From the innermost prefix outwards: what an inner one sets, an outer one leaves alone. */
static void lay_over(const struct overlay *overlay, const struct spans *spans, uint32_t prefix,
		     struct place *place)
{
	struct location done = {.has_at = false};
	for (; prefix != SPAN_NONE; prefix = spans->parent[prefix]) {
		const struct location *location = &overlay->locations[prefix];
		const struct place *from = &location->place;
		if (location->has_at && !done.has_at) {
			done.has_at = place->has_at = true;
			place->latitude = from->latitude;
			place->longitude = from->longitude;
		}
		if (location->has_country && !done.has_country) {
			done.has_country = true;
			memcpy(place->country, from->country, sizeof(place->country));
		}
		if (location->has_continent && !done.has_continent) {
			done.has_continent = true;
			memcpy(place->continent, from->continent, sizeof(place->continent));
		}
		if (location->has_subdivision && !done.has_subdivision) {
			done.has_subdivision = true;
			memcpy(place->subdivision, from->subdivision, sizeof(place->subdivision));
		}
		if (location->has_asn && !done.has_asn) {
			done.has_asn = true;
			place->asn = from->asn;
		}
	}
	place->source = PLACE_FROM_LOCATIONS;
}

static uint32_t number_of(struct overlay *overlay, const struct spans *spans, uint32_t place, uint32_t prefix)
{
	if (prefix != SPAN_NONE) {
		struct place corrected = overlay->base->places[place];
		lay_over(overlay, spans, prefix, &corrected);
		return place_build_place(overlay->build, &corrected);
	}
	if (overlay->number[place] == UINT32_MAX)
		overlay->number[place] = place_build_place(overlay->build, &overlay->base->places[place]);
	return overlay->number[place];
}

static void sweep(struct overlay *overlay, unsigned family)
{
	struct spans spans;
	spans_init(&spans, overlay->prefixes, overlay->count, family);
	struct place_cursor range;
	size_t span = 0;
	address_key at = 0;
	place_cursor_init(&range, places_ranges(overlay->base, family));
	for (;;) {
		place_build_range(overlay->build, family, at,
				  number_of(overlay, &spans, range.place, spans.items[span].prefix));
		bool more_spans = span + 1 < spans.count;
		if (!range.has_next && !more_spans)
			break;
		address_key next_span = more_spans ? spans.items[span + 1].start : 0;
		at = !more_spans || (range.has_next && range.next_start < next_span) ? range.next_start
										     : next_span;
		if (range.has_next && range.next_start == at)
			place_cursor_next(&range);
		span += more_spans && next_span == at;
	}
	spans_done(&spans);
}

struct places *places_overlay(const struct places *base, const struct location *locations, size_t count)
{
	struct overlay overlay = {.base = base, .locations = locations, .count = count};
	overlay.prefixes = xcalloc(count + 1, sizeof(*overlay.prefixes));
	for (size_t i = 0; i < count; i++)
		overlay.prefixes[i] = locations[i].prefix;
	overlay.number = xmalloc(base->place_count * sizeof(*overlay.number));
	memset(overlay.number, 0xff, base->place_count * sizeof(*overlay.number));
	overlay.build = place_build_new();
	sweep(&overlay, 4);
	sweep(&overlay, 6);
	for (size_t i = 0; i < base->file_count; i++)
		place_build_file(overlay.build, base->files[i].path, base->files[i].built_unix_s,
				 base->files[i].prefixes);
	free(overlay.number);
	free(overlay.prefixes);
	return place_build_finish(overlay.build);
}
