/* Tables of keys and typed values: what is taken, what is refused, and where that is said. */
#include "lib/doc_read.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

struct target {
	uint64_t count, wait_ms;
	double share;
	bool is_on;
	uint32_t part;
	unsigned word;
	const char *id, *text;
};

static void read_count(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_uint(reader, value, 1, 10, &((struct target *)target)->count);
}

static void read_wait(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_duration_ms(reader, value, 0, 60000, &((struct target *)target)->wait_ms);
}

static void read_share(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_double(reader, value, -1, 1, &((struct target *)target)->share);
}

static void read_on(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bool(reader, value, &((struct target *)target)->is_on);
}

static void read_part(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_percent(reader, value, &((struct target *)target)->part);
}

static void read_word(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"red", "green", NULL}, *const later[] = {"blue", NULL};

	doc_read_word(reader, value, "colour", words, later, &((struct target *)target)->word);
}

static void read_id(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_id(reader, value, &((struct target *)target)->id);
}

static void read_text(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_text(reader, value, "text", &((struct target *)target)->text);
}

static const struct doc_key keys[] = {
	{"count", read_count, true},
	{"wait", read_wait},
	{"share", read_share},
	{"on", read_on},
	{"part", read_part},
	{"word", read_word},
	{"id", read_id},
	{"text", read_text},
	{"soon", NULL},
	{NULL},
};

/* What is told; frees the errors. */
static char *read_doc(struct doc *doc, struct err_list *errors, struct target *target)
{
	struct doc_reader reader = {.doc = doc, .errors = errors};
	char *text = NULL;
	size_t size = 0;

	assert_non_null(doc);
	bool is_good = doc_read_mapping(&reader, doc->root, keys, target);
	assert_int_equal(is_good, errors->errors == 0);
	FILE *out = open_memstream(&text, &size);
	err_print(errors, out);
	fclose(out);
	err_done(errors);
	return text;
}

static char *read_yaml(const char *yaml, struct target *target, struct doc **ret_doc)
{
	struct err_list errors = {0};

	*ret_doc = doc_from_yaml("f", yaml, strlen(yaml), &errors);
	return read_doc(*ret_doc, &errors, target);
}

static void test_good_values(void **state)
{
	struct target target = {0};
	struct doc *doc;
	char *told = read_yaml(
		"count: 10\nwait: 0s\nshare: -0.5\n\"on\": true\npart: 12.5%\nword: green\nid: null\n"
		"text: 'on'\n",
		&target, &doc);

	assert_string_equal(told, "");
	free(told);
	assert_int_equal(target.count, 10);
	assert_int_equal(target.wait_ms, 0);
	assert_true(target.share == -0.5);
	assert_true(target.is_on);
	assert_int_equal(target.part, 1250);
	assert_int_equal(target.word, 1);
	assert_string_equal(target.id, "null");
	assert_string_equal(target.text, "on");
	doc_free(doc);
}

static void test_refusals(void **state)
{
	static const char *const rows[][2] = {
		{"wait: 1s\n", "f:1:1: missing key 'count'\n"},
		{"{count: '1'}\n", "f:1:9: '1' must be a plain whole number from 1 to 10, without quotes\n"},
		{"{count: 0x1}\n", "f:1:9: '0x1' must be a plain whole number from 1 to 10\n"},
		{"{count: [1]}\n", "f:1:9: must be a plain whole number from 1 to 10, not a list\n"},
		{"{count: }\n", "f:1:9: must be a plain whole number from 1 to 10, not empty\n"},
		{"{count: 1, wait: 61s}\n",
		 "f:1:18: '61s' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 1m\n"},
		{"{count: 1, share: 1e0}\n", "f:1:19: '1e0' must be a plain decimal number from -1 to 1\n"},
		{"{count: 1, on: yes}\n", "f:1:16: 'yes' must be true or false\n"},
		{"{count: 1, on: \"true\"}\n", "f:1:16: 'true' must be true or false, without quotes\n"},
		{"{count: 1, part: 50}\n", "f:1:18: '50' must be a percentage from 0% to 100%\n"},
		{"{count: 1, word: gren}\n", "f:1:18: unknown colour 'gren'; one of red, green\n"},
		{"{count: 1, word: blue}\n", "f:1:18: colour 'blue' is not supported by this build\n"},
		{"{count: 1, id: A}\n",
		 "f:1:16: 'A' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
		{"{count: 1, soon: 1, txet: 2}\n", "f:1:12: 'soon' is not supported by this build\n"
						   "f:1:21: unknown key 'txet'; did you mean 'text'?\n"},
		{"[1]\n", "f:1:1: must be a mapping, not a list\n"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct target target = {.count = 99, .word = 99};
		struct doc *doc;
		char *told = read_yaml(rows[i][0], &target, &doc);
		assert_string_equal(told, rows[i][1]);
		assert_int_equal(target.word, 99); /* nothing is written that is not good */
		free(told);
		doc_free(doc);
	}
}

/* A word in YAML; in JSON no value at all, and no text of four letters. */
static void test_null_of_json(void **state)
{
	static const char json[] = "{\"count\":null,\"word\":null,\"id\":null,\"text\":null}";
	struct target target = {.id = "kept", .text = "kept"};
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(json, strlen(json), &errors);
	char *told = read_doc(doc, &errors, &target);

	assert_string_equal(told, "/count: must be a plain whole number from 1 to 10, not null\n"
				  "/word: unknown colour 'null'; one of red, green\n"
				  "/id: must be an id (1 to 63 of a-z, 0-9 and inner hyphens), not null\n"
				  "/text: must be text, not null\n");
	assert_string_equal(target.id, "kept");
	assert_string_equal(target.text, "kept");
	free(told);
	doc_free(doc);
	doc = doc_from_json("{\"count\":1,\"id\":\"null\"}", 23, &errors);
	free(read_doc(doc, &errors, &target));
	assert_string_equal(target.id, "null");
	doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_null_of_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
