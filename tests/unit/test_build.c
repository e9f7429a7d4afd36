/*
 * From a fleet to worlds: what tenants, tiers, services and pools come to, what a change costs, and what it
 * leaves alone.
 */
#include "lib/gcra.h"
#include "tests/unit/build_fixture.h"
#include <stdio.h>

static struct fleet *fleet;
static struct build *build;

static int set_up(void **state)
{
	shared_new();
	fleet = fleet_new();
	build = build_new(&shared, fleet, NULL);
	return 0;
}

static int tear_down(void **state)
{
	build_free(build);
	fleet_free(fleet);
	shared_free();
	return 0;
}

/* A change that is followed and published. */
static void change(const char *yaml)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, FLEET_STORE, yaml, &result);
	assert_string_equal(errors, "");
	free(errors);
	build_follow(build, &result);
	fleet_result_done(&result);
	publish(build);
}

static void take_away(enum fleet_kind kind, const char *id)
{
	struct fleet_change *gone = fleet_change_new(FLEET_STORE);
	struct fleet_result result;
	struct err_list errors = {0};
	fleet_change_remove(gone, kind, id);
	assert_true(fleet_apply(fleet, gone, 2, false, &result, &errors));
	build_follow(build, &result);
	fleet_result_done(&result);
	fleet_change_free(gone);
	err_done(&errors);
	publish(build);
}

static const char *who(const char *name)
{
	struct hosts_entry entry;
	return owner(name, &entry);
}

#define BASE                                                                                           \
	"regions: {eu: {at: [50, 8]}, us: {at: [40, -75]}}\n"                                          \
	"zones: {app.example.net: {text: \"@ 60 SOA . . 1 1 1 1 1\\n@ 60 NS ns.example.\"}}\n"         \
	"checks: {web: {type: tcp, port: 1, interval: 1s, timeout: 500ms}}\n"                          \
	"services:\n"                                                                                  \
	"  shop:\n"                                                                                    \
	"    vips: {eu: [192.0.2.1], us: [192.0.2.2]}\n"                                               \
	"    routes: [{path: /api, method: [GET, POST], origins: api, timeout: 5s}, {origins: web}]\n" \
	"    origins:\n"                                                                               \
	"      web: {balance: least-requests, concurrency: 7, eu: ['10.1.0.5:8080', {address: "        \
	"'10.1.0.6:8080', weight: 3}], us: ['10.2.0.5:8080']}\n"                                       \
	"      api: {us: ['10.2.0.6:8080']}\n"                                                         \
	"  blog: {vips: {eu: [192.0.2.3]}}\n"                                                          \
	"tiers: {gold: {rate: 100/s, concurrency: 50, body: 1MB, priority: high}, open: {}}\n"

static void test_hosts_and_domains(void **state)
{
	change(BASE "tenants:\n"
		    "  acme: {zone: app.example.net, service: shop, domains: [www.acme.example, "
		    "'*.acme.example']}\n"
		    "  beta: {zone: app.example.net, service: blog, hosts: [b, '*.b']}\n");
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(who("www.acme.example"), "acme");
	assert_string_equal(who("x.acme.example"), "acme");
	assert_string_equal(who("b.app.example.net"), "beta");
	assert_string_equal(who("x.b.app.example.net"), "beta");
	assert_string_equal(who("beta.app.example.net"), "");
	assert_string_equal(world->services[policy_of("acme.app.example.net")->service]->id, "shop");
	assert_string_equal(world->services[policy_of("b.app.example.net")->service]->id, "blog");
	struct build_counts counts;
	build_count(build, &counts);
	assert_int_equal(counts.tenants, 2);
	assert_int_equal(counts.hosts, 5);
	assert_int_equal(counts.services, 2);
	assert_int_equal(counts.pools, 2);
	assert_int_equal(counts.policies, 2);
}

static void test_tenants_that_change(void **state)
{
	struct hosts_entry before, after;
	change(BASE "tenants: {acme: {zone: app.example.net, service: shop}, beta: {zone: app.example.net, "
		    "service: "
		    "shop}}\n");
	assert_false(build_is_changed(build));
	owner("acme.app.example.net", &before);
	const struct policy *shared_policy = policy_of("acme.app.example.net");
	assert_ptr_equal(policy_of("beta.app.example.net"), shared_policy);
	assert_false(shared_policy->is_suspended);
	change("tenants: {acme: {zone: app.example.net, service: shop, state: suspended, hosts: [a]}}\n");
	assert_string_equal(who("acme.app.example.net"), "");
	assert_string_equal(owner("a.app.example.net", &after), "acme");
	assert_int_equal(after.state, before.state);
	assert_true(policy_of("a.app.example.net")->is_suspended);
	assert_ptr_equal(policy_of("beta.app.example.net"), shared_policy);
	/* a name moves */
	change("tenants: {acme: {zone: app.example.net, service: shop}, beta: {zone: app.example.net, "
	       "service: shop, "
	       "hosts: [a]}}\n");
	assert_string_equal(who("a.app.example.net"), "beta");
	assert_string_equal(who("acme.app.example.net"), "acme");
	take_away(FLEET_TENANT, "beta");
	assert_string_equal(who("a.app.example.net"), "");
	assert_int_equal(slots_used(slots), 1);
	struct build_counts counts;
	build_count(build, &counts);
	assert_int_equal(counts.policies, 1);
}

static void test_limits_are_the_tiers_with_the_tenants_own_over_them(void **state)
{
	change(BASE "tenants:\n"
		    "  none: {zone: app.example.net, service: shop}\n"
		    "  open: {zone: app.example.net, service: shop, tier: open}\n"
		    "  gold: {zone: app.example.net, service: shop, tier: gold}\n"
		    "  own: {zone: app.example.net, service: shop, tier: gold, limits: {rate: 5/s, burst: "
		    "20, queue: 2s, "
		    "websockets: 3, client_rate: 60/m}}\n"
		    "  shut: {zone: app.example.net, service: shop, tier: gold, limits: {rate: 0/s, "
		    "bandwidth: {up: "
		    "1KiB/s, down: 2KiB/s}}}\n");
	const struct policy_limits *none = &policy_of("none.app.example.net")->limits;
	assert_int_equal(none->rate.interval_ns, POLICY_UNLIMITED);
	assert_int_equal(none->concurrency, UINT32_MAX);
	assert_int_equal(none->body_bytes, 100000000);
	assert_int_equal(none->priority, POLICY_NORMAL);
	assert_memory_equal(none, &policy_of("open.app.example.net")->limits, sizeof *none);
	const struct policy_limits *gold = &policy_of("gold.app.example.net")->limits;
	assert_int_equal(gold->rate.interval_ns, 10000000);
	assert_int_equal(gold->rate.burst, 100); /* a second's */
	assert_int_equal(gold->concurrency, 50);
	assert_int_equal(gold->body_bytes, 1000000);
	assert_int_equal(gold->priority, POLICY_HIGH);
	assert_int_equal(gold->client_rate.interval_ns, POLICY_UNLIMITED);
	const struct policy_limits *own = &policy_of("own.app.example.net")->limits;
	assert_int_equal(own->rate.interval_ns, 200000000);
	assert_int_equal(own->rate.burst, 20);
	assert_int_equal(own->concurrency, 50);
	assert_int_equal(own->websockets, 3);
	assert_int_equal(own->queue_ms, 2000);
	assert_int_equal(own->client_rate.interval_ns, 1000000000);
	assert_int_equal(own->client_rate.burst, 1);
	const struct policy_limits *shut = &policy_of("shut.app.example.net")->limits;
	assert_int_equal(shut->rate.interval_ns, GCRA_NOTHING);
	assert_int_equal(shut->up_bytes_s, 1024);
	assert_int_equal(shut->down_bytes_s, 2048);
	/* the tier changes under them */
	change("tiers: {gold: {rate: 10/s, concurrency: 9}}\n");
	assert_int_equal(policy_of("gold.app.example.net")->limits.rate.interval_ns, 100000000);
	assert_int_equal(policy_of("own.app.example.net")->limits.rate.interval_ns, 200000000);
	assert_int_equal(policy_of("own.app.example.net")->limits.concurrency, 9);
	assert_int_equal(policy_of("open.app.example.net")->limits.rate.interval_ns, POLICY_UNLIMITED);
}

static void test_what_else_a_policy_says(void **state)
{
	change(BASE "tenants:\n"
		    "  here: {zone: app.example.net, service: shop, regions: [us, eu], https: redirect}\n"
		    "  there: {zone: app.example.net, service: shop, regions: [us], maintenance: true}\n"
		    "  closed: {zone: app.example.net, service: shop, maintenance: {status: 500, body: "
		    "away}, keys: {second: "
		    "{sha256: 'ff00000000000000000000000000000000000000000000000000000000000000'}, first: "
		    "{sha256: "
		    "'0100000000000000000000000000000000000000000000000000000000000000', rate: 2/s}}}\n");
	const struct policy *here = policy_of("here.app.example.net"),
			    *there = policy_of("there.app.example.net");
	const struct policy *closed = policy_of("closed.app.example.net");
	assert_true(here->redirects_to_https && !here->is_elsewhere && !here->is_in_maintenance);
	assert_true(!there->redirects_to_https && there->is_elsewhere && there->is_in_maintenance);
	assert_int_equal(there->maintenance_status, 503);
	assert_memory_equal(there->maintenance_body, "The site is in maintenance.\n",
			    there->maintenance_length);
	assert_int_equal(there->maintenance_length, 28);
	assert_false(closed->is_elsewhere);
	assert_int_equal(closed->maintenance_status, 500);
	assert_int_equal(closed->maintenance_length, 4);
	assert_memory_equal(closed->maintenance_body, "away", 4);
	assert_int_equal(closed->key_count, 2);
	assert_string_equal(closed->keys[0].id, "first"); /* by their hash */
	assert_int_equal(closed->keys[0].number, 1);
	assert_int_equal(closed->keys[0].rate.interval_ns, 500000000);
	assert_string_equal(closed->keys[1].id, "second");
	assert_int_equal(closed->keys[1].number, 0);
	assert_int_equal(closed->keys[1].rate.interval_ns, POLICY_UNLIMITED);
}

static void test_routes_and_pools(void **state)
{
	change(BASE);
	const struct route_service *shop = service_named("shop"), *blog = service_named("blog");
	assert_int_equal(shop->route_count, 2);
	assert_int_equal(blog->route_count, 0);
	const struct route *api = &shop->routes[0], *rest = &shop->routes[1];
	assert_string_equal(api->path.text, "/api");
	assert_int_equal(api->path.length, 4);
	assert_null(api->exact.text);
	assert_int_equal(api->method_count, 2);
	assert_string_equal(api->methods[1].text, "POST");
	assert_int_equal(api->timeout_ms, 5000);
	assert_int_equal(rest->timeout_ms, 30000);
	assert_int_equal(rest->retry, ROUTE_RETRY_CONNECT);
	assert_int_equal(rest->limit.interval_ns, POLICY_UNLIMITED);
	assert_int_equal(rest->upgrade_count, 1);
	assert_string_equal(rest->upgrade[0].text, "websocket");
	assert_ptr_equal(world->pools[api->pool], pool_named("shop/api"));
	assert_ptr_equal(world->pools[rest->pool], pool_named("shop/web"));
	const struct pool *web = pool_named("shop/web");
	assert_string_equal(web->name, "web");
	assert_int_equal(web->balance, POOL_LEAST_REQUESTS);
	assert_int_equal(web->concurrency, 7);
	assert_int_equal(web->member_count, 2); /* those of this region */
	assert_int_equal(web->weight_total, 4);
	assert_string_equal(web->members[0].origin->text, "10.1.0.5:8080");
	assert_int_equal(web->members[1].weight, 3);
	assert_int_equal(pool_named("shop/api")->member_count, 0);
	assert_int_equal(origins_count(origins), 2);
}

static void test_services_that_change(void **state)
{
	change(BASE);
	const struct pool *before = pool_named("shop/web");
	const struct origin *first = before->members[0].origin, *second = before->members[1].origin;
	uint32_t number = before->state->number, first_generation = first->generation;
	change("services: {shop: {vips: {eu: [192.0.2.1]}, routes: [{origins: web}], origins: {web: {eu: "
	       "['10.1.0.7:8080', '10.1.0.5:8080']}}}}\n");
	const struct pool *web = pool_named("shop/web");
	assert_int_equal(web->state->number, number);
	assert_null(pool_named("shop/api"));
	assert_int_equal(service_named("shop")->route_count, 1);
	assert_ptr_equal(web->members[1].origin, first);
	assert_int_equal(first->generation, first_generation);
	assert_int_equal(atomic_load(&first->is_draining), 0);
	assert_int_equal(atomic_load(&second->is_draining), 1);
	assert_int_equal(origins_count(origins), 3); /* the second for the grace */
	take_away(FLEET_SERVICE, "shop");
	assert_null(service_named("shop"));
	assert_null(pool_named("shop/web"));
	assert_int_equal(atomic_load(&first->is_draining), 1);
	assert_non_null(service_named("blog"));
}

static bool is_checked(const char *address)
{
	struct origins_row row;
	for (size_t at = 0; origins_next(origins, &at, &row);)
		if (strcmp(row.origin->text, address) == 0)
			return row.is_checked;
	fail_msg("no origin %s", address);
	return false;
}

static void test_pools_have_their_checks(void **state)
{
	change(BASE);
	assert_false(is_checked("10.1.0.5:8080"));
	change("services: {shop: {vips: {eu: [192.0.2.1]}, routes: [{path: /a, origins: api}, {origins: "
	       "web}], origins: {web: {check: "
	       "web, eu: "
	       "['10.1.0.5:8080']}, api: {eu: ['10.1.0.9:8080']}}}}\n");
	assert_true(is_checked("10.1.0.5:8080"));
	assert_false(is_checked("10.1.0.9:8080"));
	change("checks: {web: {type: tcp, port: 1, interval: 2s, timeout: 500ms}}\n");
	assert_true(is_checked("10.1.0.5:8080"));
	change("services: {shop: {vips: {eu: [192.0.2.1]}, routes: [{path: /a, origins: api}, {origins: "
	       "web}], origins: {web: {eu: "
	       "['10.1.0.5:8080']}, api: {eu: ['10.1.0.9:8080']}}}}\n");
	assert_false(is_checked("10.1.0.5:8080"));
}

/* ---- origins by name ---- */

static struct ip resolved[3];
static size_t resolved_count;

static size_t addresses_of(void *user, const char *name, const struct ip **ret)
{
	assert_string_equal(name, "app.example.");
	*ret = resolved;
	return resolved_count;
}

static void test_origins_by_name(void **state)
{
	build_free(build);
	shared.addresses = addresses_of;
	build = build_new(&shared, fleet, NULL);
	assert_true(ip_parse("10.9.0.1", &resolved[0]) && ip_parse("2001:db8::9", &resolved[1]));
	resolved_count = 0;
	change("regions: {eu: {at: [50, 8]}}\nservices: {shop: {vips: {eu: [192.0.2.1]}, routes: [{origins: "
	       "web}], "
	       "origins: {web: {eu: [{address: 'app.example:81', weight: 5}, '10.9.0.1:81']}}}}\n");
	assert_int_equal(pool_named("shop/web")->member_count, 1);
	resolved_count = 2;
	build_addresses_changed(build);
	assert_true(build_is_changed(build));
	publish(build);
	const struct pool *web = pool_named("shop/web");
	assert_int_equal(web->member_count, 2); /* one of them twice */
	assert_string_equal(web->members[0].origin->text, "10.9.0.1:81");
	assert_string_equal(web->members[1].origin->text, "[2001:db8::9]:81");
	assert_int_equal(web->members[1].weight, 5);
	char **names;
	size_t count = build_names(build, &names);
	assert_int_equal(count, 1);
	assert_string_equal(names[0], "app.example.");
	free(names[0]);
	free(names);
}

/* ---- a fleet that stands, and one that takes its place ---- */

static void test_steps_and_a_successor(void **state)
{
	struct hosts_entry entry;
	apply_good(fleet, FLEET_STORE,
		   BASE "tenants: {acme: {zone: app.example.net, service: shop}, beta: {zone: "
			"app.example.net, service: "
			"shop}, gone: {zone: app.example.net, service: blog}}\n");
	unsigned steps = 1;
	while (build_step(build, 1))
		steps++;
	assert_int_equal(steps, 4);
	publish(build);
	assert_string_equal(owner("beta.app.example.net", &entry), "beta");
	uint32_t slot = entry.state;
	const struct origin *origin = pool_named("shop/web")->members[0].origin;

	struct fleet *next_fleet = fleet_new();
	apply_good(next_fleet, FLEET_STORE,
		   BASE "tenants: {new: {zone: app.example.net, service: blog}, beta: {zone: "
			"app.example.net, service: shop}}\n");
	struct build *next = build_new(&shared, next_fleet, build);
	while (build_step(next, 100))
		;
	publish(next);
	build_free(build);
	fleet_free(fleet);
	build = next;
	fleet = next_fleet;
	assert_string_equal(owner("beta.app.example.net", &entry), "beta");
	assert_int_equal(entry.state, slot);
	assert_string_equal(who("acme.app.example.net"), "");
	assert_string_equal(who("new.app.example.net"), "new");
	assert_int_equal(slots_used(slots), 2);
	assert_ptr_equal(pool_named("shop/web")->members[0].origin, origin);
	assert_int_equal(atomic_load(&origin->is_draining), 0);
}

/* Four forwarders that know nothing of each other never let more through than one alone would. */
static void test_limits_are_shared_among_nodes(void **state)
{
	change(BASE "tenants: {acme: {zone: app.example.net, service: shop, tier: gold, "
		    "limits: {bandwidth: 4MB/s, websockets: 2}}}\n");
	assert_int_equal(policy_of("acme.app.example.net")->limits.rate.interval_ns, 10000000);
	nodes = 4;
	build_nodes_changed(build);
	publish(build);
	const struct policy_limits *limits = &policy_of("acme.app.example.net")->limits;
	nodes = 1;
	assert_int_equal(limits->rate.interval_ns, 40000000);
	assert_int_equal(limits->rate.burst, 25);
	assert_int_equal(limits->concurrency, 12);
	assert_int_equal(limits->websockets, 1); /* each must let one through */
	assert_int_equal(limits->up_bytes_s, 1000000);
	assert_int_equal(limits->body_bytes, 1000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hosts_and_domains),
		TEST(test_tenants_that_change),
		TEST(test_limits_are_the_tiers_with_the_tenants_own_over_them),
		TEST(test_limits_are_shared_among_nodes),
		TEST(test_what_else_a_policy_says),
		TEST(test_routes_and_pools),
		TEST(test_services_that_change),
		TEST(test_pools_have_their_checks),
		TEST(test_origins_by_name),
		TEST(test_steps_and_a_successor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
