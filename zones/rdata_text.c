/* See rdata_text.h. Libzscanner sees one clean line a record. Control path. */
#include "zones/rdata_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "zones/rdata_check.h"
#include "zones/rdata_fields.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <libzscanner/scanner.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rdata_text {
	zs_scanner_t *scanner;
	char *line; /* fed to the scanner */
	size_t line_length, line_capacity;
	struct name origin;
	uint8_t octets[UINT16_MAX];
	char reason[RDATA_REASON_MAX];
};

static void put_text(struct rdata_text *text, const char *added)
{
	size_t length = strlen(added);

	if (text->line_length + length > text->line_capacity)
		xgrow((void **)&text->line, &text->line_capacity, text->line_length + length, 1);
	memcpy(text->line + text->line_length, added, length);
	text->line_length += length;
}

/* Every octet as \DDD: of the printable ones the scanner takes only some as they are. */
static void origin_to_text(const struct name *origin, char out[static NAME_TEXT_MAX])
{
	const uint8_t *at = origin->octets;
	char *to = out;

	if (!*at)
		*to++ = '.';
	for (size_t label = *at++; label; label = *at++) {
		for (; label; label--)
			to += sprintf(to, "\\%03u", *at++);
		*to++ = '.';
	}
	*to = '\0';
}

/* After an error the scanner is in the middle of a line; a new one costs less than to trust that. */
static void scanner_restart(struct rdata_text *text)
{
	char origin[NAME_TEXT_MAX];

	if (text->scanner)
		zs_deinit(text->scanner);
	else
		text->scanner = xmalloc(sizeof(*text->scanner));
	origin_to_text(&text->origin, origin);
	if (zs_init(text->scanner, origin, RR_CLASS_IN, 0) != 0)
		abort(); /* out of memory: the origin is well-formed */
}

struct rdata_text *rdata_text_new(const struct name *origin)
{
	struct rdata_text *text = xcalloc(1, sizeof(*text));

	text->origin = *origin;
	scanner_restart(text);
	return text;
}

void rdata_text_free(struct rdata_text *text)
{
	if (!text)
		return;
	zs_deinit(text->scanner);
	free(text->scanner);
	free(text->line);
	free(text);
}

void rdata_text_set_origin(struct rdata_text *text, const struct name *origin)
{
	char in_text[NAME_TEXT_MAX];

	if (name_equal(text->origin.octets, origin->octets))
		return;
	text->origin = *origin;
	origin_to_text(origin, in_text);
	text->line_length = 0;
	put_text(text, "$ORIGIN ");
	put_text(text, in_text);
	put_text(text, "\n");
	if (zs_set_input_string(text->scanner, text->line, text->line_length) != 0 ||
	    zs_parse_record(text->scanner) != 0 || text->scanner->state != ZS_STATE_EOF)
		scanner_restart(text);
}

/* In a name any printable character may stand (RFC 2181 §11), of which the scanner wants all but a few
 * escaped. */
static void put_name(struct rdata_text *text, const char *word)
{
	for (const char *p = word; *p; p++) {
		bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				(*p >= '0' && *p <= '9') || strchr("-_*/.", *p) || (*p == '@' && !word[1]);
		if (*p == '\\') {
			put_text(text, (char[]){p[0], p[1], '\0'});
			p++;
			continue;
		}
		put_text(text, is_plain ? (char[]){*p, '\0'} : (char[]){'\\', *p, '\0'});
	}
}

static const char *fail_at(struct rdata_text *text, const char *field, const char *word, const char *reason)
{
	char quoted[TEXT_QUOTE_MAX];

	text_quote(word, quoted);
	snprintf(text->reason, sizeof(text->reason), "%s %s: %s", field, quoted, reason);
	return text->reason;
}

/* A parameter of SVCB and its quoted value are one (RFC 9460 §2.1). */
static bool is_value_of_key(uint16_t type, const struct zone_word *word)
{
	const char *before = word[-1].text;

	return (type == RR_SVCB || type == RR_HTTPS) && word->is_joined && *word->text == '"' &&
	       before[strlen(before) - 1] == '=';
}

/* The word as the scanner takes it, or what is wrong with it. */
static const char *put_word(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t number)
{
	struct rdata_field field, before;
	const char *word = words[number].text;
	bool is_known = rdata_fields_at(type, number, &field);

	if (is_known && field.kind == RDATA_FIELD_NAME) {
		struct name name;
		const char *reason =
			*word == '"' ? "a name has no quotes" : name_from_text(word, &text->origin, &name);
		put_text(text, " ");
		put_name(text, word);
		return reason ? fail_at(text, field.name, word, reason) : NULL;
	}
	bool is_one_text = is_known && (field.kind == RDATA_FIELD_HEX || field.kind == RDATA_FIELD_BASE64) &&
			   rdata_fields_at(type, number - 1, &before) && before.kind == field.kind;
	if (!is_one_text && (number == 0 || !is_value_of_key(type, &words[number])))
		put_text(text, " ");
	put_text(text, word);
	return NULL;
}

/* What the scanner says, of the field that it says it of: what it did not read of the line any more. */
static const char *describe(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t count, const size_t *ends)
{
	const zs_scanner_t *scanner = text->scanner;
	const char *reason = scanner->error.code == ZS_CANNOT_TEXT_DATA
				     ? "only \\# is understood for this type (RFC 3597 section 5)"
				     : zs_strerror(scanner->error.code);
	size_t unread = scanner->buffer_length, number = 0; /* the line end counts */
	struct rdata_field field;

	while (number + 1 < count && ends[number] + unread < text->line_length)
		number++;
	if (rdata_fields_at(type, number, &field))
		fail_at(text, field.name, words[number].text, reason);
	else
		snprintf(text->reason, sizeof(text->reason), "%s", reason);
	scanner_restart(text);
	return text->reason;
}

static const char *scan(struct rdata_text *text, uint16_t type, const struct zone_word *words, size_t count,
			struct rdata *ret)
{
	zs_scanner_t *scanner = text->scanner;
	size_t *ends = xcalloc(count, sizeof(*ends)); /* of the words in the line */
	char head[32];
	const char *reason = NULL;

	snprintf(head, sizeof(head), ". 0 IN TYPE%u", type);
	text->line_length = 0;
	put_text(text, head);
	for (size_t i = 0; i < count && !reason; i++) {
		reason = put_word(text, type, words, i);
		ends[i] = text->line_length;
	}
	put_text(text, "\n");
	if (!reason && (zs_set_input_string(scanner, text->line, text->line_length) != 0 ||
			zs_parse_record(scanner) != 0 || scanner->state != ZS_STATE_DATA))
		reason = describe(text, type, words, count, ends);
	free(ends);
	if (!reason)
		*ret = (struct rdata){scanner->r_data, scanner->r_data_length};
	return reason;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3597 §5: \#, the length, and the octets in hexadecimal, which may be broken anywhere. */
static const char *read_generic(struct rdata_text *text, const struct zone_word *words, size_t count,
				struct rdata *ret)
{
	size_t length, digits = 0;

	if (count < 2)
		return "no length behind \\#";
	const char *number = words[1].text;
	length = strtoul(number, NULL, 10);
	if (number[strspn(number, "0123456789")] || length > UINT16_MAX)
		return fail_at(text, "length", number, "not a number from 0 to 65535");
	for (size_t i = 2; i < count; i++) {
		for (const char *p = words[i].text; *p; p++, digits++) {
			int digit = hex_digit(*p);
			if (digit < 0)
				return fail_at(text, "data", words[i].text, "not hexadecimal");
			if (digits < length * 2)
				text->octets[digits / 2] =
					(uint8_t)(digits % 2 ? text->octets[digits / 2] | digit : digit << 4);
		}
	}
	if (digits != length * 2) {
		snprintf(text->reason, sizeof(text->reason), "%zu hexadecimal digits, and length %zu has %zu",
			 digits, length, length * 2);
		return text->reason;
	}
	*ret = (struct rdata){text->octets, length};
	return NULL;
}

const char *rdata_text_read(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t count, struct rdata *ret)
{
	struct rdata rdata;
	const char *reason;

	assert(count > 0);
	if (strcmp(words[0].text, "\\#") == 0)
		reason = read_generic(text, words, count, &rdata);
	else if (!rdata_fields_fit(type, words, count, text->reason))
		reason = text->reason;
	else
		reason = scan(text, type, words, count, &rdata);
	if (reason)
		return reason;
	if (!rdata_check(type, rdata.octets, rdata.length, text->reason))
		return text->reason;
	*ret = rdata;
	return NULL;
}
