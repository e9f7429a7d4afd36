/* One turn of a worker after the other: wait, then do what came. A worker's thread. */
#pragma once
#include <stdbool.h>

struct worker;

/* Until it is told to stop. */
void loop_run(struct worker *worker);
