/*
 * See the header. The step is that of Akamai's current, target and max: above the target the region sheds,
 * and where all are above, targets rise towards the max together.
 *
 * What is decided now shows in the load when caches have run out, which may take a minute. So a region is
 * judged by the load that it will have when every client knows what was decided; else each period until then
 * would shed once more for the same surplus.
 */
#include "gslb/decide/shed.h"
#include <assert.h>
#include <string.h>

#define GAIN 0.25	 /* of the surplus that a period takes on */
#define FALLS_BELOW 0.95 /* of the target: between the two nothing moves */
#define NOTHING 0.002	 /* a fraction that small is none */
#define SMOOTHING 0.1	 /* of headrooms, by which clients of other regions are spread */
#define LEARN_ANSWERS 200
#define LEARN_RATE 0.3
#define ORDER_STEP 0.1
#define SEEN_ABOVE 0.02 /* a bucket of which so few leave says nothing of its size */

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double within(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

/* ---- where the load will be ---- */

struct outlook {
	double demand; /* requests of the region's own clients, wherever they are now */
	/* When all of them know what was decided: */
	double own, foreign; /* those that the region has, and what it has of other regions' clients */
	double target;	     /* after all targets have risen */
};

/* The TTL that answers have now: MIN at a change, then twice as much each quiet MIN. */
static double ttl_s(const struct shed_region *region, const struct shed_times *times)
{
	double ttl = larger(times->ttl_min_s, 1), quiet = region->quiet_s;
	for (double step = ttl; quiet >= step && ttl < times->ttl_max_s; quiet -= step)
		ttl *= 2;
	return larger(ttl < times->ttl_max_s ? ttl : times->ttl_max_s, 1);
}

/* Caches run out one after the other, and then ask what holds now. */
static void age_caches(struct shed_region *region, const struct shed_times *times)
{
	double known = region->held_s > 0 ? times->period_s / region->held_s : 1;
	region->arrived += (region->fraction - region->arrived) * within(known, 0, 1);
	region->held_s = larger(region->held_s - times->period_s, larger(times->ttl_min_s, 1));
	region->quiet_s += times->period_s;
}

static double sum_headroom(const struct shed_region *regions, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += regions[i].headroom;
	return sum;
}

/* Of what caches hold of regions that shed, how much runs out in a period. */
static double known_part(const struct shed_region *regions, size_t count, const struct shed_times *times)
{
	double held_s = 0;
	for (size_t i = 0; i < count; i++)
		if (regions[i].fraction > 0)
			held_s = larger(held_s, larger(regions[i].held_s, ttl_s(&regions[i], times)));
	return held_s > 0 ? within(times->period_s / held_s, 0, 1) : 1;
}

static void look_ahead(struct shed_region *regions, size_t count, const struct shed_times *times,
		       struct outlook *ret)
{
	double moved = 0, here = 0, room = sum_headroom(regions, count);
	double known = known_part(regions, count, times);
	for (size_t i = 0; i < count; i++) {
		ret[i].demand = regions[i].current / larger(1 - regions[i].arrived, 0.05);
		moved += regions[i].fraction * ret[i].demand;
		here += regions[i].arrived * ret[i].demand;
	}
	for (size_t i = 0; i < count; i++) {
		struct shed_region *region = &regions[i];
		double part = room > 0 ? region->headroom / room : 0;
		double leaving = (region->fraction - region->arrived) * ret[i].demand;
		region->foreign += (here * part - region->foreign) * known;
		ret[i].foreign = moved * part;
		ret[i].own = larger(region->current - leaving - region->foreign, 0);
	}
}

/* s = (ΣC − ΣT) / Σ(M − T); T' = T + s·(M − T). */
static void raise_targets(const struct shed_region *regions, size_t count, struct outlook *outlook)
{
	double current = 0, target = 0, max = 0, scale = 0;
	for (size_t i = 0; i < count; i++) {
		if (!regions[i].is_known)
			continue;
		current += regions[i].current;
		target += regions[i].target;
		max += regions[i].max;
	}
	if (current > target)
		scale = max > target ? within((current - target) / (max - target), 0, 1) : 1;
	for (size_t i = 0; i < count; i++)
		outlook[i].target = regions[i].target + scale * (regions[i].max - regions[i].target);
}

/* ---- who takes how much ---- */

static bool takes(const struct shed_region *region)
{
	return region->can_take && region->fraction == 0;
}

/* Of one that nobody reports of, nothing is known but that it answers: it counts as an average one. */
static double average_target(const struct shed_region *regions, size_t count)
{
	double sum = 0;
	unsigned known = 0;
	for (size_t i = 0; i < count; i++) {
		sum += regions[i].is_known ? regions[i].target : 0;
		known += regions[i].is_known;
	}
	return known > 0 ? sum / known : 0;
}

/* What others' clients have of it, or will have, is no reason to send it fewer of them. */
static void share_out(struct shed_region *regions, size_t count, const struct outlook *outlook)
{
	double average = average_target(regions, count);
	for (size_t i = 0; i < count; i++) {
		struct shed_region *region = &regions[i];
		double headroom = region->is_known ? outlook[i].target - outlook[i].own : average;
		if (!takes(region) || headroom <= 0)
			region->headroom = 0;
		else if (region->headroom == 0)
			region->headroom = headroom;
		else
			region->headroom += (headroom - region->headroom) * SMOOTHING;
	}
}

/* ---- how much leaves ---- */

/* Of its own clients: that others' are too many is for their regions to change. */
static double wanted_change(const struct shed_region *region, const struct outlook *outlook)
{
	double own = outlook->own;
	if (!region->is_known || own <= 0)
		return region->fraction > 0 ? -SHED_STEP : 0;
	double surplus = (own - outlook->target) / own;
	if (own > outlook->target) {
		bool is_full = region->max > 0 && own >= region->max;
		return is_full ? SHED_STEP : within(GAIN * surplus, 0, SHED_STEP);
	}
	if (region->fraction > 0 && own < FALLS_BELOW * outlook->target)
		return larger(GAIN * surplus, -SHED_STEP);
	return 0;
}

/* Requests that takers could have now. */
static double free_room(const struct shed_region *regions, size_t count, const struct outlook *outlook)
{
	double room = 0, average = average_target(regions, count);
	for (size_t i = 0; i < count; i++)
		if (takes(&regions[i]))
			room += regions[i].is_known
					? larger(outlook[i].target - outlook[i].own - outlook[i].foreign, 0)
					: average;
	return room;
}

static void set_fraction(struct shed_region *region, double fraction, const struct shed_times *times)
{
	if (fraction < NOTHING)
		fraction = 0;
	if (fraction == region->fraction)
		return;
	region->fraction = fraction;
	region->held_s = larger(region->held_s, ttl_s(region, times));
	region->quiet_s = 0;
}

/* Where nobody has room, nothing leaves: it would wait, and come all at once. */
static void move(struct shed_region *regions, size_t count, const struct outlook *outlook,
		 const struct shed_times *times)
{
	double wanted = 0, room = free_room(regions, count, outlook);
	for (size_t i = 0; i < count; i++)
		wanted += larger(wanted_change(&regions[i], &outlook[i]), 0) * outlook[i].demand;
	double part = wanted > room ? room / wanted : 1;
	for (size_t i = 0; i < count; i++) {
		double change = wanted_change(&regions[i], &outlook[i]);
		change = change > 0 ? change * part : change;
		set_fraction(&regions[i], within(regions[i].fraction + change, 0, 1), times);
	}
}

#define REGIONS_AT_ONCE 64

void shed_step(struct shed_region *regions, size_t count, const struct shed_times *times)
{
	struct outlook outlook[REGIONS_AT_ONCE];
	assert(count <= REGIONS_AT_ONCE && times->period_s > 0 && times->ttl_min_s <= times->ttl_max_s);
	for (size_t i = 0; i < count; i++)
		age_caches(&regions[i], times);
	look_ahead(regions, count, times, outlook);
	raise_targets(regions, count, outlook);
	move(regions, count, outlook, times);
	share_out(regions, count, outlook);
}

/* ---- which of them ---- */

/* How much of each bucket leaves where the least hurt leave first. */
static void fill_in_order(const struct shed_region *region, double ret[static SHED_BUCKETS])
{
	double left = region->fraction;
	for (unsigned i = 0; i < SHED_BUCKETS; i++) {
		double part = region->bucket[i] <= left ? 1 : left / region->bucket[i];
		ret[i] = left <= 0 ? 0 : part;
		left = larger(left - region->bucket[i], 0);
	}
}

void shed_thresholds(const struct shed_region *region, uint32_t ret[static SHED_BUCKETS])
{
	double in_order[SHED_BUCKETS];
	assert(region->fraction >= 0 && region->fraction <= 1 && region->order >= 0 && region->order <= 1);
	fill_in_order(region, in_order);
	for (unsigned i = 0; i < SHED_BUCKETS; i++) {
		double part = region->order * in_order[i] + (1 - region->order) * region->fraction;
		ret[i] = (uint32_t)(within(part, 0, 1) * UINT32_MAX);
	}
}

/* Of buckets of which some leave, these tell how many there are; the others share the rest as they did. */
static bool estimate(const struct shed_region *region, double ret[static SHED_BUCKETS])
{
	uint32_t threshold[SHED_BUCKETS];
	double rest = (double)region->stayed, unseen = 0, all = 0;
	shed_thresholds(region, threshold);
	for (unsigned i = 0; i < SHED_BUCKETS; i++) {
		double part = threshold[i] / (double)UINT32_MAX;
		ret[i] = -1;
		if (part < SEEN_ABOVE && (region->order > 0 || part == 0)) {
			unseen += region->bucket[i];
			continue;
		}
		ret[i] = (double)region->left[i] / part;
		rest -= ret[i] - (double)region->left[i];
	}
	rest = larger(rest, 0);
	for (unsigned i = 0; i < SHED_BUCKETS; i++) {
		if (ret[i] < 0)
			ret[i] = unseen > 0 ? rest * region->bucket[i] / unseen : 0;
		all += ret[i];
	}
	for (unsigned i = 0; i < SHED_BUCKETS && all > 0; i++)
		ret[i] /= all;
	return all > 0;
}

void shed_learn(struct shed_region *region, uint64_t stayed, const uint64_t left[static SHED_BUCKETS])
{
	uint64_t moved = 0;
	double seen[SHED_BUCKETS];
	region->stayed += stayed;
	for (unsigned i = 0; i < SHED_BUCKETS; i++) {
		region->left[i] += left[i];
		moved += region->left[i];
	}
	if (region->fraction == 0 || moved < LEARN_ANSWERS / 4 || moved + region->stayed < LEARN_ANSWERS)
		return;
	if (!estimate(region, seen))
		return;
	double rate = region->order > 0 ? LEARN_RATE : 1;
	for (unsigned i = 0; i < SHED_BUCKETS; i++)
		region->bucket[i] += (seen[i] - region->bucket[i]) * rate;
	region->order = within(region->order + ORDER_STEP, 0, 1);
	region->stayed = 0;
	memset(region->left, 0, sizeof region->left);
}
