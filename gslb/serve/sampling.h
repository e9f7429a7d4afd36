/* What a worker tells of an answered query (gslb/decide/sample.h). Its own thread writes, no lock. */
#pragma once
#include "gslb/decide/resolve.h"
#include "gslb/decide/sample.h"
#include "gslb/serve/answer.h"
#include "gslb/serve/message.h"

/* For somebody who looks on; see sample_is_wanted. */
void sampling_put(struct sample_ring *ring, uint64_t now_ns, enum transport transport,
		  const struct incoming *incoming, const struct answer *answer);
