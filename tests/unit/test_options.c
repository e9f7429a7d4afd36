/* The command line of a daemon: what is taken, and what the shell is told otherwise. */
#include "daemon/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct options_program program = {"trafficd", "Serves traffic."};
static struct options options;
static char printed[4096];

/* Runs it with words up to NULL; both outputs end up in `printed`. */
static int parse(const char *first, ...)
{
	char *argv[16] = {(char *)"trafficd"};
	int argc = 1;
	va_list words;
	va_start(words, first);
	for (const char *word = first; word; word = va_arg(words, const char *))
		argv[argc++] = (char *)word;
	va_end(words);
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	assert_non_null(file);
	fflush(NULL);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	options = (struct options){0};
	int status = options_parse(&program, argc, argv, &options);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	rewind(file);
	printed[fread(printed, 1, sizeof printed - 1, file)] = '\0';
	fclose(file);
	return status;
}

static void test_a_file_is_all_that_is_needed(void **state)
{
	assert_int_equal(parse("-c", "node.yaml", NULL), -1);
	assert_string_equal(options.config_path, "node.yaml");
	assert_false(options.checks_only);
	assert_int_equal(options.log_format, LOG_FORMAT_TEXT);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
	assert_string_equal(printed, "");
}

static void test_every_option_is_taken(void **state)
{
	assert_int_equal(
		parse("--config", "n", "--check", "--log-format", "json", "--log-level", "debug", NULL), -1);
	assert_true(options.checks_only);
	assert_int_equal(options.log_format, LOG_FORMAT_JSON);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(parse("-c", "n", "--log-level", "error", NULL), -1);
	assert_int_equal(options.log_level, LOG_LEVEL_ERROR);
}

static void expect_usage(int status, const char *problem)
{
	assert_int_equal(status, 2);
	assert_non_null(strstr(printed, problem));
	assert_non_null(strstr(printed, "Try 'trafficd --help'."));
	assert_null(options.config_path);
}

static void test_a_usage_error_says_what_is_taken(void **state)
{
	expect_usage(parse(NULL), "-c NODE.YAML is missing");
	expect_usage(parse("-c", "n", "--log-format", "xml", NULL), "text or json");
	expect_usage(parse("-c", "n", "--log-level", "loud", NULL), "error, warning, info or debug");
	expect_usage(parse("-c", "n", "more", NULL), "no arguments");
	expect_usage(parse("--unknown", NULL), "unknown option");
}

static void test_help_and_version_are_answered(void **state)
{
	assert_int_equal(parse("--version", NULL), 0);
	assert_string_equal(printed, "trafficd " GSLB_VERSION "\n");
	assert_int_equal(parse("--help", NULL), 0);
	assert_non_null(strstr(printed, "Usage: trafficd -c NODE.YAML"));
	assert_non_null(strstr(printed, "Serves traffic."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_all_that_is_needed),
		cmocka_unit_test(test_every_option_is_taken),
		cmocka_unit_test(test_a_usage_error_says_what_is_taken),
		cmocka_unit_test(test_help_and_version_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
