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

#define RDATA_FIELD_NAME_MAX 32

struct rdata_field {
	enum rdata_field_kind kind;
	char name[RDATA_FIELD_NAME_MAX]; /* "exchange" */
};

/* The field that word `number` belongs to. False: nothing is known of the type, or the word is one too many.
 */
bool rdata_fields_at(uint16_t type, size_t number, struct rdata_field *ret);
/* False where a word is missing or too many, with what is wrong in `reason`. */
#define RDATA_REASON_MAX 256
bool rdata_fields_fit(uint16_t type, const struct zone_word *words, size_t count,
		      char reason[static RDATA_REASON_MAX]);
