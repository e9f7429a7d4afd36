/* See the header. Control thread. */
#include "gslb/compile/shedding.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD_MIN_MS 2000
#define HEADROOM_UNITS 1000  /* of weights: they are compared with each other alone */
#define HEADROOM_MOVES 0.2   /* a smaller change of a weight moves nobody */
#define FRACTION_MOVES 0.004 /* of the clients */

struct region {
	char id[64];
	uint32_t number;
	struct shed_region now;
	struct plan_shed given; /* what the plan has */
	double given_fraction;
	uint64_t changed_ms;
	uint64_t answers, left[SHED_BUCKETS]; /* as counted at the last look */
};

struct service {
	uint32_t number;
	uint64_t stepped_ms;
	uint64_t seen; /* the turn in which somebody reported of it */
	bool is_given; /* some region sheds, as the plan has it */
	size_t count;
	struct region regions[FLEET_REGIONS_MAX];
};

struct shedding {
	struct map *services; /* id → struct service *, owned */
	bool is_used[STATS_SHED_SLOTS];
	uint64_t turns;
};

struct shedding *shedding_new(void)
{
	struct shedding *shedding = xcalloc(1, sizeof *shedding);
	shedding->services = map_new();
	return shedding;
}

void shedding_free(struct shedding *shedding)
{
	const char *key;
	void *service;
	if (!shedding)
		return;
	for (size_t at = 0; (service = map_next(shedding->services, &at, &key));)
		free(service);
	map_free(shedding->services);
	free(shedding);
}

static const struct region *find(const struct shedding *shedding, const char *service, const char *region)
{
	const struct service *found = map_get(shedding->services, service);
	for (size_t i = 0; found && i < found->count; i++)
		if (strcmp(found->regions[i].id, region) == 0)
			return &found->regions[i];
	return NULL;
}

bool shedding_get(const struct shedding *shedding, const char *service, const char *region,
		  struct plan_shed *ret, uint64_t *ret_changed_ms)
{
	const struct service *found = map_get(shedding->services, service);
	const struct region *at = find(shedding, service, region);
	*ret_changed_ms = at ? at->changed_ms : 0;
	if (!at || !found->is_given)
		return false;
	*ret = at->given;
	return true;
}

double shedding_fraction(const struct shedding *shedding, const char *service, const char *region)
{
	const struct region *at = find(shedding, service, region);
	return at ? at->given_fraction : 0;
}

/* ---- slots of counters ---- */

static uint16_t take_slot(struct shedding *shedding)
{
	for (uint16_t slot = 0; slot < STATS_SHED_SLOTS; slot++) {
		if (shedding->is_used[slot])
			continue;
		shedding->is_used[slot] = true;
		return slot;
	}
	return STATS_SHED_SLOTS; /* counted nowhere: by hash alone */
}

static void give_slot_back(struct shedding *shedding, uint16_t slot)
{
	if (slot < STATS_SHED_SLOTS)
		shedding->is_used[slot] = false;
}

/* ---- which regions there are ---- */

static void forget(struct shedding *shedding, struct service *service)
{
	for (size_t i = 0; i < service->count; i++)
		if (service->regions[i].given.sheds)
			give_slot_back(shedding, service->regions[i].given.slot);
	service->count = 0;
	service->is_given = false;
}

static bool is_as_known(const struct service *known, const struct fleet *fleet,
			const struct fleet_service *service)
{
	if (known->number != service->object.number || known->count != service->vip_region_count)
		return false;
	for (size_t i = 0; i < known->count; i++) {
		const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, service->vips[i].region);
		if (strcmp(known->regions[i].id, region->id) != 0 ||
		    known->regions[i].number != region->number)
			return false;
	}
	return true;
}

/* Another set of regions begins anew. */
static struct service *service_of(struct shedding *shedding, const struct shedding_turn *turn,
				  const struct fleet_service *from)
{
	struct service *service = map_get(shedding->services, from->object.id);
	if (service && is_as_known(service, turn->fleet, from))
		return service;
	if (!service) {
		service = xcalloc(1, sizeof *service);
		map_put(shedding->services, from->object.id, service);
	}
	forget(shedding, service);
	service->number = from->object.number;
	service->stepped_ms = turn->now_ms;
	for (size_t i = 0; i < from->vip_region_count && i < FLEET_REGIONS_MAX; i++) {
		struct region *region = &service->regions[service->count++];
		const struct fleet_object *object =
			fleet_get(turn->fleet, FLEET_REGION, from->vips[i].region);
		assert(object); /* a service names no region that is not there */
		*region = (struct region){.number = object->number};
		strncpy(region->id, object->id, sizeof region->id - 1);
	}
	return service;
}

/* ---- one step ---- */

static void look(const struct shedding_turn *turn, const struct fleet_service *from, struct service *service)
{
	const struct plan_service *plan = turn->plan(turn->user, service->number);
	region_set open = plan ? plan->ok & plan->positive & ~plan->down : 0;
	for (size_t i = 0; i < service->count; i++) {
		struct region *region = &service->regions[i];
		const struct load_entry *entry = load_book_find(turn->loads, region->id, from->object.id);
		region->now.is_known = entry != NULL;
		region->now.can_take = open >> region->number & 1;
		region->now.current = entry ? (double)entry->current : 0;
		region->now.target = entry ? (double)entry->target : 0;
		region->now.max = entry ? (double)entry->max : 0;
	}
}

static uint64_t count_answers(const struct shedding_turn *turn, uint32_t service, uint32_t region)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < turn->stats_count; i++)
		sum += counter_read(&turn->stats[i]->answers[stats_answers_counter(service, region)]);
	return sum;
}

static uint64_t count_left(const struct shedding_turn *turn, uint16_t slot, unsigned bucket)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < turn->stats_count && slot < STATS_SHED_SLOTS; i++)
		sum += counter_read(&turn->stats[i]->shed[(size_t)slot * SHED_BUCKETS + bucket]);
	return sum;
}

static void learn(const struct shedding_turn *turn, const struct service *service, struct region *region)
{
	uint64_t answers = count_answers(turn, service->number, region->number), left[SHED_BUCKETS] = {0};
	uint64_t stayed = answers - region->answers;
	for (unsigned i = 0; region->given.sheds && i < SHED_BUCKETS; i++) {
		uint64_t now = count_left(turn, region->given.slot, i);
		left[i] = now - region->left[i];
		region->left[i] = now;
	}
	region->answers = answers;
	if (region->given.sheds && region->given.slot < STATS_SHED_SLOTS)
		shed_learn(&region->now, stayed, left);
}

/* ---- what the plan is told ---- */

static bool is_other_weight(uint32_t given, uint32_t now)
{
	uint32_t apart = given > now ? given - now : now - given;
	return (given == 0) != (now == 0) || apart > given * HEADROOM_MOVES;
}

static void set_sheds(struct shedding *shedding, const struct shedding_turn *turn, struct region *region,
		      bool sheds)
{
	if (sheds == region->given.sheds)
		return;
	region->given.sheds = sheds;
	if (!sheds) {
		give_slot_back(shedding, region->given.slot);
		return;
	}
	region->given.slot = take_slot(shedding);
	for (unsigned i = 0; i < SHED_BUCKETS; i++) /* others had the slot before */
		region->left[i] = count_left(turn, region->given.slot, i);
}

/* True: clients move. */
static bool give(struct shedding *shedding, const struct shedding_turn *turn, struct region *region,
		 double largest)
{
	uint32_t headroom = 0, threshold[SHED_BUCKETS];
	bool is_other = false;
	double moved = region->now.fraction - region->given_fraction;
	if (largest > 0 && region->now.headroom > 0)
		headroom = 1 + (uint32_t)(region->now.headroom / largest * HEADROOM_UNITS);
	if (is_other_weight(region->given.headroom, headroom)) {
		region->given.headroom = headroom;
		is_other = true;
	}
	shed_thresholds(&region->now, threshold);
	bool sheds = region->now.fraction > 0;
	if (sheds != region->given.sheds || moved > FRACTION_MOVES || moved < -FRACTION_MOVES) {
		region->given_fraction = region->now.fraction;
		region->changed_ms = turn->now_ms;
		is_other = true;
	}
	if (is_other)
		memcpy(region->given.threshold, threshold, sizeof threshold);
	set_sheds(shedding, turn, region, sheds);
	return is_other;
}

static void give_all(struct shedding *shedding, const struct shedding_turn *turn, struct service *service)
{
	bool was_given = service->is_given, is_other = false;
	double largest = 0;
	service->is_given = false;
	for (size_t i = 0; i < service->count; i++) {
		const struct shed_region *now = &service->regions[i].now;
		service->is_given |= now->fraction > 0;
		largest = now->headroom > largest ? now->headroom : largest;
	}
	if (!service->is_given && !was_given)
		return;
	for (size_t i = 0; i < service->count; i++)
		is_other |= give(shedding, turn, &service->regions[i], largest);
	if (is_other || was_given != service->is_given)
		turn->changed(turn->user, service->number);
}

static void step(struct shedding *shedding, const struct shedding_turn *turn,
		 const struct fleet_service *from)
{
	struct service *service = service_of(shedding, turn, from);
	uint64_t period_ms = (uint64_t)from->ttl_min * 1000, passed_ms = turn->now_ms - service->stepped_ms;
	struct shed_region regions[FLEET_REGIONS_MAX];
	service->seen = shedding->turns;
	if (passed_ms < (period_ms > PERIOD_MIN_MS ? period_ms : PERIOD_MIN_MS))
		return;
	const struct shed_times times = {(double)passed_ms / 1000, from->ttl_min, from->ttl_max};
	look(turn, from, service);
	for (size_t i = 0; i < service->count; i++) {
		learn(turn, service, &service->regions[i]);
		regions[i] = service->regions[i].now;
	}
	shed_step(regions, service->count, &times);
	for (size_t i = 0; i < service->count; i++)
		service->regions[i].now = regions[i];
	service->stepped_ms = turn->now_ms;
	give_all(shedding, turn, service);
}

/* Services that nobody reports of any more. */
static void drop(struct shedding *shedding, const struct shedding_turn *turn, const char *id)
{
	struct service *service = map_remove(shedding->services, id);
	bool was_given = service->is_given;
	uint32_t number = service->number;
	forget(shedding, service);
	free(service);
	if (was_given)
		turn->changed(turn->user, number);
}

static void drop_unreported(struct shedding *shedding, const struct shedding_turn *turn)
{
	const char *id;
	const struct service *service;
	for (size_t at = 0; (service = map_next(shedding->services, &at, &id));) {
		if (service->seen == shedding->turns)
			continue;
		char gone[64];
		snprintf(gone, sizeof gone, "%s", id);
		drop(shedding, turn, gone);
		at = 0; /* a map must not change under its iterator */
	}
}

void shedding_turn(struct shedding *shedding, const struct shedding_turn *turn)
{
	const struct load_entry *entry;
	assert(turn->fleet && turn->loads && turn->plan && turn->changed);
	shedding->turns++;
	for (size_t at = 0; (entry = load_book_next(turn->loads, &at));) {
		const struct fleet_object *service = fleet_get(turn->fleet, FLEET_SERVICE, entry->service);
		if (service)
			step(shedding, turn, (const struct fleet_service *)service);
	}
	drop_unreported(shedding, turn);
}
