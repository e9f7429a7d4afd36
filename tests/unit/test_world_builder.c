/* What is published, when, and what each change of the fleet, of health and of controls touches. */
#include "gslb/compile/world_builder.h"
#include "lib/clock.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FLEET                                                                              \
	"regions:\n"                                                                       \
	"  eu: {at: [50, 8]}\n"                                                            \
	"  us: {at: [39, -77]}\n"                                                          \
	"checks:\n"                                                                        \
	"  web: {type: http}\n"                                                            \
	"services:\n"                                                                      \
	"  shop: {check: web, steering: {order: listed}, ttl: 5s..40s,\n"                  \
	"         vips: {eu: [192.0.2.1], us: [192.0.2.2]}}\n"                             \
	"  plain: {steering: {order: listed}, vips: {eu: [192.0.2.3], us: [192.0.2.4]}}\n" \
	"zones:\n"                                                                         \
	"  app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}\n"

static struct rig rig;

static int setup(void **state)
{
	rig_init(&rig);
	rig_set_health(NULL, "192.0.2.1", "web", VIP_UP, 0);
	rig_set_health(NULL, "192.0.2.2", "web", VIP_UP, 0);
	rig_must_start(&rig, FLEET "tenants:\n"
				   "  acme: {zone: app.test, service: shop}\n"
				   "  plum: {zone: app.test, service: plain, hosts: [plum, \"*.plum\"]}\n");
	return 0;
}

static int teardown(void **state)
{
	rig_done(&rig);
	return 0;
}

static const char *ask(const char *name)
{
	return rig_answer(&rig, rig_world(&rig), name, "198.51.100.7", NULL);
}

static uint64_t epoch(void)
{
	return rig_world(&rig)->epoch;
}

static uint64_t epoch_before;

static bool has_new_world(struct rig *unused)
{
	return epoch() > epoch_before;
}

static void await_world(void)
{
	rig_await(&rig, has_new_world);
}

static void test_the_first_world_answers(void **state)
{
	assert_int_equal(epoch(), 1);
	assert_int_equal(server_epoch(rig.server), 1);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	assert_string_equal(ask("a.b.plum.app.test"), "NOERROR 192.0.2.3");
	assert_string_equal(ask("nobody.app.test"), "NXDOMAIN");
	assert_string_equal(ask("other.test"), "REFUSED");
}

static void test_tenants_come_change_and_go_one_world_each(void **state)
{
	assert_int_equal(
		rig_apply(&rig, "tenants: {bolt: {zone: app.test, service: shop, regions: [us]}}", NULL),
		CHANGE_DONE);
	assert_int_equal(epoch(), 2);
	assert_int_equal(rig_world(&rig)->fleet_version, server_fleet_version(rig.server));
	assert_string_equal(ask("bolt.app.test"), "NOERROR 192.0.2.2");

	rig_apply(&rig, "tenants: {bolt: {zone: app.test, service: plain, hosts: [nut]}}", NULL);
	assert_int_equal(epoch(), 3);
	assert_string_equal(ask("bolt.app.test"), "NXDOMAIN");
	assert_string_equal(ask("nut.app.test"), "NOERROR 192.0.2.3");

	assert_int_equal(rig_remove_tenant(&rig, "bolt", NULL), CHANGE_DONE);
	assert_int_equal(epoch(), 4);
	assert_string_equal(ask("nut.app.test"), "NXDOMAIN");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

static void test_a_host_moves_between_tenants_in_one_change(void **state)
{
	rig_apply(&rig,
		  "tenants:\n"
		  "  one: {zone: app.test, service: shop, hosts: [spot]}\n"
		  "  two: {zone: app.test, service: plain}\n",
		  NULL);
	assert_string_equal(ask("spot.app.test"), "NOERROR 192.0.2.1");
	rig_apply(&rig,
		  "tenants:\n"
		  "  two: {zone: app.test, service: plain, hosts: [two, spot]}\n"
		  "  one: {zone: app.test, service: shop}\n",
		  NULL);
	assert_string_equal(ask("spot.app.test"), "NOERROR 192.0.2.3");
	assert_string_equal(ask("one.app.test"), "NOERROR 192.0.2.1");
	assert_string_equal(ask("two.app.test"), "NOERROR 192.0.2.3");
}

/* What answers a tenant is found by number: a new tenant may get the number of one that went. */
static void test_numbers_are_looked_up_and_reused(void **state)
{
	uint32_t number = fleet_get(server_fleet(rig.server), FLEET_TENANT, "acme")->number;
	assert_string_equal(world_builder_tenant(server_builder(rig.server), number)->object.id, "acme");
	assert_null(world_builder_tenant(server_builder(rig.server), 1000000));
	rig_apply(&rig, "tenants: {bolt: {zone: app.test, service: shop}}", NULL);
	number = fleet_get(server_fleet(rig.server), FLEET_TENANT, "bolt")->number;
	assert_string_equal(world_builder_tenant(server_builder(rig.server), number)->object.id, "bolt");
	rig_remove_tenant(&rig, "bolt", NULL);
	assert_null(world_builder_tenant(server_builder(rig.server), number));
	rig_apply(&rig, "tenants: {cork: {zone: app.test, service: shop}}", NULL);
	assert_int_equal(fleet_get(server_fleet(rig.server), FLEET_TENANT, "cork")->number, number);
	assert_string_equal(world_builder_tenant(server_builder(rig.server), number)->object.id, "cork");
}

/* Tenants that are answered alike share a policy; their tier, which says the budgets, is part of that. */
static void test_tiers(void **state)
{
	size_t policies = rig_world(&rig)->plan->policy_count;
	rig_apply(&rig,
		  "tiers:\n"
		  "  slow: {dns_queries: 600/m, dns_nxdomain: 0/s}\n"
		  "  same: {dns_nxdomain: 0/s, dns_queries: 600/m}\n"
		  "  free: {}\n"
		  "tenants:\n"
		  "  a: {zone: app.test, service: shop, tier: slow}\n"
		  "  b: {zone: app.test, service: shop, tier: same}\n"
		  "  c: {zone: app.test, service: shop, tier: free}\n",
		  NULL);
	const struct plan *plan = rig_world(&rig)->plan;
	assert_int_equal(plan->policy_count, policies + 3); /* one for each tier: its budgets may change */
	unsigned with_budget = 0;
	for (size_t i = 0; i < plan->policy_count; i++) {
		if (!plan->policies[i].has_budget)
			continue;
		with_budget++;
		assert_int_equal(plan->budgets[i].queries_interval_ns, 100000000);
		assert_int_equal(plan->budgets[i].nxdomain_interval_ns, GCRA_NOTHING);
	}
	assert_int_equal(with_budget, 2);
	const struct index *index = rig_world(&rig)->index;
	rig_apply(&rig, "tiers: {slow: {}, same: {}}", NULL);
	assert_ptr_equal(rig_world(&rig)->index, index);
	plan = rig_world(&rig)->plan;
	for (size_t i = 0; i < plan->policy_count; i++)
		assert_false(plan->policies[i].has_budget);
}

static void expect_budget(const char *host, uint64_t queries_ms, uint64_t nxdomain_ns)
{
	struct name name;
	assert_null(name_from_text(host, NULL, &name));
	const struct world *world = rig_world(&rig);
	const struct node *node =
		index_get(world->index, name.octets, name.length, name_hash(name.octets, name.length));
	const struct plan_budget *budget = &world->plan->budgets[node->policy];
	assert_int_equal(budget->queries_interval_ns, queries_ms * 1000000);
	assert_int_equal(budget->nxdomain_interval_ns, nxdomain_ns);
	assert_int_equal(world->plan->policies[node->policy].has_budget, queries_ms != 0 || nxdomain_ns != 0);
}

static uint32_t tier_number(const char *id)
{
	return fleet_get(server_fleet(rig.server), FLEET_TIER, id)->number;
}

/* Policies know tiers by their numbers, which others get when one is gone. */
static void test_tiers_come_and_go(void **state)
{
	rig_apply(&rig,
		  "tiers: {slow: {dns_queries: 10/s}, late: {dns_queries: 1/s}}\n"
		  "tenants: {a: {zone: app.test, service: shop, tier: slow},\n"
		  "          z: {zone: app.test, service: shop, tier: late}}\n",
		  NULL);
	uint32_t number = tier_number("slow");
	expect_budget("a.app.test", 100, 0);
	expect_budget("z.app.test", 1000, 0);
	rig_apply_pruned(&rig, "tiers: {none: {dns_nxdomain: 0/s}, late: {dns_queries: 2/s}}\n"
			       "tenants: {a: {zone: app.test, service: shop},\n"
			       "          b: {zone: app.test, service: shop, tier: none},\n"
			       "          z: {zone: app.test, service: shop, tier: late}}\n");
	expect_budget("a.app.test", 0, 0);
	expect_budget("b.app.test", 0, GCRA_NOTHING);
	expect_budget("z.app.test", 500, 0);
	rig_apply_pruned(&rig, "tiers: {more: {dns_queries: 20/s}, late: {dns_queries: 2/s}}\n"
			       "tenants: {a: {zone: app.test, service: shop, tier: more},\n"
			       "          z: {zone: app.test, service: shop, tier: late}}\n");
	assert_int_equal(tier_number("more"), number);
	expect_budget("a.app.test", 50, 0);
	expect_budget("z.app.test", 500, 0);
	rig_apply(&rig, "tiers: {more: {dns_queries: 40/s}}", NULL);
	for (unsigned pass = 0; pass < 3; pass++) {
		expect_budget("a.app.test", 25, 0);
		expect_budget("z.app.test", 500, 0);
		expect_budget("acme.app.test", 0, 0);
		if (pass == 0) {
			assert_true(rig_reload(&rig));
			continue;
		}
		struct err_list errors = {0};
		rig_stop(&rig);
		assert_true(rig_start(&rig, &errors));
		err_done(&errors);
	}
}

static void test_the_structure_changes(void **state)
{
	rig_apply(&rig,
		  "regions: {ap: {at: [1, 103]}}\n"
		  "services: {east: {vips: {ap: [192.0.2.9]}}}\n"
		  "zones: {new.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\nwww 60 A 192.0.2.80\\n\"}}\n"
		  "tenants: {koi: {zone: new.test, service: east}}\n",
		  NULL);
	assert_int_equal(epoch(), 2);
	assert_string_equal(ask("koi.new.test"), "NOERROR 192.0.2.9");
	assert_string_equal(ask("www.new.test"), "NOERROR static");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	rig_apply(&rig, "services: {east: {vips: {ap: [192.0.2.10]}}}\n", NULL);
	assert_int_equal(epoch(), 3);
	assert_string_equal(ask("koi.new.test"), "NOERROR 192.0.2.10");
	uint32_t number = fleet_get(server_fleet(rig.server), FLEET_SERVICE, "east")->number;
	assert_string_equal(world_builder_service(server_builder(rig.server), number)->id, "east");
	assert_null(world_builder_service(server_builder(rig.server), 9999));
}

/* Regions, services, checks and maps are in the plan: the million names stay where they are. */
static void test_the_index_outlives_a_change_of_the_structure(void **state)
{
	rig_apply(&rig,
		  "regions: {ap: {at: [1, 103]}}\n"
		  "services: {east: {steering: {order: listed}, vips: {us: [192.0.2.7], eu: [192.0.2.8]}}}\n"
		  "tenants:\n"
		  "  free: {zone: app.test, service: east}\n"
		  "  kept: {zone: app.test, service: east, regions: [eu, ap]}\n",
		  NULL);
	const struct index *index = rig_world(&rig)->index;
	assert_string_equal(ask("free.app.test"), "NOERROR 192.0.2.7");
	assert_string_equal(ask("kept.app.test"), "NOERROR 192.0.2.8");
	/* The service comes to a region, and another is listed first. */
	rig_apply(&rig,
		  "services: {east: {steering: {order: listed}, vips: {ap: [192.0.2.9], eu: [192.0.2.8]}}}\n",
		  NULL);
	assert_string_equal(ask("free.app.test"), "NOERROR 192.0.2.9");
	assert_string_equal(ask("kept.app.test"), "NOERROR 192.0.2.9");
	/* Steering alone. */
	rig_apply(&rig,
		  "services: {east: {steering: {order: listed, regions: [eu]},\n"
		  "                  vips: {ap: [192.0.2.9], eu: [192.0.2.8]}}}\n",
		  NULL);
	assert_string_equal(ask("free.app.test"), "NOERROR 192.0.2.8");
	rig_apply(&rig, "regions: {ap: {at: [2, 104]}, sa: {at: [-23, -46]}}\ntiers: {gold: {}}\n", NULL);
	assert_ptr_equal(rig_world(&rig)->index, index);
	assert_string_equal(ask("kept.app.test"), "NOERROR 192.0.2.8");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	/* Tenants of the same change. */
	rig_apply(&rig,
		  "services: {west: {steering: {order: listed}, vips: {sa: [192.0.2.10]}}}\n"
		  "tenants: {free: {zone: app.test, service: west}, late: {zone: app.test, service: east}}\n",
		  NULL);
	assert_string_equal(ask("free.app.test"), "NOERROR 192.0.2.10");
	assert_string_equal(ask("late.app.test"), "NOERROR 192.0.2.8");
}

/* A service goes with its tenants, and its number to the next: none of what it was remains. */
static void test_a_service_takes_the_number_of_another(void **state)
{
	rig_apply(&rig,
		  "services: {east: {steering: {order: listed}, vips: {us: [192.0.2.7]}}}\n"
		  "tenants: {free: {zone: app.test, service: east}}\n",
		  NULL);
	uint32_t number = fleet_get(server_fleet(rig.server), FLEET_SERVICE, "east")->number;
	assert_int_equal(rig_apply_pruned(&rig, "services: {}\ntenants: {}\n"), CHANGE_DONE);
	assert_null(fleet_get(server_fleet(rig.server), FLEET_SERVICE, "east"));
	assert_string_equal(ask("free.app.test"), "NXDOMAIN");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	rig_apply(&rig,
		  "services: {west: {steering: {order: listed}, vips: {eu: [192.0.2.8]}}}\n"
		  "tenants: {free: {zone: app.test, service: west}}\n",
		  NULL);
	assert_int_equal(fleet_get(server_fleet(rig.server), FLEET_SERVICE, "west")->number, number);
	assert_string_equal(ask("free.app.test"), "NOERROR 192.0.2.8");
}

static void test_locations_of_a_change_are_laid_over(void **state)
{
	rig_apply(&rig,
		  "locations: {198.51.100.0/24: {at: [40, -75]}}\n"
		  "services: {near: {vips: {eu: [192.0.2.5], us: [192.0.2.6]}}}\n"
		  "tenants: {fir: {zone: app.test, service: near}}\n",
		  NULL);
	assert_string_equal(ask("fir.app.test"), "NOERROR 192.0.2.6");
	rig_apply(&rig, "locations: {198.51.100.0/24: {at: [51, 7]}}\n", NULL);
	assert_string_equal(ask("fir.app.test"), "NOERROR 192.0.2.5");
}

static unsigned times_ready;

static void on_ready(void *unused)
{
	times_ready++;
}

static bool is_prepared(struct rig *unused)
{
	return times_ready > 0;
}

static unsigned times_put_off(const char *yaml)
{
	unsigned times = 0;
	while (rig_apply(&rig, yaml, NULL) == CHANGE_WAITS) {
		times_ready = 0;
		world_builder_await(server_builder(rig.server), on_ready, NULL);
		rig_await(&rig, is_prepared);
		times++;
	}
	return times;
}

/* A way of steering that nobody had, over a geography that is not compiled in a moment: nothing changes
 * until a helper thread has compiled it, other changes go on, and then it is made at once. */
static void test_a_change_waits_for_its_orders(void **state)
{
	char *text = xstrdup("locations:\n");
	size_t length = strlen(text);
	text = xrealloc(text, length + 30000 * 64);
	for (unsigned i = 0; i < 30000; i++)
		length += (size_t)sprintf(text + length, "  10.%u.%u.0/25: {country: %s}\n", i / 256, i % 256,
					  i % 2 ? "DE" : "US");
	rig_apply(&rig, text, NULL);
	free(text);
	static const char near[] =
		"regions: {ap: {at: [1, 103]}}\n"
		"services: {near: {vips: {us: [192.0.2.5], eu: [192.0.2.6], ap: [192.0.2.7]}}}\n"
		"tenants: {fir: {zone: app.test, service: near}}\n";
	epoch_before = epoch();
	uint64_t version = server_fleet_version(rig.server);
	assert_int_equal(rig_apply(&rig, near, NULL), CHANGE_WAITS);
	assert_int_equal(epoch(), epoch_before);
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_null(fleet_get(server_fleet(rig.server), FLEET_TENANT, "fir"));
	assert_string_equal(ask("fir.app.test"), "NXDOMAIN");
	assert_int_equal(rig_apply(&rig, "tenants: {elm: {zone: app.test, service: plain}}", NULL),
			 CHANGE_DONE);
	assert_int_equal(rig_apply(&rig, near, NULL), CHANGE_WAITS);
	times_ready = 0;
	world_builder_await(server_builder(rig.server), on_ready, NULL);
	rig_await(&rig, is_prepared);
	assert_int_equal(rig_apply(&rig, near, NULL), CHANGE_DONE);
	assert_string_equal(rig_answer(&rig, rig_world(&rig), "fir.app.test", "10.0.1.7", NULL),
			    "NOERROR 192.0.2.6");
	assert_string_equal(rig_answer(&rig, rig_world(&rig), "fir.app.test", "10.0.0.7", NULL),
			    "NOERROR 192.0.2.5");
	/* What is there serves again; other regions are another order. */
	assert_int_equal(rig_apply(&rig, "tenants: {ash: {zone: app.test, service: near}}", NULL),
			 CHANGE_DONE);
	assert_int_equal(
		rig_apply(&rig, "tenants: {ash: {zone: app.test, service: near, regions: [eu, us]}}", NULL),
		CHANGE_WAITS);
	times_ready = 0;
	world_builder_await(server_builder(rig.server), on_ready, NULL);
	rig_await(&rig, is_prepared);
	/* One region is no order at all. */
	assert_int_equal(
		rig_apply(&rig, "tenants: {oak: {zone: app.test, service: near, regions: [eu]}}", NULL),
		CHANGE_DONE);
	/* Other distances are another order, also for tenants that the change does not bring. */
	assert_int_equal(rig_apply(&rig,
				   "services: {near: {steering: {bias: {eu: 50}}, vips: {us: [192.0.2.5], "
				   "eu: [192.0.2.6]}}}",
				   NULL),
			 CHANGE_WAITS);
	/* Locations are laid, and then all orders compiled over them. */
	const char *moved = "locations: {10.0.1.0/25: {country: US}}";
	assert_int_equal(times_put_off(moved), 3); /* the work of the change before was still under way */
	assert_string_equal(rig_answer(&rig, rig_world(&rig), "fir.app.test", "10.0.1.7", NULL),
			    "NOERROR 192.0.2.5");
	assert_int_equal(times_put_off("locations: {10.0.1.0/25: {country: DE}}"), 2);
	assert_string_equal(rig_answer(&rig, rig_world(&rig), "fir.app.test", "10.0.1.7", NULL),
			    "NOERROR 192.0.2.6");
}

static void test_health_changes_of_one_moment_are_one_world(void **state)
{
	epoch_before = epoch();
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	rig_set_health(&rig, "192.0.2.2", "web", VIP_UP, 1);
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 1);
	assert_int_equal(epoch(), epoch_before);
	await_world();
	assert_int_equal(epoch(), epoch_before + 1);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	assert_string_equal(ask("plum.app.test"), "NOERROR 192.0.2.3");
}

/* However fast VIPs come and go: one world in 20 ms, and the last state is in the last of them. */
static void test_a_storm_of_health_is_few_worlds(void **state)
{
	epoch_before = epoch();
	uint64_t from_ms = clock_mono_ms(), changes = 0;
	while (clock_mono_ms() < from_ms + 200) {
		rig_set_health(&rig, "192.0.2.1", "web", changes % 2 ? VIP_UP : VIP_DOWN, 0);
		event_base_loop(rig.base, EVLOOP_NONBLOCK);
		changes++;
	}
	uint64_t worlds = epoch() - epoch_before, most = (clock_mono_ms() - from_ms) / 20;
	assert_true(changes > 100);
	assert_in_range(worlds, 2, most);
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	epoch_before = epoch();
	await_world();
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
}

static const struct plan_service *compiled(const char *service)
{
	uint32_t number = fleet_get(server_fleet(rig.server), FLEET_SERVICE, service)->number;
	return world_builder_service(server_builder(rig.server), number);
}

/* As many services as a control or a VIP concerns are compiled again; the others are shared. */
static void test_a_change_compiles_the_services_that_it_concerns(void **state)
{
	rig_apply(&rig,
		  "regions: {ap: {at: [1, 103]}}\n"
		  "services: {east: {vips: {ap: [192.0.2.9]}}, both: {vips: {eu: [192.0.2.3]}}}\n",
		  NULL);
	static const struct {
		const char *region, *service, *address;
		const char *touched[4];
	} cases[] = {
		{"eu", NULL, NULL, {"shop", "plain", "both"}},
		{"ap", NULL, NULL, {"east"}},
		{"eu", "shop", NULL, {"shop"}},
		{"ap", "shop", NULL, {NULL}},
		{"eu", NULL, "192.0.2.3", {"plain", "both"}},
	};
	static const char *const services[] = {"shop", "plain", "east", "both"};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct plan_service *before[4]; /* held, so that no address is used again */
		for (size_t s = 0; s < 4; s++)
			before[s] = plan_service_ref((struct plan_service *)compiled(services[s]));
		assert_int_equal(rig_control(&rig, cases[i].region, cases[i].service, cases[i].address, 0, 0),
				 CHANGE_DONE);
		for (size_t s = 0; s < 4; s++) {
			bool is_touched = false;
			for (size_t t = 0; t < 4 && cases[i].touched[t]; t++)
				is_touched |= strcmp(cases[i].touched[t], services[s]) == 0;
			assert_int_equal(compiled(services[s]) != before[s], is_touched);
			plan_service_unref(before[s]);
		}
	}
	struct plan_service *shop = plan_service_ref((struct plan_service *)compiled("shop"));
	struct plan_service *plain = plan_service_ref((struct plan_service *)compiled("plain"));
	epoch_before = epoch();
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	await_world();
	assert_ptr_not_equal(compiled("shop"), shop);
	assert_ptr_equal(compiled("plain"), plain);
	plan_service_unref(shop);
	plan_service_unref(plain);
}

/* A VIP is down and, before the moment of coalescing is over, something else publishes. */
static void test_health_is_not_lost_to_another_change(void **state)
{
	rig_advance_clocks(600000); /* all TTLs have grown: no timer of theirs comes to the rescue */
	epoch_before = epoch();
	world_builder_state_changed(server_builder(rig.server), NULL);
	await_world();

	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	rig_apply(&rig, "tenants: {bolt: {zone: app.test, service: plain}}", NULL);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	rig_set_health(&rig, "192.0.2.1", "web", VIP_UP, 0);
	rig_control(&rig, "us", NULL, NULL, 50, 0);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

static void test_the_ttl_grows_by_itself(void **state)
{
	uint32_t ttl;
	rig_advance_clocks(600000);
	epoch_before = epoch();
	world_builder_state_changed(server_builder(rig.server), NULL);
	await_world();
	rig_answer(&rig, rig_world(&rig), "acme.app.test", "198.51.100.7", &ttl);
	assert_int_equal(ttl, 40);
	epoch_before = epoch();
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	await_world();
	rig_answer(&rig, rig_world(&rig), "acme.app.test", "198.51.100.7", &ttl);
	assert_int_equal(ttl, 5);
	for (uint32_t grown = 10; grown <= 40; grown *= 2) {
		char tenant[80]; /* any world that is published takes the new TTL along */
		snprintf(tenant, sizeof tenant, "tenants: {t%u: {zone: app.test, service: plain}}", grown);
		rig_advance_clocks(5000);
		rig_apply(&rig, tenant, NULL);
		rig_answer(&rig, rig_world(&rig), "acme.app.test", "198.51.100.7", &ttl);
		assert_int_equal(ttl, grown);
	}
}

static void test_a_what_if_world_is_private(void **state)
{
	uint64_t before = epoch();
	struct what_if down = {.region = "eu", .kind = WHAT_IF_STATE, .is_up = false};
	struct what_if drained = {.address = "192.0.2.3", .kind = WHAT_IF_SHARE, .share = 0};
	struct what_if both[] = {down, drained};
	struct world *world = world_builder_what_if(server_builder(rig.server), both, 2);
	assert_int_equal(world->epoch, before);
	assert_string_equal(rig_answer(&rig, world, "acme.app.test", "198.51.100.7", NULL),
			    "NOERROR 192.0.2.2");
	assert_string_equal(rig_answer(&rig, world, "plum.app.test", "198.51.100.7", NULL),
			    "NOERROR 192.0.2.4");
	world_free(world);
	assert_int_equal(epoch(), before);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	assert_string_equal(ask("plum.app.test"), "NOERROR 192.0.2.3");
	/* Nor does it leave anything behind for the next world. */
	rig_apply(&rig, "tenants: {bolt: {zone: app.test, service: plain}}", NULL);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_first_world_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tenants_come_change_and_go_one_world_each, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_host_moves_between_tenants_in_one_change, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_numbers_are_looked_up_and_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tiers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tiers_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_structure_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_index_outlives_a_change_of_the_structure, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_service_takes_the_number_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locations_of_a_change_are_laid_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_change_waits_for_its_orders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health_changes_of_one_moment_are_one_world, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_storm_of_health_is_few_worlds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_change_compiles_the_services_that_it_concerns, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_health_is_not_lost_to_another_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_ttl_grows_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_what_if_world_is_private, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
