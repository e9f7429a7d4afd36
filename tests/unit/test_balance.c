/* Which origin gets a request: the distribution of each policy, who is left out, and that no slot is given
 * twice. */
#include "forwarder/traffic/balance.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (1000 * SECOND_NS)
#define MEMBERS 8

struct rig {
	struct origin origins[MEMBERS];
	struct pool_member members[MEMBERS];
	struct pool_state state;
	struct pool pool;
	struct balance_local local;
	struct rng rng;
	struct balance_request request;
	unsigned got[MEMBERS];
};

static void rig_init(struct rig *rig, enum pool_balance balance, uint32_t count, const uint32_t *weights)
{
	*rig = (struct rig){0};
	rig->pool = (struct pool){.state = &rig->state,
				  .balance = balance,
				  .concurrency = 1000,
				  .member_count = count,
				  .members = rig->members,
				  .panic_hundredths = 3000};
	for (uint32_t i = 0; i < count; i++) {
		rig->origins[i].number = 100 + i;
		snprintf(rig->origins[i].text, sizeof rig->origins[i].text, "10.1.0.%u:8080", i + 1);
		rig->origins[i].key = balance_hash(rig->origins[i].text, strlen(rig->origins[i].text));
		rig->members[i] = (struct pool_member){&rig->origins[i], weights ? weights[i] : 1};
		rig->pool.weight_total += rig->members[i].weight;
	}
	rng_seed(&rig->rng, 7);
	rig->request = (struct balance_request){
		.pool = &rig->pool, .local = &rig->local, .rng = &rig->rng, .sticky = -1, .now_ns = START_NS};
}

static unsigned member_of(const struct rig *rig, const struct balance_choice *choice)
{
	return choice->origin - rig->origins;
}

/* So many requests, one after the other; counts who got them. */
static void ask(struct rig *rig, unsigned times)
{
	memset(rig->got, 0, sizeof rig->got);
	for (unsigned i = 0; i < times; i++) {
		struct balance_choice choice;
		assert_int_equal(balance_take(&rig->request, &choice), BALANCE_TAKEN);
		rig->got[member_of(rig, &choice)]++;
		balance_give(&choice);
	}
}

/* So many at the same time. */
static void hold(struct rig *rig, unsigned times)
{
	memset(rig->got, 0, sizeof rig->got);
	for (unsigned i = 0; i < times; i++) {
		struct balance_choice choice;
		assert_int_equal(balance_take(&rig->request, &choice), BALANCE_TAKEN);
		rig->got[member_of(rig, &choice)]++;
	}
}

static void in_turn_and_smoothly_by_weight(void **state)
{
	static const uint32_t weights[] = {5, 1, 1};
	struct rig rig;

	rig_init(&rig, POOL_ROUND_ROBIN, 3, weights); /* does not look at weights */
	ask(&rig, 300);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig.got[i], 100);
	rig_init(&rig, POOL_WEIGHTED, 3, weights);
	ask(&rig, 700);
	assert_int_equal(rig.got[0], 500);
	assert_int_equal(rig.got[1], 100);
	assert_int_equal(rig.got[2], 100);
	unsigned in_a_row = 0, longest = 0;
	for (int i = 0; i < 70; i++) {
		ask(&rig, 1);
		in_a_row = rig.got[0] ? in_a_row + 1 : 0;
		longest = in_a_row > longest ? in_a_row : longest;
	}
	assert_true(longest <= 4); /* a a b a c a a, not a a a a a b c */
}

static void workers_start_elsewhere(void **state)
{
	unsigned first[4] = {0};
	struct rig rig;

	for (unsigned worker = 0; worker < 64; worker++) {
		rig_init(&rig, POOL_ROUND_ROBIN, 4, NULL);
		rng_seed(&rig.rng, worker);
		ask(&rig, 1);
		for (int i = 0; i < 4; i++)
			first[i] += rig.got[i];
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(first[i], 6, 28);
}

static void chance_follows_the_weights(void **state)
{
	static const uint32_t weights[] = {1, 3, 6};
	struct rig rig;

	rig_init(&rig, POOL_RANDOM, 3, weights);
	ask(&rig, 100000);
	assert_in_range(rig.got[0], 9500, 10500);
	assert_in_range(rig.got[1], 29000, 31000);
	assert_in_range(rig.got[2], 59000, 61000);
}

static void fewest_requests_by_weight(void **state)
{
	static const uint32_t weights[] = {1, 2, 4};
	struct rig rig;

	rig_init(&rig, POOL_LEAST_REQUESTS, 3, weights);
	ask(&rig, 7000); /* idle: by weight */
	assert_in_range(rig.got[0], 900, 1100);
	assert_in_range(rig.got[2], 3800, 4200);
	hold(&rig, 700);
	assert_in_range(rig.got[0], 90, 110);
	assert_in_range(rig.got[1], 190, 210);
	/* one that does not answer is left to what it has */
	rig_init(&rig, POOL_LEAST_REQUESTS, 2, NULL);
	rig.origins[0].in_flight = 50;
	hold(&rig, 50);
	assert_int_equal(rig.got[1], 50);
}

static void the_faster_gets_more_and_the_failing_does_not_attract(void **state)
{
	struct rig rig;

	rig_init(&rig, POOL_EWMA, 2, NULL);
	balance_observe(&rig.origins[0], 40000000, false, 30 * SECOND_NS, START_NS);
	balance_observe(&rig.origins[1], 10000000, false, 30 * SECOND_NS, START_NS);
	hold(&rig, 100);
	assert_in_range(rig.got[0], 18, 22); /* 4 to 1 */
	rig_init(&rig, POOL_EWMA, 2, NULL);
	balance_observe(&rig.origins[0], 1000, true, 30 * SECOND_NS, START_NS); /* refuses at once */
	balance_observe(&rig.origins[1], 10000000, false, 30 * SECOND_NS, START_NS);
	ask(&rig, 100);
	assert_int_equal(rig.got[0], 0);
	/* it is forgiven in time, and a peak is believed at once but an improvement slowly */
	rig.request.now_ns = START_NS + 120 * SECOND_NS;
	balance_observe(&rig.origins[1], 10000000, false, 30 * SECOND_NS, rig.request.now_ns);
	ask(&rig, 100);
	assert_int_equal(rig.got[0], 100);
	balance_observe(&rig.origins[1], 90000000, false, 30 * SECOND_NS, rig.request.now_ns);
	assert_int_equal(rig.origins[1].latency_ns, 90000000);
	balance_observe(&rig.origins[1], 10000000, false, 30 * SECOND_NS,
			rig.request.now_ns + 10 * SECOND_NS);
	assert_in_range(rig.origins[1].latency_ns, 39000000, 40000000); /* 10 + 80/e */
}

static void a_new_origin_is_tried_by_one_request(void **state)
{
	struct rig rig;

	rig_init(&rig, POOL_EWMA, 2, NULL);
	balance_observe(&rig.origins[1], 10000000, false, 30 * SECOND_NS, START_NS);
	hold(&rig, 20);
	assert_int_equal(rig.got[0], 1);
}

static void a_hash_stays_where_it_is(void **state)
{
	struct rig rig;
	unsigned before[1000], moved = 0;

	rig_init(&rig, POOL_HASH, 4, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		rig.request.hash = balance_hash(&i, sizeof i);
		ask(&rig, 1);
		for (before[i] = 0; !rig.got[before[i]];)
			before[i]++;
	}
	rig.origins[2].state = ORIGIN_DOWN;
	for (unsigned i = 0; i < 1000; i++) {
		rig.request.hash = balance_hash(&i, sizeof i);
		ask(&rig, 1);
		moved += !rig.got[before[i]];
		assert_true(before[i] == 2 || rig.got[before[i]]); /* only those of the one that left */
	}
	assert_in_range(moved, 200, 300);
}

static void a_hash_follows_weights_and_bounded_load(void **state)
{
	static const uint32_t weights[] = {1, 3};
	struct rig rig;
	unsigned got = 0;

	rig_init(&rig, POOL_HASH, 2, weights);
	for (unsigned i = 0; i < 10000; i++) {
		rig.request.hash = balance_hash(&i, sizeof i);
		ask(&rig, 1);
		got += rig.got[1];
	}
	assert_in_range(got, 7300, 7700);
	/* one key that everybody asks for does not sink its origin */
	rig_init(&rig, POOL_HASH, 4, NULL);
	rig.request.hash = 42;
	hold(&rig, 400);
	for (int i = 0; i < 4; i++)
		assert_true(rig.got[i] <= 151);
}

static void who_is_not_usable_gets_nothing(void **state)
{
	static const enum pool_balance policies[] = {POOL_ROUND_ROBIN, POOL_WEIGHTED, POOL_LEAST_REQUESTS,
						     POOL_EWMA,	       POOL_HASH,     POOL_RANDOM};
	struct rig rig;

	for (unsigned p = 0; p < sizeof policies / sizeof *policies; p++) {
		static const uint32_t weights[] = {1, 1, 1, 1, 1, 0, 1, 1};
		rig_init(&rig, policies[p], 8, weights);
		rig.origins[0].state = ORIGIN_DOWN;
		rig.origins[1].state = ORIGIN_EJECTED;
		rig.origins[2].is_draining = 1;
		rig.origins[3].in_flight = rig.pool.concurrency;
		uint32_t tried = 104;
		rig.request.excluded = balance_excluded(&rig.pool, &tried, 1);
		ask(&rig, 100);
		assert_int_equal(rig.got[6] + rig.got[7], 100);
		/* both others full: saturated; nobody at all: none */
		rig.origins[6].in_flight = rig.origins[7].in_flight = rig.pool.concurrency;
		struct balance_choice choice;
		assert_int_equal(balance_take(&rig.request, &choice), BALANCE_FULL);
		for (int i = 0; i < 8; i++)
			rig.origins[i].is_draining = 1;
		assert_int_equal(balance_take(&rig.request, &choice), BALANCE_NONE);
	}
}

/* One of two was ejected a while ago, and now the other is gone. */
static void a_retry_goes_to_who_was_ejected_where_nobody_else_is_left(void **state)
{
	static const uint32_t weights[] = {1, 1};
	static const enum origin_state states[] = {ORIGIN_EJECTED, ORIGIN_PROBATION, ORIGIN_DOWN};
	struct balance_choice choice;
	struct rig rig;

	for (unsigned i = 0; i < sizeof states / sizeof *states; i++) {
		rig_init(&rig, POOL_ROUND_ROBIN, 2, weights);
		rig.origins[0].state = states[i];
		rig.origins[0].probation_in_flight = 1;
		assert_int_equal(balance_take(&rig.request, &choice), BALANCE_TAKEN);
		assert_ptr_equal(choice.origin, &rig.origins[1]);
		rig.request.excluded = 1 << 1;
		bool is_taken = balance_take(&rig.request, &choice) == BALANCE_TAKEN;
		assert_true(is_taken == (states[i] != ORIGIN_DOWN));
		assert_true(!is_taken || choice.origin == &rig.origins[0]);
		rig.origins[0].is_draining = 1;
		assert_int_equal(balance_take(&rig.request, &choice), BALANCE_NONE);
	}
}

static void weight_0_stands_in_when_nobody_else_is_left(void **state)
{
	static const uint32_t weights[] = {1, 0};
	struct rig rig;

	rig_init(&rig, POOL_WEIGHTED, 2, weights);
	ask(&rig, 10);
	assert_int_equal(rig.got[0], 10);
	rig.origins[0].state = ORIGIN_DOWN;
	ask(&rig, 10);
	assert_int_equal(rig.got[1], 10);
	assert_false(rig.state.is_in_panic);
}

static void panic_uses_all_but_the_drained(void **state)
{
	struct rig rig;

	rig_init(&rig, POOL_ROUND_ROBIN, 4, NULL);
	rig.origins[0].state = rig.origins[1].state = ORIGIN_DOWN;
	ask(&rig, 100);
	assert_int_equal(rig.got[0] + rig.got[1], 0);
	assert_false(balance_usable(&rig.pool).is_panic);
	rig.origins[2].state = ORIGIN_EJECTED; /* a quarter is less than 30 % */
	ask(&rig, 100);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rig.got[i], 25);
	assert_true(rig.state.is_in_panic);
	ask(&rig, 100);
	assert_int_equal(rig.state.panics, 1);
	assert_true(balance_usable(&rig.pool).is_panic);
	assert_int_equal(balance_usable(&rig.pool).usable, 1);
	assert_int_equal(balance_usable(&rig.pool).weight, 1);
	rig.origins[0].is_draining = 1; /* of the three that may be used one is well: no panic */
	ask(&rig, 100);
	assert_int_equal(rig.got[3], 100);
	assert_false(rig.state.is_in_panic);
	rig.origins[3].state = ORIGIN_DOWN; /* none is well */
	ask(&rig, 99);
	assert_int_equal(rig.got[0], 0);
	assert_int_equal(rig.got[1], 33);
}

static void probation_is_one_request_at_a_time(void **state)
{
	struct rig rig;
	struct balance_choice choice, other;

	rig_init(&rig, POOL_ROUND_ROBIN, 2, NULL);
	rig.origins[0].state = ORIGIN_PROBATION;
	do {
		assert_int_equal(balance_take(&rig.request, &choice), BALANCE_TAKEN);
	} while (!choice.is_probation);
	assert_ptr_equal(choice.origin, &rig.origins[0]);
	ask(&rig, 50);
	assert_int_equal(rig.got[1], 50);
	assert_false(balance_take_at(&rig.state, &rig.origins[0], 1000, &other));
	balance_give(&choice);
	ask(&rig, 50);
	assert_true(rig.got[0] > 10);
	assert_int_equal(rig.origins[0].probation_in_flight, 0);
	assert_int_equal(rig.origins[0].in_flight, 0);
}

static void slow_start_is_linear_above_a_tenth(void **state)
{
	struct rig rig;

	rig_init(&rig, POOL_ROUND_ROBIN, 2, NULL);
	rig.pool.slow_start_ms = 100000;
	rig.origins[0].slow_start_ns = START_NS;
	static const unsigned shares[][2] = {{0, 10}, {5, 10}, {50, 50}, {100, 100}, {1000, 100}};
	for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++) {
		rig.request.now_ns = START_NS + shares[i][0] * SECOND_NS;
		ask(&rig, 10000);
		unsigned percent = rig.got[0] * 100 / rig.got[1];
		assert_in_range(percent, shares[i][1] - 2, shares[i][1] + 1);
	}
}

static void a_cookie_holds_its_origin_while_it_is_usable(void **state)
{
	static const uint8_t key[16] = "0123456789abcdef", another[16] = "0123456789abcdeF";
	char value[BALANCE_STICKY_LENGTH];
	struct balance_choice choice;
	struct rig rig;

	rig_init(&rig, POOL_ROUND_ROBIN, 4, NULL);
	balance_sticky_make(key, &rig.origins[2], value);
	rig.request.sticky = balance_sticky_find(&rig.pool, key, value, sizeof value);
	assert_int_equal(rig.request.sticky, 2);
	ask(&rig, 50);
	assert_int_equal(rig.got[2], 50);
	assert_int_equal(balance_take(&rig.request, &choice), BALANCE_TAKEN);
	assert_true(choice.is_sticky);
	rig.origins[2].state = ORIGIN_DOWN; /* then another, which the cookie is not of */
	assert_int_equal(balance_take(&rig.request, &choice), BALANCE_TAKEN);
	assert_false(choice.is_sticky);
	/* made up, cut, or of another key */
	assert_int_equal(balance_sticky_find(&rig.pool, another, value, sizeof value), -1);
	assert_int_equal(balance_sticky_find(&rig.pool, key, value, sizeof value - 1), -1);
	value[3] ^= 1;
	assert_int_equal(balance_sticky_find(&rig.pool, key, value, sizeof value), -1);
}

#define THREADS 4
#define ROUNDS 50000
#define CONCURRENCY 3

static struct rig raced;
static _Atomic unsigned worst;

static void *race(void *argument)
{
	struct balance_local local = {0};
	struct rng rng;
	struct balance_request request = raced.request;
	unsigned long refused = 0;

	rng_seed(&rng, (uintptr_t)argument);
	request.local = &local;
	request.rng = &rng;
	for (int i = 0; i < ROUNDS; i++) {
		struct balance_choice choice[4];
		unsigned taken = 0;
		while (taken < 4 && balance_take(&request, &choice[taken]) == BALANCE_TAKEN)
			taken++;
		refused += taken < 4;
		for (unsigned n = 0; n < taken; n++)
			if (choice[n].origin->in_flight > CONCURRENCY)
				worst = choice[n].origin->in_flight;
		while (taken > 0)
			balance_give(&choice[--taken]);
	}
	return (void *)refused;
}

static void workers_that_race_never_pass_the_concurrency(void **state)
{
	pthread_t threads[THREADS];

	rig_init(&raced, POOL_LEAST_REQUESTS, 2, NULL);
	raced.pool.concurrency = CONCURRENCY;
	raced.origins[1].state = ORIGIN_PROBATION;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(worst, 0);
	assert_int_equal(raced.origins[0].in_flight, 0);
	assert_int_equal(raced.origins[1].in_flight, 0);
	assert_int_equal(raced.origins[1].probation_in_flight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turn_and_smoothly_by_weight),
		cmocka_unit_test(workers_start_elsewhere),
		cmocka_unit_test(chance_follows_the_weights),
		cmocka_unit_test(fewest_requests_by_weight),
		cmocka_unit_test(the_faster_gets_more_and_the_failing_does_not_attract),
		cmocka_unit_test(a_new_origin_is_tried_by_one_request),
		cmocka_unit_test(a_hash_stays_where_it_is),
		cmocka_unit_test(a_hash_follows_weights_and_bounded_load),
		cmocka_unit_test(who_is_not_usable_gets_nothing),
		cmocka_unit_test(a_retry_goes_to_who_was_ejected_where_nobody_else_is_left),
		cmocka_unit_test(weight_0_stands_in_when_nobody_else_is_left),
		cmocka_unit_test(panic_uses_all_but_the_drained),
		cmocka_unit_test(probation_is_one_request_at_a_time),
		cmocka_unit_test(slow_start_is_linear_above_a_tenth),
		cmocka_unit_test(a_cookie_holds_its_origin_while_it_is_usable),
		cmocka_unit_test(workers_that_race_never_pass_the_concurrency),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
