/*
 * Reads the command line: the options that stand anywhere, the verb's own, and the arguments. It finds usage
 * mistakes before anything is sent. One thread.
 */
#include "tools/ctl_line.h"
#include "lib/arena.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GLOBAL_OPTIONS "socket@ output: timeout: help version"
#define KINDS ":+@"

/* Of parts of the product that this build lacks. */
static const char *const later_options[] = {"server", "token-file"};

enum ctl_exit ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("gslbctl: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (ctl->verb)
		fprintf(stderr, "\n(gslbctl %s --help tells more)\n", ctl->verb->words);
	else
		fputs("\n(gslbctl --help lists the verbs)\n", stderr);
	return CTL_USAGE;
}

/* ---- options ---- */

const char *ctl_option(const struct ctl *ctl, const char *name)
{
	size_t at = 0;
	return ctl_option_next(ctl, name, &at);
}

/* The mark behind the option in `words`, ' ' for a switch, 0 when it is not among them. */
static char option_kind(const char *words, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = words ? words : ""; *at;) {
		size_t word = strcspn(at, " " KINDS);
		char kind = at[word] && strchr(KINDS, at[word]) ? at[word] : ' ';
		assert(word > 0);
		if (word == length && memcmp(at, name, length) == 0)
			return kind;
		at += word;
		at += strspn(at, " " KINDS);
	}
	return 0;
}

/* The same for an option that stands anywhere or belongs to any verb. A name is a switch everywhere or
 * nowhere. */
static char kind_somewhere(const struct ctl *ctl, const char *name)
{
	char kind = option_kind(GLOBAL_OPTIONS, name);
	for (size_t i = 0; i < ctl->verb_count && !kind; i++)
		kind = option_kind(ctl->verbs[i]->options, name);
	return kind;
}

const char *ctl_option_next(const struct ctl *ctl, const char *name, size_t *at)
{
	assert(kind_somewhere(ctl, name)); /* else the verb asks for an option that nobody can give */
	assert(*at <= ctl->option_count);
	while (*at < ctl->option_count) {
		const struct ctl_option *option = &ctl->options[(*at)++];
		if (strcmp(option->name, name) == 0)
			return option->value ? option->value : "";
	}
	return NULL;
}

static bool is_later_option(const struct ctl *ctl, const char *name)
{
	for (size_t i = 0; i < sizeof later_options / sizeof *later_options; i++)
		if (strcmp(later_options[i], name) == 0)
			return true;
	return ctl->verb && option_kind(ctl->verb->later, name);
}

static enum ctl_exit unknown_option(const struct ctl *ctl, const char *name)
{
	const char *own = ctl->verb && ctl->verb->options ? ctl->verb->options : "";
	char *copy = xasprintf("%s " GLOBAL_OPTIONS, own);
	const char *words[32];
	size_t count = 0;
	for (char *save, *word = strtok_r(copy, " " KINDS, &save); word;
	     word = strtok_r(NULL, " " KINDS, &save)) {
		assert(count < sizeof words / sizeof *words);
		words[count++] = word;
	}
	const char *nearest = text_nearest(name, words, count);
	enum ctl_exit code;
	if (ctl->verb)
		code = ctl_usage(ctl, "%s has no option --%s%s%s%s", ctl->verb->words, name,
				 nearest ? "; did you mean --" : "", nearest ? nearest : "",
				 nearest ? "?" : "");
	else
		code = ctl_usage(ctl, "unknown option --%s%s%s%s", name, nearest ? "; did you mean --" : "",
				 nearest ? nearest : "", nearest ? "?" : "");
	free(copy);
	return code;
}

static enum ctl_exit set_global(struct ctl *ctl, const char *name, const char *value)
{
	if (strcmp(name, "socket") == 0) {
		ctl->socket_path = value;
	} else if (strcmp(name, "timeout") == 0) {
		if (!text_to_duration_ms(value, &ctl->timeout_ms) || ctl->timeout_ms == 0)
			return ctl_usage(ctl, "--timeout %s: not a duration (500ms, 10s, 2m)", value);
	} else if (strcmp(value, "json") == 0 || strcmp(value, "table") == 0) {
		assert(strcmp(name, "output") == 0);
		ctl->output = *value == 'j' ? CTL_JSON : CTL_TABLE;
	} else {
		return ctl_usage(ctl, "--output %s: one of table, json", value);
	}
	return CTL_DONE;
}

/* ---- the line ---- */

/* "file" for "--file" and "-f", "file=x" for "--file=x". NULL: an unknown short option. */
static const char *long_name(const char *argument)
{
	static const struct {
		const char *brief, *name;
	} short_names[] = {{"-o", "output"}, {"-f", "file"}, {"-h", "help"}};
	if (strncmp(argument, "--", 2) == 0)
		return argument + 2;
	for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++)
		if (strncmp(argument, short_names[i].brief, 2) == 0 && (!argument[2] || argument[2] == '='))
			return short_names[i].name;
	return NULL;
}

size_t ctl_line_words(const struct ctl *ctl, int argc, char **argv, const char **words, size_t most)
{
	size_t count = 0;
	for (int i = 1; i < argc && count < most; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			words[count++] = argv[i];
			continue;
		}
		const char *name = long_name(argv[i]);
		bool stands_alone = !name || strchr(argv[i], '=') || kind_somewhere(ctl, name) == ' ';
		i += !stands_alone;
	}
	return count;
}

/* Keeps a known option, whose kind is that of option_kind(). */
static enum ctl_exit keep_option(struct ctl *ctl, const char *name, char kind, const char *value)
{
	assert(kind && (kind == ' ') == !value);
	if (option_kind(GLOBAL_OPTIONS, name)) {
		if (value)
			return set_global(ctl, name, value);
		ctl->wants_help |= strcmp(name, "help") == 0;
		ctl->wants_version |= strcmp(name, "version") == 0;
		return CTL_DONE;
	}
	assert(ctl->verb);
	if (value && kind != '+' && ctl_option(ctl, name))
		return ctl_usage(ctl, "--%s is given twice", name);
	if (ctl->option_count == CTL_OPTIONS_MAX)
		return ctl_usage(ctl, "more than %d options", CTL_OPTIONS_MAX);
	ctl->options[ctl->option_count++] = (struct ctl_option){name, value, kind == '@'};
	return CTL_DONE;
}

static enum ctl_exit read_option(struct ctl *ctl, int argc, char **argv, int *at)
{
	const char *written = argv[*at];
	const char *name = long_name(written);
	if (!name)
		return ctl_usage(ctl, "unknown option %s", written);
	char *value = strchr(written, '=');
	if (written[1] != '-')
		value = written[2] == '=' ? argv[*at] + 2 : NULL;
	bool is_long = strncmp(written, "--", 2) == 0;
	const char *bare = arena_strndup(ctl->arena, name, is_long ? strcspn(name, "=") : strlen(name));
	char kind = option_kind(GLOBAL_OPTIONS, bare);
	if (!kind && ctl->verb)
		kind = option_kind(ctl->verb->options, bare);
	if (!kind && is_later_option(ctl, bare))
		return ctl_usage(ctl, "--%s is not supported by this build", bare);
	if (!kind)
		return unknown_option(ctl, bare);
	if (kind == ' ' && value)
		return ctl_usage(ctl, "--%s takes no value", bare);
	if (kind != ' ' && !value && *at + 1 >= argc)
		return ctl_usage(ctl, "--%s needs a value", bare);
	if (kind != ' ')
		value = value ? value + 1 : argv[++*at];
	return keep_option(ctl, bare, kind, value);
}

enum ctl_exit ctl_line_read(struct ctl *ctl, int argc, char **argv, size_t verb_words)
{
	bool only_words = false;
	assert(ctl->arg_count == 0 && ctl->option_count == 0);
	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			if (verb_words > 0) {
				verb_words--;
			} else if (ctl->arg_count == CTL_ARGS_MAX) {
				return ctl_usage(ctl, "more than %d arguments", CTL_ARGS_MAX);
			} else {
				ctl->args[ctl->arg_count++] = argv[i];
			}
		} else {
			enum ctl_exit code = read_option(ctl, argc, argv, &i);
			if (code != CTL_DONE)
				return code;
		}
	}
	return CTL_DONE;
}

bool ctl_line_has_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

enum ctl_exit ctl_line_check(const struct ctl *ctl)
{
	const struct ctl_verb *verb = ctl->verb;
	const char *takes = verb->args ? verb->args : "";
	if (ctl->arg_count < verb->least)
		return ctl_usage(ctl, "%s needs %s", verb->words, takes);
	if (ctl->arg_count > verb->most)
		return ctl_usage(ctl, "'%s' is one word too many for %s", ctl->args[verb->most], verb->words);
	for (size_t i = 0; i < ctl->arg_count; i++) {
		if (!*ctl->args[i])
			return ctl_usage(ctl, "%s needs %s, and one of them is empty", verb->words, takes);
		/* Names of files are octets; all else goes into JSON, which is UTF-8. */
		if (!text_is_utf8(ctl->args[i]) && !strstr(takes, "FILE"))
			return ctl_usage(ctl, "'%s' is not UTF-8", ctl->args[i]);
	}
	for (size_t i = 0; i < ctl->option_count; i++) {
		const struct ctl_option *option = &ctl->options[i];
		if (option->value && !option->is_file && !text_is_utf8(option->value))
			return ctl_usage(ctl, "--%s %s: not UTF-8", option->name, option->value);
	}
	return CTL_DONE;
}
