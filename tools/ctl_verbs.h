/* The table of verbs. */
#pragma once
#include <stddef.h>

struct ctl_verb;

const struct ctl_verb *const *ctl_verbs(size_t *ret_count);
