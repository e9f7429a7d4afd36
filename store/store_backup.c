/*
 * See the header. SQLite's own backup reads through the store's connection, so that it sees each commit
 * whole, and gives way to the loop between two pieces. Control thread; restore: gslbctl's.
 */
#include "store/store_backup.h"
#include "lib/mem.h"
#include "store/store_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES_A_STEP 256 /* 1 MiB */
#define COPY_OCTETS ((size_t)1 << 20)

struct store_backup {
	char *path;
	sqlite3 *copy;
	sqlite3_backup *backup;
};

/* ---- taking ---- */

static void add_error(const struct store_backup *backup, struct err_list *errors)
{
	int code = sqlite3_errcode(backup->copy);
	err_add(errors, backup->path, 0, 0, "the copy cannot be written: %s",
		code == SQLITE_FULL ? "the disk is full" : sqlite3_errmsg(backup->copy));
}

struct store_backup *store_backup_start(struct store *store, struct err_list *errors)
{
	const char *store_path;
	sqlite3 *database = store_database(store, &store_path);
	struct store_backup *backup = xcalloc(1, sizeof(*backup));
	backup->path = xasprintf("%s.backup", store_path);
	unlink(backup->path); /* left over from a kill */
	if (sqlite3_open_v2(backup->path, &backup->copy,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK &&
	    sqlite3_exec(backup->copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
			 NULL) == SQLITE_OK)
		backup->backup = sqlite3_backup_init(backup->copy, "main", database, "main");
	if (backup->backup)
		return backup;
	add_error(backup, errors);
	store_backup_free(backup);
	return NULL;
}

enum store_backup_step store_backup_step(struct store_backup *backup, struct err_list *errors)
{
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

/* ---- bringing back ---- */

/* The first column of the first row; false: told. */
static bool ask(sqlite3 *database, const char *file, const char *sql, sqlite3_stmt **ret,
		struct err_list *errors)
{
	if (sqlite3_prepare_v2(database, sql, -1, ret, NULL) == SQLITE_OK && sqlite3_step(*ret) == SQLITE_ROW)
		return true;
	int code = sqlite3_errcode(database) & 0xff;
	if (code == SQLITE_NOTADB)
		err_add(errors, file, 0, 0, "the file is no backup: it is no database");
	else
		err_add(errors, file, 0, 0, "the file is damaged (%s)", sqlite3_errmsg(database));
	sqlite3_finalize(*ret);
	return false;
}

static bool ask_number(sqlite3 *database, const char *file, const char *sql, int64_t *ret,
		       struct err_list *errors)
{
	sqlite3_stmt *statement;
	if (!ask(database, file, sql, &statement, errors))
		return false;
	*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return true;
}

static bool check_pages(sqlite3 *database, const char *file, struct err_list *errors)
{
	sqlite3_stmt *statement;
	if (!ask(database, file, "PRAGMA integrity_check(1)", &statement, errors))
		return false;
	const char *verdict = (const char *)sqlite3_column_text(statement, 0);
	bool is_good = verdict && strcmp(verdict, "ok") == 0;
	if (!is_good)
		err_add(errors, file, 0, 0, "the file is damaged (%s)", verdict ? verdict : "unreadable");
	sqlite3_finalize(statement);
	return is_good;
}

static bool check_content(sqlite3 *database, const char *file, struct store_summary *ret,
			  struct err_list *errors)
{
	int64_t application = 0, format = 0;
	if (!ask_number(database, file, "PRAGMA application_id", &application, errors))
		return false;
	if (application != STORE_APPLICATION) {
		err_add(errors, file, 0, 0, "the file is a database, but no backup of this program");
		return false;
	}
	if (!check_pages(database, file, errors) ||
	    !ask_number(database, file, "SELECT value FROM meta WHERE name = 'format'", &format, errors))
		return false;
	if (format > STORE_FORMAT) {
		err_add(errors, file, 0, 0,
			"the file has format %lld, and this version knows formats up to %d; use the newer "
			"version",
			(long long)format, STORE_FORMAT);
		return false;
	}
	return ask_number(database, file, "SELECT value FROM meta WHERE name = 'fleet_version'",
			  &ret->fleet_version, errors) &&
	       ask_number(database, file, "SELECT count(*) FROM object", &ret->objects, errors) &&
	       ask_number(database, file, "SELECT count(*) FROM control", &ret->controls, errors) &&
	       ask_number(database, file, "SELECT count(*) FROM audit", &ret->audit_lines, errors);
}

/* A URI whose path is taken as it is; `immutable` because a backup may lie where nothing can be written. */
static char *uri_of(const char *file)
{
	char *uri = xmalloc(3 * strlen(file) + 32), *to = uri + sprintf(uri, "file:");
	for (; *file; file++)
		to += sprintf(to, strchr("?#%", *file) ? "%%%02X" : "%c", *file);
	strcpy(to, "?immutable=1");
	return uri;
}

bool store_verify(const char *file, struct store_summary *ret, struct err_list *errors)
{
	char *log = xasprintf("%s-wal", file), *uri = uri_of(file);
	struct stat status;
	sqlite3 *database = NULL;
	struct store_summary summary = {0};
	bool is_good = false;
	if (stat(file, &status) < 0)
		err_add(errors, file, 0, 0, "%s", strerror(errno));
	else if (!S_ISREG(status.st_mode))
		err_add(errors, file, 0, 0, "not a file");
	else if (access(log, F_OK) == 0)
		err_add(errors, file, 0, 0,
			"%s lies beside it: this is a store in use, or a copy of one, and no backup", log);
	else if (sqlite3_open_v2(uri, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
				 NULL) != SQLITE_OK)
		err_add(errors, file, 0, 0, "the file cannot be opened: %s", sqlite3_errmsg(database));
	else
		is_good = check_content(database, file, &summary, errors);
	sqlite3_close(database);
	free(log);
	free(uri);
	if (is_good)
		*ret = summary;
	return is_good;
}

static bool copy_octets(int from, int to)
{
	char *piece = xmalloc(COPY_OCTETS);
	ssize_t got;
	while ((got = read(from, piece, COPY_OCTETS)) > 0) {
		for (ssize_t done = 0, wrote; done < got; done += wrote) {
			wrote = write(to, piece + done, (size_t)(got - done));
			if (wrote < 0) {
				free(piece);
				return false;
			}
		}
	}
	free(piece);
	return got == 0 && fsync(to) == 0;
}

/* The owner of a directory owns what root puts into it; others cannot give files away, and need not. */
static void give_to_owner(int fd, const char *state_dir)
{
	struct stat status;
	if (geteuid() == 0 && stat(state_dir, &status) == 0 && fchown(fd, status.st_uid, status.st_gid) < 0)
		errno = 0;
}

static bool copy_beside(const char *file, const char *state_dir, const char *beside, struct err_list *errors)
{
	int from = open(file, O_RDONLY | O_CLOEXEC);
	int to = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	bool is_copied = from >= 0 && to >= 0 && copy_octets(from, to);
	if (!is_copied)
		err_add(errors, from < 0 ? file : beside, 0, 0, "%s", strerror(errno));
	else
		give_to_owner(to, state_dir);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	if (!is_copied)
		unlink(beside);
	return is_copied;
}

/* The old store is complete under its second name before anything is taken away, whenever this is cut off:
 * a new store must never meet the write-ahead log of the old one. */
static bool put_in_place(const char *state_dir, struct err_list *errors)
{
	bool is_done = true;
	char *store = xasprintf("%s/gslb.db", state_dir), *fresh = xasprintf("%s.restore", store);
	static const char *const parts[] = {"", "-wal"};
	for (size_t i = 0; i < 2; i++) {
		char *from = xasprintf("%s%s", store, parts[i]);
		char *to = xasprintf("%s.before-restore%s", store, parts[i]);
		is_done &= unlink(to) == 0 || errno == ENOENT;
		is_done &= link(from, to) == 0 || errno == ENOENT;
		free(from);
		free(to);
	}
	for (size_t i = 0; i < 2 && is_done; i++) {
		char *log = xasprintf("%s%s", store, i ? "-wal" : "-shm");
		is_done = unlink(log) == 0 || errno == ENOENT;
		free(log);
	}
	is_done = is_done && rename(fresh, store) == 0;
	int directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_done = is_done && directory >= 0 && fsync(directory) == 0;
	if (!is_done) {
		err_add(errors, state_dir, 0, 0, "the store cannot be replaced: %s", strerror(errno));
		unlink(fresh);
	}
	if (directory >= 0)
		close(directory);
	free(fresh);
	free(store);
	return is_done;
}

bool store_restore(const char *file, const char *state_dir, struct store_summary *ret,
		   struct err_list *errors)
{
	if (!store_verify(file, ret, errors))
		return false;
	int lock = store_lock(state_dir, errors);
	if (lock < 0)
		return false;
	give_to_owner(lock, state_dir);
	char *fresh = xasprintf("%s/gslb.db.restore", state_dir);
	bool is_done = copy_beside(file, state_dir, fresh, errors) && put_in_place(state_dir, errors);
	free(fresh);
	close(lock);
	return is_done;
}
