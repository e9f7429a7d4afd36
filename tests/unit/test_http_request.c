/* Parameters, pages and preconditions of a call. */
#include "daemon/http_request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_page_parameters(void **state)
{
	static const char *const wrong[] = {"0", "10001", "-1", "x", "", "1e3", "01"};
	struct http_request request = {.param_count = 1};
	struct http_page page;
	struct http_reply reply;
	http_reply_init(&reply);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		request.param[0] = (struct http_param){.name = "limit", .value = wrong[i]};
		assert_false(http_request_page(&request, &reply, &page));
		assert_int_equal(reply.status, 400);
	}
	request.param[0].value = "10000";
	assert_true(http_request_page(&request, &reply, &page));
	assert_int_equal(page.limit, 10000);
	assert_null(page.after);
	request.param[0] = (struct http_param){.name = "after", .value = "acme"};
	assert_true(http_request_page(&request, &reply, &page));
	assert_int_equal(page.limit, 1000);
	assert_string_equal(page.after, "acme");
	bool flag = true;
	request.param[0] = (struct http_param){.name = "prune", .value = "maybe"};
	assert_false(http_request_bool(&request, &reply, "prune", &flag));
	assert_true(http_request_bool(&request, &reply, "dry_run", &flag));
	assert_false(flag);
	request.param[0].value = "true";
	assert_true(http_request_bool(&request, &reply, "prune", &flag));
	assert_true(flag);
	http_reply_done(&reply);
}

static void test_preconditions(void **state)
{
	static const struct {
		const char *if_match, *if_none_match;
		bool exists, is_good;
	} rows[] = {
		{NULL, NULL, true, true},      {NULL, NULL, false, true},
		{"\"5\"", NULL, true, true},   {"5", NULL, true, true},
		{"\"4\"", NULL, true, false},  {"\"4\", \"5\"", NULL, true, true},
		{"*", NULL, true, true},       {"*", NULL, false, false},
		{"\"5\"", NULL, false, false}, {"W/\"5\"", NULL, true, false},
		{"", NULL, true, false},       {"\"55\"", NULL, true, false},
		{NULL, "*", true, false},      {NULL, "*", false, true},
		{NULL, "\"4\"", true, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_reply reply;
		struct http_request request = {.if_match = rows[i].if_match,
					       .if_none_match = rows[i].if_none_match};
		http_reply_init(&reply);
		assert_int_equal(http_request_check_version(&request, &reply, rows[i].exists, 5),
				 rows[i].is_good);
		if (!rows[i].is_good)
			assert_int_equal(reply.status, 412);
		http_reply_done(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_parameters),
		cmocka_unit_test(test_preconditions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
