/*
 * Load shedding under a fake clock: thousands of resolvers with caches, forwarders that report a second late,
 * and the server's own controller, plan and choice. What must hold: the load settles at the target, nothing
 * swings, the least hurt leave first, and who left comes back last.
 */
#include "gslb/decide/choose.h"
#include "gslb/decide/place/place_build.h"
#include "gslb/decide/regret.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS 3
#define RESOLVERS 6000
#define TTL_MIN_S 5
#define TTL_MAX_S 60
#define PERIOD_S 5
#define EXPECT(condition)                                                                               \
	do {                                                                                            \
		if (!(condition)) {                                                                     \
			fprintf(stderr, "%s:%d: at %us: %s\n", scene, __LINE__, sim.now_s, #condition); \
			print_state();                                                                  \
			failures++;                                                                     \
		}                                                                                       \
	} while (0)

static const char *const ids[REGIONS] = {"eu", "us", "ap"};
static const double latitude[REGIONS] = {50.11, 38.95, 1.35}, longitude[REGIONS] = {8.68, -77.45, 103.82};

struct resolver {
	struct client client;
	uint64_t name_hash;
	unsigned home; /* the region that is nearest */
	unsigned bucket;
	double demand;
	unsigned region; /* of the cached answer */
	unsigned until_s;
};

static struct {
	unsigned now_s, changed_s;
	struct resolver resolvers[RESOLVERS];
	struct shed_region regions[REGIONS];
	double reported[REGIONS]; /* a second ago */
	uint64_t stayed[REGIONS], left[REGIONS][SHED_BUCKETS];
	struct plan_service *service;
	struct order *order;
	struct places *places;
	bool has_stubborn;	 /* every fifth resolver keeps answers for two minutes, whatever their TTL */
	double factor[REGIONS];	 /* of the demand of each home */
	unsigned turns[REGIONS]; /* how often the fraction went another way than before */
	int direction[REGIONS];
} sim;
static const char *scene;
static unsigned failures;

static double load_of(unsigned region)
{
	double sum = 0;
	for (unsigned i = 0; i < RESOLVERS; i++)
		if (sim.resolvers[i].region == region)
			sum += sim.resolvers[i].demand * sim.factor[sim.resolvers[i].home];
	return sum;
}

static void print_state(void)
{
	for (unsigned r = 0; r < REGIONS; r++)
		fprintf(stderr, "   %s: load %.0f of %.0f, %.0f; sheds %.3f, room %.0f, order %.1f\n", ids[r],
			load_of(r), sim.regions[r].target, sim.regions[r].max, sim.regions[r].fraction,
			sim.regions[r].headroom, sim.regions[r].order);
}

/* ---- the world ---- */

/* TTL: MIN at a change, then twice as much each quiet MIN. */
static uint32_t ttl_now(void)
{
	unsigned doublings = (sim.now_s - sim.changed_s) / TTL_MIN_S;
	uint32_t ttl = doublings < 8 ? (uint32_t)TTL_MIN_S << doublings : TTL_MAX_S;
	return ttl < TTL_MAX_S ? ttl : TTL_MAX_S;
}

static void compile(void)
{
	struct plan_vip_input vips[REGIONS];
	struct plan_region_input regions[REGIONS];
	struct plan_shed shed[REGIONS] = {0};
	for (unsigned r = 0; r < REGIONS; r++) {
		vips[r] = (struct plan_vip_input){.ip = {4, {192, 0, 2, (uint8_t)(r + 1)}},
						  .weight = 1,
						  .state = VIP_UP,
						  .score = SCORE_FULL,
						  .ttl = ttl_now()};
		shed[r].sheds = sim.regions[r].fraction > 0;
		shed[r].headroom = (uint32_t)sim.regions[r].headroom;
		shed_thresholds(&sim.regions[r], shed[r].threshold);
		regions[r] = (struct plan_region_input){.number = (uint8_t)r,
							.id = ids[r],
							.share = 100,
							.vip_count = 1,
							.vips = &vips[r],
							.shed = &shed[r]};
	}
	plan_service_unref(sim.service);
	sim.service = plan_service_compile(&(struct plan_service_input){
		.id = "shop",
		.prefix4 = 24,
		.prefix6 = 56,
		.answers = 1,
		.ttl_min = TTL_MIN_S,
		.ttl_max = TTL_MAX_S,
		.min_healthy_hundredths = 5000,
		.region_count = REGIONS,
		.regions = regions,
		.places = sim.places,
	});
}

static struct choice ask(const struct resolver *resolver)
{
	struct choice choice;
	struct policy policy = policy_of(sim.service, sim.order, (1u << REGIONS) - 1);
	choose_region(&policy, &resolver->client, resolver->name_hash, 0, &choice);
	return choice;
}

static void resolve(struct resolver *resolver)
{
	struct choice choice = ask(resolver);
	if (choice.step == STEP_SHED)
		sim.left[choice.shed_from][choice.shed_bucket]++;
	else
		sim.stayed[choice.region->number]++;
	resolver->region = choice.region->number;
	bool is_stubborn = sim.has_stubborn && (resolver - sim.resolvers) % 5 == 0;
	resolver->until_s = sim.now_s + (is_stubborn ? 120 : choice.ttl);
}

/* Around each region, some near and some so far that the next region is hardly farther. */
static void make_world(uint64_t seed, double target, double max)
{
	struct rng rng;
	struct location *locations = xcalloc(RESOLVERS, sizeof *locations);
	rng_seed(&rng, seed);
	for (unsigned i = 0; i < RESOLVERS; i++) {
		struct resolver *resolver = &sim.resolvers[i];
		uint64_t draw = rng_next(&rng);
		struct ip ip = {4, {(uint8_t)(10 + i / 65536), (uint8_t)(i >> 8), (uint8_t)i, 0}};
		unsigned r = i % REGIONS;
		*resolver = (struct resolver){.client = {.address = ip, .source_bits = 24, .is_ecs = true},
					      .name_hash = hash_bytes("shop", 4, draw % 7),
					      .demand = 0.5 + (double)(draw >> 40 & 1023) / 1023};
		locations[i].prefix = (struct prefix){ip, 24};
		locations[i].has_at = locations[i].place.has_at = true;
		locations[i].place.latitude = latitude[r] + (double)(draw & 63) / 3 - 10;
		locations[i].place.longitude = longitude[r] + (double)(draw >> 8 & 255) / 3 - 42;
	}
	struct places *empty = places_new_empty();
	sim.places = places_overlay(empty, locations, RESOLVERS);
	places_unref(empty);
	free(locations);
	struct order_spec spec = {.kind = ORDER_NEAREST, .listed_count = REGIONS, .listed = {0, 1, 2}};
	memcpy(spec.latitude, latitude, sizeof latitude);
	memcpy(spec.longitude, longitude, sizeof longitude);
	sim.order = order_compile(&spec, sim.places);
	memset(sim.regions, 0, sizeof sim.regions);
	for (unsigned r = 0; r < REGIONS; r++) {
		sim.factor[r] = 1;
		sim.turns[r] = 0;
		sim.direction[r] = 0;
		sim.regions[r] = (struct shed_region){
			.is_known = true, .can_take = true, .target = target, .max = max};
	}
	sim.now_s = 1000;
	sim.changed_s = 0;
	compile();
	for (unsigned i = 0; i < RESOLVERS; i++) {
		struct resolver *resolver = &sim.resolvers[i];
		resolve(resolver);
		resolver->home = resolver->region;
		resolver->bucket = regret_bucket(sim.order, sim.places, &resolver->client.address, NULL,
						 resolver->home, 7u & ~(1u << resolver->home));
		resolver->until_s = sim.now_s + (unsigned)(rng_next(&rng) % TTL_MAX_S);
	}
	/* Each home has the same demand: 1000 requests in flight. */
	for (unsigned r = 0; r < REGIONS; r++)
		sim.factor[r] = 1000 / load_of(r);
}

static void end_world(void)
{
	plan_service_unref(sim.service);
	sim.service = NULL;
	order_unref(sim.order);
	places_unref(sim.places);
}

/* ---- time ---- */

static void step(void)
{
	double before[REGIONS];
	bool is_other = false;
	for (unsigned r = 0; r < REGIONS; r++) {
		before[r] = sim.regions[r].fraction;
		sim.regions[r].current = sim.reported[r];
		shed_learn(&sim.regions[r], sim.stayed[r], sim.left[r]);
	}
	memset(sim.stayed, 0, sizeof sim.stayed);
	memset(sim.left, 0, sizeof sim.left);
	shed_step(sim.regions, REGIONS, &(struct shed_times){PERIOD_S, TTL_MIN_S, TTL_MAX_S});
	for (unsigned r = 0; r < REGIONS; r++) {
		double moved = sim.regions[r].fraction - before[r];
		int direction = moved > 0 ? 1 : moved < 0 ? -1 : 0;
		if (direction != 0 && sim.direction[r] != 0 && direction != sim.direction[r])
			sim.turns[r]++;
		if (direction != 0)
			sim.direction[r] = direction;
		is_other |= moved != 0;
		EXPECT(fabs(moved) <= SHED_STEP + 0.002);
	}
	if (is_other)
		sim.changed_s = sim.now_s;
}

static void run(unsigned seconds)
{
	for (unsigned end_s = sim.now_s + seconds; sim.now_s < end_s;) {
		double current[REGIONS];
		sim.now_s++;
		for (unsigned i = 0; i < RESOLVERS; i++)
			if (sim.resolvers[i].until_s <= sim.now_s)
				resolve(&sim.resolvers[i]);
		for (unsigned r = 0; r < REGIONS; r++)
			current[r] = load_of(r);
		if (sim.now_s % PERIOD_S == 0)
			step();
		if (sim.now_s % PERIOD_S == 0 || ttl_now() != ttl_now())
			compile();
		memcpy(sim.reported, current, sizeof current);
	}
}

static bool is_near(double value, double wanted, double part)
{
	return fabs(value - wanted) <= wanted * part;
}

/* ---- scenes ---- */

static void below_the_target_nothing_moves(void)
{
	scene = "quiet";
	make_world(1, 1200, 1500);
	run(300);
	for (unsigned r = 0; r < REGIONS; r++)
		EXPECT(sim.regions[r].fraction == 0 && is_near(load_of(r), 1000, 0.001));
	end_world();
}

/* +50 % in one region: its load settles within 5 % of the target, and stays. */
static void a_step_settles(uint64_t seed)
{
	scene = "step";
	make_world(seed, 1200, 1500);
	run(100);
	sim.factor[0] *= 1.5;
	run(240);
	for (unsigned i = 0; i < 30; i++) {
		run(20);
		EXPECT(is_near(load_of(0), 1200, 0.05));
		EXPECT(load_of(1) < 1200 * 1.02 && load_of(2) < 1200 * 1.02);
	}
	EXPECT(is_near(sim.regions[0].fraction, 0.2, 0.35));
	EXPECT(sim.turns[0] <= 1 && sim.turns[1] == 0 && sim.turns[2] == 0);
	EXPECT(load_of(1) > 1050 && load_of(2) > 1050); /* by headroom, not all to the next */
	/* And back. */
	sim.factor[0] /= 1.5;
	run(900);
	for (unsigned r = 0; r < REGIONS; r++)
		EXPECT(sim.regions[r].fraction == 0 && is_near(load_of(r), 1000, 0.001));
	EXPECT(sim.turns[0] <= 2);
	end_world();
}

/* Caches that keep answers too long delay it, and make nothing swing. */
static void stubborn_resolvers(void)
{
	scene = "stubborn";
	sim.has_stubborn = true;
	make_world(20, 1200, 1500);
	sim.factor[0] *= 1.5;
	run(900);
	unsigned turns = sim.turns[0];
	for (unsigned i = 0; i < 30; i++) {
		run(20);
		EXPECT(is_near(load_of(0), 1200, 0.07));
	}
	EXPECT(turns <= 3 && sim.turns[0] <= turns + 2);
	sim.has_stubborn = false;
	end_world();
}

static void the_least_hurt_leave_first(void)
{
	scene = "order";
	make_world(3, 1200, 1500);
	sim.factor[0] *= 1.5;
	run(600);
	EXPECT(sim.regions[0].order == 1);
	double hurt[2] = {0, 0}, count[2] = {0, 0};
	unsigned lowest_stayed = SHED_BUCKETS, highest_left = 0, above = 0;
	for (unsigned i = 0; i < RESOLVERS; i++) {
		const struct resolver *resolver = &sim.resolvers[i];
		if (resolver->home != 0)
			continue;
		bool has_left = ask(resolver).step == STEP_SHED;
		hurt[has_left] += resolver->bucket;
		count[has_left]++;
		if (has_left && resolver->bucket > highest_left)
			highest_left = resolver->bucket;
		if (!has_left && resolver->bucket < lowest_stayed)
			lowest_stayed = resolver->bucket;
	}
	for (unsigned i = 0; i < RESOLVERS; i++)
		above += sim.resolvers[i].home == 0 && sim.resolvers[i].bucket > highest_left;
	EXPECT(count[1] > 0 && count[0] > count[1]);
	EXPECT(hurt[1] / count[1] < hurt[0] / count[0]);
	EXPECT(highest_left <= lowest_stayed + 1); /* but for the bucket that is being emptied */
	EXPECT(above > 0);
	/* What leaves at a smaller fraction leaves at a larger one. */
	static bool has_left[RESOLVERS];
	double headroom[REGIONS] = {0, 500, 500};
	memset(has_left, 0, sizeof has_left);
	for (double fraction = 0.05; fraction < 1; fraction += 0.05) {
		for (unsigned r = 0; r < REGIONS; r++)
			sim.regions[r].headroom = headroom[r];
		sim.regions[0].fraction = fraction;
		compile();
		for (unsigned i = 0; i < RESOLVERS; i++) {
			bool leaves = ask(&sim.resolvers[i]).step == STEP_SHED;
			if (has_left[i])
				EXPECT(leaves);
			has_left[i] |= leaves;
		}
	}
	end_world();
}

/* All above their targets: they share it, up to the max; nobody is sent round in circles. */
static void all_above_their_targets(void)
{
	scene = "all above";
	make_world(4, 900, 1500);
	sim.factor[0] *= 1.3;
	run(900);
	double target = 900 + (3300.0 - 2700) / (4500 - 2700) * 600;
	EXPECT(load_of(0) < target * 1.05);
	EXPECT(load_of(1) < target * 1.05 && load_of(2) < target * 1.05);
	unsigned turns = sim.turns[0];
	run(900);
	EXPECT(sim.turns[0] <= turns + 1 && sim.turns[1] + sim.turns[2] <= 2);
	end_world();
}

/* Beyond the max everywhere nothing is moved: it would only come back at once. */
static void nobody_has_room(void)
{
	scene = "full";
	make_world(5, 600, 800);
	run(600);
	for (unsigned r = 0; r < REGIONS; r++)
		EXPECT(sim.regions[r].fraction < 0.02);
	end_world();
}

/* A region that cannot take is sent nobody. */
static void one_cannot_take(void)
{
	scene = "cannot take";
	make_world(6, 1200, 1500);
	sim.regions[2].can_take = false;
	sim.factor[0] *= 1.4;
	run(600);
	EXPECT(is_near(load_of(0), 1200, 0.05));
	EXPECT(is_near(load_of(2), 1000, 0.001));
	end_world();
}

int main(void)
{
	below_the_target_nothing_moves();
	for (uint64_t seed = 10; seed < 14; seed++)
		a_step_settles(seed);
	stubborn_resolvers();
	the_least_hurt_leave_first();
	all_above_their_targets();
	nobody_has_room();
	one_cannot_take();
	printf("%u failed\n", failures);
	return failures > 0;
}
