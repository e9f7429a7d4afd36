/* completion: writes a shell's functions that complete gslbctl's words, from the table of verbs. One thread.
 */
#include "tools/ctl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

#define GLOBAL_OPTIONS "--socket --output --timeout --help --version"

/* Prints the options of a verb as "--zone --service "; with `only_values` those alone that take a value. */
static void print_options(const char *words, bool only_values, char between)
{
	for (const char *at = words ? words : ""; *at;) {
		size_t length = strcspn(at, " :+@");
		bool takes_value = at[length] && at[length] != ' ';
		assert(length > 0);
		if (takes_value || !only_values)
			printf("--%.*s%c", (int)length, at, between);
		at += length;
		at += strspn(at, ":+@ ");
	}
}

static bool is_first_of_its_word(const struct ctl_verb *const *verbs, size_t at)
{
	assert(*verbs[at]->words && *verbs[at]->words != ' ');
	size_t length = strcspn(verbs[at]->words, " ");
	for (size_t i = 0; i < at; i++)
		if (strncmp(verbs[i]->words, verbs[at]->words, length) == 0 &&
		    strchr(" ", verbs[i]->words[length]))
			return false;
	return true;
}

/* The shell function that lists what may follow the words "$1 $2": a verb's options, or its second words. */
static void print_list_function(const struct ctl_verb *const *verbs, size_t count)
{
	puts("_gslbctl_list() {\n\tcase \"$1 $2\" in");
	for (size_t i = 0; i < count; i++) {
		bool is_one_word = !strchr(verbs[i]->words, ' ');
		printf(is_one_word ? "\t'%s '*) echo '" : "\t'%s') echo '", verbs[i]->words);
		print_options(verbs[i]->options, false, ' ');
		puts(GLOBAL_OPTIONS "' ;;");
	}
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(verbs[i]->words, " ");
		if (!verbs[i]->words[length] || !is_first_of_its_word(verbs, i))
			continue;
		printf("\t'%.*s '*) echo '", (int)length, verbs[i]->words);
		for (size_t j = i; j < count; j++)
			if (strncmp(verbs[j]->words, verbs[i]->words, length + 1) == 0)
				printf("%s ", verbs[j]->words + length + 1);
		puts("--help' ;;");
	}
	printf("\t*) echo '");
	for (size_t i = 0; i < count; i++)
		if (is_first_of_its_word(verbs, i))
			printf("%.*s ", (int)strcspn(verbs[i]->words, " "), verbs[i]->words);
	puts(GLOBAL_OPTIONS "' ;;\n\tesac\n}");
}

/* The end of a shell loop that finds the verb's first and second word among the words so far. */
static void print_loop(const struct ctl_verb *const *verbs, size_t count)
{
	printf("\t\tcase $word in\n\t\t");
	for (size_t i = 0; i < count; i++)
		print_options(verbs[i]->options, true, '|');
	puts("--socket|--output|--timeout|-o|-f) skip=1 ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) if [ -z \"$first\" ]; then first=$word; elif [ -z \"$second\" ]; then second=$word; fi "
	     ";;\n"
	     "\t\tesac\n"
	     "\tdone");
}

static void print_bash(const struct ctl_verb *const *verbs, size_t count)
{
	print_list_function(verbs, count);
	puts("_gslbctl() {\n"
	     "\tlocal first= second= word skip=\n"
	     "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	     "\t\tif [ -n \"$skip\" ]; then skip=; continue; fi");
	print_loop(verbs, count);
	puts("\tCOMPREPLY=()\n"
	     "\tif [ -z \"$skip\" ]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$(_gslbctl_list \"$first\" \"$second\")\" -- "
	     "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
	     "\tfi\n"
	     "}\n"
	     "complete -o default -F _gslbctl gslbctl");
}

static void print_zsh(const struct ctl_verb *const *verbs, size_t count)
{
	puts("#compdef gslbctl");
	print_list_function(verbs, count);
	puts("_gslbctl() {\n"
	     "\tlocal first= second= word skip= list\n"
	     "\tfor word in \"${(@)words[2,CURRENT-1]}\"; do\n"
	     "\t\tif [ -n \"$skip\" ]; then skip=; continue; fi");
	print_loop(verbs, count);
	puts("\tif [ -n \"$skip\" ]; then _files; return; fi\n"
	     "\tlist=$(_gslbctl_list \"$first\" \"$second\")\n"
	     "\tcompadd -- ${=list}\n"
	     "\t[ -n \"$first\" ] && _files\n"
	     "}\n"
	     "compdef _gslbctl gslbctl");
}

static enum ctl_exit run_completion(struct ctl *ctl)
{
	if (strcmp(ctl->args[0], "bash") == 0)
		print_bash(ctl->verbs, ctl->verb_count);
	else if (strcmp(ctl->args[0], "zsh") == 0)
		print_zsh(ctl->verbs, ctl->verb_count);
	else
		return ctl_usage(ctl, "completion %s: one of bash, zsh", ctl->args[0]);
	return CTL_DONE;
}

const struct ctl_verb verb_completion = {
	.group = "Node",
	.words = "completion",
	.args = "SHELL",
	.least = 1,
	.most = 1,
	.run = run_completion,
	.help = "what bash or zsh needs to complete these words",
	.more = "  . <(gslbctl completion bash)\n",
};
