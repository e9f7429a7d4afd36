/*
 * gslbctl: looks at one gslbd and steers it, by calls of its API. This file finds the verb, prints the help
 * and has main(). One thread.
 */
#include "lib/arena.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_line.h"
#include "tools/ctl_verbs.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/gslb/gslb.sock"
#define FORWARDER_SOCKET_DEFAULT "/run/forwarderd/forwarderd.sock"

/* Of parts of the product that this build lacks. */
static const char *const later_verbs[] = {"domain", "diff", "drill"};

/* ---- help ---- */

/* "tenant show ID"; malloc'ed. */
static char *usage_of(const struct ctl_verb *verb)
{
	return xasprintf("%s%s%s", verb->words, verb->args ? " " : "", verb->args ? verb->args : "");
}

static void print_help(const struct ctl *ctl)
{
	puts("gslbctl VERB … [--socket PATH] [-o table|json] [--timeout T]\n"
	     "Looks at and steers one gslbd, or looks at one forwarderd. Every verb is a call of its API; no "
	     "verb asks back.");
	const char *group = "";
	for (size_t i = 0; i < ctl->verb_count; i++) {
		const struct ctl_verb *verb = ctl->verbs[i];
		if (strcmp(group, verb->group) != 0)
			printf("\n%s\n", group = verb->group);
		char *usage = usage_of(verb);
		/* The ellipsis is three octets and one column. */
		int width = strstr(usage, "…") ? 30 : 28;
		if (strlen(usage) > (size_t)width)
			printf("  %s\n  %*s  %s\n", usage, 28, "", verb->help);
		else
			printf("  %-*s  %s\n", width, usage, verb->help);
		free(usage);
	}
	puts("\nOptions that stand anywhere\n"
	     "  --socket PATH   the node's API socket (or GSLB_SOCKET; default " SOCKET_DEFAULT ");\n"
	     "                  of the verbs under Forwarder its (or GSLB_FORWARDER_SOCKET; default\n"
	     "                  " FORWARDER_SOCKET_DEFAULT ")\n"
	     "  -o table|json   tables for people, or the API's reply unchanged\n"
	     "  --timeout T     give up after T; 10s when not given\n"
	     "  VERB --help     more on one verb\n"
	     "  --version\n"
	     "\nExamples\n"
	     "  gslbctl tenant add acme --zone app.example.net --service shop\n"
	     "  gslbctl explain acme.app.example.net --client 81.2.69.0/24\n"
	     "  gslbctl region drain eu --share 50 --for 30m --reason 'new kernel'\n"
	     "  gslbctl region restore eu\n"
	     "  gslbctl vips -o json\n"
	     "\nExit: 0 done, 1 refused, failed or not reached, 2 wrong usage. Times are UTC.");
}

static void print_verb_help(const struct ctl_verb *verb)
{
	char *usage = usage_of(verb);
	printf("gslbctl %s%s\n%s\n", usage, verb->options ? " [options]" : "", verb->help);
	if (verb->more)
		printf("\n%s", verb->more);
	free(usage);
}

/* ---- which verb ---- */

/* "tenant add" for "tenant" */
static bool begins_with(const struct ctl_verb *verb, const char *first)
{
	size_t length = strlen(first);
	return strncmp(verb->words, first, length) == 0 && verb->words[length] == ' ';
}

/* Prints the verbs that begin with the word `first`. False: there are none. */
static bool print_verbs_below(const struct ctl *ctl, const char *first, FILE *out)
{
	bool has_any = false;
	for (size_t i = 0; i < ctl->verb_count; i++) {
		if (!begins_with(ctl->verbs[i], first))
			continue;
		char *usage = usage_of(ctl->verbs[i]);
		fprintf(out, "  gslbctl %s\n", usage);
		free(usage);
		has_any = true;
	}
	return has_any;
}

static enum ctl_exit unknown_verb(const struct ctl *ctl, const char *first, const char *second)
{
	for (size_t i = 0; i < sizeof later_verbs / sizeof *later_verbs; i++)
		if (strcmp(first, later_verbs[i]) == 0)
			return ctl_usage(ctl, "'%s' is not supported by this build", first);
	const char **candidates = xcalloc(ctl->verb_count, sizeof *candidates);
	bool is_first_word = false;
	for (size_t i = 0; i < ctl->verb_count; i++) {
		candidates[i] = ctl->verbs[i]->words;
		is_first_word |= begins_with(ctl->verbs[i], first);
	}
	char *two = xasprintf("%s %s", first, second);
	const char *nearest = *second ? text_nearest(two, candidates, ctl->verb_count) : NULL;
	bool is_two = nearest && strchr(nearest, ' ');
	if (!is_two)
		nearest = text_nearest(first, candidates, ctl->verb_count);
	if (is_first_word && !is_two)
		ctl_usage(ctl, *second ? "%s has no verb '%s'" : "%s needs one more word", first, second);
	else
		ctl_usage(ctl, "unknown verb '%s'%s%s%s", is_two ? two : first,
			  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	print_verbs_below(ctl, first, stderr);
	free(two);
	free(candidates);
	return CTL_USAGE;
}

/* Finds the verb and how many words it has, one or two. NULL: it is unknown. */
static const struct ctl_verb *find_verb(const struct ctl *ctl, const char *first, const char *second,
					size_t *ret_words)
{
	for (size_t i = 0; i < ctl->verb_count; i++) {
		const struct ctl_verb *verb = ctl->verbs[i];
		bool is_one = strcmp(verb->words, first) == 0;
		if (!is_one &&
		    !(begins_with(verb, first) && strcmp(verb->words + strlen(first) + 1, second) == 0))
			continue;
		*ret_words = is_one ? 1 : 2;
		return verb;
	}
	return NULL;
}

static enum ctl_exit print_help_for(const struct ctl *ctl, const char *first, const char *second)
{
	if (ctl->verb)
		print_verb_help(ctl->verb);
	else if (!*first)
		print_help(ctl);
	else if (!print_verbs_below(ctl, first, stdout))
		return unknown_verb(ctl, first, second);
	return CTL_DONE;
}

/* What this program relies on in the table. */
static void check_table(const struct ctl *ctl)
{
	for (size_t i = 0; i < ctl->verb_count; i++) {
		const struct ctl_verb *verb = ctl->verbs[i];
		assert(verb->run && verb->group && verb->words && verb->help);
		assert(verb->least <= verb->most && verb->most <= CTL_ARGS_MAX);
		assert(verb->args || verb->most == 0);
		assert(!strchr(verb->words, ' ') || strchr(verb->words, ' ') == strrchr(verb->words, ' '));
		for (size_t j = 0; j < i; j++) {
			assert(strcmp(ctl->verbs[j]->words, verb->words) != 0);
			/* The verbs of a group stand together, as each group has one heading. */
			assert(strcmp(ctl->verbs[j]->group, verb->group) != 0 ||
			       strcmp(ctl->verbs[j + 1]->group, verb->group) == 0);
		}
		(void)verb;
	}
}

static const char *socket_of(const struct ctl_verb *verb)
{
	const char *path = getenv(verb->is_forwarders ? "GSLB_FORWARDER_SOCKET" : "GSLB_SOCKET");

	if (path && *path)
		return path;
	return verb->is_forwarders ? FORWARDER_SOCKET_DEFAULT : SOCKET_DEFAULT;
}

static enum ctl_exit run(struct ctl *ctl, int argc, char **argv)
{
	const char *words[3] = {"", "", ""};
	size_t count = ctl_line_words(ctl, argc, argv, words, 3), verb_words = 0;
	bool is_help = strcmp(words[0], "help") == 0;
	const char *first = words[is_help], *second = words[is_help + 1];
	ctl->verb = find_verb(ctl, first, second, &verb_words);
	ctl->wants_help = is_help;
	if (!ctl->verb && *first && !is_help && !ctl_line_has_help(argc, argv))
		return unknown_verb(ctl, first, second);
	enum ctl_exit code = ctl_line_read(ctl, argc, argv, ctl->verb ? verb_words + is_help : count);
	if (code != CTL_DONE)
		return code;
	if (ctl->wants_version) {
		puts("gslbctl " GSLB_VERSION);
		return CTL_DONE;
	}
	if (ctl->wants_help)
		return print_help_for(ctl, first, second);
	if (!ctl->verb)
		return ctl_usage(ctl, "which verb?");
	code = ctl_line_check(ctl);
	if (!ctl->socket_path)
		ctl->socket_path = socket_of(ctl->verb);
	return code == CTL_DONE ? ctl->verb->run(ctl) : code;
}

int main(int argc, char **argv)
{
	static struct ctl ctl; /* zeroed; too large for comfort on the stack */
	ctl.timeout_ms = 10000;
	ctl.arena = arena_new();
	ctl.verbs = ctl_verbs(&ctl.verb_count);
	check_table(&ctl);
	enum ctl_exit code = run(&ctl, argc, argv);
	arena_free(ctl.arena);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("gslbctl: standard output");
		code = CTL_FAILED;
	}
	return (int)code;
}
