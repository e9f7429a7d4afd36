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
static struct load_result result;

static int setup(void **state)
{
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	load_result_done(&result);
	rig_done(&rig);
	return 0;
}

static void write_node(const char *keys)
{
	char *text = xasprintf("node: {name: n1, state_dir: .%s\ndns: {listen: [\"127.0.0.1@0\"]}\n", keys);
	rig_write(&rig, "node.yaml", text);
	free(text);
}

static void load(enum load_depth depth, struct load_previous *previous)
{
	struct load_previous nothing = {0};
	char *path = rig_path(&rig, "node.yaml");
	load_result_done(&result);
	load_run(path, depth, previous ? previous : &nothing, &result);
	free(path);
}

/* One line an error, without the directory. */
static void expect(const char *expected)
{
	char *text = NULL, *out_text = NULL;
	size_t size, length = strlen(rig.directory) + 1;
	FILE *out = open_memstream(&text, &size);
	err_print(&result.errors, out);
	fclose(out);
	out = open_memstream(&out_text, &size);
	for (const char *at = text; *at;) {
		if (strncmp(at, rig.directory, length - 1) == 0)
			at += length;
		else
			fputc(*at++, out);
	}
	fclose(out);
	assert_string_equal(out_text, expected);
	free(out_text);
	free(text);
}

static void test_documents_are_one_fleet(void **state)
{
	write_node("}\nfleet: [a.yaml, b.yaml]");
	rig_write(&rig, "a.yaml", TENANTS);
	rig_write(&rig, "b.yaml", REGIONS ZONE);
	load(LOAD_ALL, NULL);
	expect("");
	assert_int_equal(fleet_count(result.fleet, FLEET_REGION), 2);
	assert_int_equal(fleet_count(result.fleet, FLEET_TENANT), 1);
	assert_ptr_equal(result.laid, result.places); /* no `locations:` to lay over */
	assert_non_null(result.orders);
	load(LOAD_CHECK, NULL);
	expect("");
	assert_null(result.orders);
}

static void test_all_errors_of_all_files(void **state)
{
	write_node(", colour: red}\nfleet: [a.yaml, b.yaml]\ngeo: [none.mmdb]");
	rig_write(&rig, "a.yaml", "regions: {eu: {at: [91, 8]}}\ntenants: {acme: {service: shop}}\n");
	rig_write(&rig, "b.yaml", "zones: {app.test: {text: \"@ 60 NS ns\\n\"}}\n");
	load(LOAD_CHECK, NULL);
	assert_true(result.errors.errors >= 6);
	const char *const files[] = {"node.yaml", "a.yaml", "a.yaml", "a.yaml", "b.yaml"};
	for (size_t i = 0; i < 5; i++)
		assert_non_null(strstr(result.errors.items[i].file, files[i]));
	bool has_geo = false;
	for (size_t i = 0; i < result.errors.count; i++)
		has_geo |= strstr(result.errors.items[i].file, "none.mmdb") != NULL;
	assert_true(has_geo);
	assert_null(result.fleet);
}

/* One error for the file whose syntax is broken, their own for the others, none that follows from it. */
static void test_a_broken_file_does_not_blame_the_others(void **state)
{
	write_node("}\nfleet: [a.yaml, b.yaml, none.yaml]");
	rig_write(&rig, "a.yaml", "regions: {eu: [\n");
	rig_write(&rig, "b.yaml", ZONE TENANTS "checks: {web: {type: htp}}\n");
	load(LOAD_ALL, NULL);
	assert_int_equal(result.errors.errors, 3);
	assert_non_null(strstr(result.errors.items[0].file, "a.yaml"));
	assert_non_null(strstr(result.errors.items[1].file, "b.yaml"));
	assert_int_equal(result.errors.items[1].line, 4);
	assert_non_null(strstr(result.errors.items[2].file, "none.yaml"));
	assert_non_null(strstr(result.errors.items[2].message, "cannot open"));
	assert_null(result.fleet);
	assert_null(result.orders);
}

static void test_without_node_yaml(void **state)
{
	load(LOAD_ALL, NULL);
	expect("node.yaml: cannot open: No such file or directory\n");
	assert_null(result.config);
}

static void test_an_unknown_region_is_a_warning(void **state)
{
	write_node(", region: ap}\nfleet: [a.yaml]");
	rig_write(&rig, "a.yaml", REGIONS);
	load(LOAD_ALL, NULL);
	assert_false(err_has_errors(&result.errors));
	expect("node.yaml: warning: node.region: no region 'ap' in the fleet yet\n");
	write_node(", region: us}\nfleet: [a.yaml]");
	load(LOAD_ALL, NULL);
	expect("");
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
	write_node("}\nfleet: [a.yaml, b.yaml]");
	rig_write(&rig, "a.yaml", REGIONS ZONE TENANTS);
	rig_write(&rig, "b.yaml", "locations: {192.0.2.0/24: {at: [50, 8]}}\n");
	load(LOAD_ALL, NULL);
	struct load_previous previous = keep();
	struct places *places = previous.places, *laid = previous.laid;
	struct order_cache *orders = previous.orders;
	assert_ptr_not_equal(places, laid);
	load(LOAD_ALL, &previous);
	assert_ptr_equal(result.places, places);
	assert_ptr_equal(result.laid, laid);
	assert_ptr_equal(result.orders, orders);
	load_previous_done(&previous);

	/* Other locations: the files' geography stays, what was compiled over it does not. */
	previous = keep();
	rig_write(&rig, "b.yaml", "locations: {192.0.2.0/24: {at: [39, -77]}}\n");
	load(LOAD_ALL, &previous);
	assert_ptr_equal(result.places, previous.places);
	assert_ptr_not_equal(result.laid, previous.laid);
	assert_non_null(previous.orders);
	struct ip client;
	assert_true(ip_parse("192.0.2.1", &client));
	assert_true(places_find(result.laid, &client)->latitude == 39);
	load_previous_done(&previous);
}

/* ---- the helper thread ---- */

static bool is_done;

static void on_done(void *user, struct load_result *loaded)
{
	assert_ptr_equal(user, &rig);
	result = *loaded;
	memset(loaded, 0, sizeof *loaded);
	is_done = true;
}

static bool has_loaded(struct rig *unused)
{
	return is_done;
}

static void test_a_thread_loads_and_the_loop_gets_it(void **state)
{
	struct load_previous nothing = {0};
	write_node("}\nfleet: [a.yaml]");
	rig_write(&rig, "a.yaml", REGIONS ZONE TENANTS);
	char *path = rig_path(&rig, "node.yaml");
	is_done = false;
	load_start(rig.base, path, &nothing, on_done, &rig);
	rig_await(&rig, has_loaded);
	expect("");
	assert_int_equal(fleet_count(result.fleet, FLEET_TENANT), 1);

	struct load_previous previous = keep();
	is_done = false;
	load_free(load_start(rig.base, path, &previous, on_done, &rig)); /* given up: nobody is called */
	rig_turn_ms(&rig, 10);
	assert_false(is_done);
	assert_null(previous.places);
	free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_documents_are_one_fleet),
		TEST(test_all_errors_of_all_files),
		TEST(test_a_broken_file_does_not_blame_the_others),
		TEST(test_without_node_yaml),
		TEST(test_an_unknown_region_is_a_warning),
		TEST(test_geography_is_used_again),
		TEST(test_a_thread_loads_and_the_loop_gets_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
