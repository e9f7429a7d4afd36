/* Backups: taken from a store in use, brought back whole or not at all, also those of earlier formats. */
#include "store/migrations.h"
#include "store/store_backup.h"
#include "store/store_restore.h"
#include "tests/unit/earlier_store.h"

/* A copy of the store, as the API takes it, under this name of the directory. */
static void take(struct store *store, const char *name)
{
	struct err_list errors = {0};
	int64_t octets = 0;
	struct store_backup *backup = store_backup_start(store_database(store), &errors);
	assert_non_null(backup);
	enum store_backup_step step;
	while ((step = store_backup_step(backup, &errors)) == STORE_BACKUP_MORE)
		continue;
	assert_int_equal(step, STORE_BACKUP_DONE);
	int fd = store_backup_file(backup, &octets, &errors);
	assert_true(fd >= 0);
	char *bytes = xmalloc((size_t)octets);
	assert_int_equal(read(fd, bytes, (size_t)octets), octets);
	write_file(name, bytes, (size_t)octets);
	free(bytes);
	close(fd);
	store_backup_free(backup);
	assert_int_equal(access(in_directory("gslb.db.backup"), F_OK), -1);
}

static void must_restore(const char *name, struct store_summary *ret)
{
	struct err_list errors = {0};
	if (!store_restore(in_directory(name), directory, ret, &errors))
		fail_msg("%s", errors.items[0].message);
	assert_int_equal(errors.count, 0);
}

static void must_not_restore(const char *name, const char *word)
{
	struct store_summary summary;
	struct err_list errors = {0};
	assert_false(store_restore(in_directory(name), directory, &summary, &errors));
	assert_true(errors.count > 0);
	if (!strstr(errors.items[0].message, word))
		fail_msg("'%s' lacks '%s'", errors.items[0].message, word);
	err_done(&errors);
}

static void test_there_and_back(void **state)
{
	struct store_summary summary;
	struct store *store = must_open();
	put_tenant(store, "kept", 1);
	take(store, "saved");
	put_tenant(store, "later", 2);
	must_not_restore("saved", "in use by another process");
	store_close(store);
	must_restore("saved", &summary);
	assert_int_equal(summary.format, migrations_newest());
	assert_int_equal(summary.fleet_version, 1);
	assert_int_equal(summary.objects, 1);
	assert_int_equal(summary.controls, 0);
	assert_int_equal(summary.audit_lines, 1);
	char *now = contents("gslb.db"), *aside = contents("gslb.db.before-restore");
	assert_null(strstr(now, "later"));
	assert_non_null(strstr(now, "kept"));
	assert_non_null(strstr(aside, "later"));
	free(now);
	free(aside);
	store_close(must_open());
}

static void test_changes_meanwhile_are_in_it(void **state)
{
	struct err_list errors = {0};
	struct store *store = must_open();
	char tenants[80000] = "tenants:\n", *end = tenants + strlen(tenants);
	for (unsigned i = 0; i < 1500; i++)
		end += sprintf(end, "  t%u: {zone: z.example, service: shop}\n", i);
	for (uint64_t version = 1; version <= 3; version++) /* more pages than a step takes */
		store_yaml(store, version == 2 ? "tenants: {x: {zone: z.example, service: shop}}\n" : tenants,
			   version);
	struct store_backup *backup = store_backup_start(store_database(store), &errors);
	enum store_backup_step step = store_backup_step(backup, &errors);
	unsigned steps = 1;
	put_tenant(store, "meanwhile", 4);
	for (; step == STORE_BACKUP_MORE; steps++)
		step = store_backup_step(backup, &errors);
	assert_int_equal(step, STORE_BACKUP_DONE);
	int64_t octets = 0;
	close(store_backup_file(backup, &octets, &errors));
	char *copied = contents("gslb.db.backup");
	if (steps > 1)
		assert_non_null(strstr(copied, "meanwhile"));
	free(copied);
	store_backup_free(backup);
	store_close(store);
}

static void test_what_is_no_backup(void **state)
{
	size_t length = 0;
	struct store *store = must_open();
	for (uint64_t version = 1; version < 100; version++)
		put_tenant(store, "acme", version);
	take(store, "saved");
	store_close(store);
	char *before = contents("gslb.db"), *saved = read_file(in_directory("saved"), &length);
	write_file("bad", "hello hello hello hello", 23);
	must_not_restore("bad", "no database");
	write_file("bad", saved, length / 2);
	must_not_restore("bad", "damaged");
	write_file("bad", "", 0);
	must_not_restore("bad", "empty");
	must_not_restore("none", "No such file");
	write_file("saved-wal", "", 0);
	must_not_restore("saved", "no backup");
	unlink(in_directory("saved-wal"));
	unlink(in_directory("bad"));
	free(query("bad", "CREATE TABLE strange(a)"));
	must_not_restore("bad", "no backup of this program");
	free(query("saved", "UPDATE meta SET value = value + 1 WHERE name = 'format'"));
	unlink(in_directory("saved-wal"));
	must_not_restore("saved", "upgrade gslb to restore it");
	char *after = contents("gslb.db");
	assert_string_equal(after, before);
	free(after);
	free(before);
	free(saved);
}

/* ---- backups of earlier formats ---- */

static void check_earlier(const char *backup)
{
	assert_int_equal(format_of("gslb.db"), migrations_newest());
	char *restored = contents("gslb.db"), *saved = contents(backup);
	assert_string_equal(restored, saved);
	free(restored);
	free(saved);
}

static void test_an_earlier_backup_is_brought_forward(void **state)
{
	struct store_summary summary;
	size_t before_length = 0, after_length = 0;
	put_earlier_backup("44cf82c", "saved");
	char *before = read_file(in_directory("saved"), &before_length);
	must_restore("saved", &summary);
	assert_int_equal(summary.format, EARLIER_FORMAT);
	char *after = read_file(in_directory("saved"), &after_length);
	assert_int_equal(after_length, before_length);
	assert_memory_equal(after, before, before_length);
	assert_int_equal(access(in_directory("gslb.db-wal"), F_OK), -1);
	check_earlier("saved");
	struct store *store = must_open();
	assert_int_equal(store_fleet_version(store), summary.fleet_version);
	assert_int_equal(store_object_count(store), summary.objects);
	store_close(store);
	free(after);
	free(before);
}

/* Back to the version before: what the upgrade kept is a backup of it. */
static void test_what_an_upgrade_kept_can_be_restored(void **state)
{
	struct store_summary summary;
	put_earlier_store("55f7c6f");
	char *before = contents("gslb.db");
	struct store *store = must_open();
	put_tenant(store, "later", 9);
	store_close(store);
	must_restore("gslb.db.format-1", &summary);
	char *after = contents("gslb.db");
	assert_string_equal(after, before);
	free(after);
	free(before);
}

static void restore_saved(void)
{
	struct store_summary summary;
	struct err_list errors = {0};
	if (!store_restore(in_directory("saved"), directory, &summary, &errors))
		_exit(1);
}

static void test_a_kill_leaves_the_old_store_or_the_new(void **state)
{
	unsigned old = 0;
	bool is_done = false;
	for (unsigned events = 0; !is_done; events++) {
		assert_true(events < 1000);
		remove_files();
		struct store *store = must_open();
		store_close(store);
		free(query("gslb.db", "INSERT INTO object VALUES('tenant', 'mine', '{}', 7)"));
		put_earlier_backup("44cf82c", "saved");
		is_done = run_and_kill(restore_saved, events);
		store_close(must_open());
		char *now = contents("gslb.db");
		if (strstr(now, "mine")) {
			old++;
			assert_null(strstr(now, "acme"));
			restore_saved(); /* again, over what was left */
			store_close(must_open());
		}
		check_earlier("saved");
		free(now);
	}
	assert_true(old > 5);
}

/* Cut off between the names: the new store stands beside the old one and its log. */
static void test_the_next_start_finishes_a_restore(void **state)
{
	size_t length = 0, log_length = 0;
	struct store *store = must_open();
	put_tenant(store, "new", 1);
	take(store, "gslb.db.restored");
	put_tenant(store, "old", 2);
	char *old = read_file(in_directory("gslb.db"), &length);
	char *log = read_file(in_directory("gslb.db-wal"), &log_length);
	assert_true(log_length > 0);
	store_close(store);
	write_file("gslb.db", old, length);
	write_file("gslb.db-wal", log, log_length);
	store_close(must_open());
	char *now = contents("gslb.db");
	assert_non_null(strstr(now, "|new|"));
	assert_null(strstr(now, "|old|"));
	assert_int_equal(access(in_directory("gslb.db.restored"), F_OK), -1);
	free(now);
	free(old);
	free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_and_back),
		TEST(test_changes_meanwhile_are_in_it),
		TEST(test_what_is_no_backup),
		TEST(test_an_earlier_backup_is_brought_forward),
		TEST(test_what_an_upgrade_kept_can_be_restored),
		TEST(test_a_kill_leaves_the_old_store_or_the_new),
		TEST(test_the_next_start_finishes_a_restore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
