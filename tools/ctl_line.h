/* The words of the command line, into a struct ctl. One thread. */
#pragma once
#include "tools/ctl.h"

/* Words that are no options, at most `most`. The verb is not known yet, so that an option takes the next word
 * unless some verb has it as a switch. */
size_t ctl_line_words(const struct ctl *ctl, int argc, char **argv, const char **words, size_t most);
/* Reads options and arguments; the first `verb_words` words are the verb's own. */
enum ctl_exit ctl_line_read(struct ctl *ctl, int argc, char **argv, size_t verb_words);
/* As many arguments as the verb takes, none of them empty, and all of them text that JSON can hold. */
enum ctl_exit ctl_line_check(const struct ctl *ctl);
bool ctl_line_has_help(int argc, char **argv);
