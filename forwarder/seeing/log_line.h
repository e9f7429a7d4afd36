/*
 * A line of the access log: one JSON object with the same members in each, null where a request has none.
 * docs/access-log.md says what they mean. Pure; the writer's thread.
 */
#pragma once
#include "forwarder/io/log_record.h"
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX ((size_t)16 << 10)

struct log_line_settings {
	const char *region; /* of this node */
	bool anonymizes;    /* addresses are cut to /24 and /56 */
};

/* The time as text, kept from one line to the next. Zero it at first. */
struct log_line_clock {
	int64_t offset_ns; /* from CLOCK_MONOTONIC to the time of day */
	int64_t second;	   /* that `text` says; 0: none yet */
	char text[20];	   /* "2026-01-31T12:00:00" */
};

/* Returns the octets of the line, with its end. */
size_t log_line_write(const struct log_record *record, const struct log_line_settings *settings,
		      struct log_line_clock *clock, char out[static LOG_LINE_MAX]);
/* In the place of as many lines that were lost. */
size_t log_line_dropped(uint64_t count, int64_t unix_ns, struct log_line_clock *clock,
			char out[static LOG_LINE_MAX]);
