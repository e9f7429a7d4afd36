/*
 * Copies of a store that is in use, taken a few pages at a time. The copy is one file without a write-ahead
 * log; store_restore.h brings it back. Control thread.
 */
#pragma once
#include "lib/err.h"

struct database;
struct store_backup;
enum store_backup_step { STORE_BACKUP_MORE, STORE_BACKUP_DONE, STORE_BACKUP_FAILED };

/* Copies into a file beside the database; one at a time. NULL with an entry in errors. */
struct store_backup *store_backup_start(struct database *database, struct err_list *errors);
/* A bounded piece; commits in between go into the copy too. */
enum store_backup_step store_backup_step(struct store_backup *backup, struct err_list *errors);
/* After STORE_BACKUP_DONE, once: the copy, for reading; the caller closes it. -1 with an entry in errors. */
int store_backup_file(struct store_backup *backup, int64_t *ret_octets, struct err_list *errors);
/* Removes the copy. Before the database is closed. NULL is fine. */
void store_backup_free(struct store_backup *backup);

/* A whole copy at once, durable and under this name; what has the name already gives way to it. */
bool store_backup_keep(struct database *database, const char *state_dir, const char *path,
		       struct err_list *errors);
