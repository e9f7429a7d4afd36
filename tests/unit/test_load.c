/* From files to a fleet and compiled orders: every error of every file in one pass, nothing read twice. */
#include "gslb/compile/load.h"
#include "gslb/compile/steering.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ZONE "zones: {app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}}\n"
#define REGIONS "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"
#define TENANTS                                                          \
	"services: {shop: {vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n" \
	"tenants: {acme: {zone: app.test, service: shop}}\n"

static struct rig rig; /* its directory alone */
static struct load_parts result;
static struct err_list errors;

static int setup(void **state)
{
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	load_parts_done(&result);
	err_done(&errors);
	rig_done(&rig);
	return 0;
}

/* The files a.yaml, b.yaml, … of the directory. */
static void load(size_t count, enum load_depth depth, struct load_previous *previous)
{
	static const char *const names[] = {"a.yaml", "b.yaml", "none.yaml"};
	struct load_previous nothing = {0};
	char *paths[3] = {NULL};
	for (size_t i = 0; i < count; i++)
		paths[i] = rig_path(&rig, names[i]);
	const struct load_files files = {.fleet_count = count, .fleet = paths};
	load_parts_done(&result);
	err_done(&errors);
	load_run(&files, depth, previous ? previous : &nothing, &result, &errors);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
}

static void test_documents_are_one_fleet(void **state)
{
	rig_write(&rig, "a.yaml", TENANTS);
	rig_write(&rig, "b.yaml", REGIONS ZONE);
	load(2, LOAD_ALL, NULL);
	assert_int_equal(errors.count, 0);
	assert_int_equal(fleet_count(result.fleet, FLEET_REGION), 2);
	assert_int_equal(fleet_count(result.fleet, FLEET_TENANT), 1);
	assert_ptr_equal(result.laid, result.places); /* no `locations:` to lay over */
	assert_non_null(result.orders);
	load(2, LOAD_CHECK, NULL);
	assert_int_equal(errors.count, 0);
	assert_null(result.orders);
}

/* One error for the file whose syntax is broken, their own for the others, none that follows from it. */
static void test_a_broken_file_does_not_blame_the_others(void **state)
{
	rig_write(&rig, "a.yaml", "regions: {eu: [\n");
	rig_write(&rig, "b.yaml", ZONE TENANTS "checks: {web: {type: htp}}\n");
	load(3, LOAD_ALL, NULL);
	assert_int_equal(errors.errors, 3);
	assert_non_null(strstr(errors.items[0].file, "a.yaml"));
	assert_non_null(strstr(errors.items[1].file, "b.yaml"));
	assert_int_equal(errors.items[1].line, 4);
	assert_non_null(strstr(errors.items[2].file, "none.yaml"));
	assert_non_null(strstr(errors.items[2].message, "cannot open"));
	assert_null(result.fleet);
	assert_null(result.orders);
}

/* What load_run gets to use again. */
static struct load_previous keep(void)
{
	struct load_previous previous = {.places = places_ref(result.places),
					 .laid = places_ref(result.laid),
					 .orders = result.orders,
					 .geo_signature = xstrdup(result.geo_signature),
					 .locations_hash = steering_locations_hash(result.fleet)};
	result.orders = NULL;
	return previous;
}

static void test_geography_is_used_again(void **state)
{
	rig_write(&rig, "a.yaml", REGIONS ZONE TENANTS);
	rig_write(&rig, "b.yaml", "locations: {192.0.2.0/24: {at: [50, 8]}}\n");
	load(2, LOAD_ALL, NULL);
	struct load_previous previous = keep();
	struct places *places = previous.places, *laid = previous.laid;
	struct order_cache *orders = previous.orders;
	assert_ptr_not_equal(places, laid);
	load(2, LOAD_ALL, &previous);
	assert_ptr_equal(result.places, places);
	assert_ptr_equal(result.laid, laid);
	assert_ptr_equal(result.orders, orders);
	load_previous_done(&previous);

	/* Other locations: the files' geography stays, what was compiled over it does not. */
	previous = keep();
	rig_write(&rig, "b.yaml", "locations: {192.0.2.0/24: {at: [39, -77]}}\n");
	load(2, LOAD_ALL, &previous);
	assert_ptr_equal(result.places, previous.places);
	assert_ptr_not_equal(result.laid, previous.laid);
	assert_non_null(previous.orders);
	struct ip client;
	assert_true(ip_parse("192.0.2.1", &client));
	assert_true(places_find(result.laid, &client)->latitude == 39);
	load_previous_done(&previous);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_documents_are_one_fleet),
		TEST(test_a_broken_file_does_not_blame_the_others),
		TEST(test_geography_is_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
