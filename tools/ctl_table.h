/* Aligned columns and times for people. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_TABLE_COLUMNS 12

struct ctl_table {
	const char *heads[CTL_TABLE_COLUMNS]; /* a head that begins with '>' aligns to the right */
	size_t columns, rows, capacity;
	char **cells;
};

/* An array and the number of its elements, which each row has to have. */
#define CTL_TABLE_CELLS(array) (array), sizeof(array) / sizeof *(array)

/* The table borrows `heads` until it is printed. */
void ctl_table_init(struct ctl_table *table, const char *const *heads, size_t count);
/* Copies the texts; NULL and "" show as "-". */
void ctl_table_row(struct ctl_table *table, const char *const *cells, size_t count);
/* The same of malloc'ed texts, which the table takes over. */
void ctl_table_take(struct ctl_table *table, char *const *cells, size_t count);
/* Prints head and rows, ended by a newline each, without blanks at line ends; empties the table. */
void ctl_table_print(struct ctl_table *table, unsigned indent, FILE *out);

/* "850ms", "12s", "3m 12s", "2d 3h": at most two units. */
void ctl_table_duration(uint64_t ms, char out[static 32]);
