/* What the parts of a build share: numbers, and what is freed behind a world. Control thread. */
#include "forwarder/build/build_internal.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

void build_retire(struct build *build, void (*give)(struct build *build, void *part), void *part)
{
	xgrow((void **)&build->retired, &build->retired_capacity, build->retired_count + 1,
	      sizeof *build->retired);
	build->retired[build->retired_count++] = (struct build_retired){give, part};
}

void build_array_set(struct build_array *array, size_t number, void *item)
{
	if (number >= array->count) {
		xgrow((void **)&array->items, &array->capacity, number + 1, sizeof *array->items);
		memset(array->items + array->count, 0, (number + 1 - array->count) * sizeof *array->items);
		array->count = number + 1;
	}
	array->items[number] = item;
	array->is_changed = true;
}

static void give_array(struct build *build, void *part)
{
	free(part);
}

void *const *build_array_publish(struct build *build, struct build_array *array)
{
	if (array->is_changed || !array->published) {
		if (array->published)
			build_retire(build, give_array, array->published);
		/* One more, so that an empty one is something. */
		array->published = xcalloc(array->count + 1, sizeof *array->published);
		if (array->count > 0)
			memcpy(array->published, array->items, array->count * sizeof *array->items);
		array->is_changed = false;
	}
	return array->published;
}

void build_array_done(struct build_array *array)
{
	free(array->items);
	free(array->published);
}

void build_parts_settle(struct build *build)
{
	for (size_t i = 0; i < build->retired_count; i++)
		build->retired[i].give(build, build->retired[i].part);
	build->retired_count = 0;
}

struct policy_rate build_rate(const struct fleet_rate *rate, uint32_t burst)
{
	if (!*rate->written)
		return (struct policy_rate){.interval_ns = POLICY_UNLIMITED, .burst = 1};
	if (burst == 0)
		burst = rate->per_second > 1 ? (uint32_t)rate->per_second : 1;
	return (struct policy_rate){.interval_ns = gcra_interval_ns(rate->per_second, 1), .burst = burst};
}
