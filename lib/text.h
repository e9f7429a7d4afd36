/* Words and units of the configuration (docs/configuration.md, "How values are written"). Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The member of words[0..count) nearest to `word` by edit distance, or NULL when none is near
 * (more than a third of the letters differ). */
const char *text_nearest(const char *word, const char *const *words, size_t count);

/* What may have been meant by a word that is none of these: "; did you mean 'port'?", where no word is near
 * and there are few "; there is host, port", else "". Returns what text_nearest() does. */
#define TEXT_KNOWN_MAX 640
const char *text_known(const char *word, const char *const *words, size_t count,
		       char out[static TEXT_KNOWN_MAX]);

/* Octets of the character that `at` begins with, 1 to 4; 0: it is none of UTF-8 (RFC 3629 §4). */
size_t text_utf8_octets(const char *at);
bool text_is_utf8(const char *text);
/* Octets that are no UTF-8 become '?', in place. */
void text_mend_utf8(char *text);

/* `text` between single quotes for a message: shortened, without control characters, all of it UTF-8. */
#define TEXT_QUOTE_MAX 72
void text_quote(const char *text, char out[static TEXT_QUOTE_MAX]);

/* Each returns false on any deviation from the written form and leaves *ret untouched. */
bool text_to_duration_ms(const char *text, uint64_t *ret_ms);	  /* 500ms 2s 5m 12h 30d; ≤ 365 d */
bool text_to_percent(const char *text, uint32_t *ret_hundredths); /* 50% → 5000; 0..100, 2 decimals */
bool text_to_uint(const char *text, uint64_t *ret);	      /* plain decimal, no sign, no leading zero */
bool text_to_double(const char *text, double *ret);	      /* plain decimal, no exponent, inf or nan */
bool text_to_bytes(const char *text, uint64_t *ret);	      /* 512B 64KiB 4MiB 50MB */
bool text_to_rate(const char *text, double *ret_per_second);  /* 500/s 600/m 50/h 20/d */
bool text_to_distance_km(const char *text, uint32_t *ret_km); /* 300km */
bool text_is_id(const char *text);			      /* LDH label, lower case, 1..63 */

void text_from_duration_ms(uint64_t ms, char out[static 24]); /* shortest single unit that is exact */
void text_from_bytes(uint64_t bytes, char out[static 24]); /* largest unit that is exact, binary ones first */
/* RFC 3339 in UTC with seconds: 2026-01-31T12:00:00Z */
void text_from_unix_ms(int64_t unix_ms, char out[static 32]);
bool text_to_unix_ms(const char *rfc3339, int64_t *ret_unix_ms);
