/* Usage of tenants: sums over workers, and records that count nothing twice. */
#include "forwarder/io/ring.h"
#include "forwarder/io/tenant_notice.h"
#include "forwarder/seeing/usage.h"
#include "forwarder/seeing/usage_query.h"
#include "lib/clock.h"
#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#define WORKERS 2
#define NOON ((int64_t)1769860800000) /* 2026-01-31T12:00:00Z */

struct rig {
	char directory[80], state[64];
	struct tenant_notices notices[WORKERS];
	struct worker_view views[WORKERS], *workers[WORKERS];
	struct usage_sum *sum;
	struct usage *usage;
};

static int make_rig(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);
	strcpy(rig->state, "/tmp/gslb-usage-XXXXXX");
	assert_non_null(mkdtemp(rig->state));
	snprintf(rig->directory, sizeof rig->directory, "%s/usage", rig->state);
	for (unsigned i = 0; i < WORKERS; i++) {
		rig->notices[i].ring = ring_new(1 << 16);
		rig->views[i].stats = request_stats_new();
		rig->views[i].notices = &rig->notices[i];
		rig->workers[i] = &rig->views[i];
	}
	rig->sum = usage_sum_new(rig->workers, WORKERS);
	*state = rig;
	return 0;
}

static int free_rig(void **state)
{
	struct rig *rig = *state;
	char command[128];
	usage_free(rig->usage);
	usage_sum_free(rig->sum);
	for (unsigned i = 0; i < WORKERS; i++) {
		ring_free(rig->notices[i].ring);
		request_stats_free(rig->views[i].stats);
	}
	snprintf(command, sizeof command, "rm -r %s", rig->state);
	free(rig);
	return system(command);
}

/* As a worker does; a tenant's hash is the first letter of its name. */
static void count(struct rig *rig, unsigned worker, uint32_t slot, const char *id, unsigned requests)
{
	struct request_stats_item item = {.tenant = slot,
					  .has_service = true,
					  .status = 200,
					  .bytes_in = 10,
					  .bytes_out = 100,
					  .websocket_ms = 250};
	for (; requests > 0; requests--) {
		tenant_notice_touch(&rig->notices[worker], rig->views[worker].stats, slot, (uint64_t)*id, id,
				    strlen(id));
		request_stats_add(rig->views[worker].stats, &item);
	}
}

static struct usage_tenant *changed(const struct rig *rig, const char *id)
{
	struct usage_tenant *tenant = usage_sum_changed(rig->sum);
	while (tenant && strcmp(tenant->id, id) != 0)
		tenant = tenant->next_changed;
	return tenant;
}

static size_t count_changed(const struct rig *rig)
{
	size_t count = 0;
	for (struct usage_tenant *tenant = usage_sum_changed(rig->sum); tenant; tenant = tenant->next_changed)
		count++;
	return count;
}

/* What is noted by one look is added by the next. */
static void look(struct rig *rig, int64_t unix_ms)
{
	usage_sum_look(rig->sum, unix_ms, false);
	usage_sum_look(rig->sum, unix_ms, false);
}

static void workers_are_summed_up_by_name(void **state)
{
	struct rig *rig = *state;
	count(rig, 0, 5, "acme", 3);
	count(rig, 1, 5, "acme", 4);
	count(rig, 1, 9, "other", 1);
	look(rig, NOON);
	assert_int_equal(changed(rig, "acme")->record[USAGE_REQUESTS], 7);
	assert_int_equal(changed(rig, "acme")->record[USAGE_BYTES_IN], 70);
	assert_int_equal(changed(rig, "acme")->record[USAGE_BYTES_OUT], 700);
	assert_int_equal(changed(rig, "acme")->record[USAGE_C2XX], 7);
	assert_int_equal(changed(rig, "other")->record[USAGE_REQUESTS], 1);
}

static void only_those_that_changed_are_in_the_list(void **state)
{
	struct rig *rig = *state;
	count(rig, 0, 5, "acme", 3);
	count(rig, 0, 6, "other", 3);
	look(rig, NOON);
	assert_int_equal(count_changed(rig), 2);
	usage_sum_written(rig->sum, 2);
	look(rig, NOON + 1000);
	assert_int_equal(count_changed(rig), 0);
	count(rig, 1, 6, "other", 1);
	look(rig, NOON + 2000);
	assert_int_equal(count_changed(rig), 1);
	assert_int_equal(changed(rig, "other")->record[USAGE_REQUESTS], 4); /* it grows */
}

static void a_new_minute_is_a_new_record_once_the_last_is_written(void **state)
{
	struct rig *rig = *state;
	count(rig, 0, 5, "acme", 3);
	look(rig, NOON);
	count(rig, 0, 5, "acme", 1);
	look(rig, NOON + 60000); /* the disk was full meanwhile */
	assert_int_equal(changed(rig, "acme")->record[USAGE_REQUESTS], 4);
	assert_int_equal(changed(rig, "acme")->minute, NOON / 60000);
	usage_sum_written(rig->sum, 1);
	count(rig, 0, 5, "acme", 2);
	look(rig, NOON + 61000);
	assert_int_equal(changed(rig, "acme")->record[USAGE_REQUESTS], 2);
	assert_int_equal(changed(rig, "acme")->total[USAGE_REQUESTS], 6);
	assert_int_equal(changed(rig, "acme")->minute, NOON / 60000 + 1);
}

static void a_slot_that_is_anothers_now_is_counted_for_both(void **state)
{
	struct rig *rig = *state;
	count(rig, 0, 5, "acme", 3);
	look(rig, NOON);
	count(rig, 0, 5, "acme", 2);
	count(rig, 0, 5, "other", 4);
	look(rig, NOON);
	assert_int_equal(changed(rig, "acme")->record[USAGE_REQUESTS], 5);
	assert_int_equal(changed(rig, "other")->record[USAGE_REQUESTS], 4);
	/* who has no slot any more leaves when it is written, and may come again */
	usage_sum_written(rig->sum, 2);
	count(rig, 0, 6, "acme", 1);
	look(rig, NOON + 60000);
	assert_int_equal(changed(rig, "acme")->total[USAGE_REQUESTS], 1);
}

static void the_top_are_those_of_the_last_hour(void **state)
{
	struct rig *rig = *state;
	struct usage_row rows[3];
	uint64_t others[USAGE_FIELDS];
	char id[8];
	count(rig, 0, 1, "early", 1000);
	look(rig, NOON);
	usage_sum_written(rig->sum, 1);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof id, "%c", 'a' + i);
		count(rig, 0, 10 + i, id, i + 1);
	}
	look(rig, NOON + 7200000);
	size_t found = usage_sum_top(rig->sum, 3, rows, others);
	assert_int_equal(found, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rows[i].id[0], 't' - i);
		assert_int_equal(rows[i].total[USAGE_REQUESTS], 20 - i);
		free(rows[i].id);
	}
	assert_int_equal(others[USAGE_REQUESTS], 1000 + 17 * 18 / 2);
}

/* Many more than are kept: the most are found all the same, and who asked long ago makes room. */
static void the_top_is_found_among_many(void **state)
{
	struct rig *rig = *state;
	struct usage_row *rows = calloc(USAGE_SUM_TOP, sizeof *rows);
	uint64_t others[USAGE_FIELDS], sum = 0;
	char id[16];
	for (unsigned hour = 0; hour < 2; hour++) {
		for (unsigned i = 0; i < 3 * USAGE_SUM_TOP; i++) {
			unsigned number = (i * 1009 + hour) % (3 * USAGE_SUM_TOP);
			struct request_stats *stats = rig->views[0].stats;
			snprintf(id, sizeof id, "%u-%u", hour, number);
			uint32_t slot = 10000 * hour + number;
			tenant_notice_touch(&rig->notices[0], stats, slot, slot + 1, id, strlen(id));
			counter_add(&stats->tenants[slot].requests, number + 1);
			sum += number + 1;
			if (i % 100 == 99)
				look(rig, NOON + hour * 7200000);
		}
		size_t found = usage_sum_top(rig->sum, 100, rows, others);
		assert_int_equal(found, 100);
		uint64_t told = others[USAGE_REQUESTS];
		for (unsigned i = 0; i < 100; i++) {
			snprintf(id, sizeof id, "%u-%u", hour, 3 * USAGE_SUM_TOP - 1 - i);
			assert_string_equal(rows[i].id, id);
			told += rows[i].total[USAGE_REQUESTS];
			free(rows[i].id);
		}
		assert_int_equal(told, sum);
	}
	free(rows);
}

/* ---- files ---- */

static void start(struct rig *rig)
{
	struct usage_settings settings = {"fwd-1", rig->directory, rig->state, (uint64_t)35 * 86400000};
	rig->usage = usage_new(&settings, rig->workers, WORKERS);
}

static void crash(struct rig *rig)
{
	usage_free(rig->usage);
	rig->usage = NULL;
	for (unsigned i = 0; i < WORKERS; i++) {
		request_stats_free(rig->views[i].stats);
		rig->views[i].stats = request_stats_new();
		ring_free(rig->notices[i].ring);
		rig->notices[i].ring = ring_new(1 << 16);
	}
}

/* As a consumer of the files does: of each id the highest seq counts. */
static json_int_t consume(const struct rig *rig, const char *member, size_t *ret_lines)
{
	DIR *directory = opendir(rig->directory);
	json_t *records = json_object(), *record;
	const char *id;
	char line[2048], path[400];
	json_int_t sum = 0;
	*ret_lines = 0;
	for (const struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", rig->directory, entry->d_name);
		FILE *file = fopen(path, "r");
		while (fgets(line, sizeof line, file)) {
			record = json_loads(line, 0, NULL);
			assert_non_null(record);
			id = json_string_value(json_object_get(record, "id"));
			const json_t *old = json_object_get(records, id);
			(*ret_lines)++;
			if (old)
				assert_true(json_integer_value(json_object_get(old, "seq")) <
					    json_integer_value(json_object_get(record, "seq")));
			json_object_set_new(records, id, record);
		}
		fclose(file);
	}
	closedir(directory);
	json_object_foreach (records, id, record)
		sum += json_integer_value(json_object_get(record, member));
	json_decref(records);
	return sum;
}

static void a_restart_counts_on(void **state)
{
	struct rig *rig = *state;
	size_t lines;
	for (unsigned i = 0; i < 3; i++) {
		start(rig);
		count(rig, 0, 5, "acme", 10);
		count(rig, 1, 6, "other", 1);
		usage_turn(rig->usage, true);
		count(rig, 0, 5, "acme", 5);
		usage_turn(rig->usage, true);
		crash(rig);
	}
	assert_int_equal(consume(rig, "requests", &lines), 3 * 16);
	assert_int_equal(lines, 3 * 3);
	assert_int_equal(consume(rig, "bytes_out", &lines), 3 * 1600);
	assert_int_equal(consume(rig, "c2xx", &lines), 3 * 16);
}

static void set_bound(rlim_t octets)
{
	struct rlimit limit = {octets, RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_loses_nothing(void **state)
{
	struct rig *rig = *state;
	size_t lines;
	start(rig);
	set_bound(300); /* one record */
	count(rig, 0, 5, "acme", 10);
	count(rig, 0, 6, "other", 1);
	count(rig, 0, 7, "third", 1);
	usage_turn(rig->usage, true);
	consume(rig, "requests", &lines);
	assert_int_equal(lines, 1);
	count(rig, 0, 6, "other", 1);
	usage_turn(rig->usage, true);
	set_bound(RLIM_INFINITY);
	usage_turn(rig->usage, true);
	assert_int_equal(consume(rig, "requests", &lines), 13);
	assert_int_equal(lines, 3);
}

static void old_files_go(void **state)
{
	struct rig *rig = *state;
	char path[300], kept[128];
	start(rig);
	count(rig, 0, 5, "acme", 1);
	snprintf(path, sizeof path, "mkdir %s; touch %s/2020010100.jsonl %s/notes", rig->directory,
		 rig->directory, rig->directory);
	assert_int_equal(system(path), 0);
	usage_turn(rig->usage, true);
	snprintf(path, sizeof path, "%s/2020010100.jsonl", rig->directory);
	snprintf(kept, sizeof kept, "%s/notes", rig->directory);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(access(kept, F_OK), 0); /* not ours */
	unlink(kept);
}

static void a_tenants_sum_is_found_in_the_files(void **state)
{
	struct rig *rig = *state;
	char command[300];
	for (unsigned i = 0; i < 2; i++) {
		start(rig);
		count(rig, 0, 5, "acme", 10);
		count(rig, 1, 6, "bacme", 3); /* ends as the other does */
		usage_turn(rig->usage, true);
		count(rig, 0, 5, "acme", 4);
		usage_turn(rig->usage, true);
		crash(rig);
	}
	snprintf(command, sizeof command, "echo '{\"acme' > %s/2999010100.jsonl; echo acme > %s/notes",
		 rig->directory, rig->directory);
	assert_int_equal(system(command), 0);
	struct usage_query query = {rig->directory, "acme", clock_unix_ms() - 120000};
	usage_query_run(&query);
	assert_int_equal(query.sums[USAGE_REQUESTS], 28);
	assert_int_equal(query.sums[USAGE_BYTES_OUT], 2800);
	assert_int_equal(query.sums[USAGE_WEBSOCKET_MS], 7000);
	assert_int_equal(query.records, 2);
	assert_int_equal(query.bad, 1);
	query.since_ms = clock_unix_ms() + 60000;
	usage_query_run(&query);
	assert_int_equal(query.sums[USAGE_REQUESTS], 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_rig, free_rig)
	const struct CMUnitTest tests[] = {
		T(workers_are_summed_up_by_name),
		T(only_those_that_changed_are_in_the_list),
		T(a_new_minute_is_a_new_record_once_the_last_is_written),
		T(a_slot_that_is_anothers_now_is_counted_for_both),
		T(the_top_are_those_of_the_last_hour),
		T(the_top_is_found_among_many),
		T(a_restart_counts_on),
		T(a_full_disk_loses_nothing),
		T(old_files_go),
		T(a_tenants_sum_is_found_in_the_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
