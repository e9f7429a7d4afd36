/* The log as programs and people read it: one line a record, whatever the message holds. */
#include "lib/log.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What `level` and `message` leave on standard error. */
static void capture(enum log_level level, const char *message, char *out, size_t size)
{
	int pipe_ends[2], saved = dup(STDERR_FILENO);

	assert_int_equal(pipe(pipe_ends), 0);
	dup2(pipe_ends[1], STDERR_FILENO);
	log_at(level, "%s", message);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_ends[1]);
	ssize_t length = read(pipe_ends[0], out, size - 1);
	close(pipe_ends[0]);
	assert_true(length >= 0);
	out[length] = '\0';
}

static void text_is_one_line(void **state)
{
	char out[256];

	log_init("gslbd", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	capture(LOG_LEVEL_WARNING, "odd\nERROR forged", out, sizeof out);
	assert_non_null(strstr(out, "Z gslbd warning: odd ERROR forged\n"));
	assert_int_equal(out[4], '-');
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	capture(LOG_LEVEL_WARNING, "caf\xe9 caf\xc3\xa9", out, sizeof out);
	assert_non_null(strstr(out, ": caf? caf\xc3\xa9\n"));
}

static void json_is_one_object(void **state)
{
	char out[256];

	log_init("gslbd", LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	capture(LOG_LEVEL_ERROR, "a \"b\"\n\xff", out, sizeof out);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	json_t *record = json_loads(out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(record, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(record, "program")), "gslbd");
	assert_string_equal(json_string_value(json_object_get(record, "message")), "a \"b\"\n?");
	assert_int_equal(json_string_length(json_object_get(record, "time")), 20);
	json_decref(record);
}

static void records_above_the_level_are_dropped(void **state)
{
	char out[256];

	log_init("gslbd", LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	capture(LOG_LEVEL_INFO, "quiet", out, sizeof out);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_one_line),
		cmocka_unit_test(json_is_one_object),
		cmocka_unit_test(records_above_the_level_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
