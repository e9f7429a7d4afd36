/*
 * From a policy and a client to one region and its VIPs (docs/decision.md). Pure; runs on every thread that
 * answers or explains.
 */
#include "gslb/decide/choose.h"
#include "gslb/decide/log2_table.h"
#include "lib/bytes.h"
#include "lib/hash.h"
#include "lib/inline.h"

/* One walk through a client's tiers: which regions had a say so far. */
struct walk {
	const struct plan_service *service;
	const struct tiers *tiers;
	uint64_t client_hash;
	region_set candidates;
	region_set consulted;
	bool share_split;
};

static inline const struct plan_region *region_of(const struct plan_service *service, unsigned number)
{
	return &service->regions[service->slot[number]];
}

bool choose_inside_share(const struct plan_region *region, uint64_t client_hash)
{
	uint64_t draw = hash_mix(client_hash, region->share_salt) >> 32;
	return draw * 100 < (uint64_t)(region->share > 0 ? region->share : 0) << 32;
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

/* Regions of the tier that clients outside a partial share pass over. */
static region_set outside_shares(struct walk *walk, region_set members)
{
	region_set outside = 0;
	for (region_set left = members & walk->service->partial; left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		walk->share_split = true;
		if (!choose_inside_share(region_of(walk->service, number), walk->client_hash))
			outside |= (region_set)1 << number;
	}
	return outside;
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
			hit &= ~outside_shares(walk, hit);
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
		region_set kept = search_tiers(walk, service->ok & service->positive, honours_shares);
		*ret_step = STEP_TIER;
		if (kept)
			return kept;
		kept = search_tiers(walk, service->healthy & service->positive, honours_shares);
		*ret_step = STEP_DEGRADED;
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
	region_set eligible = 0, latest = 0;
	uint64_t fell_ms = 0;
	for (unsigned i = 0; i < walk->tiers->count; i++)
		eligible |= (region_set)1 << (walk->tiers->item[i] & (REGIONS_MAX - 1));
	eligible &= walk->candidates & service->open & service->positive;
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

/* -log2(draw / 2^64) · 2^32: an exponential variable; divided by a weight it gives the weighted
 * rendezvous (the smallest wins with probability weight / Σ weight). Integer arithmetic alone, so
 * that all nodes agree. The line between two table points is off by less than 3e-6. */
static inline uint64_t exponential(uint64_t draw)
{
	draw |= 1;
	unsigned zeros = (unsigned)__builtin_clzll(draw);
	uint64_t mantissa = draw << zeros << 1; /* the bits after the leading one */
	unsigned i = (unsigned)(mantissa >> 56);
	uint64_t rest = mantissa << 8 >> 32;
	uint64_t log2 = log2_table[i] + (((log2_table[i + 1] - log2_table[i]) * rest) >> 32);
	return ((uint64_t)(zeros + 1) << 32) - log2;
}

struct contender {
	uint64_t distance, weight;
};

static inline bool is_nearer(const struct contender *a, const struct contender *b)
{
	return (__uint128_t)a->distance * b->weight < (__uint128_t)b->distance * a->weight;
}

static inline struct contender contend(uint64_t split_hash, uint64_t target_hash, uint64_t weight)
{
	struct contender c = {exponential(hash_mix(split_hash, target_hash)), weight};
	return c;
}

static OUT_OF_LINE const struct plan_region *split_regions(const struct choice *choice, uint64_t split_hash)
{
	const struct plan_service *service = choice->policy->service;
	const struct plan_region *best = NULL;
	struct contender winner = {0, 0};
	for (region_set left = choice->kept; left; left &= left - 1) {
		const struct plan_region *region = region_of(service, (unsigned)__builtin_ctzll(left));
		struct contender c = contend(split_hash, region->hash, region->weight[choice->mode]);
		if (!best || is_nearer(&c, &winner)) {
			best = region;
			winner = c;
		}
	}
	return best;
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

/* All of the steps. */
static void walk_tiers(const struct policy *policy, struct choice *choice)
{
	const struct plan_service *service = policy->service;
	struct walk walk = {
		.service = service,
		.tiers = choice->order.tiers,
		.client_hash = choice->client_hash,
		.candidates = policy->allowed & ~service->down,
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
static OUT_OF_LINE void choose_by_steps(const struct policy *policy, uint64_t random, struct choice *choice)
{
	const struct plan_service *service = policy->service;
	walk_tiers(policy, choice);
	choice->ttl =
		choice->step == STEP_TIER ? consulted_ttl(service, choice->consulted) : service->ttl_min;
	if (!choice->kept)
		choice->region = NULL;
	else if (!(choice->kept & (choice->kept - 1)))
		choice->region = region_of(service, (unsigned)__builtin_ctzll(choice->kept));
	else
		choice->region =
			split_regions(choice, service->split == SPLIT_RANDOM ? random : choice->client_hash);
}

void choose_region(const struct policy *policy, const struct client *client, uint64_t name_hash,
		   uint64_t random, struct choice *ret)
{
	const struct plan_service *service = policy->service;
	ret->policy = policy;
	ret->client_family = client->address.family;
	ret->order = order_find(policy->order, &client->address, &client->resolver);
	region_set only = ret->order.tiers->only & policy->takes_all;
	ret->is_sole_region = only != 0;
	if (!ret->is_sole_region || service->picks_vips)
		ret->client_hash = choose_client_hash(service, client, name_hash);
	if (!ret->is_sole_region) {
		choose_by_steps(policy, random, ret);
		return;
	}
	ret->step = STEP_TIER;
	ret->mode = PICK_REGULAR;
	ret->kept = ret->consulted = only;
	ret->share_split = false;
	ret->region = region_of(service, (unsigned)__builtin_ctzll(only));
	ret->ttl = ret->region->ttl;
}

bool choose_holds(const struct choice *choice, unsigned family)
{
	const struct tiers *tiers = choice->order.tiers;
	region_set holds = choice->policy->service->holds[family == 6] & choice->policy->allowed;
	for (unsigned i = 0; i < tiers->count; i++)
		if (holds >> (tiers->item[i] & (REGIONS_MAX - 1)) & 1)
			return true;
	return false;
}

const struct plan_pick *choose_one(const struct choice *choice, unsigned family, uint64_t random)
{
	const struct plan_picks *picks = &choice->region->picks[choice->mode][family == 6];
	uint64_t split_hash = choice->policy->service->split == SPLIT_RANDOM ? random : choice->client_hash;
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
	const struct plan_service *service = choice->policy->service;
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
		const struct plan_vip *vip = &region->vips[picks->pick[i].vip];
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
			ret[at] = vip;
		}
	}
	return count;
}

uint8_t choose_scope_hashed(const struct choice *choice)
{
	const struct plan_service *service = choice->policy->service;
	uint8_t leaf = choice->order.depth;
	uint8_t hashed = choice->client_family == 4 ? service->prefix4 : service->prefix6;
	return leaf > hashed ? leaf : hashed;
}

uint8_t choose_scope(const struct choice *choice, unsigned family)
{
	const struct plan_service *service = choice->policy->service;
	if (choice->step == STEP_LAST_RESORT && !choice->region)
		return 0; /* the same addresses for everybody */
	bool hash_decides = choice->share_split;
	if (service->split == SPLIT_STICKY) {
		hash_decides |= (choice->kept & (choice->kept - 1)) != 0;
		hash_decides |= choice->region && family &&
				choice->region->picks[choice->mode][family == 6].count > service->answers;
	}
	return hash_decides ? choose_scope_hashed(choice) : choice->order.depth;
}
