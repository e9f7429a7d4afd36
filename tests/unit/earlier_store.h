/*
 * Stores as earlier versions wrote them (tests/stores), what a store holds as text, and a process that dies
 * in the middle of a change to one.
 */
#pragma once
#include "tests/unit/store_fixture.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const char *const earlier_stores[] = {"55f7c6f", "44cf82c"};
#define EARLIER_STORES (sizeof earlier_stores / sizeof *earlier_stores)
#define EARLIER_FORMAT 1 /* of both */

static inline char *earlier_path(const char *name, const char *ending)
{
	return xasprintf("%s/tests/stores/%s.%s", getenv("GSLB_SOURCE"), name, ending);
}

/* The store of that commit as gslb.db of the directory. */
static inline void put_earlier_store(const char *name)
{
	sqlite3 *database;
	size_t length = 0;
	char *path = earlier_path(name, "sql"), *sql = read_file(path, &length);
	assert_non_null(sql);
	remove_files();
	assert_int_equal(sqlite3_open(in_directory("gslb.db"), &database), SQLITE_OK);
	/* As the store has it: what it holds is partly in the log alone when the process is killed. */
	assert_int_equal(sqlite3_exec(database, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(database);
	free(sql);
	free(path);
}

/* The backup of that commit as this file of the directory. */
static inline void put_earlier_backup(const char *name, const char *file)
{
	char *path = earlier_path(name, "backup.gz"), *bytes = xmalloc((size_t)1 << 20);
	char *command = xasprintf("gzip -dc %s", path);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	write_file(file, bytes, fread(bytes, 1, (size_t)1 << 20, out));
	assert_int_equal(pclose(out), 0);
	free(command);
	free(bytes);
	free(path);
}

static inline int append_row(void *user, int columns, char **values, char **names)
{
	for (int i = 0; i < columns; i++)
		fprintf(user, "%s%s", i > 0 ? "|" : "", values[i] ? values[i] : "NULL");
	fputc('\n', user);
	return 0;
}

/* Rows of a query over a database of the directory; free() it. */
static inline char *query(const char *file, const char *sql)
{
	sqlite3 *database;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_int_equal(sqlite3_open(in_directory(file), &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, sql, append_row, out, NULL), SQLITE_OK);
	sqlite3_close(database);
	fclose(out);
	return text;
}

/* Everything a store holds but its format; free() it. */
static inline char *contents(const char *file)
{
	char *names = query(file, "SELECT count(*) FROM sqlite_schema WHERE name = 'resolved'");
	bool has_names = strcmp(names, "1\n") == 0;
	free(names);
	return query(file,
		     has_names ? "SELECT * FROM audit; SELECT * FROM control; SELECT * FROM health;"
				 "SELECT * FROM meta WHERE name != 'format'; SELECT rowid, * FROM object;"
				 "SELECT * FROM resolved"
			       : "SELECT * FROM audit; SELECT * FROM control; SELECT * FROM health;"
				 "SELECT * FROM meta WHERE name != 'format'; SELECT rowid, * FROM object");
}

static inline int format_of(const char *file)
{
	char *text = query(file, "SELECT value FROM meta WHERE name = 'format'");
	int format = atoi(text);
	free(text);
	return format;
}

/* ---- a process that is killed ---- */

static unsigned events_left; /* until it dies; a statement begins or ends */

static inline int on_statement(unsigned what, void *user, void *statement, void *more)
{
	if (events_left-- == 0)
		raise(SIGKILL);
	return 0;
}

static inline int watch_statements(sqlite3 *database, char **error, const struct sqlite3_api_routines *api)
{
	return sqlite3_trace_v2(database, SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE, on_statement, NULL);
}

/* Runs `work` in a process that kills itself after so many beginnings and ends of statements. True: it was
 * done before. */
static inline bool run_and_kill(void (*work)(void), unsigned events)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		events_left = events;
		sqlite3_auto_extension((void (*)(void))watch_statements);
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGKILL);
	else
		assert_int_equal(status, 0);
	return WIFEXITED(status);
}
