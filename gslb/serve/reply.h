/* A whole reply from a query and its answer: sections, truncation, OPT, header. Any reader thread. */
#pragma once
#include "gslb/decide/resolve.h"
#include "gslb/serve/message.h"

/* Returns the octets written, at most `limit` (512..65535). `out` and the query do not overlap. */
size_t reply_write(const struct message *message, const struct answer *answer,
		   const struct serve_settings *settings, size_t limit, uint8_t *out);
