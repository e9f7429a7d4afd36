/* YAML documents: any bytes give a sound tree or errors with places inside the text. */
#include "lib/doc.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void walk(const struct doc_node *node, int depth)
{
	uint32_t count = 0;

	check(depth <= DOC_DEPTH_MAX + 1);
	check(node->line >= 1 && node->column >= 1);
	if (node->kind == DOC_SCALAR) {
		check(!node->first && strlen(node->text) == node->length);
		return;
	}
	for (const struct doc_node *member = node->first; member; member = member->next, count++) {
		check(member->parent == node);
		check((member->key != NULL) == (node->kind == DOC_MAPPING));
		if (member->key && count < 64)
			check(doc_get(node, member->key) == member); /* no key twice */
		walk(member, depth + 1);
	}
	check(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"regions", "services", "zones", "tenants", NULL};
	static const char *const later[] = {"tiers", NULL};
	struct err_list errors = {.items = NULL};
	struct doc *doc = doc_from_yaml("f.yaml", (const char *)data, size, &errors);
	uint32_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 ||
			 data[i] == 0xa9;
	check(doc || errors.count > 0);
	if (doc) {
		walk(doc->root, 1);
		doc_check_keys(&errors, doc, doc->root, words, later);
	}
	for (size_t i = 0; i < errors.count; i++) {
		check(errors.items[i].line >= 1 && errors.items[i].line <= lines);
		check(errors.items[i].column >= 1 && errors.items[i].column <= size + 1);
	}
	json_decref(err_to_json(&errors));
	doc_free(doc);
	err_done(&errors);
	return 0;
}
