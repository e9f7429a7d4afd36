/* Stores of earlier formats are opened with everything in them, whatever interrupts that. */
#include "store/migrations.h"
#include "store/store_restore.h"
#include "tests/unit/earlier_store.h"
#include <sys/resource.h>

static void open_and_close(void)
{
	struct err_list errors = {0};
	store_close(store_open(directory, &errors));
	if (err_has_errors(&errors))
		_exit(1);
}

/* What the store gives is what the version gave that wrote it. */
static void check_given(struct store *store)
{
	assert_int_equal(store_fleet_version(store), 8);
	assert_int_equal(store_object_count(store), 13);
	json_t *audit = store_audit(store, 0, 100);
	assert_int_equal(json_array_size(audit), 14);
	const json_t *drain = json_array_get(audit, 7);
	assert_string_equal(json_string_value(json_object_get(drain, "verb")), "region drain");
	assert_string_equal(json_string_value(json_object_get(drain, "reason")), "\xc3\x9c"
										 "ber Nacht: neuer Kernel");
	json_decref(audit);
}

static void count_row(void *user, const struct store_health_row *row)
{
	(*(size_t *)user)++;
}

static void count_control(void *user, const struct control_row *row)
{
	(*(size_t *)user)++;
}

static void test_each_earlier_store_opens_with_everything_in_it(void **state)
{
	for (size_t i = 0; i < EARLIER_STORES; i++) {
		put_earlier_store(earlier_stores[i]);
		assert_int_equal(format_of("gslb.db"), EARLIER_FORMAT);
		struct store *store = must_open();
		check_given(store);
		size_t controls = 0, targets = 0;
		assert_true(store_each_control(store, count_control, &controls));
		assert_true(store_each_health(store, count_row, &targets));
		assert_int_equal(controls, 4);
		assert_int_equal(targets, 4);
		/* And it goes on as any store. */
		assert_true(store_save_resolved(store, "lb.example.", "192.0.2.1"));
		assert_true(put_tenant(store, "more", 9 + i));
		assert_true(store_save_resolved(store, "lb.example.", NULL));
		store_close(store);
		assert_int_equal(format_of("gslb.db"), migrations_newest());
		char *after = contents("gslb.db");
		assert_non_null(strstr(after, "tenant|more"));
		free(after);
	}
}

static void test_nothing_else_changes(void **state)
{
	for (size_t i = 0; i < EARLIER_STORES; i++) {
		put_earlier_store(earlier_stores[i]);
		char *before = contents("gslb.db");
		open_and_close();
		char *after = contents("gslb.db");
		assert_string_equal(after, before);
		open_and_close(); /* once and for all */
		assert_int_equal(format_of("gslb.db"), migrations_newest());
		free(after);
		free(before);
	}
}

/* Whichever way a store came to its format, it is the same. */
static void test_an_old_store_becomes_what_a_new_one_is(void **state)
{
	static const char tables[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name;"
				     "PRAGMA application_id";
	open_and_close();
	char *fresh = query("gslb.db", tables);
	for (size_t i = 0; i < EARLIER_STORES; i++) {
		put_earlier_store(earlier_stores[i]);
		open_and_close();
		char *old = query("gslb.db", tables);
		assert_string_equal(old, fresh);
		free(old);
	}
	free(fresh);
}

static void test_what_it_was_before_stays(void **state)
{
	struct store_summary summary;
	struct err_list errors = {0};
	struct stat status;
	put_earlier_store("44cf82c");
	char *before = contents("gslb.db");
	open_and_close();
	assert_true(store_verify(in_directory("gslb.db.format-1"), &summary, &errors));
	assert_int_equal(summary.format, EARLIER_FORMAT);
	assert_int_equal(summary.objects, 13);
	assert_int_equal(stat(in_directory("gslb.db.format-1"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	char *kept = contents("gslb.db.format-1");
	assert_string_equal(kept, before);
	assert_int_equal(access(in_directory("gslb.db.backup"), F_OK), -1);
	free(kept);
	free(before);
}

/* A process is killed before and after each statement, until one comes through. */
static void test_a_kill_leaves_the_old_format_or_the_new(void **state)
{
	unsigned events = 0, old = 0, new = 0;
	for (bool is_done = false; !is_done; events++) {
		assert_true(events < 1000);
		put_earlier_store("55f7c6f");
		char *before = contents("gslb.db");
		is_done = run_and_kill(open_and_close, events);
		char *after = contents("gslb.db");
		assert_string_equal(after, before);
		int format = format_of("gslb.db");
		assert_true(format == EARLIER_FORMAT || format == migrations_newest());
		*(format == EARLIER_FORMAT ? &old : &new) += 1;
		char *resolved = query("gslb.db", "SELECT name FROM sqlite_schema WHERE name = 'resolved'");
		assert_string_equal(resolved, format == EARLIER_FORMAT ? "" : "resolved\n");
		if (access(in_directory("gslb.db.format-1"), F_OK) == 0) { /* whole, if it is there */
			char *kept = contents("gslb.db.format-1");
			assert_string_equal(kept, before);
			free(kept);
		}
		struct store *store = must_open();
		check_given(store);
		store_close(store);
		free(resolved);
		free(after);
		free(before);
	}
	assert_true(old > 5 && new > 0);
}

static void test_no_room_for_the_copy(void **state)
{
	struct rlimit before, small;
	put_earlier_store("44cf82c");
	char *all = contents("gslb.db");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 8192;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	must_refuse(directory, "the copy cannot be written", "");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(format_of("gslb.db"), EARLIER_FORMAT);
	char *still = contents("gslb.db");
	assert_string_equal(still, all);
	open_and_close();
	assert_int_equal(format_of("gslb.db"), migrations_newest());
	free(still);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_earlier_store_opens_with_everything_in_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nothing_else_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_old_store_becomes_what_a_new_one_is, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_it_was_before_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_kill_leaves_the_old_format_or_the_new, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_room_for_the_copy, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
