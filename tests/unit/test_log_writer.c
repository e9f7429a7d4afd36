/* The writer's thread: from rings to files, without anybody waiting for it. */
#include "forwarder/io/ring.h"
#include "forwarder/seeing/writer.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define WORKERS 2

struct rig {
	char directory[64], path[128];
	struct log_record_sink sinks[WORKERS];
	struct worker_view views[WORKERS], *workers[WORKERS];
	struct log_record_draft draft;
	unsigned last_turns;
	struct writer_log log;
	struct writer *writer;
};

static void on_turn(void *user, bool is_last)
{
	struct rig *rig = user;
	rig->last_turns += is_last;
}

static int make_rig(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);
	strcpy(rig->directory, "/tmp/gslb-writer-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->path, sizeof rig->path, "%s/log", rig->directory);
	for (unsigned i = 0; i < WORKERS; i++) {
		rig->sinks[i].ring = ring_new(1 << 16);
		rig->views[i].log = &rig->sinks[i];
		rig->workers[i] = &rig->views[i];
	}
	rig->log = (struct writer_log){.is_on = true, .path = rig->path, .rotate_bytes = 1 << 30, .keep = 1};
	struct writer_hooks hooks = {rig, on_turn};
	rig->writer = writer_new("eu", rig->workers, WORKERS, &rig->log, &hooks);
	assert_non_null(rig->writer);
	*state = rig;
	return 0;
}

static void end(struct rig *rig)
{
	writer_free(rig->writer);
	rig->writer = NULL;
}

static int free_rig(void **state)
{
	struct rig *rig = *state;
	char command[128];
	end(rig);
	for (unsigned i = 0; i < WORKERS; i++)
		ring_free(rig->sinks[i].ring);
	snprintf(command, sizeof command, "rm -r %s", rig->directory);
	free(rig);
	return system(command);
}

static void send_one(struct rig *rig, unsigned worker)
{
	log_record_send(&rig->sinks[worker], &rig->draft);
}

/* Lines in the file, and the sum of what they say is missing. */
static size_t count(const char *path, uint64_t *ret_dropped)
{
	char line[4096];
	size_t lines = 0;
	FILE *file = fopen(path, "r");
	*ret_dropped = 0;
	if (!file)
		return 0;
	while (fgets(line, sizeof line, file)) {
		const char *at = strstr(line, "\"dropped\":");
		assert_int_equal(line[strlen(line) - 1], '\n');
		if (at)
			*ret_dropped += strtoull(at + 10, NULL, 10);
		else
			lines++;
	}
	fclose(file);
	return lines;
}

static void await_lines(struct rig *rig, const char *path, size_t wanted)
{
	uint64_t dropped;
	while (count(path, &dropped) != wanted)
		usleep(1000);
}

static void records_of_all_workers_become_lines(void **state)
{
	struct rig *rig = *state;
	uint64_t dropped;
	for (unsigned i = 0; i < 100; i++)
		send_one(rig, i % WORKERS);
	end(rig);
	assert_int_equal(count(rig->path, &dropped), 100);
	assert_int_equal(dropped, 0);
	assert_int_equal(rig->last_turns, 1);
}

static void what_a_ring_has_no_room_for_is_told(void **state)
{
	struct rig *rig = *state;
	uint64_t dropped;
	for (unsigned i = 0; i < 20000; i++)
		send_one(rig, 0);
	uint64_t counted = writer_dropped(rig->writer);
	while (writer_written(rig->writer) + counted < 20000)
		usleep(1000);
	send_one(rig, 0);
	end(rig);
	size_t lines = count(rig->path, &dropped);
	assert_int_equal(lines + dropped, 20001);
	assert_true(dropped > 0);
	assert_int_equal(dropped, counted);
}

static void it_follows_a_rename(void **state)
{
	struct rig *rig = *state;
	char moved[160];
	snprintf(moved, sizeof moved, "%s.moved", rig->path);
	send_one(rig, 0);
	await_lines(rig, rig->path, 1);
	assert_int_equal(rename(rig->path, moved), 0);
	writer_reopen(rig->writer);
	/* It does so before it looks at the rings again. */
	send_one(rig, 1);
	end(rig);
	uint64_t dropped;
	assert_int_equal(count(moved, &dropped), 1);
	assert_int_equal(count(rig->path, &dropped), 1);
}

static void another_configuration_is_another_file(void **state)
{
	struct rig *rig = *state;
	char other[160];
	uint64_t dropped;
	snprintf(other, sizeof other, "%s.other", rig->path);
	send_one(rig, 0);
	await_lines(rig, rig->path, 1);
	rig->log.path = other;
	writer_configure(rig->writer, &rig->log);
	send_one(rig, 0);
	await_lines(rig, other, 1);
	writer_configure(rig->writer, &(struct writer_log){.is_on = false});
	send_one(rig, 0);
	end(rig);
	assert_int_equal(count(rig->path, &dropped), 1);
	assert_int_equal(count(other, &dropped), 1);
}

/* /dev/full says that no space is left. */
static void a_full_disk_is_counted(void **state)
{
	struct rig *rig = *state;
	uint64_t dropped;
	send_one(rig, 0);
	await_lines(rig, rig->path, 1);
	rig->log.path = "/dev/full";
	writer_configure(rig->writer, &rig->log);
	for (unsigned i = 0; i < 10; i++)
		send_one(rig, 0);
	while (writer_dropped(rig->writer) < 10)
		usleep(1000);
	rig->log.path = rig->path;
	writer_configure(rig->writer, &rig->log);
	send_one(rig, 0);
	end(rig);
	assert_int_equal(count(rig->path, &dropped), 2);
	assert_int_equal(dropped, 10);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_rig, free_rig)
	const struct CMUnitTest tests[] = {
		T(records_of_all_workers_become_lines),
		T(what_a_ring_has_no_room_for_is_told),
		T(it_follows_a_rename),
		T(another_configuration_is_another_file),
		T(a_full_disk_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
