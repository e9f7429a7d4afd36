/* See the header. */
#include "tests/support/batch.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/budget.h"
#include "gslb/serve/rrl.h"
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POISON 0xa5

struct batch_pair {
	struct serve_context together, alone;
	struct incoming incoming[UDP_BATCH];
	uint8_t reply[2][UDP_OCTETS];
	unsigned batches;
};

static void start_context(struct serve_context *context)
{
	context->stats = stats_new();
	context->rrl = rrl_new();
	context->budgets = xmap(sizeof *context->budgets);
	context->scratch = xmalloc(sizeof *context->scratch);
	memset(context->scratch, POISON, sizeof *context->scratch);
	rng_seed(&context->rng, 1);
	atomic_store(&context->stats->samples->tenant, SAMPLE_ANY);
	atomic_store(&context->stats->samples->is_wanted, true);
}

static void end_context(struct serve_context *context)
{
	stats_free(context->stats);
	rrl_free(context->rrl);
	xunmap(context->budgets, sizeof *context->budgets);
	free(context->scratch);
}

struct batch_pair *batch_pair_new(void)
{
	struct batch_pair *pair = xcalloc(1, sizeof *pair);
	start_context(&pair->together);
	start_context(&pair->alone);
	return pair;
}

void batch_pair_free(struct batch_pair *pair)
{
	end_context(&pair->together);
	end_context(&pair->alone);
	free(pair);
}

static void require(bool is_alike, const char *what, const struct batch_packet *packet)
{
	if (is_alike)
		return;
	fprintf(stderr, "batch: not the same %s in a batch and alone:", what);
	for (size_t i = 0; packet && i < packet->length; i++)
		fprintf(stderr, " %02x", packet->octets[i]);
	fprintf(stderr, "\n");
	abort();
}

/* The one sample that each has of the query, if it was answered. */
static void compare_samples(struct batch_pair *pair, const struct batch_packet *packet)
{
	struct sample_ring *rings[] = {pair->together.stats->samples, pair->alone.stats->samples};
	const struct sample *a = sample_peek(rings[0]), *b = sample_peek(rings[1]);
	require(!a == !b, "sample", packet);
	if (!a)
		return;
	require(ip_equal(&a->client, &b->client) && a->tenant == b->tenant && a->service == b->service &&
			a->region == b->region && a->ttl == b->ttl && a->scope == b->scope &&
			a->rcode == b->rcode && a->address_count == b->address_count &&
			a->name_length == b->name_length && memcmp(a->name, b->name, a->name_length) == 0,
		"sample", packet);
	sample_pop(rings[0]);
	sample_pop(rings[1]);
}

static void compare_counters(const struct stats *a, const struct stats *b)
{
	require(memcmp(a->transport, b->transport, sizeof a->transport) == 0 &&
			memcmp(a->dropped, b->dropped, sizeof a->dropped) == 0 &&
			memcmp(a->limited, b->limited, sizeof a->limited) == 0 &&
			memcmp(a->ecs_queries, b->ecs_queries, sizeof a->ecs_queries) == 0,
		"counters", NULL);
}

/* The packet in memory of exactly its size: a sanitizer sees one octet more. */
static size_t answer_alone(struct batch_pair *pair, const struct world *world,
			   const struct batch_packet *packet)
{
	uint8_t *octets = xmemdup(packet->octets, packet->length);
	size_t length = answer_query(&pair->alone, world, TRANSPORT_UDP, &packet->peer, octets,
				     packet->length, pair->reply[1], sizeof pair->reply[1]);
	free(octets);
	return length;
}

/* What the steps find in their memory is by turns nothing of sense and what the batch before left. */
void batch_pair_answer(struct batch_pair *pair, const struct world *world, uint64_t now_ns,
		       const struct batch_packet *packets, unsigned count)
{
	if (pair->batches++ % 2 == 0)
		memset(pair->incoming, POISON, sizeof pair->incoming);
	pair->together.now_ns = pair->alone.now_ns = now_ns;
	for (unsigned i = 0; i < count; i++) {
		pair->incoming[i].client.resolver = packets[i].peer;
		answer_read(world, packets[i].octets, packets[i].length, &pair->incoming[i]);
	}
	answer_find(pair->together.stats, world, pair->incoming, count);
	for (unsigned i = 0; i < count; i++) {
		size_t length = answer_incoming(&pair->together, world, TRANSPORT_UDP, &pair->incoming[i],
						pair->reply[0], sizeof pair->reply[0]);
		require(length == answer_alone(pair, world, &packets[i]), "length", &packets[i]);
		require(memcmp(pair->reply[0], pair->reply[1], length) == 0, "reply", &packets[i]);
		compare_samples(pair, &packets[i]);
	}
	compare_counters(pair->together.stats, pair->alone.stats);
	require(memcmp(&pair->together.rng, &pair->alone.rng, sizeof pair->alone.rng) == 0, "draws", NULL);
}
