/* Texts of HTTP in documents: tokens, fields, lists of them. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <ctype.h>
#include <string.h>

bool fleet_is_graphic(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

bool fleet_is_field_value(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

bool fleet_is_token(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
			return false;
	return true;
}

static char *copy_lower(struct arena *arena, const char *text)
{
	char *copy = arena_strndup(arena, text, strlen(text));

	for (char *at = copy; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	return copy;
}

bool fleet_read_token(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		      bool is_lowered, struct arena *arena, char **ret)
{
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, node, what, &text))
		return false;
	text_quote(text, quoted);
	if (!fleet_is_token(text) || node->length > FLEET_TOKEN_MAX) {
		doc_err(reader->errors, reader->doc, node,
			"%s must be %s: a token of RFC 9110 of at most %d octets", quoted, what,
			FLEET_TOKEN_MAX);
		return false;
	}
	*ret = is_lowered ? copy_lower(arena, text) : arena_strndup(arena, text, strlen(text));
	return true;
}

static bool is_listed(char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

void fleet_read_tokens(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		       bool is_lowered, struct arena *arena, char ***ret, size_t *ret_count)
{
	char list[64], *token;

	snprintf(list, sizeof list, "a list, each %s", what);
	if (!doc_read_is_sequence(reader, node, list))
		return;
	if (node->count > FLEET_TOKENS_MAX) {
		doc_err(reader->errors, reader->doc, node, "lists %u; at most %d", node->count,
			FLEET_TOKENS_MAX);
		return;
	}
	char **tokens = arena_alloc(arena, (node->count + 1) * sizeof *tokens);
	size_t count = 0;
	for (const struct doc_node *item = node->first; item; item = item->next) {
		if (!fleet_read_token(reader, item, what, is_lowered, arena, &token))
			continue;
		if (is_listed(tokens, count, token))
			doc_err(reader->errors, reader->doc, item, "'%s' is listed twice", token);
		tokens[count++] = token;
	}
	assert(count <= node->count);
	*ret = tokens;
	*ret_count = count;
}

/* What a name of each kind may be. */
static bool is_pair_name(enum fleet_pair_kind kind, const char *name)
{
	switch (kind) {
	case FLEET_PAIR_HEADER:
	case FLEET_PAIR_COOKIE:
		return fleet_is_token(name);
	case FLEET_PAIR_QUERY:
		return *name != '\0' && fleet_is_graphic(name) && !strpbrk(name, "&=#?");
	}
	assert(!"no such kind");
	return false;
}

static bool is_pair_value(enum fleet_pair_kind kind, const char *value)
{
	size_t length = strlen(value);

	switch (kind) {
	case FLEET_PAIR_HEADER: /* a field's value has no white space at its ends (RFC 9110 §5.5) */
		return fleet_is_field_value(value) &&
		       (length == 0 || (!strchr(" \t", value[0]) && !strchr(" \t", value[length - 1])));
	case FLEET_PAIR_COOKIE:
		return fleet_is_graphic(value) && !strpbrk(value, "\",;\\");
	case FLEET_PAIR_QUERY:
		return fleet_is_graphic(value) && !strpbrk(value, "&#");
	}
	assert(!"no such kind");
	return false;
}

static const struct {
	const char *name, *value;
} pair_words[] = {
	[FLEET_PAIR_HEADER] =
		{"the name of a header: a token of RFC 9110",
		 "the value of a header, without control characters or white space at its ends"},
	[FLEET_PAIR_COOKIE] = {"the name of a cookie: a token of RFC 9110",
			       "the value of a cookie (RFC 6265, cookie-octets)"},
	[FLEET_PAIR_QUERY] = {"the name of a parameter as it stands in the query, without & = # ?",
			      "the value of a parameter as it stands in the query, without & #"},
};

static void read_pair(const struct doc_reader *reader, const struct doc_node *item, enum fleet_pair_kind kind,
		      struct arena *arena, struct fleet_pair *pairs, size_t *count)
{
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	text_quote(item->key, quoted);
	if (!is_pair_name(kind, item->key) || strlen(item->key) > FLEET_TOKEN_MAX) {
		doc_err_key(reader->errors, reader->doc, item, "%s must be %s", quoted,
			    pair_words[kind].name);
		return;
	}
	if (!doc_read_text(reader, item, pair_words[kind].value, &text))
		return;
	if (!is_pair_value(kind, text) || item->length > FLEET_TEXT_MAX) {
		doc_err(reader->errors, reader->doc, item, "must be %s, of at most %d octets",
			pair_words[kind].value, FLEET_TEXT_MAX);
		return;
	}
	char *name = kind == FLEET_PAIR_HEADER ? copy_lower(arena, item->key)
					       : arena_strndup(arena, item->key, strlen(item->key));
	for (size_t i = 0; i < *count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			doc_err_key(reader->errors, reader->doc, item, "header '%s' is given twice", name);
	pairs[(*count)++] =
		(struct fleet_pair){.name = name, .value = arena_strndup(arena, text, item->length)};
}

void fleet_read_pairs(const struct doc_reader *reader, const struct doc_node *node, enum fleet_pair_kind kind,
		      struct arena *arena, struct fleet_pair **ret, size_t *ret_count)
{
	if (!doc_read_is_mapping(reader, node, "a mapping of names to values"))
		return;
	if (node->count > FLEET_TOKENS_MAX) {
		doc_err(reader->errors, reader->doc, node, "holds %u; at most %d", node->count,
			FLEET_TOKENS_MAX);
		return;
	}
	struct fleet_pair *pairs = arena_alloc(arena, (node->count + 1) * sizeof *pairs);
	size_t count = 0;
	for (const struct doc_node *item = node->first; item; item = item->next)
		read_pair(reader, item, kind, arena, pairs, &count);
	assert(count <= node->count);
	*ret = pairs;
	*ret_count = count;
}

void fleet_read_rate(const struct doc_reader *reader, const struct doc_node *value, struct fleet_rate *rate)
{
	if (!doc_read_rate(reader, value, &rate->per_second))
		return;
	assert(value->length < sizeof rate->written);
	memcpy(rate->written, value->text, value->length);
}

bool fleet_read_count(const struct doc_reader *reader, const struct doc_node *value, uint32_t min,
		      uint32_t max, uint32_t *ret)
{
	uint64_t count;

	assert(min <= max);
	if (!doc_read_uint(reader, value, min, max, &count))
		return false;
	*ret = (uint32_t)count;
	return true;
}

bool fleet_read_ms(const struct doc_reader *reader, const struct doc_node *value, uint32_t min, uint32_t max,
		   uint32_t *ret)
{
	uint64_t ms;

	assert(min <= max);
	if (!doc_read_duration_ms(reader, value, min, max, &ms))
		return false;
	*ret = (uint32_t)ms;
	return true;
}
