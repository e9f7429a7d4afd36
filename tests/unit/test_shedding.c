/* From reports and counters to what the plan is told; how the controller behaves is in sim shed. */
#include "gslb/compile/shedding.h"
#include "tests/unit/fleet_fixture.h"
#include <stdio.h>

static struct fleet *fleet;
static struct load_book *book;
static struct shedding *shedding;
static struct stats *worker;
static struct plan_service plan; /* of "shop" */
static uint64_t now_ms, seq;
static unsigned changes;

static void ignore_change(void *user, const char *region, const char *service) {}

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_STORE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}, ap: {at: [1, 103]}}\n"
		   "services: {shop: {ttl: 5s..60s, vips: {eu: [192.0.2.1], us: [192.0.2.2], ap: "
		   "[192.0.2.3]}}}\n");
	book = load_book_new(ignore_change, NULL);
	shedding = shedding_new();
	worker = stats_new();
	plan = (struct plan_service){.ok = 7, .positive = 7};
	now_ms = 1000000;
	seq = changes = 0;
	return 0;
}

static int teardown(void **state)
{
	stats_free(worker);
	shedding_free(shedding);
	load_book_free(book);
	fleet_free(fleet);
	return 0;
}

static void report(const char *region, uint32_t current)
{
	struct load_service shop = {
		.service = "shop", .current = current, .target = 800, .max = 1000, .weight = 1};
	struct load_report made = {
		.epoch = 1, .seq = ++seq, .part = 1, .parts = 1, .service_count = 1, .services = &shop};
	snprintf(made.node, sizeof made.node, "fwd-%s", region);
	snprintf(made.region, sizeof made.region, "%s", region);
	assert_int_equal(load_book_accept(book, &made, now_ms), LOAD_ACCEPTED);
}

static const struct plan_service *plan_of(void *user, uint32_t service)
{
	return &plan;
}

static void on_changed(void *user, uint32_t service)
{
	assert_int_equal(service, fleet_get(fleet, FLEET_SERVICE, "shop")->number);
	changes++;
}

static void turn(void)
{
	struct stats *const workers[] = {worker};
	shedding_turn(shedding, &(struct shedding_turn){.fleet = fleet,
							.loads = book,
							.stats = workers,
							.stats_count = 1,
							.now_ms = now_ms,
							.plan = plan_of,
							.changed = on_changed});
}

/* So many seconds with these loads. */
static void pass(unsigned seconds, uint32_t eu, uint32_t us)
{
	for (unsigned i = 0; i < seconds; i++, now_ms += 1000) {
		report("eu", eu);
		report("us", us);
		turn();
	}
}

static bool get(const char *region, struct plan_shed *ret)
{
	uint64_t changed_ms;
	return shedding_get(shedding, "shop", region, ret, &changed_ms);
}

static void test_a_region_above_its_target_sheds(void **state)
{
	struct plan_shed eu, us, ap;
	pass(30, 700, 400);
	assert_false(get("eu", &eu));
	assert_int_equal(changes, 0);
	pass(7, 900, 400); /* one period: MIN of the TTL */
	assert_true(get("eu", &eu) && get("us", &us) && get("ap", &ap));
	assert_true(eu.sheds && !us.sheds && !ap.sheds);
	assert_true(eu.threshold[0] > 0 &&
		    eu.threshold[0] == eu.threshold[15]); /* nobody knows the clients */
	assert_int_equal(eu.headroom, 0);
	assert_true(us.headroom > 0 && ap.headroom > us.headroom); /* ap: nobody reports, an average one */
	assert_true(shedding_fraction(shedding, "shop", "eu") > 0);
	assert_true(shedding_fraction(shedding, "shop", "us") == 0);
	assert_true(changes >= 1);
	/* And when the load is gone, nothing is left of it. */
	pass(200, 100, 400);
	assert_false(get("eu", &eu));
	assert_true(shedding_fraction(shedding, "shop", "eu") == 0);
	unsigned before = changes;
	pass(30, 100, 400);
	assert_int_equal(changes, before);
}

static void test_it_learns_who_its_clients_are(void **state)
{
	struct plan_shed eu;
	uint32_t number = fleet_get(fleet, FLEET_SERVICE, "shop")->number;
	uint32_t region = fleet_get(fleet, FLEET_REGION, "eu")->number;
	pass(12, 990, 100);
	assert_true(get("eu", &eu));
	/* Half of them near, half of them far; of each the same part leaves as long as nobody knows. */
	for (unsigned i = 0; i < 30; i++) {
		assert_true(get("eu", &eu));
		for (unsigned b = 0; b < 2; b++) {
			uint64_t leave = (uint64_t)(1000.0 * eu.threshold[b * 12] / UINT32_MAX);
			counter_add(&worker->shed[eu.slot * SHED_BUCKETS + b * 12], leave);
			counter_add(&worker->answers[stats_answers_counter(number, region)], 1000 - leave);
		}
		pass(5, 990, 100);
	}
	assert_true(get("eu", &eu));
	assert_true(eu.threshold[0] > eu.threshold[12]); /* the least hurt first */
}

static void test_what_is_not_healthy_takes_nothing(void **state)
{
	struct plan_shed us, ap;
	plan.ok = (uint64_t)1 << fleet_get(fleet, FLEET_REGION, "eu")->number |
		  (uint64_t)1 << fleet_get(fleet, FLEET_REGION, "ap")->number;
	pass(12, 990, 100);
	assert_true(get("us", &us) && get("ap", &ap));
	assert_true(us.headroom == 0 && ap.headroom > 0);
}

static void test_silence_ends_it(void **state)
{
	struct plan_shed eu;
	pass(12, 990, 100);
	assert_true(get("eu", &eu));
	unsigned before = changes;
	now_ms += LOAD_FORGOTTEN_MS + 10000;
	load_book_turn(book, now_ms);
	turn();
	assert_false(get("eu", &eu));
	assert_int_equal(changes, before + 1);
}

static void test_other_regions_begin_anew(void **state)
{
	struct plan_shed eu;
	pass(12, 990, 100);
	assert_true(get("eu", &eu));
	apply_good(fleet, FLEET_STORE,
		   "services: {shop: {ttl: 5s..60s, vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n");
	pass(1, 990, 100);
	assert_false(get("eu", &eu));
	assert_false(get("ap", &eu));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_region_above_its_target_sheds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_learns_who_its_clients_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_healthy_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_regions_begin_anew, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
