/* The builder of sets of places. Runs on the thread that loads geography. */
#include "gslb/decide/place_build.h"
#include "gslb/decide/intern.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

struct place_build {
	struct places *places;
	struct intern intern; /* of struct place */
	size_t v4_capacity, v6_capacity, v6_low_capacity, file_capacity;
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

static void grow(void **items, size_t capacity, size_t size)
{
	*items = xrealloc(*items, capacity * size);
}

/* Starts at 4096 ranges and grows by half: at millions of ranges doubling would waste memory. */
static size_t next_capacity(size_t capacity)
{
	return capacity ? capacity + capacity / 2 : 4096;
}

static void put_v4(struct place_build *build, address_key start, uint32_t place)
{
	struct places *places = build->places;
	size_t at = places->v4_count++;
	if (at == build->v4_capacity) {
		build->v4_capacity = next_capacity(build->v4_capacity);
		grow((void **)&places->v4_start, build->v4_capacity, sizeof(*places->v4_start));
		grow((void **)&places->v4_place, build->v4_capacity, sizeof(*places->v4_place));
	}
	places->v4_start[at] = (uint32_t)(start >> 96);
	places->v4_place[at] = place;
}

static void put_v6(struct place_build *build, address_key start, uint32_t place)
{
	struct places *places = build->places;
	size_t at = places->v6_count++;
	if (at == build->v6_capacity) {
		build->v6_capacity = next_capacity(build->v6_capacity);
		grow((void **)&places->v6_high, build->v6_capacity, sizeof(*places->v6_high));
		grow((void **)&places->v6_place, build->v6_capacity, sizeof(*places->v6_place));
	}
	uint64_t low = (uint64_t)start;
	places->v6_high[at] = (uint64_t)(start >> 64);
	places->v6_place[at] = place | (low != 0 ? PLACE_HAS_LOW : 0);
	if (low == 0)
		return;
	xgrow((void **)&places->v6_low, &build->v6_low_capacity, places->v6_low_count + 1,
	      sizeof(*places->v6_low));
	places->v6_low[places->v6_low_count++] = (struct place_low){.low = low, .range = (uint32_t)at};
}

void place_build_range(struct place_build *build, unsigned family, address_key start, uint32_t place)
{
	const struct places *places = build->places;
	size_t count = place_build_range_count(places, family);
	assert(place < build->intern.count);
	if (count == 0 && start != 0) {
		place_build_range(build, family, 0, PLACE_NONE);
		count = 1;
	}
	if (count > 0) {
		assert(start > place_build_range_start(places, family, count - 1));
		if (place_build_range_place(places, family, count - 1) == place)
			return;
	}
	if (family == 4)
		put_v4(build, start, place);
	else
		put_v6(build, start, place);
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
	if (places->v4_count == 0)
		put_v4(build, 0, PLACE_NONE);
	if (places->v6_count == 0)
		put_v6(build, 0, PLACE_NONE);
	grow((void **)&places->v4_start, places->v4_count, sizeof(*places->v4_start));
	grow((void **)&places->v4_place, places->v4_count, sizeof(*places->v4_place));
	grow((void **)&places->v6_high, places->v6_count, sizeof(*places->v6_high));
	grow((void **)&places->v6_place, places->v6_count, sizeof(*places->v6_place));
	if (places->v6_low)
		grow((void **)&places->v6_low, places->v6_low_count, sizeof(*places->v6_low));
	places->place_count = build->intern.count;
	places->places = xmemdup(build->intern.items, build->intern.count * sizeof(struct place));
	build->places = NULL;
	place_build_free(build);
	return places;
}

size_t place_build_range_count(const struct places *places, unsigned family)
{
	return family == 4 ? places->v4_count : places->v6_count;
}

static uint64_t low_of(const struct places *places, size_t range)
{
	size_t low = 0, high = places->v6_low_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (places->v6_low[middle].range <= range)
			low = middle;
		else
			high = middle;
	}
	return places->v6_low[low].low;
}

address_key place_build_range_start(const struct places *places, unsigned family, size_t i)
{
	if (family == 4)
		return (address_key)places->v4_start[i] << 96;
	return (address_key)places->v6_high[i] << 64 |
	       (places->v6_place[i] & PLACE_HAS_LOW ? low_of(places, i) : 0);
}

uint32_t place_build_range_place(const struct places *places, unsigned family, size_t i)
{
	return family == 4 ? places->v4_place[i] : places->v6_place[i] & ~PLACE_HAS_LOW;
}
