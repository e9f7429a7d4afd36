/* Health, controls, weights and suppositions → what the plan of a service says. */
#include "gslb/compile/plan_build.h"
#include "health/load_book.h"
#include "store/controls.h"
#include "tests/unit/fleet_fixture.h"
#include "tests/unit/health_stand_in.h"

#define NOW 1000000000 /* ms; long after anything */

static struct fleet *fleet;
static struct controls *controls;
static struct map *control_changes;

static struct load_book *loads; /* NULL: nobody reports */

static int setup(void **state)
{
	entry_count = 0;
	fleet = fleet_new();
	controls = controls_new();
	control_changes = map_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}, ap: {at: [1, 103]}}\n"
		   "checks: {web: {type: http, interval: 2s}, deep: {type: tcp, port: 25, interval: 10s}}\n"
		   "services:\n"
		   "  shop: {check: web, ttl: 5s..60s, steering: {min_healthy: 60%, last_resort: first, "
		   "answers: 2,\n"
		   "         split: random, prefix: [20, 48], regions: [us, eu]},\n"
		   "         vips: {eu: [192.0.2.1, {address: 192.0.2.2, weight: 3}], us: [{address: "
		   "192.0.2.3, check: deep}],\n"
		   "                ap: [192.0.2.4]}}\n"
		   "  plain: {ttl: 30s, vips: {eu: [192.0.2.1]}}\n"
		   "zones: {app.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.x.\\n\"}}\n"
		   "tenants:\n"
		   "  all: {zone: app.test, service: shop}\n"
		   "  some: {zone: app.test, service: shop, regions: [us, ap]}\n");
	return 0;
}

static int teardown(void **state)
{
	size_t at = 0;
	const char *key;
	for (void *value; (value = map_next(control_changes, &at, &key));)
		free(value);
	map_free(control_changes);
	controls_free(controls);
	fleet_free(fleet);
	return 0;
}

static const struct fleet_service *service(const char *id)
{
	return (const struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, id);
}

static struct plan_service *build(const char *id, const struct what_if *what_if, size_t count,
				  uint64_t *ret_next_ms)
{
	const struct world_source source = {.fleet = fleet,
					    .controls = controls,
					    .health = (const struct health_book *)entries,
					    .loads = loads};
	const struct plan_build input = {.source = &source,
					 .control_changes = control_changes,
					 .what_if = what_if,
					 .what_if_count = count,
					 .now_ms = NOW};
	uint64_t next_ms;
	return plan_build_service(&input, service(id), ret_next_ms ? ret_next_ms : &next_ms);
}

static unsigned number(const char *region)
{
	return fleet_get(fleet, FLEET_REGION, region)->number;
}

static const struct plan_region *region(const struct plan_service *plan, const char *id)
{
	return &plan->regions[plan->slot[number(id)]];
}

static bool has(region_set set, const char *id)
{
	return set >> number(id) & 1;
}

/* The VIP is up (or down) since `ago_ms`. */
static struct health_entry *set_health(const char *address, const char *check, enum verdict_state state,
				       unsigned pending, uint64_t ago_ms)
{
	struct fleet_vip vip = {0};
	ip_parse(address, &vip.ip);
	struct health_entry *entry = (struct health_entry *)health_book_find(NULL, &vip, check);
	if (!entry)
		entry = add_entry(address, check, state);
	entry->verdict = (struct verdict){.state = state};
	*(state == VERDICT_UP ? &entry->verdict.failures : &entry->verdict.successes) = pending;
	entry->changed_ms = NOW - ago_ms;
	return entry;
}

static void all_up(void)
{
	set_health("192.0.2.1", "web", VERDICT_UP, 0, NOW);
	set_health("192.0.2.2", "web", VERDICT_UP, 0, NOW);
	set_health("192.0.2.3", "deep", VERDICT_UP, 0, NOW);
	set_health("192.0.2.4", "web", VERDICT_UP, 0, NOW);
}

static void set_control(const char *region_id, const char *service_id, const char *address, int share,
			uint64_t ago_ms)
{
	struct control_row row = {.share = share, .reason = (char *)"", .author = (char *)""};
	char key[CONTROLS_KEY_MAX];
	snprintf(row.region, sizeof row.region, "%s", region_id);
	snprintf(row.service, sizeof row.service, "%s", service_id);
	snprintf(row.address, sizeof row.address, "%s", address);
	controls_put(controls, &row);
	controls_key(region_id, service_id, address, key);
	uint64_t *changed = xmalloc(sizeof *changed);
	*changed = NOW - ago_ms;
	free(map_put(control_changes, key, changed));
}

static void test_steering_comes_through(void **state)
{
	all_up();
	struct plan_service *plan = build("shop", NULL, 0, NULL);
	assert_string_equal(plan->id, "shop");
	assert_int_equal(plan->number, service("shop")->object.number);
	assert_int_equal(plan->split, SPLIT_RANDOM);
	assert_int_equal(plan->last_resort, LAST_RESORT_FIRST);
	assert_int_equal(plan->answers, 2);
	assert_int_equal(plan->prefix4, 20);
	assert_int_equal(plan->prefix6, 48);
	assert_int_equal(plan->ttl_min, 5);
	assert_int_equal(plan->ttl_max, 60);
	assert_int_equal(plan->region_count, 3);
	assert_int_equal(region(plan, "eu")->vip_count, 2);
	assert_int_equal(region(plan, "eu")->vips[1].weight, 3);
	assert_int_equal(region(plan, "eu")->share, 100);
	assert_int_equal(region(plan, "eu")->ttl, 60);
	plan_service_unref(plan);
}

static void test_weights_and_health(void **state)
{
	all_up();
	set_health("192.0.2.2", "web", VERDICT_DOWN, 1, NOW); /* three quarters of the weight */
	struct plan_service *plan = build("shop", NULL, 0, NULL);
	assert_int_equal(region(plan, "eu")->healthy_permille, 250);
	assert_false(has(plan->ok, "eu")); /* below min_healthy */
	assert_true(has(plan->healthy, "eu"));
	assert_true(has(plan->ok, "us"));
	assert_int_equal(region(plan, "eu")->vips[1].state, VIP_DOWN);
	assert_int_equal(region(plan, "eu")->vips[1].score, 0);
	assert_int_equal(region(plan, "eu")->vips[1].pending, 1);
	plan_service_unref(plan);
}

static void ignore_change(void *user, const char *region_id, const char *service_id) {}

static void test_load_scales_a_region(void **state)
{
	all_up();
	struct load_service shop = {.service = "shop", .max = 100, .weight = 0.25};
	struct load_report report = {.node = "fwd-1",
				     .region = "eu",
				     .part = 1,
				     .parts = 1,
				     .service_count = 1,
				     .services = &shop};
	loads = load_book_new(ignore_change, NULL);
	load_book_accept(loads, &report, NOW);
	struct plan_service *plan = build("shop", NULL, 0, NULL);
	assert_int_equal(region(plan, "eu")->healthy_permille, 250);
	assert_int_equal(region(plan, "eu")->vips[0].score, 250);
	assert_int_equal(region(plan, "eu")->ttl, 5);
	assert_int_equal(region(plan, "us")->healthy_permille, 1000);
	assert_int_equal(region(plan, "us")->ttl, 60);
	assert_false(has(plan->ok, "eu")); /* below min_healthy */
	plan_service_unref(plan);
	load_book_free(loads);
	loads = NULL;
}

static void test_what_nobody_knows_counts_as_up(void **state)
{
	uint64_t next_ms;
	struct plan_service *plan = build("shop", NULL, 0, &next_ms);
	assert_true(has(plan->ok, "eu"));
	assert_int_equal(region(plan, "eu")->vips[0].state, VIP_UNKNOWN);
	assert_int_equal(region(plan, "eu")->vips[0].score, SCORE_FULL);
	assert_int_equal(region(plan, "eu")->ttl, 5);
	assert_true(region(plan, "eu")->vips[0].ttl_is_pending);
	assert_int_equal(next_ms, UINT64_MAX); /* nothing that grows by itself */
	plan_service_unref(plan);
	plan = build("plain", NULL, 0, &next_ms); /* without a check: up, never changing */
	assert_int_equal(region(plan, "eu")->vips[0].state, VIP_UP);
	assert_int_equal(region(plan, "eu")->ttl, 30);
	assert_int_equal(next_ms, UINT64_MAX);
	plan_service_unref(plan);
}

/* As `gslbctl check` compiles: there is no server. */
static void test_neither_book_nor_controls(void **state)
{
	const struct world_source source = {.fleet = fleet};
	const struct plan_build input = {.source = &source};
	uint64_t next_ms;
	all_up();
	set_control("eu", "", "", 0, NOW);
	struct plan_service *plan = plan_build_service(&input, service("shop"), &next_ms);
	assert_int_equal(region(plan, "eu")->vips[0].state, VIP_UNKNOWN);
	assert_true(has(plan->ok, "eu"));
	assert_int_equal(region(plan, "eu")->share, 100);
	plan_service_unref(plan);
}

static void test_the_ttl_doubles(void **state)
{
	static const struct {
		uint64_t ago_ms;
		uint32_t ttl;
		uint64_t next_in_ms;
	} steps[] = {{0, 5, 5000},	{4999, 5, 1},	   {5000, 10, 5000},
		     {14000, 20, 1000}, {15000, 40, 5000}, {20000, 60, 0}};
	uint64_t next_ms;
	all_up();
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		set_health("192.0.2.1", "web", VERDICT_DOWN, 0, steps[i].ago_ms);
		struct plan_service *plan = build("shop", NULL, 0, &next_ms);
		assert_int_equal(region(plan, "eu")->ttl, steps[i].ttl);
		assert_int_equal(region(plan, "us")->ttl, 60);
		assert_true(region(plan, "eu")->vips[0].ttl_is_recent == (steps[i].ttl < 60));
		assert_int_equal(next_ms, steps[i].next_in_ms ? NOW + steps[i].next_in_ms : UINT64_MAX);
		plan_service_unref(plan);
	}
	/* The interval of the VIP's own check is longer than MIN. */
	set_health("192.0.2.3", "deep", VERDICT_UP, 0, 9999);
	struct plan_service *plan = build("shop", NULL, 0, &next_ms);
	assert_int_equal(region(plan, "us")->ttl, 5);
	assert_int_equal(next_ms, NOW + 1);
	plan_service_unref(plan);
}

static void test_controls(void **state)
{
	uint64_t next_ms;
	all_up();
	set_control("eu", "", "", 30, 1000);
	set_control("us", "", "", SHARE_DOWN, NOW);
	set_control("us", "shop", "", 70, NOW); /* the service's own goes first */
	set_control("eu", "", "192.0.2.1", 0, NOW);
	struct plan_service *plan = build("shop", NULL, 0, &next_ms);
	assert_int_equal(region(plan, "eu")->share, 30);
	assert_int_equal(region(plan, "us")->share, 70);
	assert_int_equal(region(plan, "ap")->share, 100);
	assert_true(has(plan->partial, "eu"));
	assert_true(region(plan, "eu")->vips[0].is_drained);
	assert_false(region(plan, "eu")->vips[1].is_drained);
	assert_int_equal(region(plan, "eu")->healthy_permille, 1000); /* the drained one is not missed */
	assert_int_equal(region(plan, "eu")->ttl, 5);		      /* a change of a second ago */
	assert_true(region(plan, "eu")->vips[0].ttl_is_recent);
	assert_int_equal(region(plan, "us")->ttl, 60);
	assert_int_equal(next_ms, NOW + 4000);
	plan_service_unref(plan);
	plan = build("plain", NULL, 0, &next_ms);
	assert_int_equal(region(plan, "eu")->ttl, 30); /* no check: MAX */
	assert_int_equal(next_ms, UINT64_MAX);
	plan_service_unref(plan);
}

static void test_a_restored_state_is_long_ago_until_a_control_changes(void **state)
{
	set_health("192.0.2.3", "deep", VERDICT_UP, 0, 1)->is_long_ago = true;
	struct plan_service *plan = build("shop", NULL, 0, NULL);
	assert_int_equal(region(plan, "us")->ttl, 60);
	plan_service_unref(plan);
	set_control("us", "", "192.0.2.3", 100, 0);
	plan = build("shop", NULL, 0, NULL);
	assert_int_equal(region(plan, "us")->ttl, 5);
	plan_service_unref(plan);
}

static void test_what_if(void **state)
{
	all_up();
	set_control("us", "shop", "", 0, NOW);
	set_control("ap", "", "192.0.2.4", 0, NOW);
	struct what_if supposed[] = {
		{.region = "eu", .kind = WHAT_IF_STATE, .is_up = false},
		{.address = "192.0.2.2", .kind = WHAT_IF_STATE, .is_up = true},
		{.region = "us", .kind = WHAT_IF_SHARE, .share = 40},
		{.address = "192.0.2.4", .kind = WHAT_IF_SHARE, .share = 100},
	};
	struct plan_service *plan = build("shop", supposed, 4, NULL);
	assert_int_equal(region(plan, "eu")->vips[0].state, VIP_DOWN);
	assert_int_equal(region(plan, "eu")->vips[0].score, 0);
	assert_int_equal(region(plan, "eu")->vips[1].state, VIP_UP); /* the later one wins */
	assert_int_equal(region(plan, "eu")->vips[1].score, SCORE_FULL);
	assert_int_equal(region(plan, "us")->share, 40);
	assert_false(region(plan, "ap")->vips[0].is_drained);
	plan_service_unref(plan);
	struct what_if forced = {.region = "us", .kind = WHAT_IF_SHARE, .share = SHARE_DOWN};
	plan = build("shop", &forced, 1, NULL);
	assert_true(has(plan->down, "us"));
	assert_int_equal(region(plan, "eu")->vips[0].state, VIP_UP);
	plan_service_unref(plan);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_steering_comes_through),
		TEST(test_weights_and_health),
		TEST(test_load_scales_a_region),
		TEST(test_what_nobody_knows_counts_as_up),
		TEST(test_neither_book_nor_controls),
		TEST(test_the_ttl_doubles),
		TEST(test_controls),
		TEST(test_a_restored_state_is_long_ago_until_a_control_changes),
		TEST(test_what_if),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
