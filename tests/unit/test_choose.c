/* choose_*: steps, shares, split, scope; by what a client would get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/plan_fixture.h"

#define UP VIP_UP
#define DOWN VIP_DOWN
#define NAME_HASH 0x1234567890abcdefu

static struct choice choose(struct plan_service *service, enum order_kind kind, unsigned regions,
			    const struct client *client, region_set allowed)
{
	static struct order *order; /* what a choice points to lives until the next one */
	static struct policy policy;
	order_unref(order);
	order = fixture_order(kind, regions);
	policy = policy_of(service, order, allowed);
	struct choice choice;
	choose_region(&policy, client, NAME_HASH, 99, &choice);
	return choice;
}

#define ALL_REGIONS (~(region_set)0)

static void assert_choice(struct plan_service *service, enum step step, int region, uint32_t ttl)
{
	struct client client = fixture_client("192.0.2.1");
	struct choice choice = choose(service, ORDER_LISTED, 3, &client, ALL_REGIONS);
	assert_int_equal(choice.step, step);
	if (region < 0)
		assert_null(choice.region);
	else
		assert_int_equal(choice.region->number, region);
	if (region >= 0)
		assert_int_equal(choice.ttl, ttl);
	plan_service_unref(service);
}

static struct plan_service *three(int s0, enum vip_state v0, int s1, enum vip_state v1, int s2,
				  enum vip_state v2, enum last_resort last_resort)
{
	struct fixture_region regions[] = {
		{"eu", s0, 1, {fixture_vip("192.0.2.11", v0)}},
		{"us", s1, 1, {fixture_vip("198.51.100.12", v1)}},
		{"ap", s2, 1, {fixture_vip("203.0.113.13", v2)}},
	};
	struct plan_service_input tune = {.id = "shop",
					  .prefix4 = 24,
					  .prefix6 = 56,
					  .answers = 1,
					  .ttl_min = 5,
					  .ttl_max = 60,
					  .min_healthy_hundredths = 5000,
					  .last_resort = last_resort};
	return fixture_service(regions, 3, &tune);
}

static void test_steps(void **state)
{
	assert_choice(three(100, UP, 100, UP, 100, UP, LAST_RESORT_ALL), STEP_TIER, 0, 60);
	assert_choice(three(100, DOWN, 100, UP, 100, UP, LAST_RESORT_ALL), STEP_TIER, 1, 60);
	assert_choice(three(0, UP, 100, UP, 100, UP, LAST_RESORT_ALL), STEP_TIER, 1, 60);
	assert_choice(three(SHARE_DOWN, UP, 100, UP, 100, UP, LAST_RESORT_ALL), STEP_TIER, 1, 60);
	/* unknown counts as up */
	assert_choice(three(100, VIP_UNKNOWN, 100, UP, 100, UP, LAST_RESORT_ALL), STEP_TIER, 0, 60);
	/* panic: only a drained region is healthy */
	assert_choice(three(100, DOWN, 100, DOWN, 0, UP, LAST_RESORT_ALL), STEP_PANIC, 2, 5);
	/* `down` is never used, not even in panic */
	assert_choice(three(100, DOWN, SHARE_DOWN, UP, 100, DOWN, LAST_RESORT_NODATA), STEP_NONE, -1, 0);
	/* the last resorts */
	assert_choice(three(0, DOWN, 100, DOWN, 100, DOWN, LAST_RESORT_ALL), STEP_LAST_RESORT, 1, 5);
	assert_choice(three(0, DOWN, 100, DOWN, 100, DOWN, LAST_RESORT_FIRST), STEP_LAST_RESORT, 0, 5);
	assert_choice(three(SHARE_DOWN, DOWN, 100, DOWN, 100, DOWN, LAST_RESORT_FIRST), STEP_LAST_RESORT, 1,
		      5);
	assert_choice(three(100, DOWN, 100, DOWN, 100, DOWN, LAST_RESORT_NODATA), STEP_NONE, -1, 0);
	/* nobody is left */
	assert_choice(three(SHARE_DOWN, UP, SHARE_DOWN, UP, SHARE_DOWN, UP, LAST_RESORT_ALL), STEP_NONE, -1,
		      0);
}

static void test_min_healthy_degrades(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 100,
		 3,
		 {fixture_vip("192.0.2.1", UP), fixture_vip("192.0.2.2", DOWN),
		  fixture_vip("192.0.2.3", DOWN)}},
		{"us",
		 100,
		 3,
		 {fixture_vip("198.51.100.1", UP), fixture_vip("198.51.100.2", UP),
		  fixture_vip("198.51.100.3", DOWN)}},
	};
	struct client client = fixture_client("192.0.2.1");
	struct plan_service *service = fixture_service(regions, 2, NULL);
	struct choice choice = choose(service, ORDER_LISTED, 2, &client, ALL_REGIONS);
	assert_int_equal(choice.region->number,
			 1); /* a third of eu is too little, two thirds of us are not */
	assert_int_equal(choice.step, STEP_TIER);
	plan_service_unref(service);

	regions[1].vips[0].state = regions[1].vips[1].state = DOWN;
	service = fixture_service(regions, 2, NULL);
	choice = choose(service, ORDER_LISTED, 2, &client, ALL_REGIONS);
	assert_int_equal(choice.region->number, 0);
	assert_int_equal(choice.step, STEP_DEGRADED);
	assert_int_equal(choice.ttl, 5);
	plan_service_unref(service);
}

static void test_residency_holds_when_all_is_down(void **state)
{
	struct client client = fixture_client("192.0.2.1");
	struct plan_service *service = three(100, UP, 100, DOWN, 100, UP, LAST_RESORT_ALL);
	struct choice choice = choose(service, ORDER_LISTED, 3, &client, (region_set)1 << 1);
	assert_int_equal(choice.step, STEP_LAST_RESORT);
	assert_int_equal(choice.region->number, 1);
	plan_service_unref(service);
}

static void test_share_is_exact_and_monotone(void **state)
{
	enum { CLIENTS = 20000 };
	static bool stayed[CLIENTS];
	for (int share = 100; share >= 0; share -= 10) {
		struct plan_service *service = three(share, UP, 100, UP, 100, UP, LAST_RESORT_ALL);
		unsigned inside = 0;
		for (uint32_t i = 0; i < CLIENTS; i++) {
			struct client client = fixture_client_number(i);
			struct choice choice = choose(service, ORDER_LISTED, 3, &client, ALL_REGIONS);
			bool stays = choice.region->number == 0;
			if (share < 100)
				assert_false(stays && !stayed[i]); /* who left does not come back */
			stayed[i] = stays;
			inside += stays;
		}
		assert_in_range(inside + 400, (unsigned)share * CLIENTS / 100,
				(unsigned)share * CLIENTS / 100 + 800);
		plan_service_unref(service);
	}
}

static void test_shares_are_taken_as_whole_before_panic(void **state)
{
	/* The only healthy region has 1 %: everybody still goes there, by the regular step. */
	struct plan_service *service = three(1, UP, 100, DOWN, 0, UP, LAST_RESORT_ALL);
	for (uint32_t i = 0; i < 200; i++) {
		struct client client = fixture_client_number(i);
		struct choice choice = choose(service, ORDER_LISTED, 3, &client, ALL_REGIONS);
		assert_int_equal(choice.region->number, 0);
		assert_int_equal(choice.step, STEP_TIER);
	}
	plan_service_unref(service);
}

static void test_split_follows_weights(void **state)
{
	enum { CLIENTS = 60000 };
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", UP), fixture_vip("2001:db8::1", UP)}},
		{"us", 100, 1, {fixture_vip("198.51.100.1", UP)}},
		{"ap", 100, 1, {fixture_vip("203.0.113.1", UP)}},
	};
	regions[1].vips[0].weight = 2;
	regions[2].vips[0].weight = 3;
	struct plan_service *service = fixture_service(regions, 3, NULL);
	unsigned got[3] = {0};
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client client = fixture_client_number(i);
		got[choose(service, ORDER_NONE, 3, &client, ALL_REGIONS).region->number]++;
	}
	for (unsigned r = 0; r < 3; r++) { /* 1 : 2 : 3, the larger family counts, ± 2 % of all */
		assert_true(got[r] > CLIENTS * (r + 1) / 6 - CLIENTS / 50);
		assert_true(got[r] < CLIENTS * (r + 1) / 6 + CLIENTS / 50);
	}
	plan_service_unref(service);
}

static void test_only_the_failing_vips_clients_move(void **state)
{
	enum { CLIENTS = 20000 };
	struct fixture_region regions[] = {{"eu",
					    100,
					    4,
					    {fixture_vip("192.0.2.1", UP), fixture_vip("192.0.2.2", UP),
					     fixture_vip("192.0.2.3", UP), fixture_vip("192.0.2.4", UP)}}};
	struct plan_service *all_up = fixture_service(regions, 1, NULL);
	regions[0].vips[2].state = DOWN;
	struct plan_service *one_down = fixture_service(regions, 1, NULL);
	unsigned moved = 0;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client client = fixture_client_number(i);
		const struct plan_vip *before[ANSWERS_MAX], *after[ANSWERS_MAX];
		struct choice choice = choose(all_up, ORDER_LISTED, 1, &client, ALL_REGIONS);
		assert_int_equal(choose_vips(&choice, 4, 99, before), 1);
		assert_ptr_equal(
			&choice.region
				 ->vips[choose_one(&choice, &choice.region->picks[choice.mode][0], 99)->vip],
			before[0]);
		assert_null(choose_one(&choice, &choice.region->picks[choice.mode][1], 99));
		assert_int_equal(choose_vips(&choice, 6, 99, after), 0);
		choice = choose(one_down, ORDER_LISTED, 1, &client, ALL_REGIONS);
		assert_int_equal(choose_vips(&choice, 4, 99, after), 1);
		assert_int_not_equal(after[0]->ip.bytes[3], 3);
		if (before[0]->ip.bytes[3] == 3)
			moved++;
		else
			assert_true(ip_equal(&before[0]->ip, &after[0]->ip));
	}
	assert_true(moved > CLIENTS / 4 - CLIENTS / 50 && moved < CLIENTS / 4 + CLIENTS / 50);
	plan_service_unref(all_up);
	plan_service_unref(one_down);
}

static void test_random_split_draws_per_query(void **state)
{
	enum { QUERIES = 30000 };
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", UP), fixture_vip("192.0.2.2", UP)}}};
	regions[0].vips[1].weight = 3;
	struct plan_service_input tune = {.id = "shop",
					  .split = SPLIT_RANDOM,
					  .prefix4 = 24,
					  .prefix6 = 56,
					  .answers = 1,
					  .ttl_min = 5,
					  .ttl_max = 60};
	struct plan_service *service = fixture_service(regions, 1, &tune);
	struct client client = fixture_client("192.0.2.1");
	struct choice choice = choose(service, ORDER_LISTED, 1, &client, ALL_REGIONS);
	unsigned second = 0;
	for (uint64_t i = 0; i < QUERIES; i++) {
		const struct plan_vip *vips[ANSWERS_MAX];
		choose_vips(&choice, 4, hash_mix(i, 7), vips);
		assert_ptr_equal(
			&choice.region->vips[choose_one(&choice, &choice.region->picks[choice.mode][0],
							hash_mix(i, 7))
						     ->vip],
			vips[0]);
		second += vips[0]->ip.bytes[3] == 2;
	}
	assert_true(second > QUERIES * 3 / 4 - QUERIES / 50 && second < QUERIES * 3 / 4 + QUERIES / 50);
	assert_int_equal(choose_scope(&choice, 4), 0); /* no hash of the client decides */
	plan_service_unref(service);
}

static void test_answers_are_distinct_and_limited(void **state)
{
	struct fixture_region regions[] = {
		{"eu",
		 100,
		 5,
		 {fixture_vip("192.0.2.1", UP), fixture_vip("192.0.2.2", UP), fixture_vip("192.0.2.3", UP),
		  fixture_vip("192.0.2.4", DOWN), fixture_vip("2001:db8::1", UP)}}};
	struct plan_service_input tune = {
		.id = "shop", .prefix4 = 24, .prefix6 = 56, .answers = 2, .ttl_min = 5, .ttl_max = 60};
	struct plan_service *service = fixture_service(regions, 1, &tune);
	for (uint32_t i = 0; i < 500; i++) {
		struct client client = fixture_client_number(i);
		struct choice choice = choose(service, ORDER_LISTED, 1, &client, ALL_REGIONS);
		const struct plan_vip *vips[ANSWERS_MAX];
		assert_int_equal(choose_vips(&choice, 4, 99, vips), 2);
		assert_ptr_not_equal(vips[0], vips[1]);
		assert_int_not_equal(vips[0]->ip.bytes[3], 4);
		assert_int_equal(choose_vips(&choice, 6, 99, vips), 1);
		assert_int_equal(choose_scope(&choice, 4), 24); /* 3 usable, 2 answered: the hash decides */
		assert_int_equal(choose_scope(&choice, 6), 0);
	}
	plan_service_unref(service);
}

static void test_scope_of_hashes(void **state)
{
	struct client v4 = fixture_client("192.0.2.1"), v6 = fixture_client("2001:db8::1");
	struct plan_service *service = three(100, UP, 100, UP, 100, UP, LAST_RESORT_ALL);
	struct choice choice = choose(service, ORDER_NONE, 3, &v4, ALL_REGIONS);
	assert_int_equal(choose_scope(&choice, 4), 24);
	choice = choose(service, ORDER_NONE, 3, &v6, ALL_REGIONS);
	assert_int_equal(choose_scope(&choice, 4), 56);
	choice = choose(service, ORDER_LISTED, 3, &v4, ALL_REGIONS);
	assert_int_equal(choose_scope(&choice, 4), 0);
	plan_service_unref(service);
	service = three(50, UP, 100, UP, 100, UP, LAST_RESORT_ALL);
	choice = choose(service, ORDER_LISTED, 3, &v4, ALL_REGIONS);
	assert_int_equal(choose_scope(&choice, 4), 24);
	plan_service_unref(service);
}

/* The split of one client prefix is one, whatever bits follow it. */
static void test_sticky_inside_the_prefix(void **state)
{
	struct plan_service *service = three(50, UP, 50, UP, 50, UP, LAST_RESORT_ALL);
	struct client first = fixture_client("198.51.100.0");
	struct choice expected = choose(service, ORDER_NONE, 3, &first, ALL_REGIONS);
	for (unsigned i = 1; i < 256; i++) {
		struct client other = first;
		other.address.bytes[3] = (uint8_t)i;
		assert_ptr_equal(choose(service, ORDER_NONE, 3, &other, ALL_REGIONS).region, expected.region);
	}
	plan_service_unref(service);
}

/* Pinned for ever, computed by another program: all nodes and versions agree. */
static void test_vectors(void **state)
{
	struct plan_service *service = three(50, UP, 50, UP, 50, UP, LAST_RESORT_ALL);
	struct client v4 = fixture_client("192.0.2.77"), v6 = fixture_client("2001:db8:1:2345::1");
	assert_int_equal(choose_client_hash(service, &v4, NAME_HASH), 0x8d69d3cbf2c8279fu);
	assert_int_equal(choose_client_hash(service, &v6, NAME_HASH), 0x92cb4f4d45b910d4u);
	static const char *const clients[] = {"192.0.2.1", "198.51.100.9", "203.0.113.200", "8.8.8.8",
					      "1.1.1.1",   "9.9.9.9",	   "81.2.69.160",   "2001:db8::1",
					      "2a00::",	   "2600::"};
	char chosen[11] = {0};
	for (unsigned i = 0; i < 10; i++) {
		struct client client = fixture_client(clients[i]);
		chosen[i] = (char)('0' + choose(service, ORDER_NONE, 3, &client, ALL_REGIONS).region->number);
	}
	assert_string_equal(chosen, "1012011020");
	plan_service_unref(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_min_healthy_degrades),
		cmocka_unit_test(test_residency_holds_when_all_is_down),
		cmocka_unit_test(test_share_is_exact_and_monotone),
		cmocka_unit_test(test_shares_are_taken_as_whole_before_panic),
		cmocka_unit_test(test_split_follows_weights),
		cmocka_unit_test(test_only_the_failing_vips_clients_move),
		cmocka_unit_test(test_random_split_draws_per_query),
		cmocka_unit_test(test_answers_are_distinct_and_limited),
		cmocka_unit_test(test_scope_of_hashes),
		cmocka_unit_test(test_sticky_inside_the_prefix),
		cmocka_unit_test(test_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
