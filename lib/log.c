/*
 * Log records to standard error, one line and one write(2) each, so that lines of several threads
 * never mix. Control threads only.
 */
#include "lib/log.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* Set once by log_init before the other threads start. */
static const char *log_program = "gslb";
static enum log_format log_as = LOG_FORMAT_TEXT;
static enum log_level log_most = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_format format, enum log_level most)
{
	log_program = program;
	log_as = format;
	log_most = most;
}

static char *format_json(const char *when, enum log_level level, const char *message)
{
	json_t *record = json_pack("{s:o, s:o, s:o, s:o}", "time", json_text(when), "level",
				   json_text(level_names[level]), "program", json_text(log_program),
				   "message", json_text(message));
	char *line = record ? json_dumps(record, JSON_COMPACT) : NULL;
	json_decref(record);
	if (!line)
		abort();
	char *ended = xasprintf("%s\n", line);
	free(line);
	return ended;
}

/* A message may quote input: control characters must not forge a second line, nor octets of no character
 * spoil the reader's. */
static char *format_text(const char *when, enum log_level level, const char *message)
{
	char *line = xasprintf("%s %s %s: %s\n", when, log_program, level_names[level], message);

	for (char *c = line; c[0] != '\0' && c[1] != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	text_mend_utf8(line);
	return line;
}

void log_at(enum log_level level, const char *format, ...)
{
	char when[32], *message;
	va_list args;

	assert((size_t)level < sizeof level_names / sizeof level_names[0]);
	if (level > log_most)
		return;
	va_start(args, format);
	int length = vasprintf(&message, format, args);
	va_end(args);
	if (length < 0)
		abort();
	text_from_unix_ms(clock_unix_ms(), when);
	char *line = log_as == LOG_FORMAT_JSON ? format_json(when, level, message)
					       : format_text(when, level, message);
	if (write(STDERR_FILENO, line, strlen(line)) < 0) {
		/* standard error is gone: there is no other place to say so */
	}
	free(line);
	free(message);
}
