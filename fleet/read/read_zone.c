/* Documents → zones, each in one block of memory; their text is loaded when the change is applied. Control
 * thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Copies to *at and moves it on. */
static void *put(char **at, const void *bytes, size_t length)
{
	char *copy = *at;

	memcpy(copy, bytes, length);
	*at += length;
	return copy;
}

static char *put_text(char **at, const char *text)
{
	return put(at, text, strlen(text) + 1);
}

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

struct zone_draft {
	const struct doc_node *file, *text;
	bool serial_is_change;
};

static void read_file(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (!doc_read_text(reader, value, "a path", &text))
		return;
	if (text[0] == '\0')
		doc_err(reader->errors, reader->doc, value, "must be a path, not empty");
	else
		((struct zone_draft *)target)->file = value;
}

static void read_text(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (doc_read_text(reader, value, "zone text", &text))
		((struct zone_draft *)target)->text = value;
}

static void read_dnssec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	if (value->kind != DOC_SCALAR || strcmp(value->text, "off") != 0)
		doc_read_unsupported(reader, value, "dnssec other than off");
}

static void read_serial(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"file", "change", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "serial", words, NULL, &word))
		((struct zone_draft *)target)->serial_is_change = word == 1;
}

static const struct doc_key zone_keys[] = {
	{"file", read_file}, {"text", read_text}, {"dnssec", read_dnssec}, {"serial", read_serial}, {NULL}};

/* A path relative to the file that names it. */
static char *resolve_path(const char *path, const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (path[0] == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

static struct fleet_zone *pack_zone(const struct doc_reader *reader, const struct zone_draft *draft,
				    const char *id)
{
	const char *written = draft->file ? draft->file->text : NULL;
	const char *text = draft->text ? draft->text->text : NULL;
	char *path = written ? resolve_path(written, reader->doc->file) : NULL;
	assert((written != NULL) != (text != NULL));
	struct fleet_zone *zone = xcalloc(1, sizeof *zone + text_size(id) + text_size(path) +
						     text_size(written) + text_size(text));
	char *at = (char *)(zone + 1);

	zone->object.kind = FLEET_ZONE;
	zone->object.id = put_text(&at, id);
	zone->serial_is_change = draft->serial_is_change;
	if (path) {
		zone->path = put_text(&at, path);
		zone->path_written = put_text(&at, written);
	} else {
		zone->text = put_text(&at, text);
		zone->text_line = draft->text->line;
		/* Text of more than one line is a block, which begins below its `|`. */
		if (zone->text_line > 0 && strchr(text, '\n'))
			zone->text_line++;
	}
	assert(at ==
	       (char *)(zone + 1) + text_size(id) + text_size(path) + text_size(written) + text_size(text));
	free(path);
	return zone;
}

struct fleet_object *fleet_read_zone(const struct doc_reader *reader, const struct doc_node *node,
				     const char *id)
{
	struct zone_draft draft = {.file = NULL};
	size_t errors = reader->errors->errors;

	doc_read_mapping(reader, node, zone_keys, &draft);
	const struct doc_node *file = doc_get(node, "file"), *text = doc_get(node, "text");
	if (!file && !text)
		doc_err(reader->errors, reader->doc, node, "missing key 'file' or 'text'");
	if (file && text)
		doc_err_key(reader->errors, reader->doc, text, "'text' and 'file' exclude each other");
	if (reader->errors->errors != errors)
		return NULL;
	struct fleet_zone *zone = pack_zone(reader, &draft, id);
	name_from_text(id, NULL, &zone->name); /* the id is its presentation form */
	return &zone->object;
}
