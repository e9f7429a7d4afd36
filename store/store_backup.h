/*
 * Copies of the store: taken from a running node a few pages at a time, brought back into a state
 * directory that no node uses. The copy is one file without a write-ahead log.
 */
#pragma once
#include "store/store.h"

/* ---- taking (control thread) ---- */

struct store_backup;
enum store_backup_step { STORE_BACKUP_MORE, STORE_BACKUP_DONE, STORE_BACKUP_FAILED };

/* Copies into an unnamed file of the state directory; one at a time. NULL with an entry in errors. */
struct store_backup *store_backup_start(struct store *store, struct err_list *errors);
/* A bounded piece; commits in between go into the copy too. */
enum store_backup_step store_backup_step(struct store_backup *backup, struct err_list *errors);
/* After STORE_BACKUP_DONE: the copy, for reading; the caller closes it. -1 with an entry in errors. */
int store_backup_file(struct store_backup *backup, int64_t *ret_octets, struct err_list *errors);
void store_backup_free(struct store_backup *backup); /* NULL is fine; before store_close */

/* ---- bringing back (no node runs; any one thread) ---- */

struct store_summary {
	int64_t fleet_version, objects, controls, audit_lines;
};
/* Whether it is a whole and undamaged copy of a format that this version knows. */
bool store_verify(const char *file, struct store_summary *ret, struct err_list *errors);
/* Verifies `file` and puts it in the place of the state directory's store. What was there stays beside it
 * as gslb.db.before-restore. Refuses while a process uses the directory. */
bool store_restore(const char *file, const char *state_dir, struct store_summary *ret,
		   struct err_list *errors);
