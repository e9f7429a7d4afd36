/* See the header. */
#include "gslb/decide/choose_shed.h"
#include "gslb/decide/regret.h"
#include "gslb/decide/rendezvous.h"

static const struct plan_region *region_of(const struct plan_service *service, unsigned number)
{
	return &service->regions[service->slot[number]];
}

static const struct plan_shed *shed_of(const struct plan_service *service, unsigned number)
{
	return &service->shed[service->slot[number]];
}

static uint64_t region_weight(const struct plan_service *service, unsigned number)
{
	return region_of(service, number)->weight[PICK_REGULAR];
}

static uint64_t headroom(const struct plan_service *service, unsigned number)
{
	return shed_of(service, number)->headroom;
}

/* ---- shares ---- */

bool choose_inside_share(const struct plan_region *region, uint64_t client_hash)
{
	uint64_t draw = hash_mix(client_hash, region->share_salt) >> 32;
	return draw * 100 < (uint64_t)(region->share > 0 ? region->share : 0) << 32;
}

region_set choose_outside_shares(const struct plan_service *service, region_set members, uint64_t client_hash)
{
	region_set outside = 0;
	for (region_set left = members & service->partial; left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		if (!choose_inside_share(region_of(service, number), client_hash))
			outside |= (region_set)1 << number;
	}
	return outside;
}

/* ---- shedding ---- */

/* The number of the one that wins; the set is not empty. */
static unsigned pick(const struct plan_service *service, region_set members,
		     uint64_t (*weight)(const struct plan_service *service, unsigned number), uint64_t hash)
{
	unsigned best = (unsigned)__builtin_ctzll(members);
	struct contender winner = contend(hash, region_of(service, best)->hash, weight(service, best));
	for (region_set left = members & (members - 1); left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		struct contender c = contend(hash, region_of(service, number)->hash, weight(service, number));
		if (is_nearer(&c, &winner)) {
			best = number;
			winner = c;
		}
	}
	return best;
}

/* All clients of one answer's scope are in the same place. */
static unsigned bucket_of(const struct choice *choice, const struct client *client, unsigned region,
			  region_set others)
{
	const struct plan_service *service = choice->service;
	uint8_t bits = client->address.family == 4 ? service->prefix4 : service->prefix6;
	struct ip cut = ip_cut(&client->address, bits);
	return regret_bucket(choice->policy->order, service->places, &cut,
			     client->is_ecs ? &client->resolver : NULL, region, others);
}

region_set choose_shed(struct choice *choice, const struct client *client, region_set members,
		       region_set candidates)
{
	const struct plan_service *service = choice->service;
	unsigned first = pick(service, members, region_weight, choice->client_hash);
	const struct plan_shed *shed = shed_of(service, first);
	region_set others = candidates & ~((region_set)1 << first);
	region_set takers = others & service->takes & service->ok & service->positive;
	if (!shed->sheds || !takers)
		return 0;
	unsigned bucket = bucket_of(choice, client, first, others);
	if ((uint32_t)(hash_mix(choice->client_hash, shed->salt) >> 32) >= shed->threshold[bucket])
		return 0;
	takers &= ~choose_outside_shares(service, takers, choice->client_hash);
	if (!takers)
		return 0;
	choice->step = STEP_SHED;
	choice->shed_from = (uint8_t)first;
	choice->shed_bucket = (uint8_t)bucket;
	/* A hash of its own, so that the clients of one region are spread over all others. */
	uint64_t hash = hash_mix(choice->client_hash, ~shed->salt);
	return (region_set)1 << pick(service, takers, headroom, hash);
}
