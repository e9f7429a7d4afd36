/*
 * The durable store: one SQLite file, gslb.db, in the state directory (database.h); each table's statements
 * and what they carry. Control thread.
 */
#include "store/store.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "store/database.h"
#include "store/migrations.h"
#include "store/state_dir.h"
#include "store/store_backup.h"
#include "store/store_restore.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEALTH_KEPT_MS (30ll * 24 * 3600 * 1000)

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	OBJECT_PUT,
	OBJECT_REMOVE,
	OBJECT_EACH,
	OBJECT_COUNT,
	VERSION_SET,
	VERSION_GET,
	CHANGED_GET,
	CONTROL_PUT,
	CONTROL_REMOVE,
	CONTROL_EACH,
	AUDIT_ADD,
	AUDIT_PAGE,
	HEALTH_PUT,
	HEALTH_FORGET,
	HEALTH_EACH,
	NAME_PUT,
	NAME_REMOVE,
	NAME_GET,
	STATEMENTS
};

static const char *const statement_text[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	/* An object that changes keeps its rowid: the order of definition. */
	[OBJECT_PUT] = "INSERT INTO object(kind, id, json, version) VALUES(?1, ?2, ?3, ?4) "
		       "ON CONFLICT(kind, id) DO UPDATE SET json = ?3, version = ?4",
	[OBJECT_REMOVE] = "DELETE FROM object WHERE kind = ?1 AND id = ?2",
	[OBJECT_EACH] = "SELECT id, json, version, rowid FROM object WHERE kind = ?1 AND rowid > ?2 "
			"ORDER BY rowid LIMIT ?3",
	[OBJECT_COUNT] = "SELECT count(*) FROM object",
	[VERSION_SET] = "INSERT INTO meta VALUES('fleet_version', ?1), ('fleet_changed', ?2) "
			"ON CONFLICT(name) DO UPDATE SET value = excluded.value",
	[VERSION_GET] = "SELECT value FROM meta WHERE name = 'fleet_version'",
	[CHANGED_GET] = "SELECT value FROM meta WHERE name = 'fleet_changed'",
	[CONTROL_PUT] =
		"INSERT INTO control(region, service, address, share, expires, since, reason, author) "
		"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(region, service, address) DO "
		"UPDATE SET share = ?4, expires = ?5, since = ?6, reason = ?7, author = ?8",
	[CONTROL_REMOVE] = "DELETE FROM control WHERE region = ?1 AND service = ?2 AND address = ?3",
	[CONTROL_EACH] =
		"SELECT region, service, address, share, expires, since, reason, author FROM control "
		"ORDER BY rowid",
	[AUDIT_ADD] = "INSERT INTO audit(time, author, via, verb, object, before, after, reason) "
		      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[AUDIT_PAGE] = "SELECT seq, time, author, via, verb, object, before, after, reason FROM audit "
		       "WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[HEALTH_PUT] = "INSERT INTO health(target, state, changed, seen) VALUES(?1, ?2, ?3, ?4) "
		       "ON CONFLICT(target) DO UPDATE SET state = ?2, changed = ?3, seen = ?4",
	[HEALTH_FORGET] = "DELETE FROM health WHERE seen < ?1",
	[HEALTH_EACH] = "SELECT target, state, changed, seen FROM health",
	[NAME_PUT] = "INSERT OR REPLACE INTO resolved(name, addresses) VALUES(?1, ?2)",
	[NAME_REMOVE] = "DELETE FROM resolved WHERE name = ?1",
	[NAME_GET] = "SELECT addresses FROM resolved WHERE name = ?1",
};

struct store {
	char *state_dir;
	int lock_fd;
	struct database *database;
	sqlite3_stmt *statement[STATEMENTS];
	struct file { /* as they were opened */
		char *path;
		dev_t device;
		ino_t inode;
	} files[2]; /* the database and its write-ahead log */
};

static const char *const health_word[STORE_HEALTHS] = {
	[STORE_HEALTH_UNKNOWN] = "unknown",
	[STORE_HEALTH_UP] = "up",
	[STORE_HEALTH_DOWN] = "down",
	[STORE_HEALTH_NEVER_UP] = "never-up",
};

/* ---- statements ---- */

static sqlite3_stmt *get(struct store *store, enum statement which)
{
	assert((unsigned)which < STATEMENTS);
	sqlite3_stmt *statement = store->statement[which];
	sqlite3_reset(statement);
	return statement;
}

static bool run(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = store->statement[which];
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		continue;
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

static bool run_plain(struct store *store, enum statement which)
{
	get(store, which);
	return run(store, which);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

/* Binds compact JSON, or null. */
static void bind_json(sqlite3_stmt *statement, int at, const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
	if (text)
		sqlite3_bind_text(statement, at, text, -1, free);
	else
		sqlite3_bind_null(statement, at);
}

static const char *column_text(sqlite3_stmt *statement, int at)
{
	const unsigned char *text = sqlite3_column_text(statement, at);
	return text ? (const char *)text : "";
}

/* ---- opening ---- */

/* Where a copy of an earlier format stays. */
static char *kept_path(const struct store *store, int64_t format)
{
	return xasprintf("%s.format-%lld", store->database->path, (long long)format);
}

static void refuse_newer(const struct store *store, int64_t format, struct err_list *errors)
{
	char *kept = kept_path(store, migrations_newest());
	bool is_kept = access(kept, F_OK) == 0;
	err_add(errors, store->database->path, 0, 0,
		"the file has format %lld, and this version (" GSLB_VERSION
		") knows formats up to %d: upgrade gslb, or go back to %s by gslbctl restore %s",
		(long long)format, migrations_newest(),
		is_kept ? "the store as it was before the upgrade" : "a backup of this version",
		is_kept ? kept : "FILE");
	free(kept);
}

/* What it was before stays beside it: the version before this one can read nothing else. */
static bool bring_forward(struct store *store, int64_t format, struct err_list *errors)
{
	char *kept = kept_path(store, format);
	bool is_done = store_backup_keep(store->database, store->state_dir, kept, errors) &&
		       migrations_run(store->database, format, errors);
	if (is_done)
		log_info("the store was brought from format %lld to format %d; %s is what it was before",
			 (long long)format, migrations_newest(), kept);
	free(kept);
	return is_done;
}

static bool use_format(struct store *store, struct err_list *errors)
{
	struct database *database = store->database;
	int64_t format = 0;
	errno = 0;
	if (!migrations_read_format(database, &format)) {
		database_err(database, "opening", errors);
		return false;
	}
	if (format == MIGRATIONS_FOREIGN) {
		err_add(errors, database->path, 0, 0, "the file is a database, but not one of this program");
		return false;
	}
	if (format > migrations_newest()) {
		refuse_newer(store, format, errors);
		return false;
	}
	if (format == 0)
		return migrations_run(database, format, errors);
	return database_check_pages(database, errors) &&
	       (format == migrations_newest() || bring_forward(store, format, errors));
}

static bool prepare_statements(struct store *store, struct err_list *errors)
{
	for (int i = 0; i < STATEMENTS; i++) {
		assert(statement_text[i]);
		if (sqlite3_prepare_v3(store->database->sqlite, statement_text[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &store->statement[i], NULL) != SQLITE_OK) {
			database_err(store->database, "opening", errors);
			return false;
		}
	}
	return true;
}

/* ---- the files under their names ---- */

static void note_files(struct store *store)
{
	for (size_t i = 0; i < 2; i++) {
		struct stat status = {0};
		store->files[i].path = xasprintf("%s%s", store->database->path, i == 0 ? "" : "-wal");
		if (stat(store->files[i].path, &status) < 0)
			memset(&status, 0, sizeof status);
		store->files[i].device = status.st_dev;
		store->files[i].inode = status.st_ino;
	}
}

/* A descriptor outlives its name: what is written into a file that was moved or removed, no restart would
 * find again. */
static bool are_files_in_place(struct store *store, struct err_list *errors)
{
	for (size_t i = 0; i < 2; i++) {
		struct file *file = &store->files[i];
		struct stat status;
		if (stat(file->path, &status) == 0 && status.st_dev == file->device &&
		    status.st_ino == file->inode)
			continue;
		err_add(errors, file->path, 0, 0,
			"writing: the file was moved, removed or replaced; put it back, or restart with what "
			"is "
			"there now");
		return false;
	}
	return true;
}

struct database *store_database(const struct store *store)
{
	return store->database;
}

struct store *store_open(const char *state_dir, struct err_list *errors)
{
	int lock_fd = state_dir_lock(state_dir, errors);
	if (lock_fd < 0)
		return NULL;
	struct store *store = xcalloc(1, sizeof *store);
	store->lock_fd = lock_fd;
	store->state_dir = xstrdup(state_dir);
	char *path = state_dir_store(state_dir);
	if (store_restore_finish(state_dir, errors))
		store->database = database_open(path, errors);
	free(path);
	if (store->database && use_format(store, errors) && prepare_statements(store, errors)) {
		note_files(store);
		return store;
	}
	store_close(store);
	return NULL;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->statement[i]);
	database_close(store->database);
	close(store->lock_fd);
	for (size_t i = 0; i < 2; i++)
		free(store->files[i].path);
	free(store->state_dir);
	free(store);
}

/* ---- reading ---- */

bool store_each_object(struct store *store, enum fleet_kind kind, int64_t *row, size_t limit,
		       store_object_fn *fn, void *user)
{
	assert((unsigned)kind < FLEET_KINDS && *row >= 0);
	sqlite3_stmt *statement = get(store, OBJECT_EACH);
	int code;
	sqlite3_bind_text(statement, 1, fleet_kind_name[kind], -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, *row);
	sqlite3_bind_int64(statement, 3, limit > INT64_MAX ? INT64_MAX : (sqlite3_int64)limit);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		*row = sqlite3_column_int64(statement, 3);
		fn(user, kind, column_text(statement, 0), column_text(statement, 1),
		   (uint64_t)sqlite3_column_int64(statement, 2));
	}
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

static int64_t read_number_of(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = get(store, which);
	int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return value;
}

size_t store_object_count(struct store *store)
{
	return (size_t)read_number_of(store, OBJECT_COUNT);
}

uint64_t store_fleet_version(struct store *store)
{
	return (uint64_t)read_number_of(store, VERSION_GET);
}

int64_t store_fleet_changed_unix_ms(struct store *store)
{
	return read_number_of(store, CHANGED_GET);
}

bool store_each_control(struct store *store, store_control_fn *fn, void *user)
{
	sqlite3_stmt *statement = get(store, CONTROL_EACH);
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct control_row row = {
			.share = sqlite3_column_int(statement, 3),
			.expires_unix_ms = sqlite3_column_int64(statement, 4),
			.since_unix_ms = sqlite3_column_int64(statement, 5),
			.reason = xstrdup(column_text(statement, 6)),
			.author = xstrdup(column_text(statement, 7)),
		};
		snprintf(row.region, sizeof row.region, "%s", column_text(statement, 0));
		snprintf(row.service, sizeof row.service, "%s", column_text(statement, 1));
		snprintf(row.address, sizeof row.address, "%s", column_text(statement, 2));
		fn(user, &row);
		free(row.reason);
		free(row.author);
	}
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

static json_t *column_json(sqlite3_stmt *statement, int at)
{
	json_t *json = json_loads(column_text(statement, at), JSON_DECODE_ANY, NULL);
	return json ? json : json_null();
}

json_t *store_audit(struct store *store, uint64_t since, size_t limit)
{
	json_t *lines = json_array();
	if (since > INT64_MAX)
		return lines;
	sqlite3_stmt *statement = get(store, AUDIT_PAGE);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)since);
	sqlite3_bind_int64(statement, 2, limit > INT64_MAX ? INT64_MAX : (sqlite3_int64)limit);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		char when[32];
		const char *reason = column_text(statement, 8);
		text_from_unix_ms(sqlite3_column_int64(statement, 1), when);
		json_array_append_new(
			lines, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seq",
					 (json_int_t)sqlite3_column_int64(statement, 0), "time",
					 json_text(when), "author", json_text(column_text(statement, 2)),
					 "via", json_text(column_text(statement, 3)), "verb",
					 json_text(column_text(statement, 4)), "object",
					 json_text(column_text(statement, 5)), "before",
					 column_json(statement, 6), "after", column_json(statement, 7),
					 "reason", json_text(reason[0] ? reason : NULL)));
	}
	sqlite3_reset(statement);
	return lines;
}

/* ---- changing ---- */

static bool write_fleet(struct store *store, const struct store_change *change)
{
	for (size_t i = 0; i < change->fleet->touched_count; i++) {
		const struct fleet_touched *touched = &change->fleet->touched[i];
		const struct fleet_object *object = touched->after ? touched->after : touched->before;
		assert(object && object->kind == touched->kind);
		if (object->source != FLEET_STORE)
			continue;
		enum statement which = touched->after ? OBJECT_PUT : OBJECT_REMOVE;
		sqlite3_stmt *statement = get(store, which);
		sqlite3_bind_text(statement, 1, fleet_kind_name[touched->kind], -1, SQLITE_STATIC);
		bind_text(statement, 2, object->id);
		if (touched->after) {
			json_t *json = fleet_object_to_json(object);
			bind_json(statement, 3, json);
			json_decref(json);
			sqlite3_bind_int64(statement, 4, (sqlite3_int64)object->version);
		}
		if (!run(store, which))
			return false;
	}
	return true;
}

static bool write_version(struct store *store, const struct store_change *change)
{
	sqlite3_stmt *statement = get(store, VERSION_SET);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)change->fleet_version);
	/* A reload is an accepted state of the files, which know themselves when they changed. */
	int64_t changed_unix_ms = store_fleet_changed_unix_ms(store);
	if (change->fleet)
		changed_unix_ms = change->audit_count ? change->audit[0].time_unix_ms : clock_unix_ms();
	sqlite3_bind_int64(statement, 2, changed_unix_ms);
	return run(store, VERSION_SET);
}

static bool write_control(struct store *store, const struct control_row *row, bool is_removed)
{
	assert(row->region[0] && (is_removed || (row->share >= SHARE_DOWN && row->share <= 100)));
	enum statement which = is_removed ? CONTROL_REMOVE : CONTROL_PUT;
	sqlite3_stmt *statement = get(store, which);
	bind_text(statement, 1, row->region);
	bind_text(statement, 2, row->service);
	bind_text(statement, 3, row->address);
	if (!is_removed) {
		sqlite3_bind_int(statement, 4, row->share);
		sqlite3_bind_int64(statement, 5, row->expires_unix_ms);
		sqlite3_bind_int64(statement, 6, row->since_unix_ms);
		bind_text(statement, 7, row->reason ? row->reason : "");
		bind_text(statement, 8, row->author ? row->author : "");
	}
	return run(store, which);
}

static bool write_audit(struct store *store, const struct audit_line *line)
{
	assert(line->author && line->via && line->verb && line->object && line->reason);
	sqlite3_stmt *statement = get(store, AUDIT_ADD);
	sqlite3_bind_int64(statement, 1, line->time_unix_ms);
	bind_text(statement, 2, line->author);
	bind_text(statement, 3, line->via);
	bind_text(statement, 4, line->verb);
	bind_text(statement, 5, line->object);
	bind_json(statement, 6, line->before);
	bind_json(statement, 7, line->after);
	bind_text(statement, 8, line->reason);
	return run(store, AUDIT_ADD);
}

static bool write_change(struct store *store, const struct store_change *change)
{
	if (change->fleet && !write_fleet(store, change))
		return false;
	if (change->fleet_version && !write_version(store, change))
		return false;
	for (size_t i = 0; i < change->control_count; i++)
		if (!write_control(store, &change->controls[i], change->removed && change->removed[i]))
			return false;
	for (size_t i = 0; i < change->audit_count; i++)
		if (!write_audit(store, &change->audit[i]))
			return false;
	return true;
}

bool store_commit(struct store *store, const struct store_change *change, struct err_list *errors)
{
	/* A transaction that an earlier call left open would take this change with it. */
	assert(sqlite3_get_autocommit(store->database->sqlite));
	if (!are_files_in_place(store, errors))
		return false;
	errno = 0;
	if (run_plain(store, BEGIN) && write_change(store, change) && run_plain(store, COMMIT))
		return true;
	database_err(store->database, "writing", errors);
	if (!sqlite3_get_autocommit(store->database->sqlite))
		run_plain(store, ROLLBACK);
	return false;
}

/* ---- health ---- */

static enum store_health health_from_word(const char *word)
{
	for (int state = 0; state < STORE_HEALTHS; state++)
		if (strcmp(word, health_word[state]) == 0)
			return (enum store_health)state;
	return STORE_HEALTH_UNKNOWN;
}

bool store_each_health(struct store *store, store_health_fn *fn, void *user)
{
	sqlite3_stmt *statement = get(store, HEALTH_EACH);
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_health_row row = {
			.state = health_from_word(column_text(statement, 1)),
			.changed_unix_ms = sqlite3_column_int64(statement, 2),
			.seen_unix_ms = sqlite3_column_int64(statement, 3),
		};
		snprintf(row.target, sizeof row.target, "%s", column_text(statement, 0));
		fn(user, &row);
	}
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

static bool write_health(struct store *store, const struct store_health_row *rows, size_t count)
{
	int64_t newest = INT64_MIN;
	for (size_t i = 0; i < count; i++) {
		sqlite3_stmt *statement = get(store, HEALTH_PUT);
		bind_text(statement, 1, rows[i].target);
		assert((unsigned)rows[i].state < STORE_HEALTHS);
		sqlite3_bind_text(statement, 2, health_word[rows[i].state], -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 3, rows[i].changed_unix_ms);
		sqlite3_bind_int64(statement, 4, rows[i].seen_unix_ms);
		if (!run(store, HEALTH_PUT))
			return false;
		if (rows[i].seen_unix_ms > newest)
			newest = rows[i].seen_unix_ms;
	}
	/* Targets that left the fleet long ago would otherwise stay for ever. */
	sqlite3_stmt *statement = get(store, HEALTH_FORGET);
	sqlite3_bind_int64(statement, 1, newest - HEALTH_KEPT_MS);
	return run(store, HEALTH_FORGET);
}

bool store_save_health(struct store *store, const struct store_health_row *rows, size_t count)
{
	if (count == 0)
		return true;
	/* Health is seen anew within seconds: it survives kill -9, and need not survive a loss of power,
	 * so that writing it never waits for the disk. */
	database_run(store->database, "PRAGMA synchronous = NORMAL");
	bool is_written =
		run_plain(store, BEGIN) && write_health(store, rows, count) && run_plain(store, COMMIT);
	if (!sqlite3_get_autocommit(store->database->sqlite))
		run_plain(store, ROLLBACK);
	database_run(store->database, "PRAGMA synchronous = FULL");
	return is_written;
}

/* ---- addresses of names ---- */

bool store_save_resolved(struct store *store, const char *name, const char *addresses)
{
	enum statement which = addresses ? NAME_PUT : NAME_REMOVE;
	sqlite3_stmt *statement = get(store, which);
	bind_text(statement, 1, name);
	if (addresses)
		bind_text(statement, 2, addresses);
	/* As with health: a name is looked up anew within seconds, so writing never waits for the disk. */
	database_run(store->database, "PRAGMA synchronous = NORMAL");
	bool is_written = run(store, which);
	database_run(store->database, "PRAGMA synchronous = FULL");
	return is_written;
}

char *store_resolved(struct store *store, const char *name)
{
	sqlite3_stmt *statement = get(store, NAME_GET);
	char *addresses = NULL;
	bind_text(statement, 1, name);
	if (sqlite3_step(statement) == SQLITE_ROW)
		addresses = xstrdup(column_text(statement, 0));
	sqlite3_reset(statement);
	return addresses;
}
