/* What store.c and store_backup.c share. */
#pragma once
#include "store/store.h"
#include <sqlite3.h>

#define STORE_FORMAT 1
#define STORE_APPLICATION 0x67736c62 /* "gslb": PRAGMA application_id */

sqlite3 *store_database(const struct store *store, const char **ret_path);
/* The directory, made where it is missing, and its lock: a descriptor, or -1 with an entry in errors. */
int store_lock(const char *state_dir, struct err_list *errors);
