/* What rrl.c (allocation) and rrl_check.c (UDP path) share. */
#pragma once
#include "gslb/serve/rrl.h"

/* `due_ns`: when the prefix will have earned what it got so far (lib/gcra.h). */
struct rrl_bucket {
	uint64_t due_ns;
	uint32_t tag;	/* of the prefix; 0: free */
	uint32_t slips; /* limited queries so far */
};

struct rrl {
	struct rrl_bucket buckets[RRL_BUCKETS] __attribute__((aligned(64)));
};
