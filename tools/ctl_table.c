/* Tables for people: columns as wide as their widest cell, counted in characters. One thread. */
#include "tools/ctl_table.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

/* Counts characters: continuation octets of UTF-8 take no column. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Text of a server or an operator must not control the terminal. */
static void print_safely(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

void ctl_table_init(struct ctl_table *table, const char *const *heads, size_t count)
{
	assert(count > 0 && count <= CTL_TABLE_COLUMNS);
	*table = (struct ctl_table){.columns = count};
	for (size_t i = 0; i < count; i++) {
		assert(heads[i]);
		table->heads[i] = heads[i];
	}
}

void ctl_table_row(struct ctl_table *table, const char *const *cells, size_t count)
{
	size_t used = table->rows * table->columns;
	assert(count == table->columns);
	xgrow((void **)&table->cells, &table->capacity, used + count, sizeof *table->cells);
	for (size_t i = 0; i < count; i++)
		table->cells[used + i] = xstrdup(cells[i] && *cells[i] ? cells[i] : "-");
	table->rows++;
}

void ctl_table_take(struct ctl_table *table, char *const *cells, size_t count)
{
	ctl_table_row(table, (const char *const *)cells, count);
	for (size_t i = 0; i < count; i++)
		free(cells[i]);
}

static void print_line(const struct ctl_table *table, const char *const *cells, const size_t *widths,
		       unsigned indent, FILE *out)
{
	fprintf(out, "%*s", (int)indent, "");
	for (size_t i = 0; i < table->columns; i++) {
		bool is_right = table->heads[i][0] == '>';
		const char *cell = cells == table->heads && is_right ? cells[i] + 1 : cells[i];
		assert(widths[i] >= width_of(cell));
		int blanks = (int)(widths[i] - width_of(cell));
		if (is_right)
			fprintf(out, "%*s", blanks, "");
		print_safely(cell, out);
		if (i + 1 < table->columns)
			fprintf(out, "%*s", (is_right ? 0 : blanks) + 2, "");
	}
	fputc('\n', out);
}

void ctl_table_print(struct ctl_table *table, unsigned indent, FILE *out)
{
	size_t widths[CTL_TABLE_COLUMNS];
	for (size_t i = 0; i < table->columns; i++) {
		widths[i] = width_of(table->heads[i]) - (table->heads[i][0] == '>');
		for (size_t row = 0; row < table->rows; row++) {
			size_t width = width_of(table->cells[row * table->columns + i]);
			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	print_line(table, table->heads, widths, indent, out);
	for (size_t row = 0; row < table->rows; row++)
		print_line(table, (const char *const *)table->cells + row * table->columns, widths, indent,
			   out);
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->rows = table->capacity = 0;
}

void ctl_table_duration(uint64_t ms, char out[static 32])
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
	if (ms < 1000) {
		snprintf(out, 32, "%ums", (unsigned)ms);
		return;
	}
	for (size_t i = 0; i < 4; i++) {
		if (ms < units[i].ms)
			continue;
		uint64_t rest = i < 3 ? ms % units[i].ms / units[i + 1].ms : 0;
		int length =
			snprintf(out, 32, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
		if (rest)
			snprintf(out + length, 32 - (size_t)length, " %llu%s", (unsigned long long)rest,
				 units[i + 1].unit);
		return;
	}
}
