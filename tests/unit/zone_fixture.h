/* Names, zones and errors in a line each, for the tests of zones/. */
#pragma once
#include "zones/index.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static inline struct name name_of(const char *text)
{
	struct name value;
	const char *reason = name_from_text(text, NULL, &value);

	if (reason)
		fail_msg("%s: %s", text, reason);
	return value;
}

/* The messages as they are printed; the caller frees. */
static inline char *printed(const struct err_list *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	err_print(errors, out);
	fclose(out);
	return text;
}

/* A zone that must load, whatever it warns of. */
static inline struct zone *zone_of(const char *apex, const char *text)
{
	struct err_list errors = {0};
	struct name name = name_of(apex);
	struct zone *zone = zone_load(&name, NULL, text, "zone", &errors);

	if (!zone)
		fail_msg("%s", printed(&errors));
	err_done(&errors);
	return zone;
}

#define SOA_NS "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n"

static inline struct find find(const struct index *index, const char *text)
{
	struct name name = name_of(text);

	return index_find(index, name.octets, name.length, name_hash(name.octets, name.length));
}

static inline struct find find_ds(const struct index *index, const char *text)
{
	struct name name = name_of(text);

	return index_find_ds(index, name.octets, name.length, name_hash(name.octets, name.length));
}

static inline const struct node *node_at(const struct index *index, const char *text)
{
	struct name name = name_of(text);

	return index_get(index, name.octets, name.length, name_hash(name.octets, name.length));
}

static inline void expect_find(struct find found, enum find_kind kind, const char *node)
{
	char text[NAME_TEXT_MAX] = "none";

	if (found.node)
		name_to_text(found.node->name, text);
	if (found.kind != kind || strcmp(text, node) != 0)
		fail_msg("kind %d at %s, expected %d at %s", found.kind, text, kind, node);
}
