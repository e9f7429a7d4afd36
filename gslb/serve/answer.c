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
#include "lib/inline.h"
#include "zones/index_layout.h"

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
	ret->is_ready = false;
	ret->tenant = INDEX_NONE;
	ret->zone = NULL;
	ret->charged = NULL;
	ret->choice.policy = NULL;
}

/* RFC 6891 §6.2.3, §6.2.5: over UDP what both sides can take. */
static size_t reply_limit(enum transport transport, const struct edns *edns,
			  const struct serve_settings *settings, size_t capacity)
{
	size_t limit = capacity < MESSAGE_MAX ? capacity : MESSAGE_MAX;
	if (transport != TRANSPORT_UDP)
		return limit;
	if (limit > settings->edns_size)
		limit = settings->edns_size;
	return limit < edns->payload ? limit : edns->payload;
}

/* Cookies (RFC 7873 §5.2): what the client's is worth; a fresh one of ours goes back with the reply. */
static OUT_OF_LINE enum cookie_state check_cookie(const struct serve_context *context,
						  const struct serve_settings *settings,
						  const struct ip *peer, struct edns *edns)
{
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
	if (!node || !context->budgets || transport != TRANSPORT_UDP || answer->is_truncated)
		return;
	if (budget_take(context->budgets, &world->plan->budgets[node->policy], node->tenant,
			answer->rcode == RCODE_NXDOMAIN, context->now_ns))
		return;
	counter_add(&context->stats->limited[LIMITED_TENANT], 1);
	answer->is_truncated = true;
}

/* What a message that is not answered gets instead. */
static OUT_OF_LINE void decline_parsed(enum parse parse, enum cookie_state cookie, enum transport transport,
				       struct answer *answer)
{
	if (cookie == COOKIE_BAD && transport == TRANSPORT_UDP &&
	    (parse == PARSE_ANSWER || parse == PARSE_NOT_READY || parse == PARSE_COOKIE)) {
		decline(RCODE_BADCOOKIE, EDE_NONE, answer); /* RFC 7873 §5.2.3 */
		return;
	}
	switch (parse) {
	case PARSE_NOT_READY:
		decline(RCODE_REFUSED, EDE_NOT_READY, answer);
		return;
	case PARSE_COOKIE:
		decline(cookie == COOKIE_ABSENT ? RCODE_FORMERR : RCODE_NOERROR, EDE_NONE, answer);
		return;
	case PARSE_NOTIMP:
		decline(RCODE_NOTIMP, EDE_NONE, answer);
		return;
	case PARSE_BADVERS:
		decline(RCODE_BADVERS, EDE_NONE, answer);
		return;
	case PARSE_UNSUPPORTED:
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
	if (settings->ecs_from_count == 0 || !settings->ecs)
		return settings->ecs;
	for (unsigned i = 0; i < settings->ecs_from_count; i++)
		if (prefix_contains(&settings->ecs_from[i], peer))
			return true;
	return false;
}

static const struct serve_settings *settings_of(const struct world *world)
{
	return world ? &world->settings : &settings_before;
}

/* Nothing is sent for these. */
static inline bool deserves_silence(enum parse parse)
{
	return parse == PARSE_NOT_A_HEADER || parse == PARSE_NOT_A_QUERY;
}

WHOLE void answer_read(const struct world *world, const uint8_t *query, size_t length,
		       struct incoming *incoming)
{
	struct client *client = &incoming->client;
	bool believes = believes_subnet(settings_of(world), &client->resolver);
	incoming->parse = message_parse(query, length, believes, &incoming->message);
	if (!deserves_silence(incoming->parse))
		edns_client(&incoming->message.edns, client);
	/* Without a question that is the place of what was asked before, if anything: it does no harm. */
	if (world)
		incoming->name_cursor = index_prefetch(world->index, incoming->message.question.hash);
	else if (incoming->parse == PARSE_ANSWER)
		incoming->parse = PARSE_NOT_READY;
}

static inline const struct node *find_node(const struct world *world, const struct incoming *incoming)
{
	const struct question *question = &incoming->message.question;
	if (incoming->parse != PARSE_ANSWER)
		return NULL;
	return index_probe(world->index, question->name, question->length, question->hash, 0);
}

/* Only a tenant's name needs the client's place, and the tenant's counter. */
static inline void approach_order(const struct plan *plan, const struct stats *stats,
				  struct incoming *incoming)
{
	const struct node *node = incoming->found.node;
	if (node->policy == INDEX_NONE)
		return;
	prefetch(&stats->tenant[node->tenant]);
	incoming->order_cursor =
		order_prefetch(plan->policies[node->policy].order, &incoming->client.address);
}

/* Names that are not there are mostly right below one that is, and that is looked up next. */
static OUT_OF_LINE void find_parents(const struct index *index, struct incoming *missing)
{
	for (struct incoming *next = missing; next; next = next->next_missing) {
		const struct question *question = &next->message.question;
		size_t label = *question->name + 1u;
		next->parent_hash = name_hash(question->name + label, question->length - label);
		next->name_cursor = index_prefetch(index, next->parent_hash);
	}
	for (struct incoming *next = missing; next; next = next->next_missing)
		index_prefetch_node(&next->name_cursor);
	for (struct incoming *next = missing; next; next = next->next_missing) {
		const struct question *question = &next->message.question;
		size_t label = *question->name + 1u;
		next->found.parent = index_probe(index, question->name + label, question->length - label,
						 next->parent_hash, 0);
	}
}

/* What each round asks memory for comes while the round goes on with the queries behind. */
void answer_find(const struct stats *stats, const struct world *world, struct incoming *incoming,
		 unsigned count)
{
	struct incoming *end = incoming + count, *missing = NULL;
	if (!world)
		return;
	if (count == 1) {
		incoming->found = (struct found){.node = find_node(world, incoming)};
		return;
	}
	for (struct incoming *next = incoming; next < end; next++)
		index_prefetch_node(&next->name_cursor);
	for (struct incoming *next = incoming; next < end; next++) {
		next->found.node = find_node(world, next);
		next->order_cursor.table = NULL;
		if (next->found.node) {
			approach_order(world->plan, stats, next);
		} else if (next->parse == PARSE_ANSWER) {
			next->next_missing = missing;
			missing = next;
		}
	}
	for (struct incoming *next = incoming; next < end; next++)
		order_prefetch_node(&next->order_cursor);
	if (missing)
		find_parents(world->index, missing);
}

size_t answer_incoming(struct serve_context *context, const struct world *world, enum transport transport,
		       struct incoming *incoming, uint8_t *out, size_t capacity)
{
	const struct serve_settings *settings = settings_of(world);
	struct answer *answer = context->scratch;
	struct message *message = &incoming->message;
	enum parse parse = incoming->parse;
	if (deserves_silence(parse)) {
		enum drop_reason reason = parse == PARSE_NOT_A_QUERY ? DROP_RESPONSE : DROP_MALFORMED;
		counter_add(&context->stats->dropped[reason], 1);
		return 0;
	}
	message->edns.wants_keepalive &= transport == TRANSPORT_TCP;
	enum cookie_state cookie = COOKIE_ABSENT;
	if (message->edns.cookie_length != 0)
		cookie = check_cookie(context, settings, &incoming->client.resolver, &message->edns);
	if (parse == PARSE_ANSWER && !(cookie == COOKIE_BAD && transport == TRANSPORT_UDP))
		resolve(world, &message->question, incoming->found, &incoming->client, &context->rng, answer);
	else
		decline_parsed(parse, cookie, transport, answer);
	if (!pass_rate_limit(context, settings, transport, cookie, &incoming->client.resolver, answer))
		return 0;
	charge_tenant(context, world, transport, answer);
	tally_reply(context->stats, transport, message, answer);
	if (sample_is_wanted(context->stats->samples, answer->tenant))
		sampling_put(context->stats->samples, context->now_ns, transport, incoming, answer);
	return reply_write(message, answer, settings,
			   reply_limit(transport, &message->edns, settings, capacity), out);
}

size_t answer_query(struct serve_context *context, const struct world *world, enum transport transport,
		    const struct ip *peer, const uint8_t *query, size_t length, uint8_t *out, size_t capacity)
{
	struct incoming incoming;
	incoming.client.resolver = *peer;
	incoming.message.question.hash = 0; /* answer_read looks at it whatever was parsed */
	answer_read(world, query, length, &incoming);
	answer_find(context->stats, world, &incoming, 1);
	return answer_incoming(context, world, transport, &incoming, out, capacity);
}
