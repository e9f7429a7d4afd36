/*
 * Reads a file of tenants row by row, so that millions need little memory, and knows the line of each. A
 * broken row says why it is refused, and the next one is read. One thread.
 */
#include "tools/ctl_rows.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct column {
	const char *name;
	bool is_list;
} columns[] = {
	{"id", false},	 {"zone", false},   {"service", false}, {"tier", false}, {"regions", true},
	{"hosts", true}, {"domains", true}, {"state", false},	{"tags", true},
};
#define COLUMNS (sizeof columns / sizeof *columns)
static_assert(COLUMNS <= CTL_ROW_CELLS_MAX, "struct ctl_rows holds each column once");

static const struct column *find_column(const char *name)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

/* Takes one octet and counts lines. */
static char step(struct ctl_rows *rows)
{
	assert(rows->at < rows->end);
	rows->line += *rows->at == '\n';
	return *rows->at++;
}

static void skip_blanks(struct ctl_rows *rows, const char *blanks)
{
	while (rows->at < rows->end && *rows->at && strchr(blanks, *rows->at))
		step(rows);
}

static void skip_line(struct ctl_rows *rows)
{
	while (rows->at < rows->end && step(rows) != '\n')
		;
}

/* ---- CSV (RFC 4180) ---- */

/* Reads one cell, without the blanks around it unless they are quoted; malloc'ed. *ret_is_last: the row ends
 * here. */
static char *read_cell(struct ctl_rows *rows, bool *ret_is_last, const char **ret_why)
{
	char *cell = NULL;
	size_t length = 0, capacity = 0, kept = 0; /* kept: up to there blanks are quoted */
	bool is_quoted = false, was_quoted = false;
	*ret_is_last = true;
	while (rows->at < rows->end) {
		char c = step(rows);
		if (is_quoted && c == '"' && rows->at < rows->end && *rows->at == '"') {
			step(rows);
		} else if (c == '"' && (is_quoted || (length == 0 && !was_quoted))) {
			is_quoted = !is_quoted;
			was_quoted = true;
			kept = length;
			continue;
		} else if (!is_quoted && (c == ',' || c == '\n')) {
			*ret_is_last = c == '\n';
			break;
		} else if (!is_quoted && (c == ' ' || c == '\t' || c == '\r') && length == 0) {
			continue;
		}
		if (c == 0)
			*ret_why = "a NUL octet in it";
		xgrow((void **)&cell, &capacity, length + 2, 1);
		cell[length++] = c;
	}
	if (is_quoted)
		*ret_why = "a quote that nothing closes";
	assert(kept <= length);
	while (length > kept && strchr(" \t\r", cell[length - 1]))
		length--;
	xgrow((void **)&cell, &capacity, length + 1, 1);
	cell[length] = 0;
	return cell;
}

static size_t read_cells(struct ctl_rows *rows, char *cells[CTL_ROW_CELLS_MAX + 1], const char **ret_why)
{
	size_t count = 0;
	bool is_last = false;
	while (!is_last) {
		char *cell = read_cell(rows, &is_last, ret_why);
		if (count <= CTL_ROW_CELLS_MAX)
			cells[count++] = cell;
		else
			free(cell);
	}
	return count;
}

static bool read_header(struct ctl_rows *rows, char **ret_why)
{
	char *cells[CTL_ROW_CELLS_MAX + 1];
	const char *why = NULL, *names[COLUMNS];
	size_t count = read_cells(rows, cells, &why);
	char *message = why ? xstrdup(why) : NULL;
	bool has_id = false;
	for (size_t i = 0; i < COLUMNS; i++)
		names[i] = columns[i].name;
	for (size_t i = 0; i < count && !message; i++) {
		char quoted[TEXT_QUOTE_MAX];
		text_quote(cells[i], quoted);
		const char *nearest = text_nearest(cells[i], names, COLUMNS);
		has_id |= strcmp(cells[i], "id") == 0;
		if (!find_column(cells[i]))
			message =
				xasprintf("unknown column %s%s%s%s; the columns are id, zone, service, tier, "
					  "regions, hosts, domains, state, tags",
					  quoted, nearest ? "; did you mean '" : "", nearest ? nearest : "",
					  nearest ? "'?" : "");
		for (size_t j = 0; j < i && !message; j++)
			if (strcmp(cells[i], cells[j]) == 0)
				message = xasprintf("column %s stands twice", quoted);
	}
	if (!message && !has_id)
		message = xstrdup("no column 'id'");
	for (size_t i = 0; i < count; i++)
		free(message ? cells[i] : NULL);
	if (message) {
		*ret_why = message;
		return false;
	}
	assert(count <= COLUMNS); /* each is known, and none stands twice */
	rows->column_count = count;
	memcpy(rows->columns, cells, count * sizeof *cells);
	return true;
}

/* "eu us", "eu;us" */
static json_t *list_of(char *cell)
{
	json_t *list = json_array();
	for (char *save, *item = strtok_r(cell, " ;\t\r\n", &save); item;
	     item = strtok_r(NULL, " ;\t\r\n", &save))
		json_array_append_new(list, json_text(item));
	return list;
}

static void csv_row(struct ctl_rows *rows, struct ctl_row *ret)
{
	char *cells[CTL_ROW_CELLS_MAX + 1];
	const char *why = NULL;
	size_t count = read_cells(rows, cells, &why);
	if (why)
		ret->why = xstrdup(why);
	else if (count != rows->column_count)
		ret->why = xasprintf("%zu cells, the header has %zu", count, rows->column_count);
	json_t *tenant = json_object();
	for (size_t i = 0; i < count && i < rows->column_count; i++) {
		const struct column *column = find_column(rows->columns[i]);
		assert(column);
		if (!ret->why && !text_is_utf8(cells[i]))
			ret->why = xasprintf("%s is not UTF-8; save the file as UTF-8", column->name);
		if (strcmp(column->name, "id") == 0) {
			ret->id = *cells[i] ? xstrdup(cells[i]) : NULL;
		} else if (*cells[i]) {
			json_t *value = column->is_list ? list_of(cells[i]) : json_text(cells[i]);
			json_object_set_new(tenant, column->name, value);
		}
	}
	for (size_t i = 0; i < count; i++)
		free(cells[i]);
	ret->tenant = tenant;
}

/* ---- JSON ---- */

/* Goes behind the object that begins here; braces inside of texts do not count. False: the object does not
 * end. */
static bool skip_object(struct ctl_rows *rows)
{
	size_t depth = 0;
	bool is_text = false;
	while (rows->at < rows->end) {
		char c = step(rows);
		if (is_text && c == '\\' && rows->at < rows->end)
			step(rows);
		else if (c == '"')
			is_text = !is_text;
		else if (!is_text && (c == '{' || c == '['))
			depth++;
		else if (!is_text && (c == '}' || c == ']') && --depth == 0)
			return true;
		assert(depth > 0 && depth <= (size_t)(rows->at - rows->text));
	}
	return false;
}

static void json_row(struct ctl_rows *rows, struct ctl_row *ret)
{
	const char *start = rows->at;
	if (*start != '{') {
		ret->why = xstrdup("not a JSON object");
		skip_line(rows);
		return;
	}
	bool is_whole = skip_object(rows);
	json_error_t error;
	json_t *tenant = json_loadb(start, (size_t)(rows->at - start), JSON_REJECT_DUPLICATES, &error);
	if (!tenant) {
		ret->why = is_whole ? xasprintf("not JSON: %s", error.text)
				    : xstrdup("not JSON: the object does not end");
		return;
	}
	ret->tenant = tenant;
	const char *id = json_string_value(json_object_get(tenant, "id"));
	ret->id = id && *id ? xstrdup(id) : NULL;
	/* GET /v1/tenants adds these, and its items may be imported as they are. */
	json_object_del(tenant, "id");
	json_object_del(tenant, "source");
	json_object_del(tenant, "version");
}

/* ---- both ---- */

bool ctl_rows_init(struct ctl_rows *rows, const char *text, size_t length, char **ret_why)
{
	*rows = (struct ctl_rows){.text = text, .at = text, .end = text + length, .line = 1};
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
		rows->at += 3;
	skip_blanks(rows, " \t\r\n");
	rows->is_csv = rows->at < rows->end && *rows->at != '[' && *rows->at != '{';
	return !rows->is_csv || read_header(rows, ret_why);
}

bool ctl_rows_next(struct ctl_rows *rows, struct ctl_row *ret)
{
	/* Empty lines are skipped. A line of commas alone, which a spreadsheet makes of an empty row, is a
	 * row without an id. */
	skip_blanks(rows, rows->is_csv ? " \t\r\n" : " \t\r\n,[]");
	if (rows->at == rows->end)
		return false;
	*ret = (struct ctl_row){.line = rows->line};
	const char *start = rows->at;
	if (rows->is_csv)
		csv_row(rows, ret);
	else
		json_row(rows, ret);
	ret->octets = (size_t)(rows->at - start);
	if (!ret->why && !ret->id)
		ret->why = xstrdup("no id");
	assert(ret->octets > 0 && (ret->why || ret->tenant));
	return true;
}

void ctl_row_done(struct ctl_row *row)
{
	free(row->id);
	free(row->why);
	json_decref(row->tenant);
	*row = (struct ctl_row){.line = 0};
}

void ctl_rows_done(struct ctl_rows *rows)
{
	for (size_t i = 0; i < rows->column_count; i++)
		free(rows->columns[i]);
	rows->column_count = 0;
}
