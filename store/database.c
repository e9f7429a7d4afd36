/*
 * Opening an SQLite file and reading what it says when something fails. Whoever calls holds the lock of the
 * state directory, and SQLite's own is exclusive besides. Control thread, or the one thread of gslbctl.
 */
#include "store/database.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *system_words(int error, const char *otherwise)
{
	switch (error) {
	case 0:
		return otherwise;
	case EFBIG:
		return "the file may not grow any more: this process has a limit on the size of files";
	case ENOSPC:
		return "the disk is full";
	case EDQUOT:
		return "the disk quota is used up";
	default:
		return strerror(error);
	}
}

void database_err(const struct database *database, const char *doing, struct err_list *errors)
{
	int error = errno; /* sqlite3_system_errno() has forgotten it when the statement was reset */
	const char *path = database->path, *message = sqlite3_errmsg(database->sqlite);
	switch (sqlite3_errcode(database->sqlite) & 0xff) {
	case SQLITE_FULL:
		err_add(errors, path, 0, 0, "%s: the disk is full", doing);
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		err_add(errors, path, 0, 0,
			"%s: the file is damaged or no database (%s); restore it from a backup, or move it "
			"away to start with an empty store",
			doing, message);
		break;
	case SQLITE_CANTOPEN:
		err_add(errors, path, 0, 0, "%s: the file cannot be opened", doing);
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		err_add(errors, path, 0, 0, "%s: cannot be written: %s", doing, message);
		break;
	case SQLITE_IOERR:
		err_add(errors, path, 0, 0, "%s: %s", doing, system_words(error, message));
		break;
	default:
		err_add(errors, path, 0, 0, "%s: %s", doing, message);
		break;
	}
}

/* ---- statements ---- */

bool database_run(struct database *database, const char *sql)
{
	return sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK;
}

bool database_number(struct database *database, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	bool is_found = sqlite3_prepare_v2(database->sqlite, sql, -1, &statement, NULL) == SQLITE_OK &&
			sqlite3_step(statement) == SQLITE_ROW;
	if (is_found)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return is_found;
}

/* A damaged page found now is a clear message; found later it would be a half-read fleet. */
bool database_check_pages(struct database *database, struct err_list *errors)
{
	sqlite3_stmt *statement = NULL;
	bool is_good = false;
	if (sqlite3_prepare_v2(database->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		const char *verdict = (const char *)sqlite3_column_text(statement, 0);
		is_good = verdict && strcmp(verdict, "ok") == 0;
		if (!is_good)
			err_add(errors, database->path, 0, 0,
				"the file is damaged (%s); restore it from a backup, or move it away to "
				"start with an empty store",
				verdict ? verdict : "unreadable");
	} else {
		database_err(database, "reading", errors);
	}
	sqlite3_finalize(statement);
	return is_good;
}

/* ---- opening ---- */

static bool set_up(struct database *database, struct err_list *errors)
{
	sqlite3_extended_result_codes(database->sqlite, 1);
	/* SQLite falls back to reading alone where a file is write-protected. */
	if (sqlite3_db_readonly(database->sqlite, "main") == 1) {
		err_add(errors, database->path, 0, 0, "the file cannot be written: permission denied");
		return false;
	}
	int64_t is_log = 0;
	if (!database_run(
		    database,
		    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")) {
		database_err(database, "opening", errors);
		return false;
	}
	if (!database_number(database, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_log) ||
	    !is_log) {
		err_add(errors, database->path, 0, 0, "the file system allows no write-ahead log");
		return false;
	}
	return true;
}

static struct database *new_database(const char *path)
{
	struct database *database = xcalloc(1, sizeof *database);
	database->path = xstrdup(path);
	return database;
}

struct database *database_open(const char *path, struct err_list *errors)
{
	struct database *database = new_database(path);
	/* SQLite would let everybody read it; the files that it puts beside have the same mode. What is wrong
	 * with the path it tells itself. */
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd);
	if (sqlite3_open_v2(path, &database->sqlite,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		database_err(database, "opening", errors);
	else if (set_up(database, errors))
		return database;
	database_close(database);
	return NULL;
}

/* A URI whose path is taken as it is; `immutable` because a copy may lie where nothing can be written. */
static char *uri_of(const char *file)
{
	char *uri = xmalloc(3 * strlen(file) + 32), *to = uri + sprintf(uri, "file:");
	for (; *file; file++)
		to += sprintf(to, strchr("?#%", *file) ? "%%%02X" : "%c", *file);
	strcpy(to, "?immutable=1");
	return uri;
}

struct database *database_open_copy(const char *path, struct err_list *errors)
{
	struct database *database = new_database(path);
	char *uri = uri_of(path);
	int code = sqlite3_open_v2(uri, &database->sqlite,
				   SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	free(uri);
	if (code == SQLITE_OK)
		return database;
	err_add(errors, path, 0, 0, "the file cannot be opened: %s", sqlite3_errmsg(database->sqlite));
	database_close(database);
	return NULL;
}

void database_close(struct database *database)
{
	if (!database)
		return;
	/* A statement that is still there would keep the file open, and its lock. */
	assert(!sqlite3_next_stmt(database->sqlite, NULL));
	sqlite3_close(database->sqlite);
	free(database->path);
	free(database);
}

bool database_leave_log(struct database *database, struct err_list *errors)
{
	int64_t is_alone = 0;
	assert(sqlite3_get_autocommit(database->sqlite));
	errno = 0;
	bool is_done = database_run(database, "PRAGMA journal_mode = DELETE") &&
		       database_number(database, "SELECT journal_mode = 'delete' FROM pragma_journal_mode",
				       &is_alone) &&
		       is_alone;
	if (!is_done)
		database_err(database, "writing", errors);
	return is_done;
}
