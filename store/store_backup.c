/*
 * SQLite's own backup reads through the store's connection, so that it sees each commit whole, and gives way
 * to the loop between two pieces. Control thread.
 */
#include "store/store_backup.h"
#include "lib/mem.h"
#include "store/database.h"
#include "store/state_dir.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES_A_STEP 256 /* 1 MiB */

struct store_backup {
	char *path;
	sqlite3 *copy;		/* NULL: it is complete and closed */
	sqlite3_backup *backup; /* NULL: nothing is left to copy */
};

static void add_error(const struct store_backup *backup, struct err_list *errors)
{
	int code = sqlite3_errcode(backup->copy);
	err_add(errors, backup->path, 0, 0, "the copy cannot be written: %s",
		code == SQLITE_FULL ? "the disk is full" : sqlite3_errmsg(backup->copy));
}

struct store_backup *store_backup_start(struct database *database, struct err_list *errors)
{
	struct store_backup *backup = xcalloc(1, sizeof *backup);
	backup->path = xasprintf("%s.backup", database->path);
	unlink(backup->path); /* left over from a kill */
	if (sqlite3_open_v2(backup->path, &backup->copy,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK &&
	    sqlite3_exec(backup->copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
			 NULL) == SQLITE_OK)
		backup->backup = sqlite3_backup_init(backup->copy, "main", database->sqlite, "main");
	if (backup->backup)
		return backup;
	add_error(backup, errors);
	store_backup_free(backup);
	return NULL;
}

enum store_backup_step store_backup_step(struct store_backup *backup, struct err_list *errors)
{
	assert(backup->backup); /* nobody goes on with what is done or has failed */
	int code = sqlite3_backup_step(backup->backup, PAGES_A_STEP);
	if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return STORE_BACKUP_MORE;
	if (code == SQLITE_DONE)
		code = sqlite3_backup_finish(backup->backup);
	else
		sqlite3_backup_finish(backup->backup);
	backup->backup = NULL;
	if (code == SQLITE_OK)
		return STORE_BACKUP_DONE;
	add_error(backup, errors);
	return STORE_BACKUP_FAILED;
}

int store_backup_file(struct store_backup *backup, int64_t *ret_octets, struct err_list *errors)
{
	struct stat status;
	assert(!backup->backup && backup->copy);
	sqlite3_close(backup->copy);
	backup->copy = NULL;
	int fd = open(backup->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0) {
		err_add(errors, backup->path, 0, 0, "the copy cannot be read: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ret_octets = status.st_size;
	return fd;
}

void store_backup_free(struct store_backup *backup)
{
	if (!backup)
		return;
	sqlite3_backup_finish(backup->backup);
	sqlite3_close(backup->copy);
	unlink(backup->path);
	free(backup->path);
	free(backup);
}

bool store_backup_keep(struct database *database, const char *state_dir, const char *path,
		       struct err_list *errors)
{
	struct store_backup *backup = store_backup_start(database, errors);
	enum store_backup_step step = backup ? STORE_BACKUP_MORE : STORE_BACKUP_FAILED;
	while (step == STORE_BACKUP_MORE)
		step = store_backup_step(backup, errors);
	int64_t octets = 0;
	int fd = step == STORE_BACKUP_DONE ? store_backup_file(backup, &octets, errors) : -1;
	bool is_kept = fd >= 0 && fchmod(fd, 0640) == 0 && fsync(fd) == 0 &&
		       state_dir_rename(state_dir, backup->path, path);
	if (fd >= 0 && !is_kept)
		err_add(errors, path, 0, 0, "the copy cannot be written: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	store_backup_free(backup);
	return is_kept;
}
