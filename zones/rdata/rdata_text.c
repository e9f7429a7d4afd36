/* See rdata_text.h. Libzscanner sees one clean line a record. Control path. */
#include "zones/rdata/rdata_text.h"
#include "lib/base64.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "zones/rdata/rdata_check.h"
#include "zones/rdata/rdata_fields.h"
#include "zones/rdata/svcparam.h"
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
		text->scanner = xmalloc(sizeof *text->scanner);
	origin_to_text(&text->origin, origin);
	if (zs_init(text->scanner, origin, RR_CLASS_IN, 0) != 0)
		abort(); /* out of memory: the origin is well-formed */
}

struct rdata_text *rdata_text_new(const struct name *origin)
{
	struct rdata_text *text = xcalloc(1, sizeof *text);

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

static const char *fail_at(struct rdata_text *text, const char *field, int length, const char *word,
			   const char *reason)
{
	char quoted[TEXT_QUOTE_MAX];

	text_quote(word, quoted);
	snprintf(text->reason, sizeof text->reason, "%.*s %s: %s", length, field, quoted, reason);
	return text->reason;
}

/* A record on its way through the scanner. */
struct scan {
	struct rdata_text *text;
	const struct rdata_fields *fields;
	const struct zone_word *words;
	size_t count, head_length;
	size_t long_word, long_start; /* of a field that is one text: its first word, and where that stands */
};

static const char *fail_word(const struct scan *scan, size_t number, const char *reason)
{
	const struct rdata_field *field = rdata_fields_at(scan->fields, number);

	assert(number < scan->count);
	if (field)
		return fail_at(scan->text, field->name, field->name_length, scan->words[number].text, reason);
	snprintf(scan->text->reason, sizeof scan->text->reason, "%s", reason);
	return scan->text->reason;
}

static bool is_one_text(const struct rdata_field *field)
{
	return field && (field->kind == RDATA_FIELD_HEX || field->kind == RDATA_FIELD_BASE64);
}

/* The word as the scanner takes it, or what is wrong with it. */
static const char *put_word(struct scan *scan, size_t number)
{
	struct rdata_text *text = scan->text;
	const struct rdata_field *field = rdata_fields_at(scan->fields, number);
	const char *word = scan->words[number].text;
	bool goes_on = number > 0 && is_one_text(field) && field == rdata_fields_at(scan->fields, number - 1);

	if (!goes_on)
		put_text(text, " ");
	if (is_one_text(field) && !goes_on) {
		scan->long_word = number;
		scan->long_start = text->line_length;
	}
	if (!field || field->kind != RDATA_FIELD_NAME) {
		put_text(text, word);
		return NULL;
	}
	struct name name;
	const char *reason =
		*word == '"' ? "a name has no quotes" : name_from_text(word, &text->origin, &name);
	put_name(text, word);
	return reason ? fail_word(scan, number, reason) : NULL;
}

/* Base64 that decoders differ about is refused (RFC 4648 §3.5); the scanner takes it. */
static bool is_base64(struct rdata_text *text, const char *start, size_t length)
{
	return BASE64_OCTETS_MAX(length) > sizeof text->octets ||
	       base64_decode(start, length, text->octets, &length);
}

/* The field that is one text and ends the line, if there is one. */
static const char *check_one_text(const struct scan *scan)
{
	const struct rdata_field *field = rdata_fields_at(scan->fields, scan->long_word);
	const char *start = scan->text->line + scan->long_start;
	size_t length = scan->text->line_length - scan->long_start;

	if (scan->long_start == 0)
		return NULL;
	if (field->kind == RDATA_FIELD_BASE64 && !is_base64(scan->text, start, length))
		return fail_word(scan, scan->long_word, "not base64 (RFC 4648 section 4)");
	if (field->kind == RDATA_FIELD_HEX && length % 2)
		return fail_word(scan, scan->long_word, "an odd number of hexadecimal digits");
	return NULL;
}

/* What the scanner says, of the word that it says it of: the first that it has not read to its end. */
static const char *describe(struct scan *scan)
{
	const zs_scanner_t *scanner = scan->text->scanner;
	const char *reason = scanner->error.code == ZS_CANNOT_TEXT_DATA
				     ? "only \\# is understood for this type (RFC 3597 section 5)"
				     : zs_strerror(scanner->error.code);
	size_t read = scan->text->line_length - scanner->buffer_length; /* the line end counts */
	size_t number = 0;

	scan->text->line_length = scan->head_length;
	for (; number < scan->count; number++) {
		put_word(scan, number);
		if (scan->text->line_length >= read)
			break;
	}
	scanner_restart(scan->text);
	return fail_word(scan, number < scan->count ? number : scan->count - 1, reason);
}

static const char *scan_words(struct rdata_text *text, uint16_t type, const struct rdata_fields *fields,
			      const struct zone_word *words, size_t count, struct rdata *ret)
{
	struct scan scan = {.text = text, .fields = fields, .words = words, .count = count};
	zs_scanner_t *scanner = text->scanner;
	char head[32];
	const char *reason = NULL;

	assert(count > 0);
	snprintf(head, sizeof head, ". 0 IN TYPE%u", type);
	text->line_length = 0;
	put_text(text, head);
	scan.head_length = text->line_length;
	for (size_t i = 0; i < count && !reason; i++)
		reason = put_word(&scan, i);
	if (!reason)
		reason = check_one_text(&scan);
	if (reason)
		return reason;
	put_text(text, "\n");
	if (zs_set_input_string(scanner, text->line, text->line_length) != 0 ||
	    zs_parse_record(scanner) != 0 || scanner->state != ZS_STATE_DATA)
		return describe(&scan);
	*ret = (struct rdata){scanner->r_data, scanner->r_data_length};
	return NULL;
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
		return fail_at(text, "length", 6, number, "not a number from 0 to 65535");
	for (size_t i = 2; i < count; i++) {
		for (const char *p = words[i].text; *p; p++, digits++) {
			int digit = hex_digit(*p);
			if (digit < 0)
				return fail_at(text, "data", 4, words[i].text, "not hexadecimal");
			if (digits < length * 2)
				text->octets[digits / 2] =
					(uint8_t)(digits % 2 ? text->octets[digits / 2] | digit : digit << 4);
		}
	}
	if (digits != length * 2) {
		snprintf(text->reason, sizeof text->reason, "%zu hexadecimal digits, and length %zu has %zu",
			 digits, length, length * 2);
		return text->reason;
	}
	*ret = (struct rdata){text->octets, length};
	return NULL;
}

/* Priority and target, then parameters that are not the scanner's (RFC 9460 §2.1). */
static const char *read_binding(struct rdata_text *text, uint16_t type, const struct rdata_fields *fields,
				const struct zone_word *words, size_t count, struct rdata *ret)
{
	struct rdata head;
	uint8_t *params;
	size_t length;

	assert(count >= 2);
	const char *reason = scan_words(text, type, fields, words, 2, &head);
	if (reason)
		return reason;
	if (!svcparam_read(words + 2, count - 2, &params, &length, text->reason))
		return text->reason;
	bool fits = head.length + length <= sizeof text->octets;
	if (fits) {
		memcpy(text->octets, head.octets, head.length);
		if (length)
			memcpy(text->octets + head.length, params, length);
		*ret = (struct rdata){text->octets, head.length + length};
	}
	free(params);
	return fits ? NULL : "more than 65535 octets";
}

/* Types that the scanner has no text of, written like one that it has. */
static uint16_t written_like(uint16_t type)
{
	switch (type) {
	case 7: /* MB */
	case 8: /* MG */
	case 9: /* MR */
		return RR_NS;
	case 19:  /* X25 */
	case 20:  /* ISDN */
	case 258: /* AVC */
		return RR_TXT;
	case 24: /* SIG */
		return RR_RRSIG;
	default:
		return type;
	}
}

const char *rdata_text_read(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t count, struct rdata *ret)
{
	struct rdata_fields fields;
	struct rdata rdata;
	const char *reason;

	assert(count > 0);
	rdata_fields_of(type, &fields);
	if (strcmp(words[0].text, "\\#") == 0)
		reason = read_generic(text, words, count, &rdata);
	else if (!rdata_fields_fit(&fields, words, count, text->reason))
		reason = text->reason;
	else if (type == RR_SVCB || type == RR_HTTPS)
		reason = read_binding(text, type, &fields, words, count, &rdata);
	else
		reason = scan_words(text, written_like(type), &fields, words, count, &rdata);
	if (reason)
		return reason;
	if (!rdata_check(type, rdata.octets, rdata.length, text->reason))
		return text->reason;
	*ret = rdata;
	return NULL;
}
