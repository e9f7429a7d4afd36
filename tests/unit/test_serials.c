/* Which serial a zone with `serial: change` gets; what a start and a reload find is in test_server. */
#include "gslb/control/serials.h"
#include "tests/unit/fleet_fixture.h"

static struct fleet *fleet;

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(
		fleet, FLEET_BASE,
		"regions: {eu: {at: [50, 8]}}\n"
		"services: {shop: {vips: {eu: [192.0.2.1]}}}\n"
		"zones:\n"
		"  app.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\", serial: change}\n"
		"  old.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}\n");
	return 0;
}

static int teardown(void **state)
{
	fleet_free(fleet);
	return 0;
}

static const struct fleet_zone *zone(const char *id)
{
	return (const struct fleet_zone *)fleet_get(fleet, FLEET_ZONE, id);
}

/* The change, and what it does to the serials at this time. */
static void change_at(const char *yaml, int64_t now_unix_s)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, FLEET_STORE, yaml, &result);
	assert_string_equal(errors, "");
	free(errors);
	serials_renew(fleet, &result, now_unix_s);
	fleet_result_done(&result);
}

static uint32_t served_serial(const char *id)
{
	const struct rrset *soa = zone_soa(zone(id)->zone);
	const uint8_t *at = soa->wire + soa->wire_length - 20; /* serial, refresh, retry, expire, minimum */
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void test_a_tenant_renews_its_zone(void **state)
{
	assert_int_equal(served_serial("app.test."), 7);
	change_at("tenants: {a: {zone: app.test, service: shop}, b: {zone: app.test, service: shop},\n"
		  "          c: {zone: old.test, service: shop}}\n",
		  1800000000);
	assert_int_equal(served_serial("app.test."), 1800000000);
	assert_int_equal(zone("app.test.")->zone->serial, 1800000000);
	assert_int_equal(zone("app.test.")->changed_unix_s, 1800000000);
	assert_int_equal(served_serial("old.test."), 7); /* serial: file */
	change_at("tenants: {c: {zone: old.test, service: shop, hosts: [d]}}\n", 1800000005);
	assert_int_equal(served_serial("app.test."), 1800000000);
	/* A tenant that moves touches both of its zones. */
	change_at("tenants: {a: {zone: old.test, service: shop}}\n", 1800000010);
	assert_int_equal(served_serial("app.test."), 1800000010);
}

static void test_serials_never_go_backwards(void **state)
{
	change_at("tenants: {a: {zone: app.test, service: shop}}\n", 1800000000);
	change_at("tenants: {b: {zone: app.test, service: shop}}\n", 1700000000);
	assert_int_equal(served_serial("app.test."), 1800000000);
	change_at("zones: {new.test: {text: \"@ 60 SOA ns h 4000000000 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: "
		  "change}}\n",
		  1800000001);
	assert_int_equal(served_serial("new.test."), 4000000000); /* the greater one */
	change_at(
		"zones: {own.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: change}}\n",
		1800000002);
	assert_int_equal(served_serial("own.test."), 1800000002);
	/* The clock is stepped back, then the zone's text is replaced: a new object with the serial of its
	 * text. */
	change_at(
		"zones: {own.test: {text: \"@ 60 SOA ns h 2 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: change}}\n",
		1700000000);
	assert_int_equal(served_serial("own.test."), 1800000002);
}

/* Nothing is served yet, and the store and the files have their times; then a reload. */
static void test_the_latest_that_anybody_knows(void **state)
{
	const struct node_config no_files = {.fleet_count = 0};
	struct fleet *served = fleet_new();
	serials_restore(fleet, served, &no_files, 1750000000);
	assert_int_equal(served_serial("app.test."), 1750000000);
	assert_int_equal(served_serial("old.test."), 7);
	fleet_free(served);
	served = fleet;
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "zones: {app.test: {text: \"@ 60 SOA ns h 8 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: "
		   "change}}\n");
	serials_restore(fleet, served, &no_files, 1760000000);
	assert_int_equal(served_serial("app.test."), 1750000000); /* other zones changed since */
	fleet_free(served);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_tenant_renews_its_zone),
		TEST(test_serials_never_go_backwards),
		TEST(test_the_latest_that_anybody_knows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
