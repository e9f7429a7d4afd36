/* Reads rows of tenants from a text: CSV with a header line, a JSON array, or JSON lines. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CTL_ROW_CELLS_MAX 32

struct ctl_rows {
	const char *text, *at, *end;
	size_t line; /* of `at` */
	bool is_csv;
	size_t column_count; /* of CSV */
	char *columns[CTL_ROW_CELLS_MAX];
};

struct ctl_row {
	size_t line;	/* where it begins */
	size_t octets;	/* of the text that the row takes */
	char *id;	/* NULL: none could be read */
	json_t *tenant; /* without its id; NULL: refused here */
	char *why;	/* NULL, or why it is refused here */
};

/* The text stays the caller's. False: *ret_why (malloc'ed) says what is wrong with the header (line 1). */
bool ctl_rows_init(struct ctl_rows *rows, const char *text, size_t length, char **ret_why);
bool ctl_rows_next(struct ctl_rows *rows, struct ctl_row *ret); /* false: the end */
void ctl_row_done(struct ctl_row *row);
void ctl_rows_done(struct ctl_rows *rows);
