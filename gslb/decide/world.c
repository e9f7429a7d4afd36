/* The world's life: control thread. */
#include "gslb/decide/world.h"
#include "lib/mem.h"
#include <stdlib.h>

struct world *world_new(uint64_t epoch, uint64_t fleet_version, struct index *index, struct plan *plan,
			struct places *places, const struct serve_settings *settings)
{
	struct world *world = xcalloc(1, sizeof *world);
	world->epoch = epoch;
	world->fleet_version = fleet_version;
	world->index = index;
	world->plan = plan;
	world->places = places;
	world->settings = *settings;
	return world;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	index_unref(world->index);
	plan_unref(world->plan);
	places_unref(world->places);
	free(world);
}
