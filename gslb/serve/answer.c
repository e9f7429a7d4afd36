/* The pipeline of one query: parse, decide, write, count. Any reader thread. */
#include "gslb/serve/answer.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/budget.h"
#include "gslb/serve/cookie.h"
#include "gslb/serve/message.h"
#include "gslb/serve/reply.h"
#include "gslb/serve/rrl.h"
#include "gslb/serve/sampling.h"
#include "gslb/serve/tally.h"

/* What holds before the first world is there. */
static const struct serve_settings settings_before = {.edns_size = 1232};

static void decline(uint8_t rcode, int16_t ede, struct answer *ret)
{
	ret->rcode = rcode;
	ret->is_authoritative = ret->uses_client = ret->is_truncated = false;
	ret->scope = 0;
	ret->ede = ede;
	ret->ede_text = "";
	ret->answer_count = ret->authority_count = ret->additional_count = 0;
	ret->vip_count[0] = ret->vip_count[1] = 0;
	ret->tenant = INDEX_NONE;
	ret->zone = NULL;
	ret->charged = NULL;
	ret->choice.policy = NULL;
}

static void decide(struct serve_context *context, const struct world *world, const struct message *message,
		   const struct ip *peer)
{
	struct answer *answer = context->scratch;
	struct client client;
	edns_client(&message->edns, peer, &client);
	resolve(world, &message->question, &client, rng_peek(&context->rng), answer);
	if (answer->choice.policy && answer->choice.policy->service->split == SPLIT_RANDOM)
		rng_next(&context->rng); /* that one is used */
}

/* RFC 6891 §6.2.3, §6.2.5: over UDP what both sides can take, 512 octets without EDNS. */
static size_t reply_limit(enum transport transport, const struct edns *edns,
			  const struct serve_settings *settings, size_t capacity)
{
	size_t limit = MESSAGE_MAX;
	if (transport == TRANSPORT_UDP) {
		limit = edns->is_present ? edns->payload : UDP_PAYLOAD_MIN;
		if (limit > settings->edns_size)
			limit = settings->edns_size;
	}
	return limit < capacity ? limit : capacity;
}

/* Cookies (RFC 7873 §5.2): what the client's is worth; a fresh one of ours goes back with the reply. */
static enum cookie_state check_cookie(const struct serve_context *context,
				      const struct serve_settings *settings, const struct ip *peer,
				      struct edns *edns)
{
	if (edns->cookie_length == 0)
		return COOKIE_ABSENT;
	uint32_t now_unix_s = (uint32_t)(((int64_t)context->now_ns + settings->unix_offset_ns) / 1000000000);
	enum cookie_state state = cookie_check(settings, now_unix_s, peer, edns->cookie, edns->cookie_length);
	edns->has_server_cookie = state != COOKIE_ABSENT;
	if (edns->has_server_cookie)
		cookie_make(settings, now_unix_s, peer, edns->cookie, edns->server_cookie);
	return state;
}

/* False: silence. Who shows a good cookie has shown that its address is its own. */
static bool pass_rate_limit(struct serve_context *context, const struct serve_settings *settings,
			    enum transport transport, enum cookie_state cookie, const struct ip *peer,
			    struct answer *answer)
{
	if (!context->rrl || transport != TRANSPORT_UDP || cookie == COOKIE_GOOD)
		return true;
	switch (rrl_check(context->rrl, settings, peer, context->now_ns)) {
	case RRL_PASS:
		return true;
	case RRL_SLIP:
		counter_add(&context->stats->limited[LIMITED_CLIENT], 1);
		answer->is_truncated = true;
		return true;
	case RRL_DROP:
		break;
	}
	counter_add(&context->stats->dropped[DROP_LIMIT], 1);
	return false;
}

/* TC where the tenant whose name it is has used up its budget. TCP costs the client enough by itself. */
static void charge_tenant(struct serve_context *context, const struct world *world, enum transport transport,
			  struct answer *answer)
{
	const struct node *node = answer->charged;
	if (!node || !world->plan->policies[node->policy].has_budget || !context->budgets ||
	    transport != TRANSPORT_UDP || answer->is_truncated)
		return;
	if (budget_take(context->budgets, &world->plan->budgets[node->policy], node->tenant,
			answer->rcode == RCODE_NXDOMAIN, context->now_ns))
		return;
	counter_add(&context->stats->limited[LIMITED_TENANT], 1);
	answer->is_truncated = true;
}

/* What the verdict of the parser asks for; with a well-formed question, the decision. */
static void answer_verdict(struct serve_context *context, const struct world *world, enum transport transport,
			   const struct ip *peer, const struct message *message, enum verdict verdict,
			   enum cookie_state cookie)
{
	struct answer *answer = context->scratch;
	if (cookie == COOKIE_BAD && transport == TRANSPORT_UDP &&
	    (verdict == VERDICT_ANSWER || verdict == VERDICT_COOKIE)) {
		decline(RCODE_BADCOOKIE, EDE_NONE, answer); /* RFC 7873 §5.2.3 */
		return;
	}
	switch (verdict) {
	case VERDICT_ANSWER:
		if (world)
			decide(context, world, message, peer);
		else
			decline(RCODE_REFUSED, EDE_NOT_READY, answer);
		return;
	case VERDICT_COOKIE:
		decline(cookie == COOKIE_ABSENT ? RCODE_FORMERR : RCODE_NOERROR, EDE_NONE, answer);
		return;
	case VERDICT_NOTIMP:
		decline(RCODE_NOTIMP, EDE_NONE, answer);
		return;
	case VERDICT_BADVERS:
		decline(RCODE_BADVERS, EDE_NONE, answer);
		return;
	case VERDICT_UNSUPPORTED:
		decline(RCODE_REFUSED, EDE_NOT_SUPPORTED, answer);
		return;
	default:
		decline(RCODE_FORMERR, EDE_NONE, answer);
		return;
	}
}

/* RFC 7871 §11.1: where only some resolvers are believed, the option of all others is one that we do not
 * know, neither used nor sent back. */
static bool believes_subnet(const struct serve_settings *settings, const struct ip *peer)
{
	if (!settings->ecs || settings->ecs_from_count == 0)
		return settings->ecs;
	for (unsigned i = 0; i < settings->ecs_from_count; i++)
		if (prefix_contains(&settings->ecs_from[i], peer))
			return true;
	return false;
}

size_t answer_query(struct serve_context *context, const struct world *world, enum transport transport,
		    const struct ip *peer, const uint8_t *query, size_t length, uint8_t *out, size_t capacity)
{
	const struct serve_settings *settings = world ? &world->settings : &settings_before;
	struct answer *answer = context->scratch;
	struct message message;
	enum verdict verdict = message_parse(query, length, believes_subnet(settings, peer), &message);
	if (verdict == VERDICT_NOT_A_HEADER || verdict == VERDICT_NOT_A_QUERY) {
		counter_add(&context->stats->dropped[verdict == VERDICT_NOT_A_QUERY ? DROP_RESPONSE
										    : DROP_MALFORMED],
			    1);
		return 0;
	}
	message.edns.wants_keepalive &= transport == TRANSPORT_TCP;
	enum cookie_state cookie = check_cookie(context, settings, peer, &message.edns);
	answer_verdict(context, world, transport, peer, &message, verdict, cookie);
	if (!pass_rate_limit(context, settings, transport, cookie, peer, answer))
		return 0;
	charge_tenant(context, world, transport, answer);
	tally_reply(context->stats, transport, &message, answer);
	if (sample_is_wanted(context->stats->samples, answer->tenant))
		sampling_put(context->stats->samples, context->now_ns, transport, peer, &message, answer);
	return reply_write(&message, answer, settings,
			   reply_limit(transport, &message.edns, settings, capacity), out);
}
