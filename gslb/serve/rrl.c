/* The table of a worker. Control thread. */
#include "gslb/serve/rrl_table.h"
#include <stdlib.h>
#include <string.h>

struct rrl *rrl_new(void)
{
	struct rrl *rrl = aligned_alloc(64, sizeof *rrl);
	if (!rrl)
		abort();
	memset(rrl, 0, sizeof *rrl);
	return rrl;
}

void rrl_free(struct rrl *rrl)
{
	free(rrl);
}
