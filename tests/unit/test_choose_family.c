/*
 * What a family of addresses chooses by itself (choose_family): case by case, and for random fleets against
 * what an operator relies on and against a fleet that has that family alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/rng.h"
#include "tests/unit/plan_fixture.h"

#define UP VIP_UP
#define DOWN VIP_DOWN
#define NAME_HASH 0x1234567890abcdefu
#define ALL_REGIONS (~(region_set)0)

enum { EU, US, AP };

/* All that a choice points to. */
static struct plan_service *service;
static struct order *order;
static struct policy policy;
static struct client client;
static struct choice common;

static void take_down(void)
{
	plan_service_unref(service);
	order_unref(order);
	service = NULL;
	order = NULL;
}

static void set_up(const struct fixture_region *regions, unsigned count,
		   const struct plan_service_input *tune, enum order_kind kind, region_set allowed)
{
	take_down();
	service = fixture_service(regions, count, tune);
	order = fixture_order(kind, count);
	policy = policy_of(service, order, allowed);
	client = fixture_client("192.0.2.1");
}

/* What a question for the family is answered from. */
static struct choice choose(unsigned family)
{
	struct choice own;
	choose_region(&policy, &client, NAME_HASH, 99, &common);
	bool has_own = choose_family(&common, &client, NAME_HASH, 99, family, &own);
	assert_int_equal(has_own, has_own && choice_is_own(&own));
	return has_own ? own : common;
}

static void assert_choice(unsigned family, enum step step, int region)
{
	struct choice choice = choose(family);
	assert_int_equal(choice.step, step);
	if (region < 0)
		assert_null(choice.region);
	else
		assert_int_equal(choice.region->number, region);
}

static struct plan_service_input plain(void)
{
	return (struct plan_service_input){.id = "shop",
					   .prefix4 = 24,
					   .prefix6 = 56,
					   .answers = 1,
					   .ttl_min = 5,
					   .ttl_max = 60,
					   .min_healthy_hundredths = 5000};
}

/* One VIP of each family in each of three regions, in these states. */
static void set_states(enum vip_state eu4, enum vip_state us4, enum vip_state ap4, enum vip_state eu6,
		       enum last_resort last_resort, region_set allowed)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", eu4), fixture_vip("2001:db8:1::1", eu6)}},
		{"us", 100, 2, {fixture_vip("192.0.2.2", us4), fixture_vip("2001:db8:2::1", UP)}},
		{"ap", 100, 2, {fixture_vip("192.0.2.3", ap4), fixture_vip("2001:db8:3::1", UP)}},
	};
	struct plan_service_input tune = plain();
	tune.last_resort = last_resort;
	set_up(regions, 3, &tune, ORDER_LISTED, allowed);
}

static void test_one_choice_where_it_has_both(void **state)
{
	set_states(UP, UP, UP, UP, LAST_RESORT_ALL, ALL_REGIONS);
	assert_null(service->alone[0]); /* nothing is compiled that nobody can need */
	assert_null(service->alone[1]);
	assert_choice(4, STEP_TIER, EU);
	assert_choice(6, STEP_TIER, EU);
	set_states(DOWN, UP, UP, DOWN, LAST_RESORT_ALL, ALL_REGIONS);
	assert_choice(4, STEP_TIER, US);
	assert_choice(6, STEP_TIER, US);
}

static void test_a_dead_family_goes_on(void **state)
{
	set_states(DOWN, DOWN, UP, UP, LAST_RESORT_ALL, ALL_REGIONS);
	assert_choice(4, STEP_FAMILY, AP);
	struct choice own = choose(4);
	assert_true(own.is_forced);
	assert_ptr_equal(own.common_region, common.region);
	assert_int_equal(own.common_region->number, EU);
	assert_int_equal(own.ttl, 60);
	assert_int_equal(own.consulted, 7);
	assert_choice(6, STEP_TIER, EU);
	set_states(DOWN, DOWN, DOWN, UP, LAST_RESORT_ALL, ALL_REGIONS);
	assert_choice(4, STEP_LAST_RESORT, EU);
	assert_int_equal(choose(4).ttl, 5);
	assert_choice(6, STEP_TIER, EU);
	set_states(DOWN, DOWN, DOWN, UP, LAST_RESORT_NODATA, ALL_REGIONS);
	assert_choice(4, STEP_NONE, -1);
	/* Residency: never the region that has it. */
	set_states(DOWN, UP, UP, UP, LAST_RESORT_ALL, 1 << EU);
	assert_choice(4, STEP_LAST_RESORT, EU);
	set_states(DOWN, UP, UP, UP, LAST_RESORT_NODATA, 1 << EU);
	assert_choice(4, STEP_NONE, -1);
}

/* A family that the configuration keeps elsewhere is no fault. */
static void test_what_is_forced(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 1, {fixture_vip("192.0.2.1", UP)}},
		{"us", 100, 1, {fixture_vip("2001:db8:2::1", UP)}},
		{"ap", 100, 2, {fixture_vip("192.0.2.3", UP), fixture_vip("2001:db8:3::1", UP)}},
	};
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_choice(6, STEP_FAMILY, US);
	assert_false(choose(6).is_forced);
	regions[1].vips[0].state = DOWN; /* elsewhere than it would be, but by itself in any case */
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_choice(6, STEP_FAMILY, AP);
	assert_false(choose(6).is_forced);
	regions[0].vips[0].state = DOWN; /* the common choice went on to a region without IPv4 */
	regions[1].vips[0].state = UP;
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_choice(4, STEP_FAMILY, AP);
	assert_true(choose(4).is_forced);
	regions[0].vips[0].state = UP;
	regions[0].share = 0; /* a control does the same */
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_choice(4, STEP_FAMILY, AP);
	assert_true(choose(4).is_forced);
	/* No region of the tenant holds it: nothing to choose. */
	set_up(regions, 3, NULL, ORDER_LISTED, 1 << US);
	assert_choice(4, STEP_TIER, US);
	assert_false(choose_holds(&common, 4));
}

/* Weight 0 stands in where the family has nothing else, in its own choice as in any. */
static void test_the_spare_of_a_family(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 100,
		 3,
		 {fixture_vip("192.0.2.1", DOWN), fixture_vip("192.0.2.9", UP),
		  fixture_vip("2001:db8:1::1", UP)}},
		{"us", 100, 2, {fixture_vip("192.0.2.2", UP), fixture_vip("2001:db8:2::1", UP)}},
	};
	regions[0].vips[1].weight = 0;
	set_up(regions, 2, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_choice(4, STEP_FAMILY, US); /* eu has less than min_healthy of IPv4 */
	set_up(regions, 2, NULL, ORDER_LISTED, 1 << EU);
	assert_choice(4, STEP_DEGRADED, EU);
	const struct plan_vip *vips[ANSWERS_MAX];
	struct choice own = choose(4);
	assert_int_equal(choose_vips(&own, 4, 99, vips), 1);
	assert_int_equal(vips[0]->ip.bytes[3], 9);
}

/* What the common choice looked at had a say in the family's: its TTL and its hash count. */
static void test_ttl_and_scope(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", DOWN), fixture_vip("2001:db8:1::1", UP)}},
		{"us", 100, 1, {fixture_vip("192.0.2.2", UP)}},
		{"ap", 100, 1, {fixture_vip("192.0.2.3", UP)}},
	};
	regions[0].vips[0].ttl = 7;
	regions[0].vips[1].ttl = 6; /* of the other family */
	regions[1].vips[0].ttl = 20;
	regions[2].vips[0].ttl = 8; /* not asked */
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	struct choice own = choose(4);
	assert_int_equal(own.ttl, 7);
	assert_int_equal(choose(6).ttl, 6);
	assert_int_equal(choose_scope(&own, 4), 0);
	regions[0].vips[0].ttl = 60;
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	assert_int_equal(choose(4).ttl, 20);

	regions[0].share = 50; /* a hash of the client sends it to eu or not */
	set_up(regions, 3, NULL, ORDER_LISTED, ALL_REGIONS);
	own = choose(4);
	assert_int_equal(choose_scope(&own, 4), 24);
	regions[0].share = 100;
	set_up(regions, 2, NULL, ORDER_NONE, ALL_REGIONS);
	own = choose(4);
	assert_int_equal(own.region->number, US);
	assert_int_equal(choose_scope(&own, 4), 24);
}

static void test_a_list_as_the_last_resort(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", DOWN), fixture_vip("2001:db8:1::1", UP)}},
		{"us", 100, 1, {fixture_vip("2001:db8:2::1", UP)}},
	};
	struct ip list[2];
	assert_true(ip_parse("203.0.113.80", &list[0]) && ip_parse("2001:db8::80", &list[1]));
	struct plan_service_input tune = plain();
	tune.last_resort = LAST_RESORT_ADDRESSES;
	tune.resort = list;
	tune.resort_count = 2;
	set_up(regions, 2, &tune, ORDER_NONE, ALL_REGIONS);
	struct choice own = choose(4);
	const struct plan_vip *vips[ANSWERS_MAX];
	assert_int_equal(own.step, STEP_LAST_RESORT);
	assert_int_equal(choose_vips(&own, 4, 99, vips), 1);
	assert_true(ip_equal(&vips[0]->ip, &list[0]));
	assert_int_equal(choose_scope(&own, 4), 0); /* the same for everybody */
	policy.is_resident = true;
	assert_choice(4, STEP_NONE, -1);
}

/* The list that matched names the regions for both families. */
static void test_a_map_is_not_left(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 1, {fixture_vip("192.0.2.1", UP)}},
		{"us", 100, 1, {fixture_vip("2001:db8:2::1", UP)}},
	};
	set_up(regions, 2, NULL, ORDER_LISTED, ALL_REGIONS);
	order_unref(order);
	struct map_rule rule = {.kind = MAP_DEFAULT, .tiers = {.count = 1, .item = {EU | TIER_START}}};
	struct order_spec spec = {
		.kind = ORDER_MAP, .listed_count = 2, .listed = {EU, US}, .rule_count = 1, .rules = &rule};
	struct places *places = places_new_empty();
	order = order_compile(&spec, places);
	places_unref(places);
	policy = policy_of(service, order, ALL_REGIONS);
	choose_region(&policy, &client, NAME_HASH, 99, &common);
	struct choice own;
	assert_false(choose_family(&common, &client, NAME_HASH, 99, 6, &own));
	assert_false(choose_holds(&common, 6));
}

/* ---- random fleets ---- */

#define REGIONS_HERE 4
#define FLEETS 4000
#define CLIENTS_EACH 12

static unsigned below(struct rng *rng, unsigned end)
{
	return (unsigned)(rng_next(rng) % end);
}

static void random_regions(struct rng *rng, struct fixture_region regions[static REGIONS_HERE])
{
	static const char *const ids[] = {"eu", "us", "ap", "sa"};
	static const int shares[] = {100, 100, 100, 50, 0, SHARE_DOWN};
	unsigned dying = below(rng, 101), draining = below(rng, 40);
	for (unsigned r = 0; r < REGIONS_HERE; r++) {
		regions[r] = (struct fixture_region){.id = ids[r], .share = shares[below(rng, 6)]};
		for (unsigned family = 0; family < 2; family++) {
			for (unsigned count = below(rng, 4); count > 0; count--) {
				char address[IP_TEXT_MAX];
				snprintf(address, sizeof address, family ? "2001:db8::%u:%u" : "10.0.%u.%u",
					 r, count);
				bool is_down = below(rng, 100) < dying;
				struct plan_vip_input vip = fixture_vip(address, is_down ? DOWN : UP);
				vip.is_drained = below(rng, 100) < draining;
				vip.weight = below(rng, 3);
				vip.fell_ms = below(rng, 3) * 100000;
				vip.ttl = 5 + below(rng, 55);
				regions[r].vips[regions[r].vip_count++] = vip;
			}
		}
	}
}

static void keep_family(const struct fixture_region *from, unsigned family, struct fixture_region *to)
{
	for (unsigned r = 0; r < REGIONS_HERE; r++) {
		to[r] = from[r];
		to[r].vip_count = 0;
		for (unsigned v = 0; v < from[r].vip_count; v++)
			if (from[r].vips[v].ip.family == family)
				to[r].vips[to[r].vip_count++] = from[r].vips[v];
	}
}

/* Whether a region that may be used, and that keeps clients, has a VIP of the family that is up. */
static bool is_there(const struct fixture_region *regions, region_set allowed, unsigned family)
{
	for (unsigned r = 0; r < REGIONS_HERE; r++)
		for (unsigned v = 0; v < regions[r].vip_count; v++) {
			const struct plan_vip_input *vip = &regions[r].vips[v];
			if (allowed >> r & 1 && regions[r].share > 0 && vip->state == UP &&
			    !vip->is_drained && vip->ip.family == family)
				return true;
		}
	return false;
}

/* The VIP as it was put in, of a region that may be used. */
static const struct plan_vip_input *find_vip(const struct fixture_region *regions, region_set allowed,
					     const struct ip *ip)
{
	for (unsigned r = 0; r < REGIONS_HERE; r++)
		for (unsigned v = 0; v < regions[r].vip_count; v++)
			if (ip_equal(&regions[r].vips[v].ip, ip)) {
				assert_true(allowed >> r & 1);
				assert_int_not_equal(regions[r].share, SHARE_DOWN);
				return &regions[r].vips[v];
			}
	fail_msg("an address that nobody configured");
	return NULL;
}

/* What an operator relies on, of one family's answer. */
static void check_answer(const struct fixture_region *regions, region_set allowed, unsigned family,
			 const struct choice *choice)
{
	const struct plan_vip *vips[ANSWERS_MAX];
	unsigned count = choose_vips(choice, family, 99, vips);
	bool must_have = is_there(regions, allowed, family);
	assert_true(count > 0 || !must_have);
	assert_int_equal(count > 0, choose_has(choice, family));
	for (unsigned i = 0; i < count; i++) {
		const struct plan_vip_input *vip = find_vip(regions, allowed, &vips[i]->ip);
		assert_int_equal(vip->ip.family, family);
		if (must_have)
			assert_true(vip->state == UP && !vip->is_drained);
	}
	if (count == 0 && choose_holds(choice, family))
		assert_int_equal(choice->ttl, 5);
}

/* The own choice is the one of a fleet that has this family alone. */
static void check_own(const struct choice *own, const struct plan_service *alone, region_set allowed)
{
	struct policy only = policy_of(alone, order, allowed);
	struct choice expected;
	choose_region(&only, &client, NAME_HASH, 99, &expected);
	assert_int_equal(own->step, expected.step == STEP_TIER ? STEP_FAMILY : expected.step);
	assert_int_equal(own->mode, expected.mode);
	assert_int_equal(own->kept, expected.kept);
	assert_int_equal(own->region != NULL, expected.region != NULL);
	if (own->region)
		assert_int_equal(own->region->number, expected.region->number);
	assert_true(own->ttl <= expected.ttl);
}

static void test_random_fleets(void **state)
{
	static const enum last_resort last_resorts[] = {LAST_RESORT_ALL, LAST_RESORT_FIRST,
							LAST_RESORT_NODATA, LAST_RESORT_LAST_GOOD};
	struct rng rng;
	unsigned own_count = 0;
	rng_seed(&rng, 20260101);
	for (unsigned i = 0; i < FLEETS; i++) {
		struct fixture_region regions[REGIONS_HERE], of[2][REGIONS_HERE];
		struct plan_service_input tune = plain();
		tune.last_resort = last_resorts[below(&rng, 4)];
		tune.answers = (uint8_t)(1 + below(&rng, 3));
		tune.min_healthy_hundredths = below(&rng, 10001);
		region_set allowed = rng_next(&rng) & rng_next(&rng) & 15;
		allowed = allowed ? allowed : 15;
		random_regions(&rng, regions);
		set_up(regions, REGIONS_HERE, &tune, below(&rng, 2) ? ORDER_LISTED : ORDER_NONE, allowed);
		struct plan_service *alone[2];
		for (unsigned row = 0; row < 2; row++) {
			keep_family(regions, row ? 6 : 4, of[row]);
			alone[row] = fixture_service(of[row], REGIONS_HERE, &tune);
		}
		for (unsigned c = 0; c < CLIENTS_EACH; c++) {
			client = fixture_client_number(i * CLIENTS_EACH + c);
			for (unsigned row = 0; row < 2; row++) {
				unsigned family = row ? 6 : 4;
				struct choice choice = choose(family);
				check_answer(regions, allowed, family, &choice);
				if (!choice_is_own(&choice))
					continue;
				assert_false(choose_has(&common, family));
				check_own(&choice, alone[row], allowed);
				own_count++;
			}
		}
		plan_service_unref(alone[0]);
		plan_service_unref(alone[1]);
	}
	assert_in_range(own_count, FLEETS, FLEETS * CLIENTS_EACH * 2); /* not a rare thing here */
}

static int tear_down(void **state)
{
	take_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_choice_where_it_has_both),
		cmocka_unit_test(test_a_dead_family_goes_on),
		cmocka_unit_test(test_what_is_forced),
		cmocka_unit_test(test_the_spare_of_a_family),
		cmocka_unit_test(test_ttl_and_scope),
		cmocka_unit_test(test_a_list_as_the_last_resort),
		cmocka_unit_test(test_a_map_is_not_left),
		cmocka_unit_test(test_random_fleets),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
