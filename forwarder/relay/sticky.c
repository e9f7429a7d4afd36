/*
 * The cookie's keys come from the file of secrets that nodes of a region share for TLS tickets, so that each
 * of them knows the other's cookies, and nobody else can tell or make up which origin one names. Without that
 * file all nodes have one key that is no secret. A worker's thread.
 */
#include "forwarder/relay/sticky.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/worker.h"
#include "lib/siphash.h"
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 256 /* a longer name is not used: validation refuses it long before */

#define KEY_OCTETS 16
#define LABEL "gslb sticky key"

static const uint8_t no_secret[KEY_OCTETS] = "gslb sticky hash";

/* The first makes cookies, all find what they name. Returns how many. */
static size_t derive_keys(const struct ticket_secrets *secrets, uint8_t out[][KEY_OCTETS])
{
	if (!secrets || !secrets->is_of_file) {
		memcpy(out[0], no_secret, KEY_OCTETS);
		return 1;
	}
	for (size_t i = 0; i < secrets->count; i++)
		for (unsigned half = 0; half < 2; half++)
			hash_store64(out[i] + 8 * half, siphash24(secrets->secret[i] + KEY_OCTETS * half,
								  (const uint8_t *)LABEL, sizeof LABEL - 1));
	return secrets->count;
}

static size_t keys_of(struct worker *worker, uint8_t out[][KEY_OCTETS])
{
	return derive_keys(((const struct world *)publish_get(worker->relay->world))->tickets, out);
}

int sticky_find(struct worker *worker, const struct exchange *exchange, const struct pool *pool)
{
	uint8_t keys[TICKET_SECRETS_MAX][KEY_OCTETS];

	if (!exchange->has_sticky)
		return -1;
	size_t count = keys_of(worker, keys);
	for (size_t i = 0; i < count; i++) {
		int member = balance_sticky_find(pool, keys[i], exchange->sticky, sizeof exchange->sticky);
		if (member >= 0)
			return member;
	}
	return -1;
}

void sticky_set(struct worker *worker, struct exchange *exchange, const struct pool *pool)
{
	char made[BALANCE_STICKY_LENGTH], value[VALUE_MAX], age[32] = "";
	uint8_t keys[TICKET_SECRETS_MAX][KEY_OCTETS];

	if (!pool || !pool->sticky_cookie)
		return;
	if (keys_of(worker, keys) == 0)
		return;
	balance_sticky_make(keys[0], exchange->choice.origin, made);
	if (pool->sticky_ttl_s)
		snprintf(age, sizeof age, "; Max-Age=%u", pool->sticky_ttl_s);
	int length = snprintf(value, sizeof value, "%s=%.*s; Path=/; HttpOnly; SameSite=Lax%s%s",
			      pool->sticky_cookie, BALANCE_STICKY_LENGTH, made,
			      exchange->is_https ? "; Secure" : "", age);
	if (length > 0 && (size_t)length < sizeof value)
		own_reply_add(exchange, "Set-Cookie", value, (size_t)length);
}
