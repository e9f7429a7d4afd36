/* node.yaml and all that it names: every error of every file in one pass. */
#include "gslb/control/node_files.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define REGIONS "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"

static struct rig rig; /* its directory alone */
static struct node_files files;

static int setup(void **state)
{
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	node_files_done(&files);
	rig_done(&rig);
	return 0;
}

static void write_node(const char *keys)
{
	char *text = xasprintf("node: {name: n1, state_dir: .%s\ndns: {listen: [\"127.0.0.1@0\"]}\n", keys);
	rig_write(&rig, "node.yaml", text);
	free(text);
}

static void read_files(enum load_depth depth)
{
	struct load_previous nothing = {0};
	char *path = rig_path(&rig, "node.yaml");
	node_files_done(&files);
	node_files_read(path, depth, &nothing, &files);
	free(path);
}

/* One line an error, without the directory. */
static void expect(const char *expected)
{
	char *text = NULL, *out_text = NULL;
	size_t size, length = strlen(rig.directory) + 1;
	FILE *out = open_memstream(&text, &size);
	err_print(&files.errors, out);
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

static void test_all_errors_of_all_files(void **state)
{
	write_node(", colour: red}\nfleet: [a.yaml, b.yaml]\ngeo: [none.mmdb]");
	rig_write(&rig, "a.yaml", "regions: {eu: {at: [91, 8]}}\ntenants: {acme: {service: shop}}\n");
	rig_write(&rig, "b.yaml", "zones: {app.test: {text: \"@ 60 NS ns\\n\"}}\n");
	read_files(LOAD_CHECK);
	assert_true(files.errors.errors >= 6);
	const char *const names[] = {"node.yaml", "a.yaml", "a.yaml", "a.yaml", "b.yaml"};
	for (size_t i = 0; i < 5; i++)
		assert_non_null(strstr(files.errors.items[i].file, names[i]));
	bool has_geo = false;
	for (size_t i = 0; i < files.errors.count; i++)
		has_geo |= strstr(files.errors.items[i].file, "none.mmdb") != NULL;
	assert_true(has_geo);
	assert_null(files.parts.fleet);
}

static void test_without_node_yaml(void **state)
{
	read_files(LOAD_ALL);
	expect("node.yaml: cannot open: No such file or directory\n");
	assert_null(files.config);
}

static void test_an_unknown_region_is_a_warning(void **state)
{
	write_node(", region: ap}\nfleet: [a.yaml]");
	rig_write(&rig, "a.yaml", REGIONS);
	read_files(LOAD_ALL);
	assert_false(err_has_errors(&files.errors));
	expect("node.yaml: warning: node.region: no region 'ap' in the fleet yet\n");
	write_node(", region: us}\nfleet: [a.yaml]");
	read_files(LOAD_ALL);
	expect("");
}

static void test_what_is_good_is_all_there(void **state)
{
	write_node(", region: us}\nfleet: [a.yaml]");
	rig_write(&rig, "a.yaml", REGIONS);
	read_files(LOAD_ALL);
	expect("");
	assert_string_equal(files.config->node.name, "n1");
	assert_int_equal(fleet_count(files.parts.fleet, FLEET_REGION), 2);
	assert_true(files.parts.places && files.parts.laid && files.parts.orders);
	read_files(LOAD_CHECK);
	assert_true(files.parts.places && files.parts.laid && !files.parts.orders);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_errors_of_all_files),
		TEST(test_without_node_yaml),
		TEST(test_an_unknown_region_is_a_warning),
		TEST(test_what_is_good_is_all_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
