/*
 * Domain names in wire form (RFC 1035 §3.1): length-prefixed labels, final root label, at most 255
 * octets in all. Unless said otherwise a name is not compressed and its length is known to be
 * consistent. "Lower case" is that of ASCII (RFC 4343). Pure; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_OCTETS 255
#define NAME_MAX_LABELS 127
#define NAME_TEXT_MAX 1024 /* presentation form with escapes and the final NUL */

struct name {
	uint8_t length; /* octets in use, the root label included */
	uint8_t octets[NAME_MAX_OCTETS];
};

/* Presentation form → lower-case wire form; final dot optional, "." is the root, escapes \X and
 * \DDD. With `origin` not NULL a name without final dot is relative to it and "@" is the origin.
 * On failure returns a static reason ("label longer than 63 octets", …), else NULL. */
const char *name_from_text(const char *text, const struct name *origin, struct name *ret);
/* Absolute, with the final dot, escaped as RFC 1035 §5.1 and RFC 4343 §2.1 need. */
void name_to_text(const uint8_t *octets, char out[static NAME_TEXT_MAX]);

size_t name_length(const uint8_t *octets);			 /* with the root label */
unsigned name_labels(const uint8_t *octets);			 /* without the root label */
bool name_equal(const uint8_t *a, const uint8_t *b);		 /* octet by octet: both lower case */
bool name_is_below(const uint8_t *child, const uint8_t *parent); /* strictly below */
bool name_is_wildcard(const uint8_t *octets);			 /* leftmost label is "*" */
void name_lower(uint8_t *octets, size_t length);
/* The same from one place to another; returns name_hash of the result. */
uint64_t name_lower_hash(const uint8_t *from, size_t length, uint8_t *to);
/* "*." + parent; false when that exceeds 255 octets. */
bool name_wildcard_of(const uint8_t *parent, struct name *ret);
/* RFC 4034 §6.1 canonical order: <0, 0, >0. Both lower case. */
int name_compare(const uint8_t *a, const uint8_t *b);
uint64_t name_hash(const uint8_t *octets, size_t length); /* hash_bytes(…, 0) of the lower-case name */
