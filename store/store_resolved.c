/*
 * The last addresses of VIPs by host name: a table younger than the store's format, made when it is
 * needed, and nothing to a version that does not know it. Control thread.
 */
#include "lib/mem.h"
#include "store/store.h"
#include "store/store_internal.h"

static const char make_table[] =
	"CREATE TABLE IF NOT EXISTS resolved(name TEXT PRIMARY KEY, addresses TEXT NOT NULL) WITHOUT ROWID";

/* NULL: not possible now. The name is bound. */
static sqlite3_stmt *prepare(struct store *store, const char *text, const char *name)
{
	const char *path;
	sqlite3 *db = store_database(store, &path);
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
	return statement;
}

bool store_save_resolved(struct store *store, const char *name, const char *addresses)
{
	const char *path;
	sqlite3 *db = store_database(store, &path);
	/* As with health: a name is looked up anew within seconds, so writing never waits for the disk. */
	sqlite3_exec(db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	bool is_written = sqlite3_exec(db, make_table, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_stmt *statement = NULL;
	if (is_written && addresses) {
		statement = prepare(store, "INSERT OR REPLACE INTO resolved VALUES(?1, ?2)", name);
		sqlite3_bind_text(statement, 2, addresses, -1, SQLITE_TRANSIENT);
	} else if (is_written) {
		statement = prepare(store, "DELETE FROM resolved WHERE name = ?1", name);
	}
	is_written = statement && sqlite3_step(statement) == SQLITE_DONE;
	sqlite3_finalize(statement);
	sqlite3_exec(db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	return is_written;
}

char *store_resolved(struct store *store, const char *name)
{
	sqlite3_stmt *statement = prepare(store, "SELECT addresses FROM resolved WHERE name = ?1", name);
	char *addresses = NULL;
	if (statement && sqlite3_step(statement) == SQLITE_ROW)
		addresses = xstrdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return addresses;
}
