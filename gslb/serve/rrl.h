/*
 * Response rate limiting (configuration.md, `dns.rrl`): how many UDP responses a client prefix (/24 or
 * /56) gets a second, so that nobody uses this server to flood a forged address. A limited query is
 * dropped, but for every slip-th, which gets a truncated reply: a real client comes back by TCP.
 * Each worker has a table of its own; no lock, no allocation after rrl_new.
 */
#pragma once
#include "gslb/decide/world.h"

#define RRL_BUCKETS 65536 /* client prefixes that one worker remembers */
#define RRL_WAYS 4	  /* places that a prefix can be in: one cache line */

struct rrl;

enum rrl_action { RRL_PASS, RRL_SLIP, RRL_DROP };

struct rrl *rrl_new(void);	/* control thread */
void rrl_free(struct rrl *rrl); /* NULL is fine */
/* Counts one response to the peer. `now_ns`: monotonic. Settings without a limit pass everything. */
enum rrl_action rrl_check(struct rrl *rrl, const struct serve_settings *settings, const struct ip *peer,
			  uint64_t now_ns);
