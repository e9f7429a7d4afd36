/*
 * Master-file text → records. Entries come from zone_lex; directives, owner, TTL and class are read
 * here, so that every message has the line on which its record begins; the RDATA of each type is
 * rdata_text's. Control path.
 */
#include "zones/zone_text.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/idn.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "zones/rdata/rdata_fields.h"
#include "zones/rdata/rdata_text.h"
#include "zones/rrtype.h"
#include "zones/zone_lex.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define TTL_MAX 0x7fffffffu /* RFC 2181 §8 */

struct optional_ttl {
	bool is_known;
	uint32_t value;
};

struct reader {
	struct zone_text *text;
	size_t errors_before, warnings;
	struct rdata_text *rdata_text;
	struct name origin, owner;
	bool has_owner;
	/* where a record without TTL gets it from, in this order (RFC 2308 §4, RFC 1035 §5.1) */
	struct optional_ttl directive, last, soa_minimum;
	unsigned depth;
};

struct source { /* one file, or the text */
	struct reader *reader;
	const char *file;
	struct zone_lex lex;
	struct zone_entry entry;
};

static bool is_full(const struct reader *reader)
{
	return reader->text->errors->errors - reader->errors_before >= ZONE_ERRORS_MAX;
}

#define fail(source, ...) \
	((void)err_add((source)->reader->text->errors, (source)->file, (source)->entry.line, 0, __VA_ARGS__))

static void set_origin(struct reader *reader, const struct name *origin)
{
	reader->origin = *origin;
	rdata_text_set_origin(reader->rdata_text, origin);
}

/* ---- letters beyond ASCII ---- */

/* The word without quotes, and with the octets that \DDD stands for where they are beyond ASCII. */
static char *as_written(const char *word)
{
	char *plain = xstrdup(word + (*word == '"')), *to = plain, *end = plain + strlen(plain);

	if (*word == '"')
		*--end = '\0';
	for (const char *from = plain; from < end;) {
		bool is_escape = *from == '\\', is_octet = is_escape && from[1] >= '0' && from[1] <= '9';
		int octet = is_octet ? (from[1] - '0') * 100 + (from[2] - '0') * 10 + from[3] - '0' : 0;
		size_t length = is_octet ? 4 : is_escape ? 2 : 1;
		assert(from + length <= end);
		if (octet >= 0x80) {
			*to++ = (char)octet;
		} else {
			memmove(to, from, length);
			to += length;
		}
		from += length;
	}
	*to = '\0';
	return plain;
}

/* A name is served octet by octet, but resolvers ask for A-labels (RFC 5890 §2.3.2.1). */
static void warn_of_letters(struct source *source, const struct zone_word *word, const char *what)
{
	struct reader *reader = source->reader;
	char ascii[IDN_TEXT_MAX], name[TEXT_QUOTE_MAX], meant[TEXT_QUOTE_MAX];

	if (word->is_ascii || reader->warnings++ >= ZONE_ERRORS_MAX)
		return;
	char *plain = as_written(word->text);
	const char *reason = idn_to_ascii(plain, ascii);
	if (reason) {
		text_quote(word->text, name);
		err_warn(reader->text->errors, source->file, source->entry.line, 0,
			 "%s %s is not ASCII (%s); no resolver asks for it", what, name, reason);
	} else {
		text_quote(plain, name);
		text_quote(ascii, meant);
		err_warn(reader->text->errors, source->file, source->entry.line, 0,
			 "%s %s is not ASCII; resolvers ask for %s", what, name, meant);
	}
	free(plain);
}

static void warn_of_rdata(struct source *source, uint16_t type, const struct zone_word *words, size_t count)
{
	struct rdata_fields fields;

	for (size_t i = 0; i < count; i++) {
		if (words[i].is_ascii)
			continue;
		rdata_fields_of(type, &fields);
		const struct rdata_field *field = rdata_fields_at(&fields, i);
		if (!field || field->kind != RDATA_FIELD_NAME)
			continue;
		char mnemonic[16], what[64];
		rrtype_to_text(type, mnemonic);
		snprintf(what, sizeof what, "%s record: %.*s", mnemonic, field->name_length, field->name);
		warn_of_letters(source, &words[i], what);
	}
}

/* ---- words ---- */

/* Seconds, or numbers with units: 3600, 1h, 1h30m. */
static bool ttl_from_text(const char *text, uint32_t *ret)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	uint64_t total = 0;

	if (!*text)
		return false;
	for (bool is_first = true; *text; is_first = false) {
		uint64_t number = 0, seconds = 0;
		const char *digits = text;
		for (; *text >= '0' && *text <= '9' && number <= TTL_MAX; text++)
			number = number * 10 + (uint64_t)(*text - '0');
		if (text == digits)
			return false;
		for (size_t i = 0; *text && i < sizeof units / sizeof units[0]; i++) {
			if ((*text | 0x20) == units[i].letter)
				seconds = units[i].seconds;
		}
		if (seconds)
			text++;
		else if (*text || !is_first)
			return false;
		total += number * (seconds ? seconds : 1);
		if (total > TTL_MAX)
			return false;
	}
	*ret = (uint32_t)total;
	return true;
}

static bool is_class(const char *word, bool *ret_is_in)
{
	static const char *const others[] = {"CH", "HS", "CS", "ANY", "NONE"};

	if (strcasecmp(word, "IN") == 0 || strcasecmp(word, "CLASS1") == 0) {
		*ret_is_in = true;
		return true;
	}
	*ret_is_in = false;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (strcasecmp(word, others[i]) == 0)
			return true;
	}
	return strncasecmp(word, "CLASS", 5) == 0 && word[5] >= '0' && word[5] <= '9';
}

/* Types that exist only in questions and messages (RFC 6895 §3.1). */
static bool is_meta_type(uint16_t type)
{
	return type == 0 || type == RR_OPT || (type >= 128 && type <= 255);
}

/* ---- entries ---- */

struct head {
	struct optional_ttl ttl;
	uint16_t type;
	size_t rdata; /* number of its first word */
};

/* [TTL] [class] type, the first two in either order (RFC 1035 §5.1). */
static bool read_head(struct source *source, size_t at, struct head *ret)
{
	bool has_class = false;

	*ret = (struct head){0};
	for (; at < source->entry.count; at++) {
		const char *word = source->entry.words[at].text;
		bool is_in;
		if (*word >= '0' && *word <= '9' && !ret->ttl.is_known) {
			if (!ttl_from_text(word, &ret->ttl.value)) {
				fail(source, "'%s' is not a TTL (0 to 2147483647 seconds)", word);
				return false;
			}
			ret->ttl.is_known = true;
		} else if (!has_class && is_class(word, &is_in)) {
			if (!is_in) {
				fail(source, "class %s: only IN is served", word);
				return false;
			}
			has_class = true;
		} else {
			if (!rrtype_from_text(word, &ret->type)) {
				fail(source, "unknown record type '%s'", word);
				return false;
			}
			if (is_meta_type(ret->type)) {
				fail(source, "type %s cannot stand in a zone", word);
				return false;
			}
			ret->rdata = at + 1;
			return true;
		}
	}
	fail(source, "record without a type");
	return false;
}

static const char *name_from_word(const char *word, const struct name *origin, struct name *ret)
{
	return *word == '"' ? "a name has no quotes" : name_from_text(word, origin, ret);
}

/* Between quotes a blank needs no escape. */
static const char *name_from_quoted(const char *word, const struct name *origin, struct name *ret)
{
	char *text = xmalloc(strlen(word) * 4), *to = text;

	assert(word[0] == '"' && word[strlen(word) - 1] == '"');
	for (word++; word[1]; word++) {
		if (*word == ' ')
			to = stpcpy(to, "\\032");
		else
			*to++ = *word;
	}
	*to = '\0';
	const char *reason = name_from_text(text, origin, ret);
	free(text);
	return reason;
}

static bool read_owner(struct source *source)
{
	struct reader *reader = source->reader;

	assert(source->entry.count > 0 && !source->entry.reason);
	if (source->entry.is_indented) {
		if (!reader->has_owner)
			fail(source, "record without an owner name, and none before it");
		return reader->has_owner;
	}
	const char *word = source->entry.words[0].text;
	struct name owner;
	const char *reason = *word == '"' ? name_from_quoted(word, &reader->origin, &owner)
					  : name_from_text(word, &reader->origin, &owner);
	if (reason) {
		fail(source, "owner name '%s': %s", word, reason);
		return false;
	}
	warn_of_letters(source, &source->entry.words[0], "owner name");
	reader->owner = owner;
	reader->has_owner = true;
	return true;
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool choose_ttl(struct source *source, struct head *head)
{
	struct reader *reader = source->reader;

	if (head->ttl.is_known) {
		reader->last = head->ttl;
		return true;
	}
	const struct optional_ttl *const defaults[] = {&reader->directive, &reader->last,
						       &reader->soa_minimum};
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
		if (defaults[i]->is_known) {
			head->ttl = *defaults[i];
			return true;
		}
	}
	fail(source, "no TTL: the record has none, and neither $TTL, an earlier record nor a SOA gives one");
	return false;
}

/* The words from `first` on; false when they are no RDATA of the type, with the error added. */
static bool read_rdata(struct source *source, uint16_t type, size_t first, struct rdata *ret)
{
	const struct zone_entry *entry = &source->entry;
	char mnemonic[16];

	assert(first > 0 && first <= entry->count);
	rrtype_to_text(type, mnemonic);
	if (first == entry->count && type == 42 /* APL */) { /* a list that may be empty, RFC 3123 §4 */
		*ret = (struct rdata){(const uint8_t *)"", 0};
		return true;
	}
	if (first == entry->count) {
		fail(source, "%s record without data", mnemonic);
		return false;
	}
	const char *reason = rdata_text_read(source->reader->rdata_text, type, entry->words + first,
					     entry->count - first, ret);
	if (reason)
		fail(source, "%s record: %s", mnemonic, reason);
	else
		warn_of_rdata(source, type, entry->words + first, entry->count - first);
	return !reason;
}

static void read_record(struct source *source)
{
	struct reader *reader = source->reader;
	struct head head;
	struct rdata rdata;

	if (!read_owner(source) || !read_head(source, source->entry.is_indented ? 0 : 1, &head))
		return;
	reader->text->has_soa = reader->text->has_soa || head.type == RR_SOA;
	if (!read_rdata(source, head.type, head.rdata, &rdata))
		return;
	if (head.type == RR_SOA) {
		assert(rdata.length >= 2 + 5 * sizeof(uint32_t)); /* two names, five numbers */
		uint32_t minimum = load32(rdata.octets + rdata.length - 4);
		reader->soa_minimum = (struct optional_ttl){true, minimum < TTL_MAX ? minimum : TTL_MAX};
	}
	if (!choose_ttl(source, &head))
		return;
	assert(head.ttl.is_known && head.ttl.value <= TTL_MAX);
	const struct zone_record record = {
		.file = source->file,
		.line = source->entry.line,
		.ttl = head.ttl.value,
		.type = head.type,
		.owner = &reader->owner,
		.rdata = rdata.octets,
		.length = rdata.length,
	};
	reader->text->record(reader->text->context, &record);
}

/* ---- files ---- */

static void read_text(struct reader *reader, const char *file, const char *text, size_t length);

/* The whole file, or NULL and a reason. Regular files only: a pipe could block the control thread. */
static char *load_file(struct reader *reader, const char *path, size_t *ret_length, const char **ret_reason)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &status) != 0) {
		*ret_reason = strerror(errno);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		*ret_reason = "not a regular file";
		close(fd);
		return NULL;
	}
	char *bytes = file_read(fd, SIZE_MAX - 1, ret_length, ret_reason);
	close(fd);
	if (!bytes)
		return NULL;
	if (status.st_mtime > reader->text->modified_unix_s)
		reader->text->modified_unix_s = status.st_mtime;
	return bytes;
}

/* A word as a file name: without quotes, \X undone. */
static void unquote(const char *word, char *out)
{
	for (; *word; word++) {
		if (*word == '"')
			continue;
		if (*word == '\\' && word[1])
			word++;
		*out++ = *word;
	}
	*out = '\0';
}

static char *relative_to(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (*path == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

static void include(struct source *source)
{
	struct reader *reader = source->reader;
	const char *word = source->entry.count > 1 ? source->entry.words[1].text : NULL;
	struct name origin = reader->origin;

	if (!word || source->entry.count > 3) {
		fail(source, "$INCLUDE needs a file name, and perhaps an origin");
		return;
	}
	if (reader->text->text) {
		fail(source, "$INCLUDE is for zone files, not for `text`");
		return;
	}
	if (reader->depth + 1 >= ZONE_INCLUDE_DEPTH_MAX) {
		fail(source, "$INCLUDE nested deeper than %d files", ZONE_INCLUDE_DEPTH_MAX);
		return;
	}
	if (source->entry.count == 3) {
		const char *reason = name_from_word(source->entry.words[2].text, &reader->origin, &origin);
		if (reason) {
			fail(source, "$INCLUDE origin: %s", reason);
			return;
		}
		warn_of_letters(source, &source->entry.words[2], "$INCLUDE origin");
	}
	char *plain = xstrdup(word);
	unquote(word, plain);
	char *path = relative_to(source->file, plain);
	size_t length;
	const char *reason;
	char *bytes = load_file(reader, path, &length, &reason);
	if (!bytes) {
		fail(source, "$INCLUDE %s: %s", path, reason);
		reader->text->was_read_whole = false;
	} else {
		/* origin and owner of this file stay what they are (RFC 1035 §5.1) */
		const struct name origin_before = reader->origin, owner_before = reader->owner;
		bool had_owner = reader->has_owner;
		assert(reader->depth < ZONE_INCLUDE_DEPTH_MAX);
		reader->depth++;
		set_origin(reader, &origin);
		read_text(reader, arena_strndup(reader->text->arena, path, strlen(path)), bytes, length);
		assert(reader->depth > 0);
		reader->depth--;
		set_origin(reader, &origin_before);
		reader->owner = owner_before;
		reader->has_owner = had_owner;
	}
	free(bytes);
	free(path);
	free(plain);
}

static void read_directive(struct source *source)
{
	assert(source->entry.words[0].text[0] == '$');

	struct reader *reader = source->reader;
	const char *word = source->entry.words[0].text;
	const char *value = source->entry.count == 2 ? source->entry.words[1].text : NULL;

	if (strcasecmp(word, "$INCLUDE") == 0) {
		include(source);
	} else if (strcasecmp(word, "$TTL") == 0) {
		if (value && ttl_from_text(value, &reader->directive.value))
			reader->directive.is_known = true;
		else
			fail(source, "$TTL needs one time from 0 to 2147483647 seconds");
	} else if (strcasecmp(word, "$ORIGIN") == 0) {
		struct name origin;
		const char *reason =
			value ? name_from_word(value, &reader->origin, &origin) : "needs one name";
		if (reason) {
			fail(source, "$ORIGIN: %s", reason);
		} else {
			warn_of_letters(source, &source->entry.words[1], "$ORIGIN");
			set_origin(reader, &origin);
		}
	} else if (strcasecmp(word, "$GENERATE") == 0) {
		fail(source, "$GENERATE is not supported; write the records out");
	} else {
		fail(source, "unknown directive '%s'", word);
	}
}

static void read_text(struct reader *reader, const char *file, const char *text, size_t length)
{
	struct source source = {.reader = reader, .file = file};

	reader->text->content_hash = hash_bytes(text, length, reader->text->content_hash);
	zone_lex_init(&source.lex, text, length);
	while (!is_full(reader) && zone_lex_next(&source.lex, &source.entry)) {
		if (source.entry.reason) {
			source.entry.line = source.entry.error_line;
			fail(&source, "%s", source.entry.reason);
		} else if (!source.entry.is_indented && *source.entry.words[0].text == '$') {
			read_directive(&source);
		} else {
			read_record(&source);
		}
	}
	zone_lex_done(&source.lex);
}

void zone_text_read(struct zone_text *text)
{
	struct reader reader = {.text = text,
				.errors_before = text->errors->errors,
				.rdata_text = rdata_text_new(text->name),
				.origin = *text->name};

	assert(!text->path != !text->text);
	text->content_hash = 0;
	text->modified_unix_s = 0;
	text->was_read_whole = true;
	text->has_soa = false;
	if (text->text) {
		read_text(&reader, text->label, text->text, strlen(text->text));
	} else {
		size_t length;
		const char *reason;
		char *bytes = load_file(&reader, text->path, &length, &reason);
		if (bytes)
			read_text(&reader, arena_strndup(text->arena, text->path, strlen(text->path)), bytes,
				  length);
		else
			err_add(text->errors, text->path, 0, 0, "cannot be read: %s", reason);
		text->was_read_whole = text->was_read_whole && bytes;
		free(bytes);
	}
	assert(reader.depth == 0);
	text->was_read_whole = text->was_read_whole && !is_full(&reader);
	rdata_text_free(reader.rdata_text);
}
