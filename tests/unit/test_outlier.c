/* A bad origin leaves, a broken customer makes none leave, and never the last one goes. */
#include "forwarder/plan/outlier.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (1000 * SECOND_NS)
#define MEMBERS 4
#define ALICE 0x1111111111111110u
#define BOB 0x2222222222222220u

struct rig {
	struct origin origins[MEMBERS];
	struct pool_member members[MEMBERS];
	struct pool_state state;
	struct pool pool;
};

static void rig_init(struct rig *rig, uint32_t count)
{
	*rig = (struct rig){0};
	for (unsigned i = 0; i < MEMBERS; i++)
		rig->members[i] = (struct pool_member){&rig->origins[i], 1};
	rig->pool = (struct pool){.state = &rig->state,
				  .member_count = count,
				  .weight_total = count,
				  .members = rig->members,
				  .max_ejected_hundredths = 5000};
	rig->state.aged_ns = START_NS;
}

static void go_wrong(struct rig *rig, unsigned at, uint64_t tenant, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		outlier_report(&rig->pool, &rig->origins[at], true, false, tenant, START_NS);
}

static void succeed(struct rig *rig, unsigned at, uint64_t tenant)
{
	outlier_report(&rig->pool, &rig->origins[at], false, false, tenant, START_NS);
}

static void five_failures_in_a_row_from_two_tenants_eject(void **state)
{
	struct rig rig;

	rig_init(&rig, MEMBERS);
	succeed(&rig, 1, ALICE);
	succeed(&rig, 1, BOB);
	go_wrong(&rig, 0, ALICE, 3);
	go_wrong(&rig, 0, BOB, 1);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
	go_wrong(&rig, 0, BOB, 1);
	assert_int_equal(rig.origins[0].state, ORIGIN_EJECTED);
	assert_int_equal(rig.origins[0].until_ns, START_NS + 30 * SECOND_NS);
	assert_int_equal(rig.origins[0].ejected_total, 1);
	assert_int_equal(rig.origins[0].requests, 5);
	assert_int_equal(rig.origins[0].errors, 5);
	/* one success between them, and they are not in a row */
	go_wrong(&rig, 1, ALICE, 4);
	succeed(&rig, 1, ALICE);
	go_wrong(&rig, 1, BOB, 4);
	assert_int_equal(rig.origins[1].state, ORIGIN_UP);
}

static void one_customers_broken_requests_eject_nobody(void **state)
{
	struct rig rig;

	rig_init(&rig, MEMBERS);
	succeed(&rig, 1, BOB); /* is active, elsewhere */
	go_wrong(&rig, 0, ALICE, 1000);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
	go_wrong(&rig, 0, BOB, 1); /* it was not the customer */
	assert_int_equal(rig.origins[0].state, ORIGIN_EJECTED);
}

static void the_only_active_tenant_is_enough(void **state)
{
	struct rig rig;

	rig_init(&rig, MEMBERS);
	succeed(&rig, 1, BOB);
	/* who was active 20 s ago is not now */
	outlier_sweep(&rig.pool, START_NS + 10 * SECOND_NS);
	go_wrong(&rig, 0, ALICE, 5);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
	outlier_sweep(&rig.pool, START_NS + 19 * SECOND_NS); /* not yet */
	outlier_sweep(&rig.pool, START_NS + 20 * SECOND_NS);
	go_wrong(&rig, 0, ALICE, 1);
	assert_int_equal(rig.origins[0].state, ORIGIN_EJECTED);
}

static void half_of_the_pool_stays_and_always_one(void **state)
{
	struct rig rig;

	for (uint32_t count = 1; count <= MEMBERS; count++) {
		rig_init(&rig, count);
		for (unsigned i = 0; i < count; i++)
			go_wrong(&rig, i, ALICE, 50);
		unsigned ejected = 0;
		for (unsigned i = 0; i < count; i++)
			ejected += rig.origins[i].state == ORIGIN_EJECTED;
		assert_int_equal(ejected, count == 1 ? 0 : count < 4 ? 1 : 2);
	}
	/* the others are down by their checks, or drained: it is the last */
	rig_init(&rig, MEMBERS);
	outlier_check(&rig.origins[1], false, START_NS);
	outlier_check(&rig.origins[2], false, START_NS);
	rig.origins[3].is_draining = 1;
	go_wrong(&rig, 0, ALICE, 50);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
	rig_init(&rig, MEMBERS); /* max_ejected: 0% */
	rig.pool.max_ejected_hundredths = 0;
	go_wrong(&rig, 0, ALICE, 50);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
	rig_init(&rig, MEMBERS); /* the pool left the configuration meanwhile */
	outlier_report(NULL, &rig.origins[0], true, false, ALICE, START_NS);
	assert_int_equal(rig.origins[0].state, ORIGIN_UP);
}

static void probation_decides_after_the_time(void **state)
{
	struct rig rig;
	struct origin *origin = &rig.origins[0];
	uint64_t now_ns = START_NS;

	rig_init(&rig, MEMBERS);
	go_wrong(&rig, 0, ALICE, 5);
	for (unsigned n = 1; n <= 12; n++) {
		uint64_t long_s = n < 10 ? 30 * n : 300;
		outlier_sweep(&rig.pool, now_ns + long_s * SECOND_NS - 1);
		assert_int_equal(origin->state, ORIGIN_EJECTED);
		now_ns += long_s * SECOND_NS;
		outlier_sweep(&rig.pool, now_ns);
		assert_int_equal(origin->state, ORIGIN_PROBATION);
		/* what was under way since before the ejection says nothing */
		outlier_report(&rig.pool, origin, true, false, ALICE, now_ns);
		outlier_report(&rig.pool, origin, false, false, ALICE, now_ns);
		assert_int_equal(origin->state, ORIGIN_PROBATION);
		outlier_report(&rig.pool, origin, false, true, ALICE, now_ns);
		outlier_report(&rig.pool, origin, false, true, ALICE, now_ns);
		assert_int_equal(origin->state, ORIGIN_PROBATION);
		outlier_report(&rig.pool, origin, true, true, ALICE, now_ns);
		assert_int_equal(origin->state, ORIGIN_EJECTED);
		assert_int_equal(origin->ejections, n + 1);
	}
	outlier_sweep(&rig.pool, now_ns += 300 * SECOND_NS);
	for (int i = 0; i < 3; i++)
		outlier_report(&rig.pool, origin, false, true, ALICE, now_ns);
	assert_int_equal(origin->state, ORIGIN_UP);
	assert_int_equal(origin->slow_start_ns, now_ns);
	assert_int_equal(origin->ejections, 13);
	for (unsigned n = 1; n <= 13; n++) { /* one is forgotten each five minutes */
		outlier_sweep(&rig.pool, now_ns + n * 300 * SECOND_NS - 1);
		assert_int_equal(origin->ejections, 14 - n);
		outlier_sweep(&rig.pool, now_ns + n * 300 * SECOND_NS);
		assert_int_equal(origin->ejections, 13 - n);
	}
}

static void a_check_that_was_down_and_is_up_overrules(void **state)
{
	struct rig rig;
	struct origin *origin = &rig.origins[0];

	rig_init(&rig, MEMBERS);
	go_wrong(&rig, 0, ALICE, 5);
	outlier_check(origin, true, START_NS + 1); /* it never was down: nothing new */
	assert_int_equal(origin->state, ORIGIN_EJECTED);
	outlier_check(origin, false, START_NS + 2);
	assert_int_equal(origin->state, ORIGIN_DOWN);
	outlier_sweep(&rig.pool, START_NS + 400 * SECOND_NS);
	assert_int_equal(origin->state, ORIGIN_DOWN);
	outlier_check(origin, true, START_NS + 401 * SECOND_NS);
	assert_int_equal(origin->state, ORIGIN_UP);
	assert_int_equal(origin->slow_start_ns, START_NS + 401 * SECOND_NS);
	assert_int_equal(origin->failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_failures_in_a_row_from_two_tenants_eject),
		cmocka_unit_test(one_customers_broken_requests_eject_nobody),
		cmocka_unit_test(the_only_active_tenant_is_enough),
		cmocka_unit_test(half_of_the_pool_stays_and_always_one),
		cmocka_unit_test(probation_decides_after_the_time),
		cmocka_unit_test(a_check_that_was_down_and_is_up_overrules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
