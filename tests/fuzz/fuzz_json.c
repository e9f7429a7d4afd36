/* JSON bodies: any bytes give a tree whose every pointer leads back to its value, or one error. */
#include "lib/doc.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

/* Follows an RFC 6901 pointer, decoding it independently of the code that wrote it. */
static const struct doc_node *follow(const struct doc_node *node, const char *pointer)
{
	char part[4096];

	while (*pointer == '/') {
		size_t length = 0;
		for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
			check(length < sizeof part - 1);
			if (*pointer == '~')
				part[length++] = *++pointer == '0' ? '~' : '/';
			else
				part[length++] = *pointer;
		}
		part[length] = '\0';
		if (node->kind == DOC_MAPPING) {
			node = doc_get(node, part);
		} else {
			const struct doc_node *member = node->first;
			for (long index = strtol(part, NULL, 10); index > 0; index--)
				member = member->next;
			node = member;
		}
	}
	return node;
}

static void walk(const struct doc *doc, const struct doc_node *node)
{
	struct err_list errors = {.items = NULL};

	doc_err(&errors, doc, node, "here");
	if (strlen(errors.items[0].pointer) < 4096)
		check(follow(doc->root, errors.items[0].pointer) == node);
	err_done(&errors);
	for (const struct doc_node *member = node->first; member; member = member->next)
		walk(doc, member);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = doc_from_json((const char *)data, size, &errors);

	check((!doc) == (errors.count == 1));
	if (doc)
		walk(doc, doc->root);
	json_decref(err_to_json(&errors));
	doc_free(doc);
	err_done(&errors);
	return 0;
}
