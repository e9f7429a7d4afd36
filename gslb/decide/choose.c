/*
 * From a policy and a client to one region and its VIPs (docs/decision.md). Pure; runs on every thread that
 * answers or explains.
 */
#include "gslb/decide/choose.h"
#include "gslb/decide/choose_shed.h"
#include "gslb/decide/rendezvous.h"
#include "lib/bytes.h"
#include "lib/hash.h"
#include "lib/inline.h"

/* One walk through a client's tiers: which regions had a say so far. */
struct walk {
	const struct plan_service *service;
	const struct tiers *tiers;
	const struct client *client;
	struct choice *choice; /* that it is for */
	region_set candidates;
	region_set consulted;
	bool share_split;
};

static inline const struct plan_region *region_of(const struct plan_service *service, unsigned number)
{
	return &service->regions[service->slot[number]];
}

static region_set regions_of(const struct tiers *tiers)
{
	region_set regions = 0;
	for (unsigned i = 0; i < tiers->count; i++)
		regions |= (region_set)1 << (tiers->item[i] & (REGIONS_MAX - 1));
	return regions;
}

uint64_t choose_client_hash(const struct plan_service *service, const struct client *client,
			    uint64_t name_hash)
{
	if (client->address.family == 4) {
		uint32_t mask = (uint32_t)(UINT64_MAX << (32 - service->prefix4));
		uint32_t address = bytes_get32(client->address.bytes) & mask;
		return hash_mix(name_hash, (uint64_t)4 << 32 | address);
	}
	struct ip cut = ip_cut(&client->address, service->prefix6);
	return hash_mix(hash_mix(name_hash ^ 6, hash_load64(cut.bytes)), hash_load64(cut.bytes + 8));
}

/* What is left of a tier for a client that is outside of a share, or shed. */
static OUT_OF_LINE region_set keep_insiders(struct walk *walk, region_set members, region_set eligible)
{
	const struct plan_service *service = walk->service;
	members &= ~choose_outside_shares(service, members, walk->choice->client_hash);
	walk->share_split = true;
	/* What is not healthy enough sheds nothing: who is there has nowhere better to go. */
	if (!(members & service->sheds) || eligible != (service->ok & service->positive))
		return members;
	region_set taker =
		choose_shed(walk->choice, walk->client, members, walk->candidates & regions_of(walk->tiers));
	walk->consulted |= taker;
	return taker ? taker : members;
}

/* The eligible regions of the first tier that has any; 0: none has. */
static region_set search_tiers(struct walk *walk, region_set eligible, bool honours_shares)
{
	const struct tiers *tiers = walk->tiers;
	for (unsigned i = 0; i < tiers->count;) {
		region_set tier = 0;
		do
			tier |= (region_set)1 << (tiers->item[i] & (REGIONS_MAX - 1));
		while (++i < tiers->count && !(tiers->item[i] & TIER_START));
		walk->consulted |= tier;
		region_set hit = tier & walk->candidates & eligible;
		if (honours_shares && (hit & walk->service->partial))
			hit = keep_insiders(walk, hit, eligible);
		if (hit)
			return hit;
	}
	return 0;
}

/* Steps 1 and 2, then both once more with every share above 0 taken as 100. */
static region_set regular_steps(struct walk *walk, enum step *ret_step)
{
	const struct plan_service *service = walk->service;
	for (int honours_shares = 1; honours_shares >= 0; honours_shares--) {
		*ret_step = STEP_TIER;
		region_set kept = search_tiers(walk, service->ok & service->positive, honours_shares);
		if (kept)
			return kept;
		*ret_step = STEP_DEGRADED;
		kept = search_tiers(walk, service->healthy & service->positive, honours_shares);
		if (kept)
			return kept;
		if (!(service->partial & walk->candidates))
			break;
	}
	return 0;
}

/* plan.h, LAST_RESORT_LAST_GOOD: the regions, of those with a say, that fell last. */
static region_set last_good(const struct walk *walk)
{
	const struct plan_service *service = walk->service;
	region_set eligible = regions_of(walk->tiers) & walk->candidates & service->open & service->positive;
	region_set latest = 0;
	uint64_t fell_ms = 0;
	for (region_set left = eligible; left; left &= left - 1) {
		const struct plan_region *region = region_of(service, (unsigned)__builtin_ctzll(left));
		if (region->fell_ms > fell_ms)
			fell_ms = region->fell_ms;
	}
	for (region_set left = eligible; left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		if (region_of(service, number)->fell_until_ms >= fell_ms)
			latest |= (region_set)1 << number;
	}
	return latest;
}

static region_set last_resort(struct walk *walk)
{
	const struct plan_service *service = walk->service;
	region_set eligible = service->open & service->positive;
	if (service->last_resort == LAST_RESORT_NODATA || service->last_resort == LAST_RESORT_ADDRESSES)
		return 0;
	if (service->last_resort == LAST_RESORT_FIRST) {
		for (unsigned i = 0; i < walk->tiers->count; i++) {
			region_set one = (region_set)1 << (walk->tiers->item[i] & (REGIONS_MAX - 1));
			if (one & walk->candidates)
				return one & service->open;
		}
		return 0;
	}
	if (service->last_resort == LAST_RESORT_LAST_GOOD)
		eligible = last_good(walk);
	region_set kept = search_tiers(walk, eligible, true);
	return kept ? kept : search_tiers(walk, eligible, false);
}

/* `weight`: which of the regions' weights counts. */
static OUT_OF_LINE const struct plan_region *
split_regions(const struct plan_service *service, region_set kept, unsigned weight, uint64_t split_hash)
{
	const struct plan_region *best = NULL;
	struct contender winner = {0, 0};
	for (region_set left = kept; left; left &= left - 1) {
		const struct plan_region *region = region_of(service, (unsigned)__builtin_ctzll(left));
		struct contender c = contend(split_hash, region->hash, region->weight[weight]);
		if (!best || is_nearer(&c, &winner)) {
			best = region;
			winner = c;
		}
	}
	return best;
}

/* NULL: none is kept. */
static const struct plan_region *pick_region(const struct plan_service *service, region_set kept,
					     unsigned weight, uint64_t split_hash)
{
	if (!kept)
		return NULL;
	if (kept & (kept - 1))
		return split_regions(service, kept, weight, split_hash);
	return region_of(service, (unsigned)__builtin_ctzll(kept));
}

static uint32_t consulted_ttl(const struct plan_service *service, region_set consulted)
{
	uint32_t ttl = service->ttl_max;
	for (region_set left = consulted; left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		if (service->slot[number] == UINT8_MAX)
			continue;
		const struct plan_region *region = region_of(service, number);
		if (region->ttl < ttl)
			ttl = region->ttl;
	}
	return ttl;
}

/* A list of addresses knows no regions, so it cannot keep a tenant inside its own. */
static bool has_resort(const struct policy *policy)
{
	return policy->service->last_resort == LAST_RESORT_ADDRESSES && !policy->is_resident;
}

/* Regions without a VIP are no candidates: with those of one family alone, neither are those of the other. */
static region_set candidates_of(const struct choice *choice)
{
	const struct plan_service *service = choice->service;
	return choice->policy->allowed & (service->holds[0] | service->holds[1]) & ~service->down;
}

/* All of the steps. */
static void walk_tiers(const struct policy *policy, const struct client *client, struct choice *choice)
{
	const struct plan_service *service = choice->service;
	struct walk walk = {
		.service = service,
		.tiers = choice->order.tiers,
		.client = client,
		.choice = choice,
		.candidates = candidates_of(choice),
	};
	choice->mode = PICK_REGULAR;
	choice->kept = regular_steps(&walk, &choice->step);
	if (!choice->kept) {
		choice->step = STEP_PANIC;
		choice->mode = PICK_PANIC;
		choice->kept = search_tiers(&walk, service->panic, false);
	}
	if (!choice->kept) {
		choice->step = STEP_LAST_RESORT;
		choice->mode = PICK_ALL;
		choice->kept = last_resort(&walk);
	}
	choice->consulted = walk.consulted & policy->allowed;
	choice->share_split = walk.share_split;
	if (!choice->kept)
		choice->step = has_resort(policy) ? STEP_LAST_RESORT : STEP_NONE;
}

/* The region of a client whose tiers a hash or a draw may split, or whose first tier fails. */
static OUT_OF_LINE void choose_by_steps(const struct client *client, uint64_t random, struct choice *choice)
{
	const struct plan_service *service = choice->service;
	choice->has_other = false;
	walk_tiers(choice->policy, client, choice);
	choice->ttl =
		choice->step <= STEP_SHED ? consulted_ttl(service, choice->consulted) : service->ttl_min;
	choice->region = pick_region(service, choice->kept, choice->mode,
				     service->split == SPLIT_RANDOM ? random : choice->client_hash);
}

/* The one region of the first tier, which takes every client. */
static inline void choose_only(region_set only, struct choice *choice)
{
	choice->step = STEP_TIER;
	choice->mode = PICK_REGULAR;
	choice->kept = choice->consulted = only;
	choice->share_split = false;
	choice->region = region_of(choice->service, (unsigned)__builtin_ctzll(only));
	choice->ttl = choice->region->ttl;
}

void choose_region(const struct policy *policy, const struct client *client, uint64_t name_hash,
		   uint64_t random, struct choice *ret)
{
	const struct plan_service *service = policy->service;
	ret->policy = policy;
	ret->service = service;
	ret->client_family = client->address.family;
	ret->order = order_find(policy->order, &client->address, &client->resolver);
	region_set only = ret->order.tiers->only & policy->takes_all;
	ret->is_sole_region = only != 0;
	if (!ret->is_sole_region || service->picks_vips)
		ret->client_hash = choose_client_hash(service, client, name_hash);
	if (ret->is_sole_region)
		choose_only(only, ret);
	else
		choose_by_steps(client, random, ret);
}

bool choose_has(const struct choice *choice, unsigned family)
{
	if (choice->region)
		return choice->region->picks[choice->mode][family == 6].count > 0;
	return choice->step == STEP_LAST_RESORT && choice->service->resort_count[family == 6] > 0;
}

bool choose_holds(const struct choice *choice, unsigned family)
{
	const struct policy *policy = choice->policy;
	return (policy->service->holds[family == 6] & policy->allowed & regions_of(choice->order.tiers)) != 0;
}

/* Whether the region that this client would have, if all VIPs were up and nothing controlled, gives it one of
 * the family. */
static bool is_given(const struct choice *choice, unsigned family, uint64_t split_hash)
{
	const struct plan_service *service = choice->policy->service;
	const struct tiers *tiers = choice->order.tiers;
	region_set candidates = choice->policy->allowed & (service->holds[0] | service->holds[1]), first = 0;
	for (unsigned i = 0; i < tiers->count && (!first || !(tiers->item[i] & TIER_START)); i++)
		first |= (region_set)1 << (tiers->item[i] & (REGIONS_MAX - 1)) & candidates;
	const struct plan_region *region = pick_region(service, first, WEIGHT_CONFIGURED, split_hash);
	return region && service->gives[family == 6] >> region->number & 1;
}

static bool hash_chose_region(const struct choice *choice)
{
	return choice->share_split ||
	       (choice->service->split == SPLIT_STICKY && (choice->kept & (choice->kept - 1)) != 0);
}

OUT_OF_LINE bool choose_alone(const struct choice *common, const struct client *client, uint64_t name_hash,
			      uint64_t random, unsigned family, struct choice *ret)
{
	const struct policy *policy = common->policy;
	const struct plan_service *alone = policy->service->alone[family == 6];
	if (choose_has(common, family) || !choose_holds(common, family))
		return false;
	*ret = *common;
	ret->service = alone;
	ret->client_hash = choose_client_hash(alone, client, name_hash);
	region_set only = common->order.tiers->only & alone->takes_all & policy->allowed;
	if (only)
		choose_only(only, ret);
	else
		choose_by_steps(client, random, ret);
	ret->is_sole_region = ret->has_other = false;
	/* What the common choice looked at had a say, too. */
	ret->consulted |= common->consulted;
	ret->share_split |= hash_chose_region(common);
	if (ret->step <= STEP_SHED) {
		ret->step = ret->step == STEP_TIER ? STEP_FAMILY : STEP_SHED;
		ret->ttl = consulted_ttl(alone, ret->consulted);
	}
	ret->common_region = common->region;
	ret->is_forced = is_given(common, family, alone->split == SPLIT_RANDOM ? random : ret->client_hash);
	return true;
}

void choose_families(struct choice *choice, const struct client *client, uint64_t name_hash, uint64_t random,
		     struct choice *ret_other)
{
	struct choice own;
	bool is_used = choose_has(choice, 4) || choose_has(choice, 6);
	bool is_ipv4 = choose_family(choice, client, name_hash, random, 4, &own);
	bool is_ipv6 = choose_family(choice, client, name_hash, random, 6, is_ipv4 ? ret_other : &own);
	if (!is_ipv4 && !is_ipv6)
		return;
	if (!is_used) /* nothing of the common choice is left */
		*choice = own;
	else
		*ret_other = own;
	if (is_used || (is_ipv4 && is_ipv6)) {
		choice->has_other = true;
		if (choice->step == STEP_TIER)
			choice->step = STEP_FAMILY;
	}
}

const struct plan_pick *choose_one(const struct choice *choice, const struct plan_picks *picks,
				   uint64_t random)
{
	uint64_t split_hash = choice->service->split == SPLIT_RANDOM ? random : choice->client_hash;
	if (picks->count == 0)
		return NULL;
	const struct plan_pick *best = picks->pick, *end = best + picks->count;
	struct contender winner = contend(split_hash, best->hash, best->weight);
	for (const struct plan_pick *pick = best + 1; pick < end; pick++) {
		struct contender c = contend(split_hash, pick->hash, pick->weight);
		if (is_nearer(&c, &winner)) {
			best = pick;
			winner = c;
		}
	}
	return best;
}

unsigned choose_vips(const struct choice *choice, unsigned family, uint64_t random,
		     const struct plan_vip *ret[static ANSWERS_MAX])
{
	const struct plan_service *service = choice->service;
	const struct plan_region *region = choice->region;
	if (!region) {
		unsigned count = choice->step == STEP_LAST_RESORT ? service->resort_count[family == 6] : 0;
		for (unsigned i = 0; i < count; i++)
			ret[i] = &service->resort[family == 6][i];
		return count;
	}
	const struct plan_picks *picks = &region->picks[choice->mode][family == 6];
	unsigned most = service->answers;
	if (picks->count <= most) { /* all of them, as configured: no hash has a say */
		for (unsigned i = 0; i < picks->count; i++)
			ret[i] = &region->vips[picks->pick[i].vip];
		return picks->count;
	}
	uint64_t split_hash = service->split == SPLIT_RANDOM ? random : choice->client_hash;
	struct contender ranked[ANSWERS_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < picks->count; i++) {
		struct contender c = contend(split_hash, picks->pick[i].hash, picks->pick[i].weight);
		unsigned at = count < most ? count++ : most;
		for (; at > 0 && is_nearer(&c, &ranked[at - 1]); at--) {
			if (at < most) {
				ranked[at] = ranked[at - 1];
				ret[at] = ret[at - 1];
			}
		}
		if (at < most) {
			ranked[at] = c;
			ret[at] = &region->vips[picks->pick[i].vip];
		}
	}
	return count;
}

uint8_t choose_scope_hashed(const struct choice *choice)
{
	const struct plan_service *service = choice->service;
	uint8_t leaf = choice->order.depth;
	uint8_t hashed = choice->client_family == 4 ? service->prefix4 : service->prefix6;
	return leaf > hashed ? leaf : hashed;
}

uint8_t choose_scope(const struct choice *choice, unsigned family)
{
	const struct plan_service *service = choice->service;
	if (choice->step == STEP_LAST_RESORT && !choice->region)
		return 0; /* the same addresses for everybody */
	bool hash_decides = hash_chose_region(choice);
	if (service->split == SPLIT_STICKY)
		hash_decides |= choice->region && family &&
				choice->region->picks[choice->mode][family == 6].count > service->answers;
	return hash_decides ? choose_scope_hashed(choice) : choice->order.depth;
}
