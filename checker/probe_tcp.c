/* The tcp check: a connection that is accepted is the whole question. Runs on the checker's thread. */
#include "checker/probe.h"

const struct probe_kind probe_tcp = {.name = "tcp", .ask = probe_succeed};
