/* JSON bodies into documents, through jansson. Control threads. */
#include "lib/arena.h"
#include "lib/doc_build.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct converter {
	struct doc *doc;
	struct err_list *errors;
	bool is_refused;
};

/* The shortest plain decimal that reads back as the same number; jansson does not keep the text. */
static void format_real(double value, char out[static 352])
{
	for (int digits = 1; digits <= 20; digits++) {
		snprintf(out, 352, "%.*f", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
	snprintf(out, 352, "%.17g", value);
}

static void set_text(struct converter *converter, struct doc_node *node, const char *text, size_t length)
{
	node->text = arena_strndup(converter->doc->arena, text, length);
	node->length = length;
}

static void convert_scalar(struct converter *converter, struct doc_node *node, const json_t *json)
{
	char number[352];

	switch (json_typeof(json)) {
	case JSON_STRING:
		node->is_quoted = true;
		set_text(converter, node, json_string_value(json), json_string_length(json));
		return;
	case JSON_INTEGER:
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		break;
	case JSON_REAL:
		format_real(json_real_value(json), number);
		break;
	default:
		snprintf(number, sizeof number, "%s",
			 json_is_true(json) ? "true" : (json_is_false(json) ? "false" : "null"));
		break;
	}
	set_text(converter, node, number, strlen(number));
}

static struct doc_node *convert(struct converter *converter, struct doc_node *parent, struct doc_node **last,
				const char *key, json_t *json, int depth);

static void convert_members(struct converter *converter, struct doc_node *node, json_t *json, int depth)
{
	struct doc_node *last = NULL;
	const char *key;
	json_t *value;
	size_t index;

	if (node->kind == DOC_MAPPING) {
		json_object_foreach (json, key, value)
			if (!converter->is_refused)
				convert(converter, node, &last, key, value, depth + 1);
	} else {
		json_array_foreach (json, index, value)
			if (!converter->is_refused)
				convert(converter, node, &last, NULL, value, depth + 1);
	}
}

/* Recursion is bounded by DOC_DEPTH_MAX. */
static struct doc_node *convert(struct converter *converter, struct doc_node *parent, struct doc_node **last,
				const char *key, json_t *json, int depth)
{
	enum doc_kind kind = json_is_object(json)  ? DOC_MAPPING
			     : json_is_array(json) ? DOC_SEQUENCE
						   : DOC_SCALAR;
	struct doc_node *node = doc_node_new(converter->doc, kind);
	assert(depth <= DOC_DEPTH_MAX + 1 && !key == (!parent || parent->kind != DOC_MAPPING));

	if (key)
		node->key = arena_strndup(converter->doc->arena, key, strlen(key));
	if (parent) {
		node->column = parent->count; /* the index, for pointers; see lib/doc.h */
		doc_node_append(parent, last, node);
	}
	if (kind == DOC_SCALAR) {
		convert_scalar(converter, node, json);
	} else if (depth > DOC_DEPTH_MAX) {
		doc_err(converter->errors, converter->doc, node, "nested more than %d levels deep",
			DOC_DEPTH_MAX);
		converter->is_refused = true;
	} else {
		convert_members(converter, node, json, depth);
	}
	return node;
}

struct doc *doc_from_json(const char *text, size_t length, struct err_list *errors)
{
	json_error_t error;

	if (length > DOC_BYTES_MAX) {
		err_set_pointer(err_add(errors, NULL, 0, 0, "longer than %zu bytes", DOC_BYTES_MAX), "");
		return NULL;
	}
	/* Without JSON_ALLOW_NUL a string that holds \u0000 is refused: every text ends at its NUL. */
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		struct err *err = err_add(errors, NULL, 0, 0, "JSON syntax, line %d column %d: %s",
					  error.line, error.column, error.text);
		err_set_pointer(err, "");
		return NULL;
	}
	struct converter converter = {.doc = doc_new(NULL), .errors = errors};
	struct doc_node *none = NULL;
	converter.doc->root = convert(&converter, NULL, &none, NULL, json, 1);
	json_decref(json);
	if (converter.is_refused) {
		doc_free(converter.doc);
		return NULL;
	}
	return converter.doc;
}
