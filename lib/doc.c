/* Documents: the tree, look-ups, and errors that know their place. Control threads. */
#include "lib/doc.h"
#include "lib/arena.h"
#include "lib/doc_build.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct doc *doc_new(const char *file)
{
	struct arena *arena = arena_new();
	struct doc *doc = arena_alloc(arena, sizeof *doc);

	doc->arena = arena;
	doc->file = file ? arena_strndup(arena, file, strlen(file)) : NULL;
	return doc;
}

void doc_free(struct doc *doc)
{
	if (doc)
		arena_free(doc->arena);
}

struct doc_node *doc_node_new(struct doc *doc, enum doc_kind kind)
{
	struct doc_node *node = arena_alloc(doc->arena, sizeof *node);

	node->kind = kind;
	return node;
}

void doc_node_append(struct doc_node *parent, struct doc_node **last, struct doc_node *node)
{
	assert(parent && !node->parent && !node->next);
	assert(!*last == !parent->first);
	node->parent = parent;
	if (*last)
		(*last)->next = node;
	else
		parent->first = node;
	*last = node;
	parent->count++;
}

const struct doc_node *doc_get(const struct doc_node *mapping, const char *key)
{
	if (!mapping || mapping->kind != DOC_MAPPING)
		return NULL;
	for (const struct doc_node *node = mapping->first; node; node = node->next)
		if (strcmp(node->key, key) == 0)
			return node;
	return NULL;
}

/* RFC 6901: "" is the root, '~' and '/' inside a key are written ~0 and ~1. Built from the end. */
static char *pointer_of(const struct doc_node *node)
{
	size_t length = 0;

	for (const struct doc_node *n = node; n->parent; n = n->parent)
		length += 1 + (n->key ? 2 * strlen(n->key) : 10);
	char *text = xmalloc(length + 1), *at = text + length;
	*at = '\0';
	for (; node->parent; node = node->parent) {
		if (!node->key) {
			char index[16];
			int digits = snprintf(index, sizeof index, "%u", node->column);
			at -= digits;
			memcpy(at, index, (size_t)digits);
		} else {
			for (size_t i = strlen(node->key); i-- > 0;) {
				char c = node->key[i];
				bool is_escaped = c == '~' || c == '/';
				*--at = is_escaped ? (c == '~' ? '0' : '1') : c;
				if (is_escaped)
					*--at = '~';
			}
		}
		*--at = '/';
	}
	assert(at >= text);
	memmove(text, at, strlen(at) + 1);
	return text;
}

/* Where an error stands: at a value or at its key. */
struct spot {
	const struct doc_node *node;
	uint32_t line, column;
};

static struct spot at_value(const struct doc_node *node)
{
	return (struct spot){node, node->line, node->column};
}

static struct spot at_key(const struct doc_node *node)
{
	return node->key ? (struct spot){node, node->key_line, node->key_column} : at_value(node);
}

/* `topic` NULL: an error, else a warning. */
static __attribute__((format(printf, 5, 0))) struct err *report(struct err_list *errors,
								const struct doc *doc, struct spot spot,
								const char *topic, const char *format,
								va_list args)
{
	bool is_json = spot.node->line == 0;
	uint32_t column = is_json ? 0 : spot.column;
	char *message;

	if (vasprintf(&message, format, args) < 0)
		abort();
	struct err *err = topic ? err_warn_topic(errors, topic, doc->file, spot.line, column, "%s", message)
				: err_add(errors, doc->file, spot.line, column, "%s", message);
	free(message);
	if (is_json && err) {
		char *pointer = pointer_of(spot.node);
		err_set_pointer(err, pointer);
		free(pointer);
	}
	return err;
}

struct err *doc_err(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = report(errors, doc, at_value(node), NULL, format, args);
	va_end(args);
	return err;
}

struct err *doc_err_key(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
			const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = report(errors, doc, at_key(node), NULL, format, args);
	va_end(args);
	return err;
}

struct err *doc_warn(struct err_list *errors, const char *topic, const struct doc *doc,
		     const struct doc_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = report(errors, doc, at_value(node), topic, format, args);
	va_end(args);
	return err;
}

struct err *doc_warn_key(struct err_list *errors, const char *topic, const struct doc *doc,
			 const struct doc_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = report(errors, doc, at_key(node), topic, format, args);
	va_end(args);
	return err;
}

static size_t count_words(const char *const *words)
{
	size_t count = 0;

	while (words && words[count])
		count++;
	return count;
}

static bool is_word(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

/* "a, b, c"; free() it. */
static char *list_words(const char *const *words)
{
	char *list = xstrdup("");

	for (size_t i = 0; words[i]; i++) {
		char *longer = xasprintf("%s%s%s", list, i > 0 ? ", " : "", words[i]);
		free(list);
		list = longer;
	}
	return list;
}

static void report_unknown_key(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
			       const char *const *words)
{
	const char *nearest = text_nearest(node->key, words, count_words(words));
	char quoted[TEXT_QUOTE_MAX];

	text_quote(node->key, quoted);
	if (nearest) {
		struct err *err =
			doc_err_key(errors, doc, node, "unknown key %s; did you mean '%s'?", quoted, nearest);
		err_set_nearest(err, nearest);
		return;
	}
	char *list = list_words(words);
	doc_err_key(errors, doc, node, "unknown key %s; one of %s", quoted, list);
	free(list);
}

void doc_check_keys(struct err_list *errors, const struct doc *doc, const struct doc_node *mapping,
		    const char *const *words, const char *const *later)
{
	size_t count = count_words(words), later_count = count_words(later);
	char quoted[TEXT_QUOTE_MAX];

	if (mapping->kind != DOC_MAPPING)
		return;
	for (const struct doc_node *node = mapping->first; node; node = node->next) {
		if (is_word(node->key, words, count))
			continue;
		text_quote(node->key, quoted);
		if (is_word(node->key, later, later_count)) {
			doc_err_key(errors, doc, node, "%s is not supported by this build", quoted);
			continue;
		}
		report_unknown_key(errors, doc, node, words);
	}
}

void doc_err_word(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
		  const char *what, const char *const *words)
{
	char quoted[TEXT_QUOTE_MAX], *list = list_words(words);

	text_quote(node->kind == DOC_SCALAR ? node->text : "", quoted);
	struct err *err = doc_err(errors, doc, node, "unknown %s %s; one of %s", what, quoted, list);
	if (node->kind == DOC_SCALAR)
		err_set_nearest(err, text_nearest(node->text, words, count_words(words)));
	free(list);
}
