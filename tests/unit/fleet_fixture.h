/* What tests of fleets share: loading text, and comparing what is told about it. */
#pragma once
#include "fleet/fleet.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

struct broken {
	const char *text;
	const char *errors; /* as err_print writes them; the document is called f */
};

/* A document of this name; NULL with errors. The change no longer needs it afterwards. */
static inline void add_yaml(struct fleet_change *change, const char *name, const char *text,
			    struct err_list *errors)
{
	struct doc *doc = doc_from_yaml(name, text, strlen(text), errors);

	if (doc)
		fleet_change_add_document(change, doc, errors);
	doc_free(doc);
}

static inline char *print_errors(struct err_list *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	err_sort(errors);
	err_print(errors, out);
	fclose(out);
	err_done(errors);
	return text;
}

/* Applies one document; the errors as text, "" when it is good. */
static inline char *apply_yaml(struct fleet *fleet, enum fleet_source source, const char *text,
			       struct fleet_result *ret)
{
	struct fleet_change *change = fleet_change_new(source);
	struct err_list errors = {0};

	add_yaml(change, "f", text, &errors);
	bool is_good = fleet_apply(fleet, change, 1, false, ret, &errors);
	assert_int_equal(is_good, !err_has_errors(&errors));
	fleet_change_free(change);
	return print_errors(&errors);
}

/* A document that must be good. */
static inline struct fleet_result apply_good(struct fleet *fleet, enum fleet_source source, const char *text)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, source, text, &result);
	struct fleet_result counts = result;

	assert_string_equal(errors, "");
	free(errors);
	fleet_result_done(&result);
	counts.touched = NULL;
	return counts;
}

static inline void assert_refused(struct fleet *fleet, enum fleet_source source, const char *text,
				  const char *expected)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, source, text, &result);

	assert_string_equal(errors, expected);
	free(errors);
	assert_int_equal(result.touched_count, 0);
	fleet_result_done(&result);
}

static inline void assert_all_broken(const struct broken *broken, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct fleet *fleet = fleet_new();
		assert_refused(fleet, FLEET_BASE, broken[i].text, broken[i].errors);
		for (int kind = 0; kind < FLEET_KINDS; kind++)
			assert_int_equal(fleet_count(fleet, (enum fleet_kind)kind), 0);
		fleet_free(fleet);
	}
}
