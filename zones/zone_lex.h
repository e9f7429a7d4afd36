/*
 * Entries of a master file (RFC 1035 §5.1): comments, parentheses, line ends and escapes resolved, so
 * that whoever reads an entry sees words and the line on which it begins. Control path.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone_word {
	const char *text; /* quotes and escapes as written, but octets that are not printable ASCII as \DDD */
	size_t start;	  /* of the text among the entry's */
	bool is_ascii;	  /* as written */
	bool is_joined;	  /* nothing stands between it and the word before: one of them is quoted */
};

struct zone_lex {
	const char *at, *end;
	uint32_t line; /* of `at` */
	const char *word_end;
	bool is_ascii; /* what was read of the word */
	char *text;    /* of all words of an entry */
	size_t length, capacity;
	struct zone_word *words;
	size_t words_capacity;
};

struct zone_entry {
	uint32_t line;
	bool is_indented;	       /* began with a blank: the owner is that of the entry before */
	const struct zone_word *words; /* valid until the next entry is read */
	size_t count;		       /* words, ≥ 1 unless there is a reason */
	const char *reason;	       /* NULL, or what is wrong; the entry then ends with that line */
	uint32_t error_line;	       /* where a reason was found */
};

void zone_lex_init(struct zone_lex *lex, const char *text, size_t length);
void zone_lex_done(struct zone_lex *lex);
/* False at the end. */
bool zone_lex_next(struct zone_lex *lex, struct zone_entry *ret);
