/* Health, controls and suppositions → what a plan is told of a VIP. */
#include "gslb/decide/vip_input.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#define UNIX_NOW 1700000000000

static const struct vip_controls no_control = {.share = 100};
static struct vip_load load; /* of the tests that set it; else nothing is reported */

static int setup(void **state)
{
	load = (struct vip_load){0};
	return 0;
}

static struct plan_vip_input fill(struct vip_health health, struct vip_controls controls, uint64_t now_ms,
				  uint64_t *ret_next_ms)
{
	struct plan_vip_input vip = {.weight = 7, .shares = 2};
	uint64_t next_ms;
	ip_parse("192.0.2.1", &vip.ip);
	vip_input_fill(&vip, &health, &controls, &load, 5, 60, now_ms, ret_next_ms ? ret_next_ms : &next_ms);
	assert_true(vip.weight == 7 && vip.shares == 2 && vip.ip.family == 4); /* the caller's */
	return vip;
}

static uint32_t ttl(struct vip_health health, struct vip_controls controls, uint64_t now_ms)
{
	return fill(health, controls, now_ms, NULL).ttl;
}

static struct vip_health up(void)
{
	return (struct vip_health){.interval_ms = 2000, .state = VIP_UP, .score = SCORE_FULL};
}

static void test_states(void **state)
{
	struct vip_health health = up();
	health.pending = 1;
	struct plan_vip_input vip = fill(health, no_control, 1000000, NULL);
	assert_true(vip.state == VIP_UP && vip.score == SCORE_FULL && vip.pending == 1 && vip.fell_ms == 0);
	assert_int_equal(vip.interval_ms, 2000);
	health = (struct vip_health){.interval_ms = 2000, .state = VIP_DOWN, .changed_unix_ms = UNIX_NOW};
	vip = fill(health, no_control, 1000000, NULL);
	assert_true(vip.state == VIP_DOWN && vip.score == 0 && vip.fell_ms == 0); /* it was never up */
	health.was_up = true;
	assert_int_equal(fill(health, no_control, 1000000, NULL).fell_ms, UNIX_NOW);
	health = (struct vip_health){.interval_ms = 2000, .state = VIP_UNKNOWN};
	vip = fill(health, no_control, 1000000, NULL);
	assert_true(vip.state == VIP_UNKNOWN && vip.score == SCORE_FULL && vip.ttl_is_pending);
}

static void test_without_a_check_a_vip_is_up(void **state)
{
	uint64_t next_ms;
	struct vip_health health = {
		.state = VIP_DOWN, .pending = 3, .was_up = true, .changed_unix_ms = UNIX_NOW};
	struct plan_vip_input vip = fill(health, no_control, 0, &next_ms);
	assert_true(vip.state == VIP_UP && vip.score == SCORE_FULL && vip.pending == 0 && vip.fell_ms == 0);
	assert_true(vip.ttl == 60 && !vip.ttl_is_pending && !vip.ttl_is_recent && next_ms == UINT64_MAX);
}

/* MIN at a transition, doubling each max(interval, MIN) of quiet, MAX at the end. */
static void test_the_ttl_doubles_with_quiet(void **state)
{
	static const struct {
		uint64_t after_ms;
		uint32_t ttl;
		uint64_t next_after_ms;
	} rows[] = {{0, 5, 5000},	{4999, 5, 5000},	 {5000, 10, 10000},	   {10000, 20, 15000},
		    {15000, 40, 20000}, {20000, 60, UINT64_MAX}, {9999999, 60, UINT64_MAX}};
	struct vip_health health = up();
	health.changed_ms = 1000;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t next_ms;
		struct plan_vip_input vip = fill(health, no_control, 1000 + rows[i].after_ms, &next_ms);
		assert_int_equal(vip.ttl, rows[i].ttl);
		assert_int_equal(vip.ttl_is_recent, rows[i].ttl < 60);
		assert_int_equal(next_ms, rows[i].next_after_ms == UINT64_MAX ? UINT64_MAX
									      : 1000 + rows[i].next_after_ms);
	}
	health.interval_ms = 30000; /* the longer of interval and MIN is the step */
	assert_int_equal(ttl(health, no_control, 1000 + 29999), 5);
	assert_int_equal(ttl(health, no_control, 1000 + 30000), 10);
}

static void test_the_ttl_at_its_ends(void **state)
{
	struct vip_health health = up();
	struct plan_vip_input vip = {.weight = 1};
	uint64_t next_ms;
	health.pending = 1;
	assert_int_equal(ttl(health, no_control, 1000000), 5); /* a failure is pending */
	health.pending = 0;
	health.state = VIP_UNKNOWN;
	assert_int_equal(ttl(health, no_control, 1000000), 5);
	vip_input_fill(&vip, &health, &no_control, &load, 20, 20, 0, &next_ms);
	assert_int_equal(vip.ttl, 20);
	health = up();
	health.changed_ms = 5000;
	assert_int_equal(ttl(health, no_control, 4000), 5); /* a clock that is behind */
}

/* Restored from before this boot: quiet for longer than the clock can tell, until a hand moves. */
static void test_long_ago_until_a_control_changes(void **state)
{
	struct vip_health health = up();
	health.is_long_ago = true;
	assert_int_equal(ttl(health, no_control, 10), 60);
	assert_int_equal(ttl(health, (struct vip_controls){.share = 100, .changed_ms = 9}, 10), 5);
	assert_int_equal(ttl(health, (struct vip_controls){.share = 100, .region_changed_ms = 9}, 10), 5);
}

static void test_the_last_change_of_anything_counts(void **state)
{
	struct vip_health health = up();
	health.changed_ms = 1000;
	assert_int_equal(ttl(health, (struct vip_controls){.share = 100, .changed_ms = 90000}, 95000), 10);
	assert_int_equal(ttl(health, (struct vip_controls){.share = 100, .region_changed_ms = 90000}, 95000),
			 10);
	health.changed_ms = 95000;
	assert_int_equal(ttl(health, (struct vip_controls){.share = 100, .region_changed_ms = 90000}, 95000),
			 5);
}

static void test_a_share_of_0_drains(void **state)
{
	assert_true(fill(up(), (struct vip_controls){.share = 0}, 0, NULL).is_drained);
	assert_false(fill(up(), no_control, 0, NULL).is_drained);
}

/* ---- what forwarders report ---- */

static void test_a_region_that_lost_origins_weighs_less(void **state)
{
	load = (struct vip_load){.is_reported = true, .scale = 750, .changed_ms = 90000};
	struct plan_vip_input vip = fill(up(), no_control, 90000, NULL);
	assert_true(vip.state == VIP_UP && vip.score == 750 && vip.ttl == 5);
	assert_int_equal(ttl(up(), no_control, 95000), 10); /* as after a change of health */
	struct vip_health unknown = {.interval_ms = 2000, .state = VIP_UNKNOWN};
	assert_int_equal(fill(unknown, no_control, 0, NULL).score, 750);
	struct vip_health half = up();
	half.score = 500;
	assert_int_equal(fill(half, no_control, 0, NULL).score, 375);
	half.score = 1;
	load.scale = 1;
	assert_int_equal(fill(half, no_control, 0, NULL).score, 1); /* a little is not nothing */
	half.state = VIP_DOWN;
	half.score = 0;
	assert_int_equal(fill(half, no_control, 0, NULL).score, 0);
}

static void test_without_origins_a_vip_scores_nothing(void **state)
{
	load = (struct vip_load){.is_reported = true, .changed_ms = 90000, .changed_unix_ms = UNIX_NOW};
	struct plan_vip_input vip = fill(up(), no_control, 90000, NULL);
	assert_true(vip.state == VIP_UP && vip.score == 0 && vip.fell_ms == UNIX_NOW);
	vip_input_suppose(&vip, "eu", &(struct what_if){.region = "eu", .is_up = true}, 1, UNIX_NOW);
	assert_int_equal(vip.score, SCORE_FULL);
}

/* Without a check nothing but reports can change: then their second is the interval. */
static void test_the_ttl_of_a_vip_without_a_check(void **state)
{
	struct vip_health health = {0};
	uint64_t next_ms;
	load = (struct vip_load){.is_reported = true, .scale = SCORE_FULL};
	assert_int_equal(ttl(health, no_control, 1000), 60); /* as it always was */
	load.scale = 0;
	load.changed_ms = 90000;
	struct plan_vip_input vip = fill(health, no_control, 90000, &next_ms);
	assert_true(vip.ttl == 5 && vip.ttl_is_recent && next_ms == 95000);
	assert_int_equal(ttl(health, no_control, 120000), 60);
}

/* ---- what if ---- */

static void test_suppositions(void **state)
{
	struct plan_vip_input vip = fill(up(), no_control, 0, NULL);
	struct what_if region = {.region = "eu", .kind = WHAT_IF_STATE}, other = region;
	other.region = "us";
	vip_input_suppose(&vip, "eu", &other, 1, UNIX_NOW);
	assert_int_equal(vip.state, VIP_UP);
	vip.pending = 1;
	vip_input_suppose(&vip, "eu", &region, 1, UNIX_NOW);
	assert_true(vip.state == VIP_DOWN && vip.score == 0 && vip.pending == 0 && vip.fell_ms == UNIX_NOW);
	vip_input_suppose(&vip, "eu", &region, 1, UNIX_NOW + 1); /* it is down already */
	assert_int_equal(vip.fell_ms, UNIX_NOW);
	struct what_if both[] = {region, {.address = "192.0.2.1", .kind = WHAT_IF_STATE, .is_up = true}};
	vip_input_suppose(&vip, "eu", both, 2, UNIX_NOW); /* the later one wins */
	assert_true(vip.state == VIP_UP && vip.score == SCORE_FULL);
}

static void test_supposed_shares(void **state)
{
	struct plan_vip_input vip = fill(up(), no_control, 0, NULL);
	struct what_if drained = {.address = "192.0.2.1", .kind = WHAT_IF_SHARE, .share = 0};
	struct what_if elsewhere = {.address = "192.0.2.2", .kind = WHAT_IF_SHARE, .share = 0};
	struct what_if shares[] = {{.region = "eu", .kind = WHAT_IF_SHARE, .share = 0},
				   {.region = "us", .kind = WHAT_IF_SHARE, .share = SHARE_DOWN},
				   {.region = "eu", .kind = WHAT_IF_SHARE, .share = 30},
				   {.region = "eu", .kind = WHAT_IF_STATE, .share = 99}};
	vip_input_suppose(&vip, "eu", &elsewhere, 1, UNIX_NOW);
	vip_input_suppose(&vip, "eu", shares, 3, UNIX_NOW); /* a region's share is not its VIPs' */
	assert_false(vip.is_drained);
	vip_input_suppose(&vip, "eu", &drained, 1, UNIX_NOW);
	assert_true(vip.is_drained);
	assert_int_equal(vip_input_suppose_share(100, "eu", shares, 4), 30);
	assert_int_equal(vip_input_suppose_share(100, "us", shares, 4), SHARE_DOWN);
	assert_int_equal(vip_input_suppose_share(70, "ap", shares, 4), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_states, setup),
		cmocka_unit_test_setup(test_without_a_check_a_vip_is_up, setup),
		cmocka_unit_test_setup(test_the_ttl_doubles_with_quiet, setup),
		cmocka_unit_test_setup(test_the_ttl_at_its_ends, setup),
		cmocka_unit_test_setup(test_long_ago_until_a_control_changes, setup),
		cmocka_unit_test_setup(test_the_last_change_of_anything_counts, setup),
		cmocka_unit_test_setup(test_a_share_of_0_drains, setup),
		cmocka_unit_test_setup(test_a_region_that_lost_origins_weighs_less, setup),
		cmocka_unit_test_setup(test_without_origins_a_vip_scores_nothing, setup),
		cmocka_unit_test_setup(test_the_ttl_of_a_vip_without_a_check, setup),
		cmocka_unit_test_setup(test_suppositions, setup),
		cmocka_unit_test_setup(test_supposed_shares, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
