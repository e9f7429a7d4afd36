/* All kinds of probes, by number and by name. Constant; any thread. */
#pragma once
#include "checker/probe_kind.h"

/* number: from 0. NULL: there are no more. A kind keeps its number for ever: the store remembers it. */
const struct probe_kind *probe_kinds_get(unsigned number);
const struct probe_kind *probe_kinds_find(const char *name); /* NULL: none */
unsigned probe_kinds_number(const struct probe_kind *kind);
