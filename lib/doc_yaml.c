/*
 * YAML files into documents, through libyaml's event parser: one document, no anchors, aliases or
 * tags, no duplicate keys. Plain scalars stay text; their type is the reader's business. Control
 * threads.
 */
#include "lib/arena.h"
#include "lib/doc_build.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

/* Up to here the keys of a mapping are compared one by one; larger mappings get a table. */
#define KEYS_LINEAR_MAX 12

struct key_table {
	struct key_slot {
		const struct doc_node *node; /* NULL: empty */
		uint64_t hash;
	} * slots;
	size_t size;	 /* a power of two in use, 0 while the mapping is small */
	size_t capacity; /* slots allocated; kept from mapping to mapping of this depth */
};

struct frame {
	struct doc_node *node, *last;
	const char *key; /* read, its value is still to come */
	uint32_t key_line, key_column;
	struct key_table keys;
};

struct builder {
	struct doc *doc;
	struct err_list found; /* what is wrong with this file so far */
	struct frame frames[DOC_DEPTH_MAX];
	int depth;
	bool has_document;
	bool is_refused; /* wrong in a way that leaves no document to look at */
	bool is_over;	 /* nothing more can be read */
};

static struct err *refuse(struct builder *builder, const yaml_mark_t *mark, const char *message)
{
	builder->is_refused = true;
	return err_add(&builder->found, builder->doc->file, (uint32_t)mark->line + 1,
		       (uint32_t)mark->column + 1, "%s", message);
}

static void refuse_and_stop(struct builder *builder, const yaml_mark_t *mark, const char *message)
{
	refuse(builder, mark, message);
	builder->is_over = true;
}

static void key_insert(struct key_table *table, const struct doc_node *node, uint64_t hash)
{
	size_t at = hash & (table->size - 1);

	assert((table->size & (table->size - 1)) == 0 && table->size <= table->capacity);
	while (table->slots[at].node)
		at = (at + 1) & (table->size - 1);
	table->slots[at] = (struct key_slot){.node = node, .hash = hash};
}

/* Enters all members of `mapping` into a table that is at most a quarter full. */
static void key_table_fill(struct key_table *table, const struct doc_node *mapping)
{
	size_t size = 64;

	while (size < (size_t)mapping->count * 4)
		size *= 2;
	xgrow((void **)&table->slots, &table->capacity, size, sizeof *table->slots);
	table->size = size;
	memset(table->slots, 0, size * sizeof *table->slots);
	for (const struct doc_node *node = mapping->first; node; node = node->next)
		key_insert(table, node, hash_bytes(node->key, strlen(node->key), 0));
}

static const struct doc_node *key_find(const struct frame *frame, const char *key, uint64_t hash)
{
	const struct key_table *table = &frame->keys;

	if (table->size == 0)
		return doc_get(frame->node, key);
	for (size_t at = hash & (table->size - 1); table->slots[at].node; at = (at + 1) & (table->size - 1))
		if (table->slots[at].hash == hash && strcmp(table->slots[at].node->key, key) == 0)
			return table->slots[at].node;
	return NULL;
}

/* Adds a member under the key that was read before; a duplicate is reported and stays outside. */
static void add_member(struct builder *builder, struct frame *frame, struct doc_node *node)
{
	uint64_t hash = hash_bytes(frame->key, strlen(frame->key), 0);
	const struct doc_node *first = key_find(frame, frame->key, hash);

	assert(frame->key && frame->node->kind == DOC_MAPPING);
	node->key = frame->key;
	node->key_line = frame->key_line;
	node->key_column = frame->key_column;
	frame->key = NULL;
	if (first) {
		char quoted[TEXT_QUOTE_MAX];
		text_quote(node->key, quoted);
		err_add(&builder->found, builder->doc->file, node->key_line, node->key_column,
			"duplicate key %s, first used at line %u", quoted, first->key_line);
		node->parent = frame->node;
		return;
	}
	doc_node_append(frame->node, &frame->last, node);
	if (frame->keys.size > 0 && (size_t)frame->node->count * 2 <= frame->keys.size)
		key_insert(&frame->keys, node, hash);
	else if (frame->node->count > KEYS_LINEAR_MAX)
		key_table_fill(&frame->keys, frame->node);
}

/* A new node at its place in the tree. */
static struct doc_node *add_node(struct builder *builder, enum doc_kind kind, const yaml_mark_t *mark)
{
	struct doc_node *node = doc_node_new(builder->doc, kind);
	struct frame *frame = builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;

	node->line = (uint32_t)mark->line + 1;
	node->column = (uint32_t)mark->column + 1;
	if (!frame)
		builder->doc->root = node;
	else if (frame->node->kind == DOC_MAPPING)
		add_member(builder, frame, node);
	else
		doc_node_append(frame->node, &frame->last, node);
	return node;
}

static bool is_key_next(const struct builder *builder)
{
	if (builder->depth == 0)
		return false;
	const struct frame *frame = &builder->frames[builder->depth - 1];
	return frame->node->kind == DOC_MAPPING && !frame->key;
}

static void on_scalar(struct builder *builder, const char *text, size_t length, bool is_quoted,
		      const yaml_mark_t *mark)
{
	/* Every text ends at its NUL: one inside would hide what follows it. */
	if (memchr(text, '\0', length)) {
		refuse_and_stop(builder, mark, "a NUL character is not allowed");
		return;
	}
	char *copy = arena_strndup(builder->doc->arena, text, length);
	if (is_key_next(builder)) {
		struct frame *frame = &builder->frames[builder->depth - 1];
		frame->key = copy;
		frame->key_line = (uint32_t)mark->line + 1;
		frame->key_column = (uint32_t)mark->column + 1;
		return;
	}
	struct doc_node *node = add_node(builder, DOC_SCALAR, mark);
	node->text = copy;
	node->length = length;
	node->is_quoted = is_quoted;
}

static void on_collection(struct builder *builder, enum doc_kind kind, const yaml_mark_t *mark)
{
	if (is_key_next(builder)) {
		refuse_and_stop(builder, mark, "a key must be a word, not a mapping or a sequence");
		return;
	}
	if (builder->depth == DOC_DEPTH_MAX) {
		char message[64];
		snprintf(message, sizeof message, "nested more than %d levels deep", DOC_DEPTH_MAX);
		refuse_and_stop(builder, mark, message);
		return;
	}
	struct doc_node *node = add_node(builder, kind, mark);
	assert(builder->depth < DOC_DEPTH_MAX);
	struct frame *frame = &builder->frames[builder->depth++];
	frame->node = node;
	frame->last = NULL;
	frame->key = NULL;
	frame->keys.size = 0;
}

static void on_document(struct builder *builder, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	if (builder->has_document)
		refuse_and_stop(builder, mark, "a second document; a file holds one");
	else if (event->data.document_start.tag_directives.start !=
		 event->data.document_start.tag_directives.end)
		refuse(builder, mark, "tags are not supported");
	builder->has_document = true;
}

static void check_properties(struct builder *builder, const yaml_event_t *event, const yaml_char_t *anchor,
			     const yaml_char_t *tag)
{
	if (anchor)
		refuse(builder, &event->start_mark, "anchors (&name) are not supported");
	if (tag)
		refuse(builder, &event->start_mark, "tags (!name) are not supported");
}

static void on_event(struct builder *builder, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document(builder, event);
		break;
	case YAML_ALIAS_EVENT:
		refuse(builder, mark, "aliases (*name) are not supported");
		on_scalar(builder, "", 0, true, mark);
		break;
	case YAML_SCALAR_EVENT:
		check_properties(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
		on_scalar(builder, (const char *)event->data.scalar.value, event->data.scalar.length,
			  event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE, mark);
		break;
	case YAML_SEQUENCE_START_EVENT:
		check_properties(builder, event, event->data.sequence_start.anchor,
				 event->data.sequence_start.tag);
		on_collection(builder, DOC_SEQUENCE, mark);
		break;
	case YAML_MAPPING_START_EVENT:
		check_properties(builder, event, event->data.mapping_start.anchor,
				 event->data.mapping_start.tag);
		on_collection(builder, DOC_MAPPING, mark);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		assert(builder->depth > 0);
		builder->depth--;
		break;
	default:
		break;
	}
}

/* libyaml counts lines and columns in characters, its reader errors in bytes. */
static yaml_mark_t mark_of_offset(const char *text, size_t offset)
{
	yaml_mark_t mark = {.line = 0, .column = 0};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static bool is_tab_at(const char *text, size_t length, const yaml_mark_t *mark)
{
	const char *end = text + length;

	for (size_t line = 0; line < mark->line; line++) {
		text = memchr(text, '\n', (size_t)(end - text));
		if (!text)
			return false;
		text++;
	}
	for (size_t column = 0; text < end && column < mark->column; column++)
		do
			text++;
		while (text < end && ((unsigned char)*text & 0xc0) == 0x80);
	return text < end && *text == '\t';
}

/* What the parser says, and what an operator can do about it. */
static const struct complaint {
	const char *problem; /* the parser's words */
	const char *message;
	const char *begun;	/* what the place that it names began with, or NULL */
	bool is_where_it_began; /* that place is the one to look at */
} complaints[] = {
	{"did not find expected ',' or '}'", "',' or '}' is missing here", "the mapping {…}", false},
	{"did not find expected ',' or ']'", "',' or ']' is missing here", "the list […]", false},
	{"did not find expected key",
	 "a key is missing here: the keys of one mapping begin in one column, and a blank follows each colon",
	 "the mapping", false},
	{"did not find expected '-' indicator",
	 "'- ' is missing here: the items of one list begin in one column", "the list", false},
	{"could not find expected ':'", "a key without its colon, or without the blank behind the colon",
	 NULL, true},
	{"mapping values are not allowed in this context",
	 "a second colon: put the text into quotes, or the inner mapping into {…} or on lines of its own",
	 NULL, false},
	{"did not find expected node content",
	 "a value is missing here, or has to stand in quotes because of its first character", NULL, false},
	{"found character that cannot start any token",
	 "text that begins with this character has to stand in quotes", NULL, false},
	{"did not find expected alphabetic or numeric character",
	 "text that begins with '*' or '&' has to stand in quotes", NULL, false},
	{"found unknown escape character", "no such escape: write \\\\ for a backslash, or use single quotes",
	 NULL, false},
	{"found unexpected end of stream", "this quote is never closed", NULL, true},
	{"did not find expected <document start>", "something follows the end of the document", NULL, false},
	{"found incompatible YAML document", "a version of YAML that is not known; leave the %YAML line out",
	 NULL, false},
	{"control characters are not allowed", "a control character; is this a text file?", NULL, false},
	{"invalid leading UTF-8 octet", "not UTF-8; save the file as UTF-8", NULL, false},
	{"invalid trailing UTF-8 octet", "not UTF-8; save the file as UTF-8", NULL, false},
	{"incomplete UTF-8 octet sequence", "not UTF-8; save the file as UTF-8", NULL, false},
	{"invalid length of a UTF-8 sequence", "not UTF-8; save the file as UTF-8", NULL, false},
	{"invalid Unicode character", "not UTF-8; save the file as UTF-8", NULL, false},
};

static const struct complaint *find_complaint(const char *problem)
{
	for (size_t i = 0; i < sizeof complaints / sizeof complaints[0]; i++)
		if (strcmp(complaints[i].problem, problem) == 0)
			return &complaints[i];
	return NULL;
}

/* Moves *mark where the parser looked too far. */
static void describe(const yaml_parser_t *parser, yaml_mark_t *mark, char *message, size_t size)
{
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	const struct complaint *complaint = find_complaint(problem);

	if (!complaint && parser->context)
		snprintf(message, size, "YAML syntax: %s, %s that begins at line %zu", problem,
			 parser->context, parser->context_mark.line + 1);
	else if (complaint && complaint->begun && parser->context_mark.line != mark->line)
		snprintf(message, size, "YAML syntax: %s; %s begins at line %zu", complaint->message,
			 complaint->begun, parser->context_mark.line + 1);
	else
		snprintf(message, size, "YAML syntax: %s", complaint ? complaint->message : problem);
	if (complaint && complaint->is_where_it_began && parser->context)
		*mark = parser->context_mark;
}

static void report_syntax(struct builder *builder, const yaml_parser_t *parser, const char *text,
			  size_t length)
{
	yaml_mark_t mark = parser->problem_mark;
	char message[256];

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	err_done(&builder->found); /* of a file that cannot be read nothing else is worth saying */
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_offset(text,
				      parser->problem_offset < length ? parser->problem_offset : length);
	if (parser->error != YAML_READER_ERROR && is_tab_at(text, length, &mark))
		snprintf(message, sizeof message, "YAML syntax: a tab where only spaces may stand");
	else
		describe(parser, &mark, message, sizeof message);
	/* At the end of a text without a final newline libyaml counts one line too many. */
	yaml_mark_t end = mark_of_offset(text, length);
	refuse_and_stop(builder, mark.line > end.line ? &end : &mark, message);
}

static void parse(struct builder *builder, const char *text, size_t length)
{
	static const unsigned char nothing[1] = {0};
	yaml_parser_t parser;

	if (yaml_parser_initialize(&parser) == 0)
		abort();
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, length > 0 ? (const unsigned char *)text : nothing, length);
	while (!builder->is_over) {
		yaml_event_t event;
		if (yaml_parser_parse(&parser, &event) == 0) {
			report_syntax(builder, &parser, text, length);
			break;
		}
		if (event.type == YAML_STREAM_END_EVENT)
			builder->is_over = true;
		else
			on_event(builder, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

struct doc *doc_from_yaml(const char *name, const char *text, size_t length, struct err_list *errors)
{
	struct builder builder = {.doc = doc_new(name)};
	static const yaml_mark_t start = {.line = 0, .column = 0};
	struct doc_node *root;

	if (length > DOC_BYTES_MAX) {
		err_add(errors, name, 0, 0, "longer than %zu bytes", DOC_BYTES_MAX);
		doc_free(builder.doc);
		return NULL;
	}
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark is no column */
		text += 3;
		length -= 3;
	}
	parse(&builder, text, length);
	for (int i = 0; i < DOC_DEPTH_MAX; i++)
		free(builder.frames[i].keys.slots);
	err_move(errors, &builder.found);
	if (builder.is_refused) {
		doc_free(builder.doc);
		return NULL;
	}
	root = builder.doc->root;
	if (!root || (root->kind == DOC_SCALAR && root->length == 0 && !root->is_quoted)) {
		builder.depth = 0;
		add_node(&builder, DOC_MAPPING, &start);
	}
	return builder.doc;
}

/* The whole file, NULL with an entry in errors. No pipes and devices: a reload would wait for them without
 * end, and all later ones for it. */
static char *read_file(const char *path, size_t *ret_length, struct err_list *errors)
{
	const char *reason = "not a regular file";
	struct stat status;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		err_add(errors, path, 0, 0, "cannot open: %s", strerror(errno));
		return NULL;
	}
	if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
		text = file_read(fd, DOC_BYTES_MAX, ret_length, &reason);
	close(fd);
	if (!text)
		err_add(errors, path, 0, 0, "cannot read: %s", reason);
	return text;
}

struct doc *doc_from_file(const char *path, struct err_list *errors)
{
	size_t length;
	char *text = read_file(path, &length, errors);

	if (!text)
		return NULL;
	struct doc *doc = doc_from_yaml(path, text, length, errors); /* refuses what is too long */
	free(text);
	return doc;
}
