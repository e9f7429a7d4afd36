/*
 * A parsed document: YAML (one document, no anchors, aliases or tags, no duplicate keys) or JSON, as one
 * neutral tree that keeps every position.
 * A document whose syntax is broken gives one error. Single-threaded; the tree lives in one arena.
 */
#pragma once
#include "lib/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOC_BYTES_MAX ((size_t)512 << 20)
#define DOC_DEPTH_MAX 32

enum doc_kind { DOC_SCALAR, DOC_SEQUENCE, DOC_MAPPING };

struct doc_node {
	enum doc_kind kind;
	bool is_quoted;	       /* scalar written with quotes or as a block; a JSON string */
	uint32_t line, column; /* 1-based; of the value. JSON: line 0, column its index in a sequence */
	uint32_t count;	       /* members of a sequence or mapping */
	size_t length;	       /* of text, which may hold NUL bytes */
	const char *text;      /* scalar, NUL-terminated; "" for an empty plain scalar */
	struct doc_node *first, *next, *parent;
	const char *key; /* member of a mapping */
	uint32_t key_line, key_column;
};

struct doc {
	struct arena *arena;
	const char *file;      /* as given; NULL for a JSON body (errors carry pointers instead) */
	struct doc_node *root; /* an empty file is an empty mapping */
};

/* NULL on failure, with an entry in errors. doc_from_file reads at most DOC_BYTES_MAX. Duplicate keys of
 * YAML are entries in errors too, but the document comes back with the first value of each, so that all
 * else that is wrong with it is found in the same pass: success is !err_has_errors(errors). */
struct doc *doc_from_file(const char *path, struct err_list *errors);
struct doc *doc_from_yaml(const char *name, const char *text, size_t length, struct err_list *errors);
struct doc *doc_from_json(const char *text, size_t length, struct err_list *errors);
void doc_free(struct doc *doc);

const struct doc_node *doc_get(const struct doc_node *mapping, const char *key); /* NULL: absent */

/* An error at the value (or with _key at the key) of `node`; file:line:column or pointer. */
struct err *doc_err(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
struct err *doc_err_key(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
			const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A warning of a topic (see err_warn_topic) at the value, or with _key at the key. NULL: only counted. */
struct err *doc_warn(struct err_list *errors, const char *topic, const struct doc *doc,
		     const struct doc_node *node, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
struct err *doc_warn_key(struct err_list *errors, const char *topic, const struct doc *doc,
			 const struct doc_node *node, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Reports every key of `mapping` outside words[]: "unknown key 'x'; did you mean 'y'?" (or "; one of …"
 * where none is near), or for the
 * keys in later[] (both arrays end with NULL): "'x' is not supported by this build". */
void doc_check_keys(struct err_list *errors, const struct doc *doc, const struct doc_node *mapping,
		    const char *const *words, const char *const *later);
/* "unknown <what> 'x'; one of a, b, c" with the nearest; words ends with NULL. */
void doc_err_word(struct err_list *errors, const struct doc *doc, const struct doc_node *node,
		  const char *what, const char *const *words);
