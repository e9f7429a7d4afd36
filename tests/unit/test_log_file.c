/* A file of lines: rotation, other programs' renames, disks that are full. */
#include "forwarder/seeing/log_file.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[64];

static char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void assert_holds(const char *name, const char *text)
{
	char octets[256] = "";
	int fd = open(path_of(name), O_RDONLY);
	assert_true(fd >= 0);
	ssize_t length = read(fd, octets, sizeof octets - 1);
	assert_true(length >= 0);
	assert_string_equal(octets, text);
	close(fd);
}

static size_t append(struct log_file *file, const char *lines)
{
	return log_file_append(file, lines, strlen(lines), 0);
}

static int make_directory(void **state)
{
	strcpy(directory, "/tmp/gslb-log-file-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", directory);
	return system(command);
}

static void it_grows_across_restarts(void **state)
{
	struct log_file file;
	for (unsigned i = 0; i < 2; i++) {
		log_file_init(&file, path_of("log"), 1000, 1);
		assert_int_equal(append(&file, "a\n"), 2);
		log_file_done(&file);
	}
	assert_holds("log", "a\na\n");
}

static void it_is_renamed_before_it_is_too_long(void **state)
{
	struct log_file file;
	log_file_init(&file, path_of("log"), 8, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(append(&file, (const char *[]){"one\n", "two\n", "three\n", "four\n"}[i]),
				 i == 2	  ? 6
				 : i == 3 ? 5
					  : 4);
	assert_holds("log", "four\n");
	assert_holds("log.1", "three\n");
	assert_holds("log.2", "one\ntwo\n");
	assert_int_equal(append(&file, "five\n"), 5);
	assert_holds("log.2", "three\n");
	assert_int_not_equal(access(path_of("log.3"), F_OK), 0);
	log_file_done(&file);
}

static void with_none_to_keep_it_begins_again(void **state)
{
	struct log_file file;
	log_file_init(&file, path_of("log"), 8, 0);
	append(&file, "one two\n");
	append(&file, "three\n");
	assert_holds("log", "three\n");
	assert_int_not_equal(access(path_of("log.1"), F_OK), 0);
	log_file_done(&file);
}

static void another_programs_rename_is_followed_when_it_says_so(void **state)
{
	struct log_file file;
	char other[128];
	log_file_init(&file, path_of("log"), 1000, 1);
	append(&file, "one\n");
	strcpy(other, path_of("log.moved"));
	assert_int_equal(rename(path_of("log"), other), 0);
	append(&file, "two\n");
	log_file_reopen(&file);
	append(&file, "three\n");
	assert_holds("log.moved", "one\ntwo\n");
	assert_holds("log", "three\n");
	log_file_done(&file);
}

static void set_bound(rlim_t octets)
{
	struct rlimit limit = {octets, RLIM_INFINITY};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow fails as a full disk does, in the middle of a line. */
static void a_full_disk_leaves_whole_lines(void **state)
{
	struct log_file file;
	signal(SIGXFSZ, SIG_IGN);
	log_file_init(&file, path_of("log"), 1000, 1);
	set_bound(10);
	assert_int_equal(append(&file, "one\ntwo\nthree\nfour\n"), 8);
	assert_holds("log", "one\ntwo\n");
	assert_int_equal(append(&file, "three\n"), 0);
	set_bound(RLIM_INFINITY);
	assert_int_equal(append(&file, "five\n"), 5);
	assert_holds("log", "one\ntwo\nfive\n");
	log_file_done(&file);
}

static void a_file_that_cannot_be_opened_is_tried_again(void **state)
{
	struct log_file file;
	log_file_init(&file, path_of("folder/log"), 1000, 1);
	assert_int_equal(append(&file, "one\n"), 0);
	assert_int_equal(mkdir(path_of("folder"), 0700), 0);
	assert_int_equal(log_file_append(&file, "two\n", 4, 999), 0); /* a second later */
	assert_int_equal(log_file_append(&file, "two\n", 4, 1000), 4);
	assert_holds("folder/log", "two\n");
	log_file_done(&file);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		T(it_grows_across_restarts),	      T(it_is_renamed_before_it_is_too_long),
		T(with_none_to_keep_it_begins_again), T(another_programs_rename_is_followed_when_it_says_so),
		T(a_full_disk_leaves_whole_lines),    T(a_file_that_cannot_be_opened_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
