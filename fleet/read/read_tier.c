/* Documents → tiers. Control thread. */
#include "fleet/fleet_internal.h"
#include <assert.h>
#include <string.h>

static void read_rate(const struct doc_reader *reader, const struct doc_node *value, struct fleet_rate *rate)
{
	if (!doc_read_rate(reader, value, &rate->per_second))
		return;
	assert(value->length < sizeof rate->written);
	memcpy(rate->written, value->text, value->length);
}

static void read_dns_queries(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_rate(reader, value, &((struct fleet_tier *)target)->dns_queries);
}

static void read_dns_nxdomain(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_rate(reader, value, &((struct fleet_tier *)target)->dns_nxdomain);
}

static const struct doc_key tier_keys[] = {
	{"dns_queries", read_dns_queries},
	{"dns_nxdomain", read_dns_nxdomain},
	{"rate", NULL},
	{"burst", NULL},
	{"concurrency", NULL},
	{"bandwidth", NULL},
	{"body", NULL},
	{"websockets", NULL},
	{"priority", NULL},
	{NULL},
};

struct fleet_object *fleet_read_tier(const struct doc_reader *reader, const struct doc_node *node,
				     const char *id)
{
	struct fleet_tier *tier = fleet_object_new(sizeof *tier, FLEET_TIER, id);

	fleet_limits_init(&tier->limits);
	if (doc_read_mapping(reader, node, tier_keys, tier))
		return &tier->object;
	fleet_object_free(&tier->object);
	return NULL;
}
