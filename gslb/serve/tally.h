/* What a worker counts (gslb/decide/stats.h). Its own thread writes, no lock. */
#pragma once
#include "gslb/decide/resolve.h"
#include "gslb/decide/stats.h"
#include "gslb/serve/answer.h"
#include "gslb/serve/message.h"

void tally_reply(struct stats *stats, enum transport transport, const struct message *message,
		 const struct answer *answer);
/* `queries` that were answered together, `ns` after they were received. */
void tally_latency(struct stats *stats, enum transport transport, unsigned queries, uint64_t ns);
