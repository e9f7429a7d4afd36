/* JSON bodies: what is no object is refused at once, what is wrong inside is told with its place. */
#include "daemon/http_body.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_bodies_that_are_no_object(void **state)
{
	static const struct {
		const char *body;
		int status;
	} rows[] = {{"", 400},	       {"{", 400},	  {"{\"a\":1,\"a\":2}", 400},
		    {"nonsense", 400}, {"\"\xff\"", 400}, {"[]", 422},
		    {"null", 422},     {"\"a\"", 422},	  {"{\"a\":\"\\u0000\"}", 400}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_reply reply;
		struct http_request request = {.body = rows[i].body, .body_length = strlen(rows[i].body)};
		http_reply_init(&reply);
		assert_null(http_body_read(&request, &reply));
		assert_int_equal(reply.status, rows[i].status);
		assert_string_equal(reply.content_type, "application/problem+json");
		http_reply_done(&reply);
	}
}

static const char body[] = "{\"text\":\"b\\u00fccher\",\"none\":null,\"number\":5,\"list\":[\"a\"],"
			   "\"empty\":\"\"}";

struct member {
	const char *key;
	const char *value;   /* NULL: none */
	const char *message; /* NULL: nothing is wrong */
	const char *pointer;
};

static void check_members(const char *(*read)(const struct doc *, const struct doc_node *, const char *,
					      size_t, struct err_list *),
			  const struct member *members, size_t count)
{
	struct http_reply reply;
	struct http_request request = {.body = body, .body_length = strlen(body)};
	http_reply_init(&reply);
	struct doc *doc = http_body_read(&request, &reply);
	assert_non_null(doc);
	for (size_t i = 0; i < count; i++) {
		struct err_list errors = {0};
		const char *value = read(doc, doc->root, members[i].key, 7, &errors);
		if (members[i].value)
			assert_string_equal(value, members[i].value);
		else
			assert_null(value);
		assert_int_equal(errors.count, members[i].message != NULL);
		if (members[i].message) {
			assert_string_equal(errors.items[0].message, members[i].message);
			assert_string_equal(errors.items[0].pointer, members[i].pointer);
		}
		err_done(&errors);
	}
	doc_free(doc);
	http_reply_done(&reply);
}

static void test_members(void **state)
{
	static const struct member members[] = {
		{"text",
		 "b\xc3\xbc"
		 "cher",
		 NULL, NULL},
		{"empty", "", NULL, NULL},
		{"none", NULL, NULL, NULL},
		{"absent", NULL, NULL, NULL},
		{"number", NULL, "'number' is a string", "/number"},
		{"list", NULL, "'list' is a string", "/list"},
	};
	check_members(http_body_text, members, sizeof members / sizeof members[0]);
}

static void test_members_that_must_be_there(void **state)
{
	static const struct member members[] = {
		{"text",
		 "b\xc3\xbc"
		 "cher",
		 NULL, NULL},
		{"none", NULL, "'none' is required", "/none"},
		{"absent", NULL, "'absent' is required", ""},
		{"number", NULL, "'number' is a string", "/number"},
	};
	check_members(http_body_required, members, sizeof members / sizeof members[0]);
}

static void test_members_that_are_too_long(void **state)
{
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(body, strlen(body), &errors);
	assert_null(http_body_text(doc, doc->root, "text", 6, &errors));
	assert_string_equal(errors.items[0].message, "'text' has at most 6 octets");
	err_done(&errors);
	doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies_that_are_no_object),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_members_that_must_be_there),
		cmocka_unit_test(test_members_that_are_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
