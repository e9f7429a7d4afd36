/* YAML documents: the tree, and the exact place of everything that is wrong. */
#include "lib/doc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct doc *parse(const char *text, struct err_list *errors)
{
	return doc_from_yaml("f.yaml", text, strlen(text), errors);
}

static char *printed(struct err_list *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	err_print(errors, out);
	fclose(out);
	err_done(errors);
	return text;
}

static void assert_refused(const char *yaml, const char *want)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse(yaml, &errors);
	char *text = printed(&errors);

	assert_null(doc);
	assert_string_equal(text, want);
	free(text);
}

static void assert_at(const struct doc_node *node, uint32_t line, uint32_t column)
{
	assert_int_equal(node->line, line);
	assert_int_equal(node->column, column);
}

static void tree_keeps_text_order_and_places(void **state)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse("# the fleet\n"
				"regions:\n"
				"  eu: {at: [50.11, 8.68], country: NO}\n"
				"  \"us\":\n"
				"    at:\n"
				"    - 38.95\n"
				"    - '-77.45'\n"
				"    note:\n"
				"    text: |\n"
				"      a\n"
				"      b\n",
				&errors);
	const struct doc_node *eu, *us, *at, *regions;

	assert_non_null(doc);
	assert_int_equal(errors.count, 0);
	assert_int_equal(doc->root->kind, DOC_MAPPING);
	assert_at(doc->root, 2, 1);
	regions = doc_get(doc->root, "regions");
	assert_at(regions, 3, 3);
	assert_int_equal(regions->key_line, 2);
	assert_int_equal(regions->key_column, 1);
	eu = doc_get(regions, "eu");
	us = eu->next;
	assert_ptr_equal(us, doc_get(regions, "us"));
	assert_null(us->next);
	assert_ptr_equal(us->parent, regions);
	assert_int_equal(us->key_column, 3);
	assert_at(eu, 3, 7);
	assert_string_equal(doc_get(eu, "country")->text, "NO");
	assert_false(doc_get(eu, "country")->is_quoted);
	at = doc_get(us, "at");
	assert_int_equal(at->kind, DOC_SEQUENCE);
	assert_int_equal(at->count, 2);
	assert_string_equal(at->first->next->text, "-77.45");
	assert_true(at->first->next->is_quoted);
	assert_at(at->first->next, 7, 7);
	assert_string_equal(doc_get(us, "note")->text, "");
	assert_at(doc_get(us, "note"), 8, 10);
	assert_string_equal(doc_get(us, "text")->text, "a\nb\n");
	assert_true(doc_get(us, "text")->is_quoted);
	assert_null(doc_get(us, "absent"));
	assert_null(doc_get(at, "0"));
	doc_free(doc);
}

static void an_empty_file_is_an_empty_mapping(void **state)
{
	static const char *const empty[] = {"",		  "\n\n", "# nothing\n", "---\n",
					    "---\n...\n", "{}",	  "\xef\xbb\xbf"};

	for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
		struct err_list errors = {.items = NULL};
		struct doc *doc = parse(empty[i], &errors);
		assert_non_null(doc);
		assert_int_equal(doc->root->kind, DOC_MAPPING);
		assert_int_equal(doc->root->count, 0);
		assert_at(doc->root, 1, 1);
		assert_int_equal(errors.count, 0);
		doc_free(doc);
	}
}

static void columns_count_characters(void **state)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse("\xef\xbb\xbf\xc3\xa9\xc3\xa9: x\n", &errors);

	assert_non_null(doc);
	assert_int_equal(doc->root->first->key_column, 1);
	assert_at(doc->root->first, 1, 5);
	doc_free(doc);
	assert_refused("\xc3\xa9: &a x", "f.yaml:1:4: anchors (&name) are not supported\n");
}

static void duplicate_keys_are_named_and_the_rest_stays(void **state)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse("a: 1\nb:\n  x: 1\n  'x': 2\na: {y: 3}\nc: 4\n", &errors);

	assert_non_null(doc);
	assert_string_equal(doc_get(doc->root, "a")->text, "1");
	assert_string_equal(doc_get(doc->root, "c")->text, "4");
	assert_int_equal(doc->root->count, 3);
	doc_free(doc);
	char *text = printed(&errors);
	assert_string_equal(text, "f.yaml:4:3: duplicate key 'x', first used at line 3\n"
				  "f.yaml:5:1: duplicate key 'a', first used at line 1\n");
	free(text);
}

/* Many keys, in several mappings at one depth, so that the table grows and is taken again. */
static void duplicates_are_found_in_large_mappings(void **state)
{
	struct err_list errors = {.items = NULL};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (int group = 0; group < 3; group++) {
		fprintf(out, "g%d:\n", group);
		for (int i = 0; i < 5000; i++)
			fprintf(out, "  k%d: {a: 1, b: 2}\n", i);
		fprintf(out, "  k%d: {a: 1}\n", group * 2499);
	}
	fclose(out);
	struct doc *doc = doc_from_yaml("f.yaml", text, size, &errors);
	free(text);
	assert_non_null(doc);
	assert_int_equal(doc->root->first->count, 5000);
	doc_free(doc);
	text = printed(&errors);
	assert_string_equal(text, "f.yaml:5002:3: duplicate key 'k0', first used at line 2\n"
				  "f.yaml:10004:3: duplicate key 'k2499', first used at line 7503\n"
				  "f.yaml:15006:3: duplicate key 'k4998', first used at line 15004\n");
	free(text);
}

static void what_the_subset_leaves_out_is_refused_by_place(void **state)
{
	assert_refused("a: &x 1\nb: *x\nc: !!str 2\n", "f.yaml:1:4: anchors (&name) are not supported\n"
						       "f.yaml:2:4: aliases (*name) are not supported\n"
						       "f.yaml:3:4: tags (!name) are not supported\n");
	assert_refused("a: ! x\n", "f.yaml:1:4: tags (!name) are not supported\n");
	assert_refused("&r {a: 1}\n", "f.yaml:1:1: anchors (&name) are not supported\n");
	assert_refused("- !l [1]\n", "f.yaml:1:3: tags (!name) are not supported\n");
	assert_refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document; a file holds one\n");
	assert_refused("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be a word, not a mapping or a sequence\n");
	assert_refused("a:\n  k: \"x\\0y\"\n", "f.yaml:2:6: a NUL character is not allowed\n");
	assert_refused("%TAG ! tag:example.net,2000:\n---\na: 1\n", "f.yaml:1:1: tags are not supported\n");
}

static void broken_syntax_is_one_error_at_its_place(void **state)
{
	/* the duplicate and the anchor before it are not worth a word */
	assert_refused(
		"a: 1\na: &x 2\nb: [1, 2\nc: 3\n",
		"f.yaml:4:2: YAML syntax: ',' or ']' is missing here; the list […] begins at line 3\n");
	assert_refused("a:\n\tb: 1\n", "f.yaml:2:1: YAML syntax: a tab where only spaces may stand\n");
	assert_refused("a: b: c\n", "f.yaml:1:5: YAML syntax: a second colon: put the text into quotes, or "
				    "the inner mapping into {…} or on lines of its own\n");
	assert_refused("a: 'open\n", "f.yaml:1:4: YAML syntax: this quote is never closed\n");
	assert_refused("a: 1\nb: x\xff\n", "f.yaml:2:5: YAML syntax: not UTF-8; save the file as UTF-8\n");
	assert_refused("a: 1\n\x01: 2\n",
		       "f.yaml:2:1: YAML syntax: a control character; is this a text file?\n");
	assert_refused("a: 1\n  b: 2\n", "f.yaml:2:4: YAML syntax: a second colon: put the text into quotes, "
					 "or the inner mapping into {…} or on lines of its own\n");
	assert_refused(
		"{a: 1",
		"f.yaml:1:6: YAML syntax: ',' or '}' is missing here; the mapping {…} begins at line 1\n");
}

static void depth_is_limited(void **state)
{
	char text[3 * DOC_DEPTH_MAX + 8] = "";

	for (int i = 0; i < DOC_DEPTH_MAX; i++)
		strcat(text, "[");
	for (int i = 0; i < DOC_DEPTH_MAX; i++)
		strcat(text, "]");
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse(text, &errors);
	assert_non_null(doc);
	doc_free(doc);
	memmove(text + 1, text, strlen(text) + 1);
	strcat(text, "]");
	assert_refused(text, "f.yaml:1:33: nested more than 32 levels deep\n");
}

static void files(void **state)
{
	struct err_list errors = {.items = NULL};
	char path[] = "/tmp/gslb-doc-XXXXXX", want[128];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\nb: [", 9), 9);
	assert_null(doc_from_file(path, &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.items[0].file, path);
	assert_int_equal(errors.items[0].line, 2);
	err_done(&errors);
	assert_int_equal(write(fd, "1]\n", 3), 3);
	close(fd);
	struct doc *doc = doc_from_file(path, &errors);
	assert_non_null(doc);
	assert_string_equal(doc->file, path);
	assert_int_equal(doc->root->count, 2);
	doc_free(doc);
	unlink(path);
	assert_null(doc_from_file(path, &errors));
	snprintf(want, sizeof want, "%s: cannot open: No such file or directory\n", path);
	char *text = printed(&errors);
	assert_string_equal(text, want);
	free(text);
	assert_null(doc_from_file("/", &errors));
	text = printed(&errors);
	assert_string_equal(text, "/: cannot read: Is a directory\n");
	free(text);
	assert_int_equal(mkfifo(path, 0600), 0); /* that nobody will ever write to */
	assert_null(doc_from_file(path, &errors));
	snprintf(want, sizeof want, "%s: cannot read: not a regular file\n", path);
	text = printed(&errors);
	assert_string_equal(text, want);
	free(text);
	unlink(path);
}

/* One byte over the limit is refused before it is looked at; the memory is never touched. */
static void size_is_limited(void **state)
{
	struct err_list errors = {.items = NULL};

	assert_null(doc_from_yaml("f.yaml", "", DOC_BYTES_MAX + 1, &errors));
	char *text = printed(&errors);
	assert_string_equal(text, "f.yaml: longer than 536870912 bytes\n");
	free(text);
}

static void readers_report_keys_and_words(void **state)
{
	static const char *const words[] = {"order", "tolerance", NULL}, *const later[] = {"bias", NULL};
	static const char *const orders[] = {"nearest", "listed", NULL};
	struct err_list errors = {.items = NULL};
	struct doc *doc = parse("order: nearst\nbias: {}\ntolerence: 1\nqq: 2\n", &errors);

	doc_check_keys(&errors, doc, doc->root, words, later);
	assert_string_equal(errors.items[1].nearest, "tolerance");
	assert_null(errors.items[2].nearest);
	doc_err_word(&errors, doc, doc_get(doc->root, "order"), "order", orders);
	assert_string_equal(errors.items[3].nearest, "nearest");
	char *text = printed(&errors);
	assert_string_equal(text, "f.yaml:2:1: 'bias' is not supported by this build\n"
				  "f.yaml:3:1: unknown key 'tolerence'; did you mean 'tolerance'?\n"
				  "f.yaml:4:1: unknown key 'qq'; one of order, tolerance\n"
				  "f.yaml:1:8: unknown order 'nearst'; one of nearest, listed\n");
	free(text);
	doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_keeps_text_order_and_places),
		cmocka_unit_test(an_empty_file_is_an_empty_mapping),
		cmocka_unit_test(columns_count_characters),
		cmocka_unit_test(duplicate_keys_are_named_and_the_rest_stays),
		cmocka_unit_test(duplicates_are_found_in_large_mappings),
		cmocka_unit_test(what_the_subset_leaves_out_is_refused_by_place),
		cmocka_unit_test(broken_syntax_is_one_error_at_its_place),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(files),
		cmocka_unit_test(size_is_limited),
		cmocka_unit_test(readers_report_keys_and_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
