/* JSON bodies: the same tree, and pointers instead of lines. */
#include "lib/doc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct doc *parse(const char *text, struct err_list *errors)
{
	return doc_from_json(text, strlen(text), errors);
}

static void tree_is_that_of_yaml(void **state)
{
	static const struct {
		const char *key, *text;
		bool is_quoted;
	} scalars[] = {{"z", "eu", true},	{"int", "-7", false},	     {"real", "50.11", false},
		       {"whole", "5.0", false}, {"small", "0.00001", false}, {"yes", "true", false},
		       {"no", "false", false},	{"null", "null", false},     {"word", "true", true}};
	struct err_list errors = {.items = NULL};
	struct doc *doc =
		parse("{\"z\":\"eu\",\"int\":-7,\"real\":50.11,\"whole\":5.0,\"small\":1e-5,\"yes\":true,"
		      "\"no\":false,\"null\":null,\"word\":\"true\",\"list\":[1,[2]],\"map\":{}}",
		      &errors);

	assert_non_null(doc);
	assert_null(doc->file);
	const struct doc_node *node = doc->root->first;
	for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++, node = node->next) {
		assert_string_equal(node->key, scalars[i].key);
		assert_string_equal(node->text, scalars[i].text);
		assert_int_equal(node->length, strlen(scalars[i].text));
		assert_true(node->is_quoted == scalars[i].is_quoted);
		assert_int_equal(node->line, 0);
	}
	assert_int_equal(node->kind, DOC_SEQUENCE);
	assert_int_equal(node->count, 2);
	assert_int_equal(node->next->kind, DOC_MAPPING);
	doc_free(doc);
}

static void errors_carry_rfc_6901_pointers(void **state)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse("{\"tenants\":{\"a/b~c\":{\"hosts\":[\"x\",\"y\"]}},\"\":1}", &errors);
	const struct doc_node *tenant = doc_get(doc->root, "tenants")->first;

	doc_err(&errors, doc, doc->root, "%d%%", 7);
	doc_err(&errors, doc, doc_get(tenant, "hosts")->first->next, "no host");
	doc_err_key(&errors, doc, tenant, "unknown");
	doc_err(&errors, doc, doc_get(doc->root, ""), "empty");
	assert_string_equal(errors.items[0].pointer, "");
	assert_string_equal(errors.items[0].message, "7%");
	assert_string_equal(errors.items[1].pointer, "/tenants/a~1b~0c/hosts/1");
	assert_string_equal(errors.items[2].pointer, "/tenants/a~1b~0c");
	assert_string_equal(errors.items[3].pointer, "/");
	for (size_t i = 0; i < errors.count; i++) {
		assert_null(errors.items[i].file);
		assert_int_equal(errors.items[i].line, 0);
		assert_int_equal(errors.items[i].column, 0);
	}
	err_done(&errors);
	doc_free(doc);
}

static void assert_refused(const char *json, const char *pointer, const char *message)
{
	struct err_list errors = {.items = NULL};

	assert_null(parse(json, &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.items[0].pointer, pointer);
	if (!strstr(errors.items[0].message, message))
		fail_msg("'%s' does not say '%s'", errors.items[0].message, message);
	err_done(&errors);
}

static void broken_bodies_are_one_error(void **state)
{
	assert_refused("", "", "line 1 column 0: ");
	assert_refused("{\"a\": 1,\n \"b\": }", "", "line 2 column 7: ");
	assert_refused("{\"a\":1,\"a\":2}", "", "duplicate object key");
	assert_refused("{\"a\":\"x\\u0000y\"}", "", "\\u0000 is not allowed");
	assert_refused("{} {}", "", "end of file expected");
	assert_refused("{\"a\":\"\xff\"}", "", "unable to decode byte 0xff");
	assert_refused("{\"a\":99999999999999999999}", "", "too big integer");
}

static void depth_is_limited(void **state)
{
	char text[2 * DOC_DEPTH_MAX + 8] = "";

	memset(text, '[', DOC_DEPTH_MAX);
	memset(text + DOC_DEPTH_MAX, ']', DOC_DEPTH_MAX);
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse(text, &errors);
	assert_non_null(doc);
	doc_free(doc);
	memset(text, '[', DOC_DEPTH_MAX + 1);
	memset(text + DOC_DEPTH_MAX + 1, ']', DOC_DEPTH_MAX + 1);
	char pointer[2 * DOC_DEPTH_MAX + 1] = "";
	for (int i = 0; i < DOC_DEPTH_MAX; i++)
		strcat(pointer, "/0");
	assert_refused(text, pointer, "nested more than 32 levels deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_is_that_of_yaml),
		cmocka_unit_test(errors_carry_rfc_6901_pointers),
		cmocka_unit_test(broken_bodies_are_one_error),
		cmocka_unit_test(depth_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
