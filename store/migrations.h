/*
 * The store's formats, and the steps from each to the next. A version of the program writes one format and
 * reads it and all older ones: a store is brought to the newest in one transaction when it is opened, a
 * backup when it is restored.
 */
#pragma once
#include "lib/err.h"

struct database;

int migrations_newest(void); /* the format that this version writes: the table in migrations.c ends there */

#define MIGRATIONS_FOREIGN (-1)
/* The file's format; 0: it is empty; MIGRATIONS_FOREIGN: it is another program's. False: it cannot be read.
 */
bool migrations_read_format(struct database *database, int64_t *ret);
/* From an older format, 0 included, to the newest; false with an entry in errors: the file is what it
 * was. */
bool migrations_run(struct database *database, int64_t format, struct err_list *errors);
