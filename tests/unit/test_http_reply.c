/* What a client reads: bodies, problems as RFC 9457 has them, versions, pages. */
#include "daemon/http_reply.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct http_reply reply;

static int setup(void **state)
{
	http_reply_init(&reply);
	return 0;
}

static int teardown(void **state)
{
	http_reply_done(&reply);
	return 0;
}

static void expect(int status, const char *content_type, const char *text)
{
	assert_int_equal(reply.status, status);
	assert_string_equal(reply.content_type, content_type);
	evbuffer_add(reply.body, "", 1);
	assert_string_equal((const char *)evbuffer_pullup(reply.body, -1), text);
}

static void test_bodies_replace_each_other(void **state)
{
	static const char constant[] = "it stays";
	http_reply_text(&reply, 200, "text/plain", "first");
	http_reply_owned_text(&reply, 200, "text/plain", xstrdup("second"), 6);
	http_reply_constant(&reply, 200, "text/plain", constant, sizeof constant - 1);
	http_reply_json(&reply, 201, json_pack("{s:f, s:n}", "share", 0.95, "next"));
	expect(201, "application/json", "{\"share\":0.95,\"next\":null}");
}

static void test_texts_that_are_not_copied(void **state)
{
	static const char constant[] = "it stays";
	http_reply_constant(&reply, 200, "text/plain", constant, sizeof constant - 1);
	expect(200, "text/plain", "it stays");
	http_reply_owned_text(&reply, 200, "text/plain", xstrdup("owned, and more"), 5);
	expect(200, "text/plain", "owned");
}

static void test_pages(void **state)
{
	http_reply_page(&reply, json_pack("[i,i]", 1, 2), "two");
	expect(200, "application/json", "{\"items\":[1,2],\"next\":\"two\"}");
	http_reply_page(&reply, json_array(), NULL);
	expect(200, "application/json", "{\"items\":[],\"next\":null}");
}

static void test_problems(void **state)
{
	http_reply_json(&reply, 200, json_object());
	http_reply_set_etag(&reply, 18446744073709551615u);
	assert_string_equal(reply.etag, "\"18446744073709551615\"");
	http_reply_problem(&reply, HTTP_PROBLEM_NOT_FOUND, NULL, "there is no %s", "such thing");
	assert_string_equal(reply.etag, ""); /* a problem is no version of the object */
	expect(404, "application/problem+json",
	       "{\"type\":\"urn:gslb:not-found\",\"title\":\"There is no such object\",\"status\":404,"
	       "\"detail\":\"there is no such thing\"}");
	http_reply_problem(&reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "no \xff");
	expect(400, "application/problem+json",
	       "{\"type\":\"urn:gslb:bad-request\",\"title\":\"The request cannot be understood\","
	       "\"status\":400,\"detail\":\"no ?\"}");
}

static void test_every_kind_of_problem_is_described(void **state)
{
	for (enum http_problem problem = 0; problem < HTTP_PROBLEMS; problem++) {
		const struct http_problem_kind *kind = http_reply_problem_kind(problem);
		assert_true(kind->status >= 400 && kind->status < 600);
		assert_true(strlen(kind->title) > 0);
		for (enum http_problem other = 0; other < problem; other++)
			assert_string_not_equal(kind->type, http_reply_problem_kind(other)->type);
	}
}

static void test_errors_are_all_told(void **state)
{
	struct err_list errors = {0};
	err_warn(&errors, "a.yaml", 1, 1, "only a warning");
	err_set_nearest(err_add(&errors, "a.yaml", 3, 5, "unknown key 'zon'"), "zone");
	http_reply_errors(&reply, HTTP_PROBLEM_INVALID, &errors);
	expect(422, "application/problem+json",
	       "{\"type\":\"urn:gslb:invalid\",\"title\":\"The request is well-formed, but its content is "
	       "not valid\",\"status\":422,\"detail\":\"unknown key 'zon'\",\"errors\":[{\"file\":\"a.yaml\","
	       "\"line\":3,\"column\":5,\"message\":\"unknown key 'zon'\",\"nearest\":\"zone\"}]}");
	err_set_pointer(err_add(&errors, NULL, 0, 0, "second"), "/tenants/b");
	http_reply_errors(&reply, HTTP_PROBLEM_BASE_OBJECT, &errors);
	assert_int_equal(reply.status, 409);
	json_t *body = json_loadb((const char *)evbuffer_pullup(reply.body, -1),
				  evbuffer_get_length(reply.body), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(body, "type")), "urn:gslb:base-object");
	assert_string_equal(json_string_value(json_object_get(body, "detail")),
			    "unknown key 'zon' (and 1 more)");
	const json_t *second = json_array_get(json_object_get(body, "errors"), 1);
	assert_string_equal(json_string_value(json_object_get(second, "pointer")), "/tenants/b");
	json_decref(body);
	err_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bodies_replace_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts_that_are_not_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_problems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_kind_of_problem_is_described, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_are_all_told, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
