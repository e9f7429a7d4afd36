/* The options of a daemon. Main thread. */
#include "daemon/options.h"
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { OPTION_CHECK = 256, OPTION_LOG_FORMAT, OPTION_LOG_LEVEL, OPTION_VERSION };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static void print_help(const struct options_program *program)
{
	printf("Usage: %s -c NODE.YAML [--check] [--log-format text|json] [--log-level LEVEL]\n"
	       "\n"
	       "%s\n"
	       "\n"
	       "  -c, --config FILE      the node's configuration\n"
	       "      --check            read everything, print every error as file:line:column: message,\n"
	       "                         open nothing; exit 0 (good) or 1\n"
	       "      --log-format F     text (default) or json\n"
	       "      --log-level L      error, warning, info (default) or debug\n"
	       "      --version          print the version\n"
	       "  -h, --help             print this\n"
	       "\n"
	       "SIGHUP reloads all files (a bad one changes nothing), SIGTERM ends it.\n"
	       "Exit status: 0 clean end or good configuration, 1 configuration or start failure, 2 usage.\n",
	       program->name, program->purpose);
}

static int usage(const struct options_program *program, const char *problem)
{
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program->name, problem, program->name);
	return 2;
}

static bool read_level(const char *text, enum log_level *ret)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

int options_parse(const struct options_program *program, int argc, char **argv, struct options *ret)
{
	assert(program->name && program->purpose && argc > 0);
	struct options options = {.log_format = LOG_FORMAT_TEXT, .log_level = LOG_LEVEL_INFO};
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			options.config_path = optarg;
			break;
		case OPTION_CHECK:
			options.checks_only = true;
			break;
		case OPTION_LOG_FORMAT:
			if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
				return usage(program, "--log-format takes text or json");
			options.log_format = optarg[0] == 'j' ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
			break;
		case OPTION_LOG_LEVEL:
			if (!read_level(optarg, &options.log_level))
				return usage(program, "--log-level takes error, warning, info or debug");
			break;
		case OPTION_VERSION:
			printf("%s %s\n", program->name, GSLB_VERSION);
			return 0;
		case 'h':
			print_help(program);
			return 0;
		default:
			return usage(program, "unknown option");
		}
	}
	if (optind < argc)
		return usage(program, "no arguments are taken beside options");
	if (!options.config_path)
		return usage(program, "-c NODE.YAML is missing");
	*ret = options;
	return -1;
}
