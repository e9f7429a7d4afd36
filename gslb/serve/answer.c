/* The pipeline of one query: parse, decide, write, count. Any reader thread. */
#include "gslb/serve/answer.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/message.h"
#include "gslb/serve/reply.h"
#include "gslb/serve/tally.h"

/* What holds before the first world is there. */
static const struct serve_settings settings_before = {.edns_size = 1232};

static void decline(uint8_t rcode, int16_t ede, struct answer *ret)
{
	ret->rcode = rcode;
	ret->is_authoritative = ret->uses_client = false;
	ret->scope = 0;
	ret->ede = ede;
	ret->ede_text = "";
	ret->answer_count = ret->authority_count = ret->additional_count = ret->vip_count = 0;
	ret->tenant = INDEX_NONE;
	ret->choice.policy = NULL;
}

static void decide(struct serve_context *context, const struct world *world, const struct message *message,
		   const struct ip *peer)
{
	struct question question = {
		.name = message->name,
		.as_asked = message->wire + HEADER_OCTETS,
		.length = message->name_length,
		.type = message->type,
		.hash = name_hash(message->name, message->name_length),
	};
	struct client client;
	edns_client(&message->edns, peer, &client);
	resolve(world, &question, &client, rng_next(&context->rng), context->scratch);
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

size_t answer_query(struct serve_context *context, const struct world *world, enum transport transport,
		    const struct ip *peer, const uint8_t *query, size_t length, uint8_t *out, size_t capacity)
{
	const struct serve_settings *settings = world ? &world->settings : &settings_before;
	struct answer *answer = context->scratch;
	struct message message;
	switch (message_parse(query, length, settings->ecs, &message)) {
	case VERDICT_NOT_A_HEADER:
		counter_add(&context->stats->dropped[DROP_MALFORMED], 1);
		return 0;
	case VERDICT_NOT_A_QUERY:
		counter_add(&context->stats->dropped[DROP_RESPONSE], 1);
		return 0;
	case VERDICT_FORMERR:
		decline(RCODE_FORMERR, EDE_NONE, answer);
		break;
	case VERDICT_NOTIMP:
		decline(RCODE_NOTIMP, EDE_NONE, answer);
		break;
	case VERDICT_BADVERS:
		decline(RCODE_BADVERS, EDE_NONE, answer);
		break;
	case VERDICT_UNSUPPORTED:
		decline(RCODE_REFUSED, EDE_NOT_SUPPORTED, answer);
		break;
	case VERDICT_ANSWER:
		if (world)
			decide(context, world, &message, peer);
		else
			decline(RCODE_REFUSED, EDE_NOT_READY, answer);
		break;
	}
	tally_reply(context->stats, transport, &message, answer);
	return reply_write(&message, answer, settings,
			   reply_limit(transport, &message.edns, settings, capacity), out);
}
