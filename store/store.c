/*
 * The durable store: one SQLite file, gslb.db, in the state directory. WAL with synchronous=FULL, so
 * that a commit that returned survives kill -9 and loss of power; exclusive locking, because one
 * process owns the directory (an flock on gslb.lock says so before SQLite is asked). Control thread.
 */
#include "lib/json_text.h"
#include "store/store_internal.h"

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
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
};

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE object(kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL,"
	"  version INTEGER NOT NULL, PRIMARY KEY(kind, id));"
	"CREATE INDEX object_order ON object(kind);"
	"CREATE TABLE control(region TEXT NOT NULL, service TEXT NOT NULL, address TEXT NOT NULL,"
	"  share INTEGER NOT NULL, expires INTEGER NOT NULL, since INTEGER NOT NULL,"
	"  reason TEXT NOT NULL, author TEXT NOT NULL, PRIMARY KEY(region, service, address));"
	"CREATE TABLE audit(seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,"
	"  author TEXT NOT NULL, via TEXT NOT NULL, verb TEXT NOT NULL, object TEXT NOT NULL,"
	"  before TEXT, after TEXT, reason TEXT NOT NULL);"
	"CREATE TABLE health(target TEXT PRIMARY KEY, state TEXT NOT NULL, changed INTEGER NOT NULL,"
	"  seen INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('format', 1), ('fleet_version', 0), ('fleet_changed', 0);"
	"PRAGMA application_id = 1735617634;"
	"COMMIT;";
_Static_assert(STORE_APPLICATION == 1735617634 && STORE_FORMAT == 1, "the schema's text says the same");

struct store {
	char *path;
	int lock_fd;
	sqlite3 *db;
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

/* What SQLite says, in words that tell the operator what to do. */
static void add_error(struct store *store, const char *doing, struct err_list *errors)
{
	int error = errno; /* sqlite3_system_errno() has forgotten it when the statement was reset */
	int code = sqlite3_errcode(store->db);
	switch (code & 0xff) {
	case SQLITE_FULL:
		err_add(errors, store->path, 0, 0, "%s: the disk is full", doing);
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		err_add(errors, store->path, 0, 0,
			"%s: the file is damaged or no database (%s); restore it from a backup, or move it "
			"away to "
			"start with an empty store",
			doing, sqlite3_errmsg(store->db));
		break;
	case SQLITE_CANTOPEN:
		err_add(errors, store->path, 0, 0, "%s: the file cannot be opened", doing);
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		err_add(errors, store->path, 0, 0, "%s: cannot be written: %s", doing,
			sqlite3_errmsg(store->db));
		break;
	case SQLITE_IOERR:
		err_add(errors, store->path, 0, 0, "%s: %s", doing,
			system_words(error, sqlite3_errmsg(store->db)));
		break;
	default:
		err_add(errors, store->path, 0, 0, "%s: %s", doing, sqlite3_errmsg(store->db));
		break;
	}
}

/* ---- opening ---- */

static bool make_directory(const char *state_dir, struct err_list *errors)
{
	struct stat status;
	if (mkdir(state_dir, 0750) < 0 && errno != EEXIST) {
		err_add(errors, state_dir, 0, 0, "the state directory cannot be created: %s",
			strerror(errno));
		return false;
	}
	if (stat(state_dir, &status) < 0 || !S_ISDIR(status.st_mode)) {
		err_add(errors, state_dir, 0, 0, "the state directory is not a directory");
		return false;
	}
	return true;
}

/* The kernel drops the lock with the process, however that ends. */
static int take_lock(const char *state_dir, struct err_list *errors)
{
	char *path = xasprintf("%s/gslb.lock", state_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		err_add(errors, path, 0, 0, "the state directory cannot be written: %s", strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		char pid[16] = "";
		ssize_t length = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[length > 0 ? length : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		err_add(errors, state_dir, 0, 0,
			"the state directory is in use by another process%s%s; stop that, or give this node "
			"its own "
			"node.state_dir",
			pid[0] ? " with pid " : "", pid);
		close(fd);
		fd = -1;
	} else {
		char pid[16];
		int length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
		/* For the message above only: a full disk must not keep a node from starting. */
		if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)length, 0) < 0)
			errno = 0;
	}
	free(path);
	return fd;
}

static bool read_number(struct store *store, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	bool is_found = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
			sqlite3_step(statement) == SQLITE_ROW;
	if (is_found)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return is_found;
}

/* A damaged page found now is a clear message; found later it would be a half-read fleet. */
static bool check_pages(struct store *store, struct err_list *errors)
{
	sqlite3_stmt *statement = NULL;
	bool is_good = false;
	if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		const char *verdict = column_text(statement, 0);
		is_good = strcmp(verdict, "ok") == 0;
		if (!is_good)
			err_add(errors, store->path, 0, 0,
				"the file is damaged (%s); restore it from a backup, or move it away to "
				"start with "
				"an empty store",
				verdict);
	} else {
		add_error(store, "reading", errors);
	}
	sqlite3_finalize(statement);
	return is_good;
}

static bool check_format(struct store *store, struct err_list *errors)
{
	int64_t tables = 0, application = 0, format = 0;
	if (!read_number(store, "SELECT count(*) FROM sqlite_schema", &tables) ||
	    !read_number(store, "PRAGMA application_id", &application)) {
		add_error(store, "opening", errors);
		return false;
	}
	if (tables == 0) {
		if (sqlite3_exec(store->db, schema, NULL, NULL, NULL) == SQLITE_OK)
			return true;
		add_error(store, "creating the tables", errors);
		return false;
	}
	if (application != STORE_APPLICATION ||
	    !read_number(store, "SELECT value FROM meta WHERE name = 'format'", &format)) {
		err_add(errors, store->path, 0, 0, "the file is a database, but not one of this program");
		return false;
	}
	if (format > STORE_FORMAT) {
		err_add(errors, store->path, 0, 0,
			"the file has format %lld, and this version knows formats up to %d; use the newer "
			"version",
			(long long)format, STORE_FORMAT);
		return false;
	}
	return check_pages(store, errors);
}

static bool open_database(struct store *store, struct err_list *errors)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	/* SQLite would let everybody read it; the files that it puts beside have the same mode. What is wrong
	 * with the path it tells itself. */
	int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd);
	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK) {
		add_error(store, "opening", errors);
		return false;
	}
	sqlite3_extended_result_codes(store->db, 1);
	/* SQLite falls back to reading alone where a file is write-protected. */
	if (sqlite3_db_readonly(store->db, "main") == 1) {
		err_add(errors, store->path, 0, 0, "the file cannot be written: permission denied");
		return false;
	}
	int64_t mode;
	if (sqlite3_exec(
		    store->db,
		    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
		    NULL, NULL, NULL) != SQLITE_OK) {
		add_error(store, "opening", errors);
		return false;
	}
	if (!read_number(store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &mode) || !mode) {
		err_add(errors, store->path, 0, 0, "the file system allows no write-ahead log");
		return false;
	}
	if (!check_format(store, errors))
		return false;
	for (int i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v3(store->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->statement[i], NULL) != SQLITE_OK) {
			add_error(store, "opening", errors);
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
		store->files[i].path = xasprintf("%s%s", store->path, i == 0 ? "" : "-wal");
		if (stat(store->files[i].path, &status) < 0)
			memset(&status, 0, sizeof(status));
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

int store_lock(const char *state_dir, struct err_list *errors)
{
	return make_directory(state_dir, errors) ? take_lock(state_dir, errors) : -1;
}

sqlite3 *store_database(const struct store *store, const char **ret_path)
{
	*ret_path = store->path;
	return store->db;
}

struct store *store_open(const char *state_dir, struct err_list *errors)
{
	int lock_fd = store_lock(state_dir, errors);
	if (lock_fd < 0)
		return NULL;
	struct store *store = xcalloc(1, sizeof(*store));
	store->lock_fd = lock_fd;
	store->path = xasprintf("%s/gslb.db", state_dir);
	if (open_database(store, errors)) {
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
	sqlite3_close(store->db);
	close(store->lock_fd);
	for (size_t i = 0; i < 2; i++)
		free(store->files[i].path);
	free(store->path);
	free(store);
}

/* ---- reading ---- */

bool store_each_object(struct store *store, enum fleet_kind kind, int64_t *row, size_t limit,
		       store_object_fn *fn, void *user)
{
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
		snprintf(row.region, sizeof(row.region), "%s", column_text(statement, 0));
		snprintf(row.service, sizeof(row.service), "%s", column_text(statement, 1));
		snprintf(row.address, sizeof(row.address), "%s", column_text(statement, 2));
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
	if (!are_files_in_place(store, errors))
		return false;
	errno = 0;
	if (run_plain(store, BEGIN) && write_change(store, change) && run_plain(store, COMMIT))
		return true;
	add_error(store, "writing", errors);
	if (!sqlite3_get_autocommit(store->db))
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
		snprintf(row.target, sizeof(row.target), "%s", column_text(statement, 0));
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

/* Not prepared: SQLite obeys this pragma when it compiles it, not when it runs it. */
static void set_synchronous(struct store *store, const char *pragma)
{
	sqlite3_exec(store->db, pragma, NULL, NULL, NULL);
}

bool store_save_health(struct store *store, const struct store_health_row *rows, size_t count)
{
	if (count == 0)
		return true;
	/* Health is seen anew within seconds: it survives kill -9, and need not survive a loss of power,
	 * so that writing it never waits for the disk. */
	set_synchronous(store, "PRAGMA synchronous = NORMAL");
	bool is_written =
		run_plain(store, BEGIN) && write_health(store, rows, count) && run_plain(store, COMMIT);
	if (!sqlite3_get_autocommit(store->db))
		run_plain(store, ROLLBACK);
	set_synchronous(store, "PRAGMA synchronous = FULL");
	return is_written;
}
