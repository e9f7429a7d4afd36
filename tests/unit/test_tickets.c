/* The file of secrets. */
#include "forwarder/certificates/tickets.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ZEROES "0000000000000000000000000000000000000000000000000000000000000000"
#define LINE "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100"

static char path[] = "/tmp/gslb-tickets-XXXXXX";

static struct ticket_secrets *read_text(const char *text, struct err_list *errors)
{
	strcpy(path + strlen(path) - 6, "XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	struct ticket_secrets *secrets = tickets_read(path, errors);
	unlink(path);
	return secrets;
}

static void test_lines(void **state)
{
	struct err_list errors = {0};
	struct ticket_secrets *one = read_text(LINE "\n", &errors);
	struct ticket_secrets *two = read_text("# the new one\n  \n" LINE " \r\n\n" LINE, &errors);
	assert_int_equal(errors.count, 0);
	assert_int_equal(one->count, 1);
	assert_int_equal(one->secret[0][1], 0x11);
	assert_int_equal(one->secret[0][16], 0xff);
	assert_int_equal(two->count, 2);
	assert_memory_equal(one->secret[0], two->secret[1], TICKET_SECRET_OCTETS);
	assert_true(one->id != 0 && two->id != 0 && one->id != two->id);
	tickets_free(one);
	tickets_free(two);
	/* a secret of zeroes is one, too */
	one = read_text(LINE "\n", &errors);
	two = read_text(LINE "\n" ZEROES "\n", &errors);
	assert_true(one->id != two->id);
	tickets_free(one);
	tickets_free(two);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *problem;
		uint32_t line;
	} cases[] = {
		{"", "there is no secret: a line of 64 hexadecimal digits", 0},
		{"# nothing\n", "there is no secret: a line of 64 hexadecimal digits", 0},
		{LINE "\n" LINE "0\n", "must be 64 hexadecimal digits", 2},
		{"0011\n", "must be 64 hexadecimal digits", 1},
		{"g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
		 "must be 64 hexadecimal digits", 1},
		{LINE "\n" LINE "\n" LINE "\n" LINE "\n" LINE "\n", "more than 4 secrets", 5},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err_list errors = {0};
		assert_null(read_text(cases[i].text, &errors));
		assert_int_equal(errors.count, 1);
		assert_string_equal(errors.items[0].message, cases[i].problem);
		assert_int_equal(errors.items[0].line, cases[i].line);
		err_done(&errors);
	}
	struct err_list errors = {0};
	assert_null(tickets_read("/nowhere/tickets", &errors));
	assert_string_equal(err_first_message(&errors), "No such file or directory");
	err_done(&errors);
}

static void test_random_ones_differ(void **state)
{
	struct err_list errors = {0};
	struct ticket_secrets *one = tickets_read(NULL, &errors), *other = tickets_read(NULL, &errors);
	assert_memory_not_equal(one->secret[0], other->secret[0], TICKET_SECRET_OCTETS);
	assert_int_not_equal(one->id, other->id);
	tickets_free(one);
	tickets_free(other);
}

static void test_open_files_are_warned_of(void **state)
{
	struct err_list errors = {0};
	strcpy(path + strlen(path) - 6, "XXXXXX");
	int fd = mkstemp(path);
	assert_int_equal(write(fd, LINE, strlen(LINE)), strlen(LINE));
	fchmod(fd, 0644);
	close(fd);
	struct ticket_secrets *secrets = tickets_read(path, &errors);
	assert_non_null(secrets);
	assert_int_equal(errors.count, 1);
	assert_true(errors.items[0].is_warning);
	tickets_free(secrets);
	err_done(&errors);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_random_ones_differ),
		cmocka_unit_test(test_open_files_are_warned_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
