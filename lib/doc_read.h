/*
 * Schema-driven reading of documents: tables of keys, and values of the types that stand in
 * docs/configuration.md, "How values are written". Each function reports what is wrong at its place and goes
 * on, so that one pass finds everything; `true` means good, outputs are written only then. Single-threaded.
 */
#pragma once
#include "lib/doc.h"

#define DOC_KEYS_MAX 40 /* rows of one table */

struct doc_reader {
	const struct doc *doc;
	struct err_list *errors;
};

/* Reads the value of one key into `target`. */
typedef void doc_read_fn(const struct doc_reader *reader, const struct doc_node *value, void *target);

struct doc_key {
	const char *name;  /* NULL ends a table */
	doc_read_fn *read; /* NULL: a key of a later part, refused by name */
	bool is_required;
};

/* Calls the row of each member; reports unknown, unsupported and missing keys. A key without a value
 * ("shop:") is an empty mapping. */
bool doc_read_mapping(const struct doc_reader *reader, const struct doc_node *node,
		      const struct doc_key *keys, void *target);

/* `what` completes "must be …" ("a list of addresses"). */
bool doc_read_is_sequence(const struct doc_reader *reader, const struct doc_node *node, const char *what);
bool doc_read_is_mapping(const struct doc_reader *reader, const struct doc_node *node, const char *what);
bool doc_read_is_scalar(const struct doc_reader *reader, const struct doc_node *node, const char *what);
/* Text without NUL octets; lives as long as the document. */
bool doc_read_text(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		   const char **ret);
bool doc_read_id(const struct doc_reader *reader, const struct doc_node *node, const char **ret);
bool doc_read_bool(const struct doc_reader *reader, const struct doc_node *node, bool *ret);
bool doc_read_uint(const struct doc_reader *reader, const struct doc_node *node, uint64_t min, uint64_t max,
		   uint64_t *ret);
bool doc_read_double(const struct doc_reader *reader, const struct doc_node *node, double min, double max,
		     double *ret);
bool doc_read_duration_ms(const struct doc_reader *reader, const struct doc_node *node, uint64_t min_ms,
			  uint64_t max_ms, uint64_t *ret_ms);
bool doc_read_bytes(const struct doc_reader *reader, const struct doc_node *node, uint64_t min, uint64_t max,
		    uint64_t *ret);
bool doc_read_rate(const struct doc_reader *reader, const struct doc_node *node, double *ret_per_second);
bool doc_read_percent(const struct doc_reader *reader, const struct doc_node *node, uint32_t *ret_hundredths);
/* Index into words[] (ends with NULL); later[] (may be NULL) are refused as not supported yet. */
bool doc_read_word(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		   const char *const *words, const char *const *later, unsigned *ret);
/* "'x' is not supported by this build" at the value. */
void doc_read_unsupported(const struct doc_reader *reader, const struct doc_node *node, const char *what);
