/*
 * RDATA in presentation form, as the words of a master file, → wire form. Libzscanner reads most types.
 * Control path.
 */
#pragma once
#include "zones/name.h"
#include "zones/zone_lex.h"

struct rdata {
	const uint8_t *octets; /* names not compressed */
	size_t length;
};

struct rdata_text *rdata_text_new(const struct name *origin);
void rdata_text_free(struct rdata_text *text); /* NULL is fine */
/* Of the names in the words that follow. */
void rdata_text_set_origin(struct rdata_text *text, const struct name *origin);
/* At least one word. Returns NULL, or what is wrong with them; both results are valid until the next call. */
const char *rdata_text_read(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t count, struct rdata *ret);
