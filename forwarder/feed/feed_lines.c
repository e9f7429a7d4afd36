/* See the header. Control thread. */
#include "forwarder/feed/feed_lines.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1 /* of objects: nobody here asks for it */

struct line {
	size_t at, length; /* of the text */
	char *key;	   /* "KIND ID" */
	enum fleet_kind kind;
	bool removes;
	bool is_over; /* applied, or a later one counts */
	char *reason; /* why it did not fit; NULL: not tried alone yet */
};

struct feed_lines {
	char *text;
	size_t used, text_capacity;
	struct line *lines;
	size_t count, capacity;
	struct map *by_key;	     /* index + 1 */
	struct fleet_change *change; /* of all lines; NULL: to be made from them anew */
	struct err_list errors;	     /* of reading them into it */
	struct doc *zone;
};

/* gslbd's own files may name certificates: its paths are good here, on the same machine. */
static struct fleet_change *change_new(void)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);

	fleet_change_allow_paths(change);
	return change;
}

struct feed_lines *feed_lines_new(void)
{
	struct feed_lines *lines = xcalloc(1, sizeof *lines);
	struct err_list errors = {0};
	/* Records are no part of the feed: a zone is its name, with SOA and NS that nobody asks for. */
	static const char zone[] = "{\"text\": \"@ 60 SOA . . 1 1 1 1 1\\n@ 60 NS .\\n\"}";

	lines->by_key = map_new();
	lines->change = change_new();
	lines->zone = doc_from_json(zone, sizeof zone - 1, &errors);
	assert(lines->zone && errors.count == 0);
	return lines;
}

void feed_lines_clear(struct feed_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		free(lines->lines[i].key);
		free(lines->lines[i].reason);
	}
	lines->used = lines->count = 0;
	map_free(lines->by_key);
	lines->by_key = map_new();
	fleet_change_free(lines->change);
	lines->change = change_new();
	err_done(&lines->errors);
}

void feed_lines_free(struct feed_lines *lines)
{
	if (!lines)
		return;
	feed_lines_clear(lines);
	fleet_change_free(lines->change);
	map_free(lines->by_key);
	doc_free(lines->zone);
	free(lines->lines);
	free(lines->text);
	free(lines);
}

size_t feed_lines_count(const struct feed_lines *lines)
{
	return lines->count;
}

size_t feed_lines_bytes(const struct feed_lines *lines)
{
	return lines->used;
}

/* ---- one line ---- */

struct parts {
	enum fleet_kind kind;
	const char *id;
	const struct doc_node *object; /* NULL: it is removed */
};

static bool read_parts(const struct doc *doc, struct parts *ret)
{
	const struct doc_node *put = doc_get(doc->root, "put"), *gone = doc_get(doc->root, "remove");
	const struct doc_node *id = doc_get(doc->root, "id"), *object = doc_get(doc->root, "object");
	const struct doc_node *word = put ? put : gone;

	if (!word || word->kind != DOC_SCALAR || !id || id->kind != DOC_SCALAR || (put && !object))
		return false;
	for (int kind = 0; kind < FLEET_KINDS; kind++) {
		if (strcmp(word->text, fleet_kind_name[kind]) != 0)
			continue;
		*ret = (struct parts){(enum fleet_kind)kind, id->text, put ? object : NULL};
		return true;
	}
	return false; /* of a later version's */
}

static void stage(const struct feed_lines *lines, struct fleet_change *change, const struct doc *doc,
		  const struct parts *parts, struct err_list *errors)
{
	if (!parts->object)
		fleet_change_remove(change, parts->kind, parts->id);
	else if (parts->kind == FLEET_ZONE)
		fleet_change_put(change, FLEET_ZONE, parts->id, lines->zone, lines->zone->root, VERSION,
				 errors);
	else
		fleet_change_put(change, parts->kind, parts->id, doc, parts->object, VERSION, errors);
}

/* Returns 1 + the index of the one before it of its object; 0: it is the first. */
static size_t append(struct feed_lines *lines, const struct line *line, const char *text)
{
	assert(line->length > 0 && line->key);
	xgrow((void **)&lines->text, &lines->text_capacity, lines->used + line->length, 1);
	memcpy(lines->text + lines->used, text, line->length);
	xgrow((void **)&lines->lines, &lines->capacity, lines->count + 1, sizeof *lines->lines);
	lines->lines[lines->count] = *line;
	lines->lines[lines->count++].at = lines->used;
	lines->used += line->length;
	return (size_t)(uintptr_t)map_put(lines->by_key, line->key, (void *)(uintptr_t)lines->count);
}

bool feed_lines_add(struct feed_lines *lines, const struct doc *doc, const char *text, size_t length)
{
	struct parts parts;

	if (!read_parts(doc, &parts))
		return false;
	const struct line line = {.length = length,
				  .key = xasprintf("%s %s", fleet_kind_name[parts.kind], parts.id),
				  .kind = parts.kind,
				  .removes = !parts.object};
	size_t before = append(lines, &line, text);
	if (before > 0) {
		lines->lines[before - 1].is_over = true;
		fleet_change_free(lines->change);
		lines->change = NULL;
	}
	if (lines->change)
		stage(lines, lines->change, doc, &parts, &lines->errors);
	return true;
}

void feed_lines_overtake(struct feed_lines *lines, const struct doc *doc)
{
	struct parts parts;

	if (lines->count == 0 || !read_parts(doc, &parts))
		return;
	char *key = xasprintf("%s %s", fleet_kind_name[parts.kind], parts.id);
	size_t at = (size_t)(uintptr_t)map_get(lines->by_key, key);
	free(key);
	if (at == 0)
		return;
	lines->lines[at - 1].is_over = true;
	fleet_change_free(lines->change);
	lines->change = NULL;
}

/* ---- applying ---- */

static bool apply(struct fleet_change *change, struct fleet *fleet, struct build *build,
		  struct err_list *errors)
{
	struct fleet_result result = {0};
	bool is_good = fleet_apply(fleet, change, VERSION, false, &result, errors);

	if (is_good)
		build_follow(build, &result);
	fleet_result_done(&result);
	return is_good;
}

static bool removes_nothing(const struct line *line, const struct fleet *fleet)
{
	return line->removes && !fleet_get(fleet, line->kind, strchr(line->key, ' ') + 1);
}

/* Reads the line anew into the change. */
static void stage_again(const struct feed_lines *lines, const struct line *line, struct fleet_change *change,
			struct err_list *errors)
{
	struct doc *doc = doc_from_json(lines->text + line->at, line->length, errors);
	struct parts parts;
	bool is_read = doc && read_parts(doc, &parts);

	assert(is_read); /* as when it came */
	if (is_read)
		stage(lines, change, doc, &parts, errors);
	doc_free(doc);
}

static bool apply_all(struct feed_lines *lines, struct fleet *fleet, struct build *build)
{
	struct err_list errors = {0};
	struct fleet_change *change = lines->change;

	for (size_t i = 0; i < lines->count && change; i++)
		if (removes_nothing(&lines->lines[i], fleet))
			change = NULL;
	if (!change) {
		change = change_new();
		for (size_t i = 0; i < lines->count; i++)
			if (!lines->lines[i].is_over && !removes_nothing(&lines->lines[i], fleet))
				stage_again(lines, &lines->lines[i], change, &errors);
	} else {
		err_move(&errors, &lines->errors);
	}
	bool is_good = !err_has_errors(&errors) && apply(change, fleet, build, &errors);
	if (change != lines->change)
		fleet_change_free(change);
	err_done(&errors);
	return is_good;
}

static bool apply_one(struct feed_lines *lines, struct line *line, struct fleet *fleet, struct build *build)
{
	struct fleet_change *change = change_new();
	struct err_list errors = {0};
	bool is_good = removes_nothing(line, fleet);

	if (!is_good) {
		stage_again(lines, line, change, &errors);
		is_good = !err_has_errors(&errors) && apply(change, fleet, build, &errors);
	}
	if (!is_good) {
		const char *message = err_first_message(&errors);
		free(line->reason);
		line->reason = xstrdup(message ? message : "refused");
	}
	err_done(&errors);
	fleet_change_free(change);
	return is_good;
}

/* Only the lines that are left stay. */
static void keep_left(struct feed_lines *lines)
{
	struct feed_lines old = *lines;

	assert(old.count > 0);
	lines->text = NULL;
	lines->lines = NULL;
	lines->used = lines->text_capacity = lines->count = lines->capacity = 0;
	map_free(lines->by_key);
	lines->by_key = map_new();
	fleet_change_free(lines->change);
	lines->change = NULL; /* another try reads them anew */
	err_done(&lines->errors);
	for (size_t i = 0; i < old.count; i++) {
		const struct line *line = &old.lines[i];
		if (!line->is_over) {
			append(lines, line, old.text + line->at);
			continue;
		}
		free(line->key);
		free(line->reason);
	}
	free(old.text);
	free(old.lines);
}

size_t feed_lines_apply(struct feed_lines *lines, struct fleet *fleet, struct build *build)
{
	if (lines->count == 0)
		return 0;
	if (apply_all(lines, fleet, build)) {
		feed_lines_clear(lines);
		return 0;
	}
	/* One may make room for another: a name that moves. */
	for (bool has_progress = true; has_progress;) {
		has_progress = false;
		for (size_t i = 0; i < lines->count; i++) {
			struct line *line = &lines->lines[i];
			if (line->is_over || !apply_one(lines, line, fleet, build))
				continue;
			line->is_over = has_progress = true;
		}
	}
	keep_left(lines);
	return lines->count;
}

void feed_lines_move(struct feed_lines *to, struct feed_lines *from)
{
	fleet_change_free(to->change);
	to->change = NULL;
	for (size_t i = 0; i < from->count; i++) {
		struct line line = from->lines[i];
		line.key = xstrdup(line.key);
		line.reason = NULL;
		size_t before = append(to, &line, from->text + from->lines[i].at);
		if (before > 0)
			to->lines[before - 1].is_over = true;
	}
	feed_lines_clear(from);
}

void feed_lines_set_aside(struct feed_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		log_error("%s of the feed is set aside: %s", lines->lines[i].key,
			  lines->lines[i].reason ? lines->lines[i].reason : "refused");
	feed_lines_clear(lines);
}
