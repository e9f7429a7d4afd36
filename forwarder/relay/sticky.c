/* One field of the answer. A worker's thread. */
#include "forwarder/relay/sticky.h"
#include "forwarder/plan/pool.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/worker.h"
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 256 /* a longer name is not used: validation refuses it long before */

void sticky_set(struct worker *worker, struct exchange *exchange, const struct pool *pool)
{
	char made[BALANCE_STICKY_LENGTH], value[VALUE_MAX], age[32] = "";

	if (!pool || !pool->sticky_cookie)
		return;
	balance_sticky_make(worker->relay->sticky_key, exchange->choice.origin, made);
	if (pool->sticky_ttl_s)
		snprintf(age, sizeof age, "; Max-Age=%u", pool->sticky_ttl_s);
	int length = snprintf(value, sizeof value, "%s=%.*s; Path=/; HttpOnly; SameSite=Lax%s%s",
			      pool->sticky_cookie, BALANCE_STICKY_LENGTH, made,
			      exchange->is_https ? "; Secure" : "", age);
	if (length > 0 && (size_t)length < sizeof value)
		own_reply_add(exchange, "Set-Cookie", value, (size_t)length);
}
