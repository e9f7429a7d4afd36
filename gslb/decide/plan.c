/*
 * Compiles what health, weights and controls say about a service into bit sets and pick lists.
 * Control thread; the result is immutable.
 */
#include "gslb/decide/plan.h"
#include "gslb/decide/ready.h"
#include "gslb/decide/stats.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Two families times three modes; a VIP stands in at most one family's list of each mode. */
#define PICKS_PER_VIP PICK_MODES

static unsigned family_row(const struct ip *ip)
{
	return ip->family == 6;
}

static bool counts_in(const struct plan_vip *vip, enum pick_mode mode)
{
	if (mode == PICK_ALL)
		return !vip->is_drained && vip->is_last_good;
	return vip->score > 0 && (mode == PICK_PANIC || !vip->is_drained);
}

static uint64_t weight_of(const struct plan_vip *vip)
{
	return vip->shares > 0 ? (uint64_t)vip->weight * WEIGHT_UNIT / vip->shares : vip->weight;
}

/* A region of weight-0 VIPs weighs as little as possible, but can still be picked alone. */
static uint64_t larger_or_one(const uint64_t sum[static 2])
{
	uint64_t larger = sum[0] > sum[1] ? sum[0] : sum[1];
	return larger > 0 ? larger : 1;
}

/* Fills one mode's two lists. VIPs of weight 0 stand in only where no other VIP of the region can. */
static struct plan_pick *fill_picks(struct plan_region *region, enum pick_mode mode, struct plan_pick *next)
{
	bool has_weighted = false;
	for (unsigned i = 0; i < region->vip_count; i++)
		has_weighted |= counts_in(&region->vips[i], mode) && region->vips[i].weight > 0;
	uint64_t sum[2] = {0, 0};
	for (unsigned family = 0; family < 2; family++) {
		struct plan_picks *picks = &region->picks[mode][family];
		picks->pick = next;
		for (unsigned i = 0; i < region->vip_count; i++) {
			const struct plan_vip *vip = &region->vips[i];
			if (family_row(&vip->ip) != family || !counts_in(vip, mode))
				continue;
			if (has_weighted && vip->weight == 0)
				continue;
			uint64_t score = mode == PICK_ALL ? SCORE_FULL : vip->score;
			next->vip = (uint8_t)i;
			next->hash = vip->hash;
			next->weight = has_weighted ? weight_of(vip) * score : 1;
			sum[family] += has_weighted ? next->weight : 0;
			next++;
			picks->count++;
		}
	}
	region->weight[mode] = larger_or_one(sum);
	return next;
}

/* The healthy share: sets it for people, and says by the exact fraction whether it is enough. */
static bool weigh_health(struct plan_region *region, uint32_t min_hundredths)
{
	uint64_t whole = 0, healthy = 0;
	bool is_any_healthy = false;
	for (unsigned i = 0; i < region->vip_count; i++) {
		const struct plan_vip *vip = &region->vips[i];
		if (vip->is_drained)
			continue;
		whole += weight_of(vip) * SCORE_FULL;
		healthy += weight_of(vip) * vip->score;
		is_any_healthy |= vip->score > 0;
	}
	if (whole == 0) { /* nothing but weight 0 */
		region->healthy_permille = is_any_healthy ? 1000 : 0;
		return is_any_healthy;
	}
	region->healthy_permille = (uint32_t)(healthy * 1000 / whole);
	return is_any_healthy && (__uint128_t)healthy * 10000 >= (__uint128_t)whole * min_hundredths;
}

static void fill_vip(struct plan_vip *vip, const struct plan_vip_input *input)
{
	vip->ip = input->ip;
	vip->hash = hash_bytes(input->ip.bytes, input->ip.family == 4 ? 4 : 16, input->ip.family);
	vip->weight = input->weight;
	vip->shares = input->shares;
	vip->state = input->state;
	vip->pending = input->pending;
	vip->ttl = input->ttl;
	vip->ttl_is_recent = input->ttl_is_recent;
	vip->ttl_is_pending = input->ttl_is_pending;
	vip->is_drained = input->is_drained;
	vip->is_last_good = true;
	vip->score = input->state == VIP_DOWN ? 0 : input->score;
}

/* A VIP that serves is as good as one that falls after all others. */
static uint64_t fall_of(const struct plan_vip_input *input)
{
	return input->state == VIP_DOWN || input->score == 0 ? input->fell_ms : UINT64_MAX / 2;
}

static uint64_t window_of(const struct plan_vip_input *input)
{
	return input->interval_ms > LAST_GOOD_WINDOW_MIN_MS ? input->interval_ms : LAST_GOOD_WINDOW_MIN_MS;
}

/* plan.h, LAST_RESORT_LAST_GOOD. */
static void find_last_good(struct plan_region *region, const struct plan_region_input *input,
			   struct plan_vip *vips)
{
	for (unsigned i = 0; i < input->vip_count; i++) {
		uint64_t fell_ms = fall_of(&input->vips[i]), until_ms = fell_ms + window_of(&input->vips[i]);
		if (vips[i].is_drained)
			continue;
		if (fell_ms > region->fell_ms)
			region->fell_ms = fell_ms;
		if (until_ms > region->fell_until_ms)
			region->fell_until_ms = until_ms;
	}
	for (unsigned i = 0; i < input->vip_count; i++)
		vips[i].is_last_good =
			fall_of(&input->vips[i]) + window_of(&input->vips[i]) >= region->fell_ms;
}

/* The salt: other clients leave than those outside of a share. */
static void fill_shed(struct plan_service *service, const struct plan_region *region,
		      const struct plan_region_input *input, struct plan_shed *shed)
{
	region_set bit = (region_set)1 << region->number;
	if (!input->shed)
		return;
	*shed = *input->shed;
	shed->salt = hash_bytes("shed", 4, region->share_salt);
	service->sheds |= shed->sheds ? bit : 0;
	service->takes |= shed->headroom > 0 ? bit : 0;
}

static struct plan_pick *fill_region(struct plan_service *service, struct plan_region *region,
				     const struct plan_region_input *input, bool in_parts,
				     struct plan_vip *vips, struct plan_pick *picks)
{
	region->number = input->number;
	region->vip_count = input->vip_count;
	region->share = input->share;
	region->counter = stats_answers_counter(service->number, input->number);
	region->hash = hash_bytes(input->id, strlen(input->id), 0);
	region->share_salt = hash_bytes(service->id, strlen(service->id), region->hash);
	region->ttl = service->ttl_max;
	region->vips = vips;
	for (unsigned i = 0; i < input->vip_count; i++) {
		fill_vip(&vips[i], &input->vips[i]);
		if (!in_parts)
			vips[i].shares = 0;
		else if (vips[i].shares == 0)
			vips[i].shares = 1;
		if (vips[i].ttl < region->ttl)
			region->ttl = vips[i].ttl;
	}
	if (service->last_resort == LAST_RESORT_LAST_GOOD)
		find_last_good(region, input, vips);
	for (unsigned mode = 0; mode < PICK_MODES; mode++)
		picks = fill_picks(region, mode, picks);
	return picks;
}

static unsigned pick_count(const struct plan_region *region, enum pick_mode mode)
{
	return region->picks[mode][0].count + region->picks[mode][1].count;
}

/* What the region is without health and controls. */
static void fill_configured(struct plan_service *service, struct plan_region *region)
{
	region_set bit = (region_set)1 << region->number;
	uint64_t sum[2] = {0, 0};
	for (unsigned i = 0; i < region->vip_count; i++) {
		const struct plan_vip *vip = &region->vips[i];
		service->holds[family_row(&vip->ip)] |= bit;
		sum[family_row(&vip->ip)] += weight_of(vip) * SCORE_FULL;
	}
	for (unsigned family = 0; family < 2; family++)
		service->gives[family] |=
			sum[family] > 0 || sum[0] + sum[1] == 0 ? bit & service->holds[family] : 0;
	region->weight[WEIGHT_CONFIGURED] = larger_or_one(sum);
}

static void fill_sets(struct plan_service *service, struct plan_region *region, uint32_t min_hundredths)
{
	region_set bit = (region_set)1 << region->number;
	service->healthy |= pick_count(region, PICK_REGULAR) > 0 ? bit : 0;
	service->ok |= weigh_health(region, min_hundredths) ? bit : 0;
	service->panic |= pick_count(region, PICK_PANIC) > 0 ? bit : 0;
	service->open |= pick_count(region, PICK_ALL) > 0 ? bit : 0;
	service->positive |= region->share > 0 ? bit : 0;
	service->partial |= region->share > 0 && region->share < 100 ? bit : 0;
	service->partial |= service->sheds & bit;
	service->down |= region->share == SHARE_DOWN ? bit : 0;
	service->takes_all = service->ok & service->positive & ~service->down & ~service->partial;
	for (unsigned mode = 0; mode < PICK_MODES; mode++)
		for (unsigned family = 0; family < 2; family++)
			service->picks_vips |= region->picks[mode][family].count > service->answers;
}

/* Where any VIP shares a weight, all of the service are counted in its parts. */
static bool has_shares(const struct plan_service_input *input)
{
	for (unsigned i = 0; i < input->region_count; i++)
		for (unsigned v = 0; v < input->regions[i].vip_count; v++)
			if (input->regions[i].vips[v].shares > 1)
				return true;
	return false;
}

static size_t align_up(size_t octets)
{
	return (octets + _Alignof(struct plan_vip) - 1) / _Alignof(struct plan_vip) *
	       _Alignof(struct plan_vip);
}

/* The addresses of `last_resort: [address, …]`, IPv4 first, each family as written. */
static void fill_resort(struct plan_service *service, const struct plan_service_input *input,
			struct plan_vip *vip)
{
	for (unsigned family = 0; family < 2; family++) {
		service->resort[family] = vip;
		for (size_t i = 0; i < input->resort_count; i++) {
			if (family_row(&input->resort[i]) != family)
				continue;
			(vip++)->ip = input->resort[i];
			service->resort_count[family]++;
			assert(service->resort_count[family] <= ANSWERS_MAX);
		}
	}
}

/* Whether the family may find itself without a VIP in a region that is chosen, and have one elsewhere. */
static bool may_choose_alone(const struct plan_service *service, unsigned family)
{
	if (service->holds[0] == 0 || service->holds[1] == 0)
		return false;
	for (unsigned i = 0; i < service->region_count; i++)
		for (unsigned mode = 0; mode < PICK_MODES; mode++)
			if (service->regions[i].picks[mode][family].count == 0)
				return true;
	return false;
}

/* The service with the VIPs of one family alone. */
static struct plan_service *compile_alone(const struct plan_service_input *input, unsigned family)
{
	struct plan_region_input regions[REGIONS_MAX];
	struct plan_service_input alone = *input;
	size_t count = 0;
	for (unsigned i = 0; i < input->region_count; i++)
		count += input->regions[i].vip_count;
	struct plan_vip_input *vips = xcalloc(count, sizeof *vips), *next = vips;
	alone.region_count = 0;
	alone.regions = regions;
	alone.https_length = 0;
	for (unsigned i = 0; i < input->region_count; i++) {
		const struct plan_region_input *from = &input->regions[i];
		struct plan_region_input *to = &regions[alone.region_count];
		*to = *from;
		to->vips = next;
		to->vip_count = 0;
		for (unsigned v = 0; v < from->vip_count; v++) {
			if (family_row(&from->vips[v].ip) != family)
				continue;
			*next++ = from->vips[v];
			to->vip_count++;
		}
		alone.region_count += to->vip_count > 0;
	}
	struct plan_service *service = plan_service_compile(&alone);
	free(vips);
	return service;
}

/* One for each region, or for none. */
static size_t shed_count(const struct plan_service_input *input)
{
	for (unsigned i = 0; i < input->region_count; i++)
		if (input->regions[i].shed && input->regions[i].shed->sheds)
			return input->region_count;
	return 0;
}

static_assert(_Alignof(struct plan_shed) <= _Alignof(struct plan_vip), "it lies behind VIPs");

/* One block: the service, its regions, all VIPs, all picks, the HTTPS template, the last resort, what regions
 * shed, and the answers that stand ready. */
struct plan_service *plan_service_compile(const struct plan_service_input *input)
{
	size_t vip_count = 0, ready_count = 0;
	for (unsigned i = 0; i < input->region_count; i++) {
		vip_count += input->regions[i].vip_count;
		ready_count += ready_octets(input, input->regions[i].vip_count);
	}
	size_t regions_at = sizeof(struct plan_service);
	size_t vips_at = regions_at + input->region_count * sizeof(struct plan_region);
	size_t picks_at = vips_at + vip_count * sizeof(struct plan_vip);
	size_t https_at = picks_at + vip_count * PICKS_PER_VIP * sizeof(struct plan_pick);
	size_t resort_at = align_up(https_at + input->https_length);
	size_t shed_at = resort_at + input->resort_count * sizeof(struct plan_vip);
	size_t ready_at = shed_at + shed_count(input) * sizeof(struct plan_shed);
	char *block = xcalloc(1, ready_at + ready_count);

	struct plan_service *service = (struct plan_service *)block;
	service->references = 1;
	service->number = input->number;
	strncpy(service->id, input->id, sizeof service->id - 1);
	service->split = input->split;
	service->last_resort = input->last_resort;
	service->prefix4 = input->prefix4;
	service->prefix6 = input->prefix6;
	service->answers = input->answers;
	service->ttl_min = input->ttl_min;
	service->ttl_max = input->ttl_max;
	service->region_count = input->region_count;
	service->regions = (struct plan_region *)(block + regions_at);
	service->https_length = input->https_length;
	service->https = (uint8_t *)block + https_at;
	if (input->https_length > 0)
		memcpy(block + https_at, input->https, input->https_length);
	fill_resort(service, input, (struct plan_vip *)(block + resort_at));
	memset(service->slot, UINT8_MAX, sizeof service->slot);
	service->places = input->places;

	struct plan_vip *vips = (struct plan_vip *)(block + vips_at);
	struct plan_pick *picks = (struct plan_pick *)(block + picks_at);
	uint8_t *ready = (uint8_t *)block + ready_at;
	bool has_shed = shed_count(input) > 0;
	struct plan_shed *shed = (struct plan_shed *)(block + shed_at);
	service->shed = has_shed ? shed : NULL;
	bool in_parts = has_shares(input);
	for (unsigned i = 0; i < input->region_count; i++) {
		struct plan_region *region = &service->regions[i];
		assert(input->regions[i].number < REGIONS_MAX);
		service->slot[input->regions[i].number] = (uint8_t)i;
		picks = fill_region(service, region, &input->regions[i], in_parts, vips, picks);
		vips += input->regions[i].vip_count;
		if (has_shed)
			fill_shed(service, region, &input->regions[i], &shed[i]);
		fill_sets(service, region, input->min_healthy_hundredths);
		fill_configured(service, region);
	}
	for (unsigned i = 0; i < input->region_count; i++)
		ready = ready_compile(service, &service->regions[i], ready);
	for (unsigned family = 0; family < 2; family++)
		if (may_choose_alone(service, family))
			service->alone[family] = compile_alone(input, family);
	return service;
}

struct plan_service *plan_service_ref(struct plan_service *service)
{
	service->references++;
	return service;
}

void plan_service_unref(struct plan_service *service)
{
	if (!service || --service->references > 0)
		return;
	plan_service_unref(service->alone[0]);
	plan_service_unref(service->alone[1]);
	free(service);
}

struct plan *plan_new(size_t service_count, size_t policy_count)
{
	struct plan *plan = xcalloc(1, sizeof *plan);
	plan->references = 1;
	plan->service_count = service_count;
	plan->policy_count = policy_count;
	plan->services = xcalloc(service_count + 1, sizeof *plan->services);
	plan->policies = xcalloc(policy_count + 1, sizeof *plan->policies);
	plan->budgets = xcalloc(policy_count + 1, sizeof *plan->budgets);
	return plan;
}

void plan_set_service(struct plan *plan, size_t position, struct plan_service *service)
{
	assert(position < plan->service_count && !plan->services[position]);
	plan->services[position] = service;
}

void plan_set_policy(struct plan *plan, size_t number, size_t service_position, struct order *order,
		     region_set allowed, bool is_resident, bool is_suspended)
{
	assert(number < plan->policy_count && plan->services[service_position]);
	struct policy *policy = &plan->policies[number];
	*policy = policy_of(plan->services[service_position], order_ref(order), allowed);
	policy->is_resident = is_resident;
	policy->is_suspended = is_suspended;
}

void plan_set_budget(struct plan *plan, size_t number, const struct plan_budget *budget)
{
	assert(number < plan->policy_count);
	plan->budgets[number] = *budget;
	plan->policies[number].has_budget =
		budget->queries_interval_ns != 0 || budget->nxdomain_interval_ns != 0;
}

struct plan *plan_ref(struct plan *plan)
{
	plan->references++;
	return plan;
}

void plan_unref(struct plan *plan)
{
	if (!plan || --plan->references > 0)
		return;
	for (size_t i = 0; i < plan->policy_count; i++)
		order_unref((struct order *)plan->policies[i].order);
	for (size_t i = 0; i < plan->service_count; i++)
		plan_service_unref(plan->services[i]);
	free(plan->policies);
	free(plan->budgets);
	free(plan->services);
	free(plan);
}
