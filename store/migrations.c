/*
 * One row a format: what makes the next format of it. Format 0 is an empty file, so that a new store comes
 * about by the same steps as an old one is brought forward. A format that was released stays as it is: its
 * step is never edited, another is added.
 *
 * A column of the store is added by a step here and by the statements of store.c. tests/stores holds stores
 * that earlier versions wrote; a new step needs one of the version before it. Control thread, or the one
 * thread of gslbctl.
 */
#include "store/migrations.h"
#include "store/database.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const struct migration {
	int from_format;
	const char *sql;
} migrations[] = {
	{0, "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
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
	    "PRAGMA application_id = 1735617634;"},
	/* Later versions of format 1 made this table when they first looked up a name. */
	{1, "CREATE TABLE IF NOT EXISTS resolved(name TEXT PRIMARY KEY, addresses TEXT NOT NULL) "
	    "WITHOUT ROWID;"},
};
_Static_assert(DATABASE_APPLICATION == 1735617634, "the first step's text says the same");

int migrations_newest(void)
{
	return (int)(sizeof migrations / sizeof *migrations);
}

bool migrations_read_format(struct database *database, int64_t *ret)
{
	int64_t tables = 0, application = 0, format = 0;
	if (!database_number(database, "SELECT count(*) FROM sqlite_schema", &tables) ||
	    !database_number(database, "PRAGMA application_id", &application))
		return false;
	bool is_ours = application == DATABASE_APPLICATION &&
		       database_number(database, "SELECT value FROM meta WHERE name = 'format'", &format) &&
		       format > 0;
	if (tables == 0)
		*ret = 0;
	else
		*ret = is_ours ? format : MIGRATIONS_FOREIGN;
	return true;
}

static bool run_step(struct database *database, const struct migration *migration)
{
	char set_format[80];
	snprintf(set_format, sizeof set_format, "UPDATE meta SET value = %d WHERE name = 'format'",
		 migration->from_format + 1);
	return database_run(database, migration->sql) && database_run(database, set_format);
}

bool migrations_run(struct database *database, int64_t format, struct err_list *errors)
{
	assert(format >= 0 && format < migrations_newest());
	assert(sqlite3_get_autocommit(database->sqlite));
	errno = 0;
	bool is_done = database_run(database, "BEGIN IMMEDIATE");
	for (int64_t i = format; i < migrations_newest() && is_done; i++) {
		assert(migrations[i].from_format == i);
		assert(migrations[i].from_format == i);
		is_done = run_step(database, &migrations[i]);
	}
	if (is_done && database_run(database, "COMMIT"))
		return true;
	database_err(database, format == 0 ? "creating the tables" : "bringing the tables to a newer format",
		     errors);
	if (!sqlite3_get_autocommit(database->sqlite))
		database_run(database, "ROLLBACK");
	return false;
}
