/* See zone_lex.h. Control path. */
#include "zones/zone_lex.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

void zone_lex_init(struct zone_lex *lex, const char *text, size_t length)
{
	*lex = (struct zone_lex){.at = text, .end = text + length, .line = 1};
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* byte order mark of some editors */
		lex->at += 3;
}

void zone_lex_done(struct zone_lex *lex)
{
	free(lex->text);
	free(lex->words);
}

static void put(struct zone_lex *lex, char c)
{
	if (lex->length == lex->capacity)
		xgrow((void **)&lex->text, &lex->capacity, lex->length + 1, 1);
	lex->text[lex->length++] = c;
}

static void put_octet(struct zone_lex *lex, char c)
{
	uint8_t octet = (uint8_t)c;

	if (octet >= ' ' && octet < 0x7f) {
		put(lex, c);
		return;
	}
	lex->is_ascii = lex->is_ascii && octet < 0x80;
	put(lex, '\\');
	put(lex, (char)('0' + octet / 100));
	put(lex, (char)('0' + octet / 10 % 10));
	put(lex, (char)('0' + octet % 10));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* '\' and what it escapes. The scanner takes \DDD above 255 in names, so it is refused here. */
static const char *read_escape(struct zone_lex *lex)
{
	const char *p = lex->at + 1;

	assert(*lex->at == '\\');
	if (p == lex->end || *p == '\n' || *p == '\r')
		return "'\\' at the end of a line";
	if (is_digit(*p)) {
		if (lex->end - p < 3 || !is_digit(p[1]) || !is_digit(p[2]))
			return "'\\' and a digit need three digits";
		if ((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0') > 255)
			return "\\DDD above 255";
	} else if ((uint8_t)*p < ' ' || (uint8_t)*p >= 0x7f) {
		put_octet(lex, *p);
		lex->at = p + 1;
		return NULL;
	}
	put(lex, '\\');
	put(lex, *p);
	lex->at = p + 1;
	return NULL;
}

/* From one quote to the other. A line end counts as text only inside parentheses. */
static const char *read_quoted(struct zone_lex *lex, bool is_multiline)
{
	assert(*lex->at == '"');
	put(lex, *lex->at++);
	while (lex->at < lex->end && *lex->at != '"') {
		if (*lex->at == '\\') {
			const char *reason = read_escape(lex);
			if (reason)
				return reason;
			continue;
		}
		if (*lex->at == '\n') {
			if (!is_multiline)
				return "quoted text without its closing '\"'";
			lex->line++;
		}
		put_octet(lex, *lex->at++);
	}
	if (lex->at == lex->end)
		return "quoted text without its closing '\"'";
	put(lex, *lex->at++);
	return NULL;
}

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';' || c == '(' || c == ')' ||
	       c == '"';
}

/* Quoted text is a word of its own, whatever stands next to it. */
static const char *read_word(struct zone_lex *lex, struct zone_entry *entry, bool is_multiline)
{
	assert(lex->at < lex->end && entry->count <= lex->words_capacity);
	if (entry->count == lex->words_capacity)
		xgrow((void **)&lex->words, &lex->words_capacity, entry->count + 1, sizeof *lex->words);
	lex->words[entry->count] = (struct zone_word){
		.start = lex->length, .is_joined = entry->count > 0 && lex->at == lex->word_end};
	lex->is_ascii = true;
	const char *reason = NULL;
	if (*lex->at == '"') {
		reason = read_quoted(lex, is_multiline);
	} else {
		while (!reason && lex->at < lex->end && !ends_word(*lex->at)) {
			if (*lex->at == '\\')
				reason = read_escape(lex);
			else
				put_octet(lex, *lex->at++);
		}
	}
	put(lex, '\0');
	assert(lex->at <= lex->end);
	lex->word_end = lex->at;
	lex->words[entry->count++].is_ascii = lex->is_ascii;
	return reason;
}

static void skip_to_line_end(struct zone_lex *lex)
{
	while (lex->at < lex->end && *lex->at != '\n')
		lex->at++;
}

/* Goes on behind the record: one error in a record of many lines is one error. */
static bool fail(struct zone_lex *lex, struct zone_entry *entry, uint32_t line, bool is_open,
		 const char *reason)
{
	assert(reason && line > 0 && line <= lex->line);
	entry->reason = reason;
	entry->error_line = line;
	for (; is_open && lex->at < lex->end && *lex->at != ')'; lex->at++)
		lex->line += *lex->at == '\n';
	skip_to_line_end(lex);
	return true;
}

static bool next(struct zone_lex *lex, struct zone_entry *ret)
{
	bool is_line_start = true;
	unsigned depth = 0; /* open parentheses; the outermost began on line `opened` */
	uint32_t opened = 0;

	*ret = (struct zone_entry){0};
	lex->length = 0;
	while (lex->at < lex->end) {
		char c = *lex->at;
		if (c == '\n') {
			lex->at++;
			lex->line++;
			if (!depth && ret->count)
				return true;
			is_line_start = !depth;
			if (!depth)
				ret->is_indented = false;
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\r') {
			if (is_line_start && c != '\r')
				ret->is_indented = true;
			lex->at++;
		} else if (c == ';') {
			skip_to_line_end(lex);
		} else if (c == '(') {
			opened = depth++ ? opened : lex->line;
			lex->at++;
		} else if (c == ')') {
			if (!depth)
				return fail(lex, ret, lex->line, false, "')' without '('");
			depth--;
			lex->at++;
		} else {
			uint32_t line = lex->line;
			if (!ret->count)
				ret->line = line;
			const char *reason = read_word(lex, ret, depth != 0);
			if (reason)
				return fail(lex, ret, line, depth != 0, reason);
		}
		is_line_start = false;
	}
	if (depth)
		return fail(lex, ret, opened, true, "'(' without ')'");
	return ret->count != 0;
}

bool zone_lex_next(struct zone_lex *lex, struct zone_entry *ret)
{
	bool is_there = next(lex, ret);

	for (size_t i = 0; i < ret->count; i++)
		lex->words[i].text = lex->text + lex->words[i].start;
	ret->words = lex->words;
	return is_there;
}
