/* The builder of sets of places. Runs on the thread that loads geography. */
#include "gslb/decide/place/place_build.h"
#include "gslb/decide/place/intern.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

struct place_build {
	struct places *places;
	struct intern intern;	/* of struct place */
	uint32_t last_place[2]; /* of the last range of IPv4, IPv6 */
	size_t file_capacity;
};

struct place_build *place_build_new(void)
{
	struct place_build *build = xcalloc(1, sizeof(*build));
	build->places = xcalloc(1, sizeof(*build->places));
	build->places->references = 1;
	intern_init(&build->intern, sizeof(struct place));
	place_build_place(build, &(struct place){.asn = 0}); /* PLACE_NONE */
	return build;
}

void place_build_free(struct place_build *build)
{
	if (!build)
		return;
	places_unref(build->places);
	intern_done(&build->intern);
	free(build);
}

uint32_t place_build_place(struct place_build *build, const struct place *place)
{
	/* Compared as bytes: padding and what stands behind a text's end must be zero. */
	struct place clean;
	memset(&clean, 0, sizeof(clean));
	if (place->has_at) {
		clean.has_at = true;
		clean.latitude = place->latitude;
		clean.longitude = place->longitude;
	}
	memcpy(clean.country, place->country, strnlen(place->country, sizeof(clean.country) - 1));
	memcpy(clean.continent, place->continent, strnlen(place->continent, sizeof(clean.continent) - 1));
	memcpy(clean.subdivision, place->subdivision,
	       strnlen(place->subdivision, sizeof(clean.subdivision) - 1));
	clean.asn = place->asn;
	clean.source = place->source;
	return intern_put(&build->intern, &clean);
}

size_t place_build_count(const struct place_build *build)
{
	return build->intern.count;
}

static struct place_ranges *ranges_of(struct place_build *build, unsigned family)
{
	assert(family == 4 || family == 6);
	return family == 4 ? &build->places->v4 : &build->places->v6;
}

void place_build_range(struct place_build *build, unsigned family, address_key start, uint32_t place)
{
	struct place_ranges *ranges = ranges_of(build, family);
	uint32_t *last_place = &build->last_place[family == 6];
	assert(place < build->intern.count);
	if (ranges->count == 0 && start != 0)
		place_build_range(build, family, 0, PLACE_NONE);
	if (ranges->count > 0 && *last_place == place)
		return;
	place_ranges_add(ranges, start, place);
	*last_place = place;
}

void place_build_file(struct place_build *build, const char *path, int64_t built_unix_s, size_t prefixes)
{
	struct places *places = build->places;
	xgrow((void **)&places->files, &build->file_capacity, places->file_count + 1, sizeof(*places->files));
	places->files[places->file_count++] = (struct place_file){
		.path = xstrdup(path), .built_unix_s = built_unix_s, .prefixes = prefixes};
}

struct places *place_build_finish(struct place_build *build)
{
	struct places *places = build->places;
	for (unsigned family = 4; family <= 6; family += 2) {
		if (ranges_of(build, family)->count == 0)
			place_build_range(build, family, 0, PLACE_NONE);
		place_ranges_finish(ranges_of(build, family));
	}
	places->place_count = build->intern.count;
	places->places =
		xrealloc(build->intern.items, build->intern.count * sizeof(struct place)); /* taken over */
	build->intern.items = NULL;
	build->places = NULL;
	place_build_free(build);
	return places;
}

struct places *places_new_empty(void)
{
	return place_build_finish(place_build_new());
}
