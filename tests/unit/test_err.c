/* Error lists: what people and programs get to see of them. */
#include "lib/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *printed(const struct err_list *list)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	err_print(list, out);
	fclose(out);
	return text;
}

static void prints_the_parts_that_are_known(void **state)
{
	struct err_list list = {.items = NULL};

	err_add(&list, "a.yaml", 3, 7, "unknown key '%s'", "x");
	err_add(&list, "a.zone", 4, 0, "no SOA");
	err_add(&list, "b.yaml", 0, 0, "cannot open");
	err_warn(&list, "a.yaml", 9, 1, "region 'eu' is not there yet");
	err_add(&list, NULL, 0, 0, "state_dir is in use");
	err_set_pointer(err_add(&list, NULL, 0, 0, "required"), "/tenants/acme");
	err_set_pointer(err_add(&list, NULL, 0, 0, "syntax"), "");
	char *text = printed(&list);
	assert_string_equal(text, "a.yaml:3:7: unknown key 'x'\n"
				  "a.zone:4: no SOA\n"
				  "b.yaml: cannot open\n"
				  "a.yaml:9:1: warning: region 'eu' is not there yet\n"
				  "state_dir is in use\n"
				  "/tenants/acme: required\n"
				  "syntax\n");
	free(text);
	assert_int_equal(list.errors, 6);
	err_done(&list);
	assert_int_equal(list.count, 0);
}

static void a_warning_is_no_error(void **state)
{
	struct err_list list = {.items = NULL};

	err_warn(&list, "f", 1, 1, "odd");
	assert_false(err_has_errors(&list));
	err_add(&list, "f", 1, 1, "wrong");
	assert_true(err_has_errors(&list));
	err_done(&list);
}

static void sorts_by_file_seen_first_then_place(void **state)
{
	struct err_list list = {.items = NULL};

	err_add(&list, "z", 5, 1, "1");
	err_add(&list, "a", 2, 2, "2");
	err_add(&list, "z", 5, 1, "3");
	err_add(&list, "z", 4, 9, "4");
	err_add(&list, "a", 2, 1, "5");
	err_sort(&list);
	char *text = printed(&list);
	assert_string_equal(text, "z:4:9: 4\nz:5:1: 1\nz:5:1: 3\na:2:1: 5\na:2:2: 2\n");
	free(text);
	err_done(&list);
}

static void json_has_pointer_or_file_and_no_warnings(void **state)
{
	struct err_list list = {.items = NULL};

	err_set_nearest(err_add(&list, "f.yaml", 3, 5, "unknown key 'prot'"), "port");
	err_set_pointer(err_add(&list, NULL, 0, 0, "bad \xff byte"), "/a~1b");
	err_warn(&list, "f.yaml", 1, 1, "odd");
	json_t *json = err_to_json(&list);
	char *text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "[{\"file\":\"f.yaml\",\"line\":3,\"column\":5,\"message\":\"unknown key "
				  "'prot'\",\"nearest\":\"port\"},"
				  "{\"pointer\":\"/a~1b\",\"message\":\"bad ? byte\"}]");
	free(text);
	json_decref(json);
	json = err_warnings_to_json(&list);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "[{\"file\":\"f.yaml\",\"line\":1,\"column\":1,\"message\":\"odd\"}]");
	free(text);
	json_decref(json);
	err_done(&list);
}

static void moving_appends_and_empties(void **state)
{
	struct err_list to = {.items = NULL}, from = {.items = NULL};

	err_add(&to, "a", 1, 1, "first");
	err_add(&from, "b", 1, 1, "second");
	err_warn(&from, "b", 2, 1, "third");
	err_move(&to, &from);
	assert_int_equal(from.count, 0);
	assert_int_equal(to.count, 3);
	assert_int_equal(to.errors, 2);
	assert_string_equal(to.items[1].message, "second");
	err_move(&to, &from); /* nothing to move */
	assert_int_equal(to.count, 3);
	err_done(&to);
	err_done(&from);
}

static void warn_of_many(struct err_list *list, const char *topic, size_t count)
{
	for (size_t i = 1; i <= count; i++)
		err_warn_topic(list, topic, "f", (uint32_t)i, 0, "odd");
}

static void keeps_the_first_warnings_of_a_topic_and_counts_the_rest(void **state)
{
	struct err_list list = {.items = NULL};

	warn_of_many(&list, "odd ones", ERR_TOPIC_MAX + 1000);
	assert_null(err_warn_topic(&list, "odd ones", "f", 1, 1, "odd"));
	assert_non_null(err_warn_topic(&list, "rare ones", "g", 1, 1, "rare"));
	err_add(&list, "h", 1, 1, "wrong");
	assert_int_equal(list.count, ERR_TOPIC_MAX + 2);
	assert_int_equal(list.errors, 1);
	err_sort(&list);
	char *text = printed(&list);
	assert_true(strncmp(text, "f:1: warning: odd\nf:2: warning: odd\n", 36) == 0);
	assert_non_null(strstr(text, "f:20: warning: odd (and 1001 more like this)\n"
				     "g:1:1: warning: rare\n"
				     "h:1:1: wrong\n"));
	free(text);
	char *line = err_line(&list, ERR_TOPIC_MAX - 1);
	assert_string_equal(line, "f:20: odd (and 1001 more like this)");
	free(line);
	err_done(&list);
}

static void moving_keeps_the_bounds_of_topics(void **state)
{
	struct err_list to = {.items = NULL};

	for (int i = 0; i < 3; i++) {
		struct err_list from = {.items = NULL};
		warn_of_many(&from, "odd ones", ERR_TOPIC_MAX + 5);
		err_add(&from, "h", 1, 1, "wrong");
		err_move(&to, &from);
	}
	assert_int_equal(to.count, ERR_TOPIC_MAX + 3);
	assert_int_equal(to.errors, 3);
	char *text = printed(&to);
	assert_non_null(strstr(text, "f:20: warning: odd (and 55 more like this)\n"));
	free(text);
	err_done(&to);
}

static void the_first_message_is_no_warning(void **state)
{
	struct err_list list = {.items = NULL};

	err_warn(&list, "f", 1, 1, "odd");
	assert_null(err_first_message(&list));
	err_add(&list, "f", 1, 1, "wrong");
	err_add(&list, "f", 1, 1, "wrong too");
	assert_string_equal(err_first_message(&list), "wrong");
	err_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_the_parts_that_are_known),
		cmocka_unit_test(a_warning_is_no_error),
		cmocka_unit_test(sorts_by_file_seen_first_then_place),
		cmocka_unit_test(json_has_pointer_or_file_and_no_warnings),
		cmocka_unit_test(moving_appends_and_empties),
		cmocka_unit_test(keeps_the_first_warnings_of_a_topic_and_counts_the_rest),
		cmocka_unit_test(moving_keeps_the_bounds_of_topics),
		cmocka_unit_test(the_first_message_is_no_warning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
