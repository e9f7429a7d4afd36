/*
 * A backup into a state directory. What it brings is whole and of the newest format before the first name
 * changes, so that whenever this is cut off, the directory holds the old store or the new one. The one thread
 * of gslbctl.
 */
#include "store/store_restore.h"
#include "lib/mem.h"
#include "store/database.h"
#include "store/migrations.h"
#include "store/state_dir.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_OCTETS ((size_t)1 << 20)

/* ---- verifying ---- */

static void tell_damage(const struct database *database, struct err_list *errors)
{
	if ((sqlite3_errcode(database->sqlite) & 0xff) == SQLITE_NOTADB)
		err_add(errors, database->path, 0, 0, "the file is no backup: it is no database");
	else
		err_add(errors, database->path, 0, 0, "the file is damaged (%s)",
			sqlite3_errmsg(database->sqlite));
}

static bool ask_number(struct database *database, const char *sql, int64_t *ret, struct err_list *errors)
{
	bool is_answered = database_number(database, sql, ret);
	if (!is_answered)
		tell_damage(database, errors);
	return is_answered;
}

static bool check_pages(struct database *database, struct err_list *errors)
{
	sqlite3_stmt *statement = NULL;
	bool is_good = false;
	if (sqlite3_prepare_v2(database->sqlite, "PRAGMA integrity_check(1)", -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		const char *verdict = (const char *)sqlite3_column_text(statement, 0);
		is_good = verdict && strcmp(verdict, "ok") == 0;
		if (!is_good)
			err_add(errors, database->path, 0, 0, "the file is damaged (%s)",
				verdict ? verdict : "unreadable");
	} else {
		tell_damage(database, errors);
	}
	sqlite3_finalize(statement);
	return is_good;
}

static bool check_format(struct database *database, int64_t *ret, struct err_list *errors)
{
	if (!migrations_read_format(database, ret)) {
		tell_damage(database, errors);
		return false;
	}
	if (*ret == MIGRATIONS_FOREIGN)
		err_add(errors, database->path, 0, 0,
			"the file is a database, but no backup of this program");
	else if (*ret == 0)
		err_add(errors, database->path, 0, 0, "the file is no backup: it is empty");
	else if (*ret > migrations_newest())
		err_add(errors, database->path, 0, 0,
			"the backup has format %lld, and this version (" GSLB_VERSION
			") knows formats up to %d: upgrade gslb to restore it",
			(long long)*ret, migrations_newest());
	else
		return true;
	return false;
}

/* These tables stand in every format so far. */
static bool check_content(struct database *database, struct store_summary *ret, struct err_list *errors)
{
	return check_format(database, &ret->format, errors) && check_pages(database, errors) &&
	       ask_number(database, "SELECT value FROM meta WHERE name = 'fleet_version'",
			  &ret->fleet_version, errors) &&
	       ask_number(database, "SELECT count(*) FROM object", &ret->objects, errors) &&
	       ask_number(database, "SELECT count(*) FROM control", &ret->controls, errors) &&
	       ask_number(database, "SELECT count(*) FROM audit", &ret->audit_lines, errors);
}

bool store_verify(const char *file, struct store_summary *ret, struct err_list *errors)
{
	char *log = xasprintf("%s-wal", file);
	struct stat status;
	struct store_summary summary = {0};
	struct database *database = NULL;
	if (stat(file, &status) < 0)
		err_add(errors, file, 0, 0, "%s", strerror(errno));
	else if (!S_ISREG(status.st_mode))
		err_add(errors, file, 0, 0, "not a file");
	else if (access(log, F_OK) == 0)
		err_add(errors, file, 0, 0,
			"%s lies beside it: this is a store in use, or a copy of one, and no backup", log);
	else
		database = database_open_copy(file, errors);
	bool is_good = database && check_content(database, &summary, errors);
	database_close(database);
	free(log);
	if (is_good)
		*ret = summary;
	return is_good;
}

/* ---- bringing back ---- */

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

static bool copy_beside(const char *file, const char *state_dir, const char *beside, struct err_list *errors)
{
	int from = open(file, O_RDONLY | O_CLOEXEC);
	int to = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	bool is_copied = from >= 0 && to >= 0 && copy_octets(from, to);
	if (!is_copied)
		err_add(errors, from < 0 ? file : beside, 0, 0, "%s", strerror(errno));
	else
		state_dir_give_to_owner(state_dir, to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return is_copied;
}

/* The old store, with its log, under second names. */
static bool set_aside(const char *store)
{
	static const char *const parts[] = {"", "-wal"};
	bool is_done = true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char *from = xasprintf("%s%s", store, parts[i]);
		char *to = xasprintf("%s.before-restore%s", store, parts[i]);
		is_done = is_done && (unlink(to) == 0 || errno == ENOENT) &&
			  (link(from, to) == 0 || errno == ENOENT);
		free(from);
		free(to);
	}
	return is_done;
}

/* A new store must never meet the log of the old one. */
static bool remove_logs(const char *store)
{
	static const char *const parts[] = {"-wal", "-shm"};
	bool is_done = true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char *path = xasprintf("%s%s", store, parts[i]);
		is_done = is_done && (unlink(path) == 0 || errno == ENOENT);
		free(path);
	}
	return is_done;
}

bool store_restore_finish(const char *state_dir, struct err_list *errors)
{
	char *store = state_dir_store(state_dir), *restored = xasprintf("%s.restored", store);
	bool is_done = access(restored, F_OK) < 0 ||
		       (remove_logs(store) && state_dir_rename(state_dir, restored, store));
	if (!is_done)
		err_add(errors, state_dir, 0, 0, "the store cannot be replaced: %s", strerror(errno));
	free(restored);
	free(store);
	return is_done;
}

/* The rename to gslb.db.restored is what decides: before it the old store is the store, after it the new one
 * is, and whoever opens the directory next finishes what is left to do. */
static bool put_in_place(const char *state_dir, const char *fresh, struct err_list *errors)
{
	char *store = state_dir_store(state_dir), *restored = xasprintf("%s.restored", store);
	bool is_decided = set_aside(store) && state_dir_rename(state_dir, fresh, restored);
	if (!is_decided)
		err_add(errors, state_dir, 0, 0, "the store cannot be replaced: %s", strerror(errno));
	free(restored);
	free(store);
	return is_decided && store_restore_finish(state_dir, errors);
}

/* What a restore that was killed left: its log must not be taken for the new file's. */
static void remove_fresh(const char *fresh)
{
	static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char *path = xasprintf("%s%s", fresh, parts[i]);
		unlink(path);
		free(path);
	}
}

/* The backup's own file stays as it is. */
static bool bring_forward(const char *fresh, int64_t format, struct err_list *errors)
{
	assert(format > 0 && format <= migrations_newest()); /* as store_verify found */
	if (format == migrations_newest())
		return true;
	struct database *database = database_open(fresh, errors);
	bool is_done =
		database && migrations_run(database, format, errors) && database_leave_log(database, errors);
	database_close(database);
	return is_done;
}

bool store_restore(const char *file, const char *state_dir, struct store_summary *ret,
		   struct err_list *errors)
{
	struct store_summary summary;
	if (!store_verify(file, &summary, errors))
		return false;
	int lock = state_dir_lock(state_dir, errors);
	if (lock < 0)
		return false;
	state_dir_give_to_owner(state_dir, lock);
	char *store = state_dir_store(state_dir), *fresh = xasprintf("%s.restore", store);
	remove_fresh(fresh);
	bool is_done = store_restore_finish(state_dir, errors) &&
		       copy_beside(file, state_dir, fresh, errors) &&
		       bring_forward(fresh, summary.format, errors) && put_in_place(state_dir, fresh, errors);
	remove_fresh(fresh);
	free(fresh);
	free(store);
	close(lock);
	if (is_done)
		*ret = summary;
	return is_done;
}
