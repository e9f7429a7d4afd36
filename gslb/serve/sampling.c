/* See sampling.h. Any reader thread, each its own ring; off the path unless somebody looks on. */
#include "gslb/serve/sampling.h"
#include "lib/inline.h"
#include <string.h>

static void put_choice(const struct answer *answer, uint16_t type, struct sample *sample)
{
	const struct choice *choice = &answer->choice;
	sample->is_decided = choice->policy != NULL;
	sample->service = SAMPLE_ANY;
	sample->region = SAMPLE_NO_REGION;
	if (!choice->policy)
		return;
	sample->service = choice->policy->service->number;
	sample->step = (uint8_t)choice->step;
	sample->ttl = choice->ttl;
	if (choice->region)
		sample->region = choice->region->number;
	if (answer->is_truncated || (type != RR_A && type != RR_AAAA))
		return;
	struct ip addresses[ANSWERS_MAX];
	unsigned count = resolve_addresses(answer, type, addresses);
	sample->address_count = count < SAMPLE_ADDRESSES ? (uint8_t)count : SAMPLE_ADDRESSES;
	memcpy(sample->address, addresses, sample->address_count * sizeof *addresses);
}

OUT_OF_LINE void sampling_put(struct sample_ring *ring, uint64_t now_ns, enum transport transport,
			      const struct incoming *incoming, const struct answer *answer)
{
	const struct message *message = &incoming->message;
	struct sample *sample = sample_next(ring);
	if (!sample)
		return;
	const struct client *client = &incoming->client;
	sample->at_ns = now_ns;
	sample->client = client->address;
	sample->resolver = client->resolver;
	sample->source_bits = client->source_bits;
	sample->is_ecs = client->is_ecs;
	sample->tenant = answer->tenant;
	sample->type = message->question.type;
	sample->rcode = answer->rcode;
	sample->transport = (uint8_t)transport;
	sample->ede = answer->ede;
	sample->is_truncated = answer->is_truncated;
	sample->scope = answer->uses_client ? answer->scope : 0;
	sample->ttl = 0;
	sample->step = 0;
	sample->address_count = 0;
	sample->name_length = message->question_end > HEADER_OCTETS ? message->question.length : 0;
	memcpy(sample->name, message->name, sample->name_length);
	put_choice(answer, message->question.type, sample);
	sample_push(ring);
}
