/* Reading files: whole, up to a limit, and what is no file. */
#include "lib/file.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LENGTH 200000

/* A file without a name that holds LENGTH octets. */
static int make_file(void)
{
	char path[] = "/tmp/test_file.XXXXXX", text[LENGTH];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	memset(text, 'x', sizeof text);
	assert_int_equal(write(fd, text, sizeof text), sizeof text);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void test_the_whole_file(void **state)
{
	const char *reason;
	size_t length;
	int fd = make_file();
	char *text = file_read(fd, SIZE_MAX - 1, &length, &reason);
	assert_non_null(text);
	assert_int_equal(length, LENGTH);
	assert_int_equal(text[LENGTH - 1], 'x');
	free(text);

	assert_int_equal(lseek(fd, LENGTH - 3, SEEK_SET), LENGTH - 3);
	text = file_read(fd, SIZE_MAX - 1, &length, &reason);
	assert_int_equal(length, 3); /* what is left */
	free(text);
	close(fd);
}

static void test_more_than_the_limit_shows(void **state)
{
	const char *reason;
	size_t length;
	int fd = make_file();
	free(file_read(fd, LENGTH, &length, &reason));
	assert_int_equal(length, LENGTH);
	lseek(fd, 0, SEEK_SET);
	free(file_read(fd, 1000, &length, &reason));
	assert_in_range(length, 1001, 2 * 1000 + 4096);
	close(fd);
}

/* It has no size. */
static void test_a_pipe(void **state)
{
	const char *reason;
	size_t length;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "hello", 5), 5);
	close(ends[1]);
	char *text = file_read(ends[0], SIZE_MAX - 1, &length, &reason);
	assert_int_equal(length, 5);
	assert_memory_equal(text, "hello", 5);
	free(text);
	close(ends[0]);
}

static void test_what_cannot_be_read(void **state)
{
	const char *reason = NULL;
	size_t length;
	assert_null(file_read(-1, 1000, &length, &reason));
	assert_string_equal(reason, "Bad file descriptor");
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	assert_null(file_read(fd, 1000000, &length, &reason));
	assert_string_equal(reason, "Is a directory");
	close(fd);
}

static void test_written_meanwhile(void **state)
{
	struct stat before, after;
	int fd = make_file();
	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(fstat(fd, &after), 0);
	assert_false(file_was_written(&before, &after));
	lseek(fd, 0, SEEK_END);
	assert_int_equal(write(fd, "y", 1), 1);
	assert_int_equal(fstat(fd, &after), 0);
	assert_true(file_was_written(&before, &after));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_file),
		cmocka_unit_test(test_more_than_the_limit_shows),
		cmocka_unit_test(test_a_pipe),
		cmocka_unit_test(test_what_cannot_be_read),
		cmocka_unit_test(test_written_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
