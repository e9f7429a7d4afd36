/*
 * An SQLite file as the store uses it: with a write-ahead log, synchronous=FULL and exclusive locking, so
 * that a commit that returned survives kill -9 and loss of power. Control thread, or the one thread of
 * gslbctl.
 */
#pragma once
#include "lib/err.h"
#include <sqlite3.h>

#define DATABASE_APPLICATION 0x67736c62 /* "gslb": PRAGMA application_id */

struct database {
	char *path;
	sqlite3 *sqlite;
};

/* Makes the file where it is missing. NULL with an entry in errors. */
struct database *database_open(const char *path, struct err_list *errors);
/* For reading, where nothing can be written; a log beside the file is not looked at. */
struct database *database_open_copy(const char *path, struct err_list *errors);
void database_close(struct database *database); /* NULL is fine */

/* After a call of SQLite failed, before the next: what it says, in words that tell the operator what to do.
 */
void database_err(const struct database *database, const char *doing, struct err_list *errors);
bool database_run(struct database *database, const char *sql); /* one statement or several; no rows */
/* The first column of the first row; false: there is none, or it cannot be read. */
bool database_number(struct database *database, const char *sql, int64_t *ret);
/* Every page is looked at. */
bool database_check_pages(struct database *database, struct err_list *errors);
/* Moves the write-ahead log into the file and removes it: the file alone is the database until it is opened
 * anew. */
bool database_leave_log(struct database *database, struct err_list *errors);
