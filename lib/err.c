/* Lists of errors with their places. Control threads; one at a time. */
#include "lib/err.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 6, 0))) struct err *add(struct err_list *list, const char *file,
							     uint32_t line, uint32_t column, bool is_warning,
							     const char *format, va_list args)
{
	char *message;

	if (vasprintf(&message, format, args) < 0)
		abort();
	xgrow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items);
	struct err *err = &list->items[list->count++];
	*err = (struct err){
		.file = file ? xstrdup(file) : NULL,
		.line = line,
		.column = column,
		.message = message,
		.is_warning = is_warning,
	};
	if (!is_warning)
		list->errors++;
	return err;
}

struct err *err_add(struct err_list *list, const char *file, uint32_t line, uint32_t column,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = add(list, file, line, column, false, format, args);
	va_end(args);
	return err;
}

struct err *err_warn(struct err_list *list, const char *file, uint32_t line, uint32_t column,
		     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct err *err = add(list, file, line, column, true, format, args);
	va_end(args);
	return err;
}

/* The topic's tally in the list, which it may not have yet. */
static struct err_topic *topic_of(struct err_list *list, const char *name)
{
	for (size_t i = 0; i < list->topic_count; i++)
		if (strcmp(list->topics[i].name, name) == 0)
			return &list->topics[i];
	xgrow((void **)&list->topics, &list->topic_capacity, list->topic_count + 1, sizeof *list->topics);
	struct err_topic *topic = &list->topics[list->topic_count++];
	*topic = (struct err_topic){.name = name};
	return topic;
}

struct err *err_warn_topic(struct err_list *list, const char *topic, const char *file, uint32_t line,
			   uint32_t column, const char *format, ...)
{
	struct err_topic *tally = topic_of(list, topic);
	va_list args;

	assert(tally->kept <= ERR_TOPIC_MAX);
	if (tally->kept == ERR_TOPIC_MAX) {
		tally->dropped++;
		return NULL;
	}
	tally->kept++;
	va_start(args, format);
	struct err *err = add(list, file, line, column, true, format, args);
	va_end(args);
	err->topic = topic;
	return err;
}

static void replace(char **field, const char *text)
{
	char *copy = text ? xstrdup(text) : NULL;

	free(*field);
	*field = copy;
}

void err_set_pointer(struct err *err, const char *pointer)
{
	replace(&err->pointer, pointer);
}

void err_set_nearest(struct err *err, const char *word)
{
	replace(&err->nearest, word);
}

bool err_has_errors(const struct err_list *list)
{
	return list->errors > 0;
}

struct ranked {
	struct err err;
	size_t file_rank; /* index of the first entry with this file */
	size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->file_rank != y->file_rank)
		return x->file_rank < y->file_rank ? -1 : 1;
	if (x->err.line != y->err.line)
		return x->err.line < y->err.line ? -1 : 1;
	if (x->err.column != y->err.column)
		return x->err.column < y->err.column ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static bool is_same_file(const char *a, const char *b)
{
	return !a || !b ? a == b : strcmp(a, b) == 0;
}

void err_sort(struct err_list *list)
{
	struct ranked *ranked = xcalloc(list->count, sizeof *ranked);
	size_t *firsts = xcalloc(list->count, sizeof *firsts), files = 0;

	for (size_t i = 0; i < list->count; i++) {
		/* Errors of a file come in runs, so the newest file is looked at first. */
		size_t f = files;
		while (f > 0 && !is_same_file(list->items[firsts[f - 1]].file, list->items[i].file))
			f--;
		if (f == 0) {
			firsts[files] = i;
			f = ++files;
		}
		ranked[i] = (struct ranked){.err = list->items[i], .file_rank = firsts[f - 1], .index = i};
	}
	qsort(ranked, list->count, sizeof *ranked, compare_ranked);
	for (size_t i = 0; i < list->count; i++)
		list->items[i] = ranked[i].err;
	free(firsts);
	free(ranked);
}

/* How many of its topic the list did not keep, told with the last that it has. */
static size_t dropped_behind(const struct err_list *list, size_t index)
{
	const char *topic = list->items[index].topic;

	if (!topic)
		return 0;
	for (size_t i = index + 1; i < list->count; i++)
		if (list->items[i].topic && strcmp(list->items[i].topic, topic) == 0)
			return 0;
	for (size_t i = 0; i < list->topic_count; i++)
		if (strcmp(list->topics[i].name, topic) == 0)
			return list->topics[i].dropped;
	return 0;
}

/* `mark` stands before the message of a warning. */
static void write_line(const struct err_list *list, size_t index, const char *mark, FILE *out)
{
	const struct err *err = &list->items[index];
	bool has_pointer = err->pointer && err->pointer[0] != '\0';
	bool has_place = err->file || err->line > 0 || has_pointer;
	size_t dropped = dropped_behind(list, index);

	if (err->file)
		fprintf(out, "%s:", err->file);
	if (err->line > 0)
		fprintf(out, "%u:", err->line);
	if (err->line > 0 && err->column > 0)
		fprintf(out, "%u:", err->column);
	if (has_pointer)
		fprintf(out, "%s:", err->pointer);
	fprintf(out, "%s%s%s", has_place ? " " : "", err->is_warning ? mark : "", err->message);
	if (dropped > 0)
		fprintf(out, " (and %zu more like this)", dropped);
}

char *err_line(const struct err_list *list, size_t index)
{
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	assert(index < list->count);
	if (!out)
		abort();
	write_line(list, index, "", out);
	if (fclose(out) != 0)
		abort();
	return text;
}

const char *err_first_message(const struct err_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (!list->items[i].is_warning)
			return list->items[i].message;
	return NULL;
}

void err_print(const struct err_list *list, FILE *out)
{
	for (size_t i = 0; i < list->count; i++) {
		write_line(list, i, "warning: ", out);
		fputc('\n', out);
	}
}

static json_t *item_to_json(const struct err_list *list, size_t index)
{
	const struct err *err = &list->items[index];
	size_t dropped = dropped_behind(list, index);
	json_t *object = json_object();

	if (err->pointer)
		json_object_set_new(object, "pointer", json_text(err->pointer));
	if (err->file)
		json_object_set_new(object, "file", json_text(err->file));
	if (err->line > 0)
		json_object_set_new(object, "line", json_integer(err->line));
	if (err->line > 0 && err->column > 0)
		json_object_set_new(object, "column", json_integer(err->column));
	char *message = dropped > 0 ? xasprintf("%s (and %zu more like this)", err->message, dropped) : NULL;
	json_object_set_new(object, "message", json_text(message ? message : err->message));
	free(message);
	if (err->nearest)
		json_object_set_new(object, "nearest", json_text(err->nearest));
	return object;
}

static json_t *items_to_json(const struct err_list *list, bool are_warnings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].is_warning == are_warnings)
			json_array_append_new(array, item_to_json(list, i));
	return array;
}

json_t *err_to_json(const struct err_list *list)
{
	return items_to_json(list, false);
}

json_t *err_warnings_to_json(const struct err_list *list)
{
	return items_to_json(list, true);
}

static void release(struct err *err)
{
	free(err->file);
	free(err->pointer);
	free(err->message);
	free(err->nearest);
}

void err_move(struct err_list *to, struct err_list *from)
{
	assert(to != from);
	xgrow((void **)&to->items, &to->capacity, to->count + from->count, sizeof *to->items);
	for (size_t i = 0; i < from->count; i++) {
		struct err *err = &from->items[i];
		struct err_topic *topic = err->topic ? topic_of(to, err->topic) : NULL;
		if (topic && topic->kept == ERR_TOPIC_MAX) {
			topic->dropped++;
			release(err);
			continue;
		}
		if (topic)
			topic->kept++;
		to->items[to->count++] = *err;
	}
	for (size_t i = 0; i < from->topic_count; i++)
		topic_of(to, from->topics[i].name)->dropped += from->topics[i].dropped;
	to->errors += from->errors;
	from->count = 0; /* they are the other's now */
	err_done(from);
}

void err_done(struct err_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		release(&list->items[i]);
	free(list->items);
	free(list->topics);
	*list = (struct err_list){.items = NULL};
}
