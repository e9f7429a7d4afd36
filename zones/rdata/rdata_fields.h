/*
 * The fields of RDATA in presentation form: what each word is called, so that a message can name it.
 * Pure. Control path.
 */
#pragma once
#include "zones/zone_lex.h"

enum rdata_field_kind {
	RDATA_FIELD_PLAIN,
	RDATA_FIELD_NAME,   /* a domain name */
	RDATA_FIELD_NUMBER, /* begins with a digit */
	RDATA_FIELD_HEX,    /* the words are one text: it may be broken anywhere */
	RDATA_FIELD_BASE64, /* the same */
};

#define RDATA_FIELDS_MAX 9 /* RRSIG */

struct rdata_field {
	enum rdata_field_kind kind;
	bool is_optional, is_repeated;
	int name_length;
	const char *name; /* "exchange" */
};

struct rdata_fields {
	unsigned count; /* 0: nothing is known of the type */
	struct rdata_field field[RDATA_FIELDS_MAX];
};

#define RDATA_REASON_MAX 256

void rdata_fields_of(uint16_t type, struct rdata_fields *ret);
/* The field that word `number` belongs to, or NULL. */
const struct rdata_field *rdata_fields_at(const struct rdata_fields *fields, size_t number);
/* False where a word is missing or too many, with what is wrong in `reason`. */
bool rdata_fields_fit(const struct rdata_fields *fields, const struct zone_word *words, size_t count,
		      char reason[static RDATA_REASON_MAX]);
