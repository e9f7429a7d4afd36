/* node.yaml for any daemon: the common sections, and those that a daemon brings along. */
#include "daemon/config.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct traffic_config { /* of a daemon that directs traffic */
	struct node_config node;
	uint64_t lanes;
	bool is_finished;
};

static char directory[] = "/tmp/gslb-config-XXXXXX";
static char path[64];

static void read_lanes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_uint(reader, value, 1, 8, &((struct traffic_config *)target)->lanes);
}

static void finish(const struct doc_reader *reader, struct node_config *node)
{
	struct traffic_config *config = (struct traffic_config *)node;
	assert_non_null(node->path);
	config->is_finished = true;
}

static const struct doc_key keys[] = {{"lanes", read_lanes, true}, {"bridges", NULL}, {NULL}};
static const struct config_sections sections = {keys, finish};

static struct traffic_config config;
static struct err_list errors;

static bool read_text(const char *text)
{
	config_done(&config.node);
	err_done(&errors);
	config = (struct traffic_config){.lanes = 2};
	errors = (struct err_list){0};
	FILE *file = fopen(path, "w");
	assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
	return config_read(&config.node, path, &sections, &errors);
}

static int setup(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/node.yaml", directory);
	return 0;
}

static int teardown(void **state)
{
	config_done(&config.node);
	err_done(&errors);
	unlink(path);
	return rmdir(directory);
}

static void test_common_and_own_sections_are_read(void **state)
{
	assert_true(
		read_text("lanes: 4\nnode: {name: n1, state_dir: /s}\nfleet: [f.yaml]\n"
			  "admin: {socket: run/x.sock, http: \"127.0.0.1:0\"}\nprobes: {vantage: fra}\n"));
	assert_int_equal(errors.count, 0);
	assert_int_equal(config.lanes, 4);
	assert_true(config.is_finished);
	assert_string_equal(config.node.name, "n1");
	assert_string_equal(config.node.admin_socket, "/s/run/x.sock");
	assert_true(config.node.has_admin_http && config.node.has_probes);
	assert_int_equal(config.node.probe_concurrency, 512);
	char *fleet = xasprintf("%s/f.yaml", directory); /* relative to the file that names it */
	assert_string_equal(config.node.fleet[0], fleet);
	free(fleet);
}

static void expect_error(const char *words)
{
	for (size_t i = 0; i < errors.count; i++)
		if (strstr(errors.items[i].message, words))
			return;
	fail_msg("no error says '%s'", words);
}

static void test_everything_wrong_is_told_at_once(void **state)
{
	assert_true(read_text("node: {name: n1}\nbridges: {}\nlanse: 3\nlanes: 9\n"));
	expect_error("state_dir");
	expect_error("not supported by this build");
	expect_error("lanse");
	expect_error("from 1 to 8");
	assert_null(config.node.admin_socket); /* nowhere to put it */
	assert_true(read_text("node: {name: n1, state_dir: /s}\n"));
	expect_error("lanes");
}

static void test_a_file_that_is_no_yaml_is_not_read(void **state)
{
	assert_false(read_text("node: {name"));
	assert_int_equal(errors.errors, 1);
	assert_false(config.is_finished);
}

static void test_a_socket_path_has_the_kernels_limit(void **state)
{
	char text[300];
	snprintf(text, sizeof text, "lanes: 1\nnode: {name: n1, state_dir: /s}\nadmin: {socket: %0120d}\n",
		 7);
	assert_true(read_text(text));
	expect_error("at most 107 are possible");
	assert_int_equal(errors.items[0].line, 3);
}

static void test_only_what_needs_a_restart_differs(void **state)
{
	struct node_config a = {.name = (char *)"n", .state_dir = (char *)"/s"}, b = a;
	assert_null(config_restart_only_difference(&a, &b));
	b.vantage = (char *)"elsewhere";
	assert_null(config_restart_only_difference(&a, &b));
	b.region = (char *)"eu";
	assert_string_equal(config_restart_only_difference(&a, &b), "node");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common_and_own_sections_are_read),
		cmocka_unit_test(test_everything_wrong_is_told_at_once),
		cmocka_unit_test(test_a_file_that_is_no_yaml_is_not_read),
		cmocka_unit_test(test_a_socket_path_has_the_kernels_limit),
		cmocka_unit_test(test_only_what_needs_a_restart_differs),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
