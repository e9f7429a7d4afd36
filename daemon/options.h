/*
 * The command line that every daemon has: -c FILE, --check, --log-format, --log-level, --version, --help.
 * Main thread, before anything else runs.
 */
#pragma once
#include "lib/log.h"
#include <stdbool.h>

struct options_program {
	const char *name;    /* "gslbd" */
	const char *purpose; /* what it does, for --help: one sentence in lines of at most 80 characters */
};

struct options {
	const char *config_path; /* borrowed from argv */
	bool checks_only;
	enum log_format log_format;
	enum log_level log_level;
};

/* -1: `ret` is filled and the daemon shall run or check. Else the exit status: 0 where --help or --version
 * was answered, 2 for a usage error that standard error tells of. */
int options_parse(const struct options_program *program, int argc, char **argv, struct options *ret);
