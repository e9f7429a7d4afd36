/* Reads the words of the command line into a struct ctl. */
#pragma once
#include "tools/ctl.h"

/* Finds the first words that are no options, at most `most`. The verb is not known yet, so this takes the
 * word behind an option for its value, unless the option is a switch of some verb. */
size_t ctl_line_words(const struct ctl *ctl, int argc, char **argv, const char **words, size_t most);
/* Reads options and arguments; the first `verb_words` words are the verb's own. */
enum ctl_exit ctl_line_read(struct ctl *ctl, int argc, char **argv, size_t verb_words);
/* Refuses too few and too many arguments, empty ones, and text that JSON cannot hold. */
enum ctl_exit ctl_line_check(const struct ctl *ctl);
bool ctl_line_has_help(int argc, char **argv);
