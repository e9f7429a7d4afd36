/* The store by what a restart finds in it, and by what it says of files it cannot use. */
#include "store/migrations.h"
#include "tests/unit/store_fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char seen[1024];

static void note_object(void *user, enum fleet_kind kind, const char *id, const char *json, uint64_t version)
{
	size_t used = strlen(seen);
	snprintf(seen + used, sizeof seen - used, "%s %s %llu %s\n", fleet_kind_name[kind], id,
		 (unsigned long long)version, json);
}

static const char *objects(struct store *store)
{
	seen[0] = '\0';
	for (int kind = 0; kind < FLEET_KINDS; kind++) {
		int64_t row = 0;
		assert_true(
			store_each_object(store, (enum fleet_kind)kind, &row, SIZE_MAX, note_object, NULL));
	}
	return seen;
}

#define TENANT(version) "{\"zone\":\"z.example.\",\"service\":\"shop\",\"tags\":[\"v" #version "\"]}\n"

static void test_objects_come_back_in_order(void **state)
{
	struct store *store = must_open();
	assert_int_equal(store_fleet_version(store), 0);
	assert_int_equal(store_fleet_changed_unix_ms(store), 0);
	put_tenant(store, "zoo", 1);
	put_tenant(store, "acme", 2);
	store_yaml(store, "services: {mail: {vips: {eu: [192.0.2.2]}}}\n", 3);
	store_yaml(store, "regions: {us: {at: [39, -77]}}\n", 4);
	put_tenant(store, "zoo", 5); /* a change keeps the place */
	store_close(store);
	store = must_open();
	assert_string_equal(objects(store), "region us 4 {\"at\":[39,-77]}\n"
					    "service mail 3 {\"vips\":{\"eu\":[\"192.0.2.2\"]}}\n"
					    "tenant zoo 5 " TENANT(5) "tenant acme 2 " TENANT(2));
	assert_int_equal(store_fleet_version(store), 5);
	assert_int_equal(store_fleet_changed_unix_ms(store), 5000);
	store_close(store);
}

static void test_removed_and_base_objects(void **state)
{
	struct store *store = must_open();
	struct err_list errors = {0};
	put_tenant(store, "acme", 1);
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	fleet_change_remove(change, FLEET_TENANT, "acme");
	assert_true(commit(store, change, 2));
	change = fleet_change_new(FLEET_BASE);
	add_yaml(change, "f", "tenants: {base: {zone: z.example, service: shop}}\n", &errors);
	assert_true(commit(store, change, 3));
	assert_string_equal(objects(store), "");
	assert_int_equal(store_fleet_version(store), 3);
	store_close(store);
}

static void note_control(void *user, const struct control_row *row)
{
	size_t used = strlen(seen);
	snprintf(seen + used, sizeof seen - used, "%s/%s/%s %d %lld %lld %s %s\n", row->region, row->service,
		 row->address, row->share, (long long)row->expires_unix_ms, (long long)row->since_unix_ms,
		 row->reason, row->author);
}

static void test_controls_come_back(void **state)
{
	struct store *store = must_open();
	struct err_list errors = {0};
	char reason[] = "caf\xc3\xa9 'quoted'", author[] = "uid:7";
	struct control_row rows[3] = {
		{.region = "eu",
		 .share = 50,
		 .expires_unix_ms = 99,
		 .since_unix_ms = 7,
		 .reason = reason,
		 .author = author},
		{.region = "eu", .service = "shop", .share = SHARE_DOWN, .reason = NULL, .author = author},
		{.region = "eu", .address = "192.0.2.1", .share = 0, .reason = reason, .author = author},
	};
	struct store_change change = {.control_count = 3, .controls = rows};
	assert_true(store_commit(store, &change, &errors));
	const bool removed[3] = {false, false, true};
	rows[0].share = 20;
	change.removed = removed;
	assert_true(store_commit(store, &change, &errors));
	store_close(store);
	store = must_open();
	seen[0] = '\0';
	assert_true(store_each_control(store, note_control, NULL));
	assert_string_equal(seen, "eu// 20 99 7 caf\xc3\xa9 'quoted' uid:7\neu/shop/ -1 0 0  uid:7\n");
	store_close(store);
}

static void test_audit_pages(void **state)
{
	struct store *store = must_open();
	for (uint64_t n = 1; n <= 5; n++)
		put_tenant(store, "acme", n);
	json_t *after = json_pack("{s:i}", "share", 50);
	struct audit_line line = {.time_unix_ms = 1000,
				  .author = "uid:0 (root)",
				  .via = "api",
				  .verb = "region drain",
				  .object = "region eu",
				  .reason = "disk",
				  .after = after};
	struct store_change change = {.audit = &line, .audit_count = 1};
	struct err_list errors = {0};
	assert_true(store_commit(store, &change, &errors));
	json_t *page = store_audit(store, 1, 3);
	assert_int_equal(json_array_size(page), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(page, 0), "seq")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(page, 2), "seq")), 4);
	json_decref(page);
	page = store_audit(store, 5, 100);
	assert_int_equal(json_array_size(page), 1);
	char *text = json_dumps(json_array_get(page, 0), JSON_COMPACT);
	assert_string_equal(text, "{\"seq\":6,\"time\":\"1970-01-01T00:00:01Z\",\"author\":\"uid:0 (root)\","
				  "\"via\":\"api\",\"verb\":\"region drain\",\"object\":\"region eu\","
				  "\"before\":null,\"after\":{\"share\":50},\"reason\":\"disk\"}");
	free(text);
	json_decref(page);
	page = store_audit(store, UINT64_MAX, 100);
	assert_int_equal(json_array_size(page), 0);
	json_decref(page);
	json_decref(after);
	store_close(store);
}

static void note_health(void *user, const struct store_health_row *row)
{
	size_t used = strlen(seen);
	snprintf(seen + used, sizeof seen - used, "%s %d %lld %lld\n", row->target, (int)row->state,
		 (long long)row->changed_unix_ms, (long long)row->seen_unix_ms);
}

static void test_health_comes_back_and_old_rows_go(void **state)
{
	const int64_t day = 24ll * 3600 * 1000;
	struct store *store = must_open();
	struct store_health_row rows[] = {
		{.target = "192.0.2.1 web",
		 .state = STORE_HEALTH_DOWN,
		 .changed_unix_ms = 5,
		 .seen_unix_ms = day},
		{.target = "192.0.2.2 web",
		 .state = STORE_HEALTH_UP,
		 .changed_unix_ms = 6,
		 .seen_unix_ms = 20 * day},
		{.target = "192.0.2.3 web",
		 .state = STORE_HEALTH_NEVER_UP,
		 .changed_unix_ms = 7,
		 .seen_unix_ms = 30 * day},
		{.target = "192.0.2.4 web",
		 .state = STORE_HEALTH_DOWN,
		 .changed_unix_ms = 8,
		 .seen_unix_ms = 30 * day},
	};
	assert_true(store_save_health(store, rows, 0));
	assert_true(store_save_health(store, rows, 4));
	rows[1].seen_unix_ms = 40 * day;
	assert_true(store_save_health(store, &rows[1], 1));
	store_close(store);
	store = must_open();
	seen[0] = '\0';
	assert_true(store_each_health(store, note_health, NULL));
	assert_string_equal(seen, "192.0.2.2 web 1 6 3456000000\n"
				  "192.0.2.3 web 3 7 2592000000\n"
				  "192.0.2.4 web 2 8 2592000000\n");
	store_close(store);
}

static void test_the_addresses_of_a_name_come_back(void **state)
{
	struct store *store = must_open();
	assert_null(store_resolved(store, "lb.example."));
	assert_true(store_save_resolved(store, "lb.example.", "192.0.2.1"));
	assert_true(store_save_resolved(store, "lb.example.", "192.0.2.2 2001:db8::1"));
	assert_true(store_save_resolved(store, "b.example.", "192.0.2.3"));
	assert_true(store_save_resolved(store, "b.example.", NULL));
	store_close(store);
	store = must_open();
	char *addresses = store_resolved(store, "lb.example.");
	assert_string_equal(addresses, "192.0.2.2 2001:db8::1");
	free(addresses);
	assert_null(store_resolved(store, "b.example."));
	store_close(store);
}

/* ---- files that cannot be used ---- */

static void test_directory_is_made(void **state)
{
	char path[128];
	struct stat status;
	struct err_list errors = {0};
	snprintf(path, sizeof path, "%s/gslb.db", directory); /* a name that the teardown removes */
	struct store *store = store_open(path, &errors);
	assert_non_null(store);
	char file[160];
	for (size_t i = 0; i < 2; i++) { /* all customers, also where the directory was made by hand */
		snprintf(file, sizeof file, "%s/gslb.db%s", path, i > 0 ? "-wal" : "");
		assert_int_equal(stat(file, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0640);
	}
	store_close(store);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0750);
	char inner[160];
	snprintf(inner, sizeof inner, "%s/gslb.db", path);
	unlink(inner);
	snprintf(inner, sizeof inner, "%s/gslb.lock", path);
	unlink(inner);
	snprintf(path, sizeof path, "%s/absent/deeper", directory);
	must_refuse(path, "cannot be created", "No such file");
	write_file("gslb.lock", "", 0);
	snprintf(path, sizeof path, "%s/gslb.lock", directory);
	must_refuse(path, "not a directory", "");
	must_refuse("/proc/self", "cannot be written", "");
}

static void test_second_owner_is_refused(void **state)
{
	int ready[2], done[2];
	char byte = 0;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	pid_t child = fork();
	if (child == 0) {
		struct err_list errors = {0};
		struct store *store = store_open(directory, &errors);
		if (!store || write(ready[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1)
			_exit(1);
		_exit(0); /* without closing: the kernel drops the lock */
	}
	char pid[32];
	snprintf(pid, sizeof pid, "pid %ld", (long)child);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	must_refuse(directory, "in use by another process", pid);
	must_refuse(directory, "node.state_dir", "");
	assert_int_equal(write(done[1], "x", 1), 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	store_close(must_open());
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
}

static void test_file_that_is_no_database(void **state)
{
	char garbage[8192];
	memset(garbage, 'x', sizeof garbage);
	write_file("gslb.db", garbage, sizeof garbage);
	must_refuse(directory, "damaged", "move it away");
	char path[128];
	snprintf(path, sizeof path, "%s/gslb.db", directory);
	unlink(path);
	mkdir(path, 0700);
	must_refuse(directory, "cannot be opened", "");
}

static void run_sql(const char *sql)
{
	sqlite3 *db;
	char path[128];
	snprintf(path, sizeof path, "%s/gslb.db", directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_database_of_another_program(void **state)
{
	run_sql("CREATE TABLE strange(a)");
	must_refuse(directory, "not one of this program", "");
}

static void test_newer_format(void **state)
{
	store_close(must_open());
	run_sql("UPDATE meta SET value = value + 1 WHERE name = 'format'");
	must_refuse(directory, "upgrade gslb, or go back to a backup of this version",
		    "gslbctl restore FILE");
	char kept[32], *path = NULL;
	snprintf(kept, sizeof kept, "gslb.db.format-%d", migrations_newest());
	write_file(kept, "", 0); /* what the upgrade left here */
	path = xasprintf("gslbctl restore %s/%s", directory, kept);
	must_refuse(directory, "as it was before the upgrade", path);
	free(path);
}

static void test_damaged_page(void **state)
{
	struct store *store = must_open();
	for (unsigned n = 0; n < 200; n++) {
		char id[16];
		snprintf(id, sizeof id, "t%u", n);
		put_tenant(store, id, n + 1);
	}
	store_close(store); /* moves the log into the file */
	char path[128], noise[4096];
	snprintf(path, sizeof path, "%s/gslb.db", directory);
	int fd = open(path, O_WRONLY);
	memset(noise, 0x5a, sizeof noise);
	for (off_t page = 2; page < 8; page++)
		assert_int_equal(pwrite(fd, noise, sizeof noise, page * 4096), sizeof noise);
	close(fd);
	must_refuse(directory, "damaged", "backup");
}

/* As a full disk: the kernel takes no more bytes for the file. */
static void test_disk_that_takes_no_more(void **state)
{
	struct store *store = must_open();
	assert_true(put_tenant(store, "before", 1));
	struct rlimit old, small;
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 32768;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	uint64_t version = 2;
	while (put_tenant(store, "filler", version) && version < 1000)
		version++;
	assert_true(version < 1000);
	assert_false(put_tenant(store, "never", version));
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(put_tenant(store, "after", version));
	store_close(store);
	store = must_open();
	const char *all = objects(store);
	assert_non_null(strstr(all, "tenant before 1"));
	assert_null(strstr(all, "never"));
	assert_non_null(strstr(all, "tenant after"));
	assert_int_equal(store_fleet_version(store), version);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects_come_back_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_and_base_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_controls_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health_comes_back_and_old_rows_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_addresses_of_a_name_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_owner_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_that_is_no_database, setup, teardown),
		cmocka_unit_test_setup_teardown(test_database_of_another_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_that_takes_no_more, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
