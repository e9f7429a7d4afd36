/* See rdata_text.h. Libzscanner sees one clean line a record. Control path. */
#include "zones/rdata_text.h"
#include "lib/mem.h"
#include "zones/rrtype.h"
#include <libzscanner/scanner.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rdata_text {
	zs_scanner_t *scanner;
	char *line; /* fed to the scanner */
	size_t line_length, line_capacity;
	struct name origin;
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

/* The types whose RDATA is only numbers and names: there a name may hold any printable character
 * (RFC 2181 §11), of which the scanner wants all but a few escaped. */
static bool is_names_only(uint16_t type)
{
	uint8_t prefix, names;

	return rrtype_compressible(type, &prefix, &names) || type == RR_DNAME || type == RR_SRV ||
	       type == 17 /* RP */ || type == 18 /* AFSDB */ || type == 36 /* KX */;
}

static void put_escaped(struct rdata_text *text, const char *word)
{
	for (const char *p = word; *p; p++) {
		bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				(*p >= '0' && *p <= '9') || strchr("-_*/.\"", *p) || (*p == '@' && !word[1]);
		if (*p == '\\') {
			put_text(text, (char[]){p[0], p[1], '\0'});
			p++;
			continue;
		}
		put_text(text, is_plain ? (char[]){*p, '\0'} : (char[]){'\\', *p, '\0'});
	}
}

/* A parameter of SVCB and its quoted value are one (RFC 9460 §2.1). */
static bool is_value_of_key(uint16_t type, const struct zone_word *word)
{
	const char *before = word[-1].text;

	return (type == RR_SVCB || type == RR_HTTPS) && word->is_joined && *word->text == '"' &&
	       before[strlen(before) - 1] == '=';
}

const char *rdata_text_read(struct rdata_text *text, uint16_t type, const struct zone_word *words,
			    size_t count, struct rdata *ret)
{
	zs_scanner_t *scanner = text->scanner;
	char head[32];
	bool is_generic = strcmp(words[0].text, "\\#") == 0;
	bool escape = !is_generic && is_names_only(type);

	snprintf(head, sizeof(head), ". 0 IN TYPE%u", type);
	text->line_length = 0;
	put_text(text, head);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !is_value_of_key(type, &words[i]))
			put_text(text, " ");
		if (escape)
			put_escaped(text, words[i].text);
		else
			put_text(text, words[i].text);
	}
	put_text(text, "\n");
	if (zs_set_input_string(scanner, text->line, text->line_length) != 0 ||
	    zs_parse_record(scanner) != 0 || scanner->state != ZS_STATE_DATA) {
		const char *reason = zs_strerror(scanner->error.code);
		scanner_restart(text);
		return reason;
	}
	if (!rrtype_rdata_is_valid(type, scanner->r_data, scanner->r_data_length))
		return "data that the type does not allow";
	*ret = (struct rdata){scanner->r_data, scanner->r_data_length};
	return NULL;
}
