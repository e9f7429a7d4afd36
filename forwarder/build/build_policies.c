/*
 * What tenants may: one policy for each profile, by the profile's number; its limits are the tier's with the
 * tenant's own over them. Control thread.
 */
#include "forwarder/build/build_internal.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAINTENANCE_TEXT "The site is in maintenance.\n" /* where nobody wrote another */

/* What one of so many forwarders may let through. All of them together never pass the limit, but for the one
 * use that each has to have. */
static struct policy_rate rate_share(struct policy_rate rate, unsigned nodes)
{
	if (rate.interval_ns == POLICY_UNLIMITED || rate.interval_ns == GCRA_NOTHING)
		return rate;
	rate.interval_ns *= nodes;
	rate.burst = rate.burst > nodes ? rate.burst / nodes : 1;
	return rate;
}

static uint32_t count_share(uint32_t count, unsigned nodes)
{
	if (count == 0 || count == UINT32_MAX)
		return count;
	return count > nodes ? count / nodes : 1;
}

static uint64_t bytes_share(uint64_t bytes_s, unsigned nodes)
{
	if (bytes_s == 0 || bytes_s == UINT64_MAX)
		return bytes_s;
	return bytes_s > nodes ? bytes_s / nodes : 1;
}

static struct policy_limits limits_of(const struct build *build, const struct fleet_profile *profile)
{
	struct fleet_limits limits;
	const struct fleet_tier *tier =
		profile->tier ? (const void *)fleet_get(build->fleet, FLEET_TIER, profile->tier) : NULL;

	assert(tier || !profile->tier); /* else the tenant had been refused */
	if (tier)
		limits = tier->limits;
	else
		fleet_limits_init(&limits);
	if (profile->limits)
		fleet_limits_overlay(&limits, profile->limits);
	/* A client talks to one forwarder at a time: its own limit is whole at each. */
	unsigned nodes = *build->shared.nodes;
	return (struct policy_limits){
		.rate = rate_share(build_rate(&limits.rate, limits.burst), nodes),
		.connections = rate_share(build_rate(&limits.connections, 0), nodes),
		.client_rate = build_rate(&limits.client_rate, 0),
		.concurrency = count_share(limits.concurrency, nodes),
		.websockets = count_share(limits.websockets, nodes),
		.up_bytes_s = bytes_share(limits.up_bytes_s, nodes),
		.down_bytes_s = bytes_share(limits.down_bytes_s, nodes),
		.body_bytes = limits.body_bytes,
		.queue_ms = limits.queue_ms,
		.priority = (enum policy_priority)limits.priority,
		.headers = (enum policy_headers)limits.headers,
	};
}

static bool is_elsewhere(const struct build *build, const struct fleet_profile *profile)
{
	for (size_t i = 0; i < profile->region_count; i++)
		if (strcmp(profile->regions[i], build->shared.region) == 0)
			return false;
	return profile->has_regions;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(((const struct policy_key *)a)->sha256, ((const struct policy_key *)b)->sha256, 32);
}

/* The keys and then their ids, behind the policy. */
static void put_keys(const struct fleet_profile *profile, struct build_policy *policy)
{
	struct policy_key *keys = (struct policy_key *)(policy + 1);
	char *text = (char *)(keys + profile->key_count);

	for (uint32_t i = 0; i < profile->key_count; i++) {
		const struct fleet_key *from = &profile->keys[i];
		size_t size = strlen(from->id) + 1;
		keys[i] = (struct policy_key){
			.id = memcpy(text, from->id, size), .rate = build_rate(&from->rate, 0), .number = i};
		memcpy(keys[i].sha256, from->sha256, sizeof keys[i].sha256);
		text += size;
	}
	qsort(keys, profile->key_count, sizeof *keys, compare_keys);
	policy->policy.key_count = profile->key_count;
	policy->policy.keys = profile->key_count ? keys : NULL;
	policy->policy.maintenance_body = MAINTENANCE_TEXT;
	if (profile->maintenance_body)
		policy->policy.maintenance_body = strcpy(text, profile->maintenance_body);
	policy->policy.maintenance_length = (uint32_t)strlen(policy->policy.maintenance_body);
}

static struct build_policy *policy_new(const struct build *build, const struct fleet_profile *profile)
{
	const struct fleet_object *service = fleet_get(build->fleet, FLEET_SERVICE, profile->service);
	size_t size = sizeof(struct build_policy) + profile->key_count * sizeof(struct policy_key);

	assert(service);
	for (size_t i = 0; i < profile->key_count; i++)
		size += strlen(profile->keys[i].id) + 1;
	if (profile->maintenance_body)
		size += strlen(profile->maintenance_body) + 1;
	struct build_policy *policy = xcalloc(1, size);
	policy->serial = profile->serial;
	policy->profile = profile;
	policy->policy = (struct policy){
		.service = service->number,
		.is_suspended = profile->is_suspended,
		.redirects_to_https = profile->redirects_to_https,
		.is_elsewhere = is_elsewhere(build, profile),
		.is_in_maintenance = profile->is_in_maintenance,
		.maintenance_status = profile->maintenance_status,
		.limits = limits_of(build, profile),
	};
	put_keys(profile, policy);
	return policy;
}

static void policy_give(struct build *build, void *part)
{
	free(part);
}

static struct build_policy *policy_at(const struct build *build, uint32_t number)
{
	return number < build->policies.count ? build->policies.items[number] : NULL;
}

void build_policies_use(struct build *build, const struct fleet_profile *profile)
{
	struct build_policy *policy = policy_at(build, profile->number);

	if (!policy || policy->serial != profile->serial) {
		/* Tenants are released before others are put, so nobody is left with the old one. */
		assert(!policy);
		policy = policy_new(build, profile);
		build_array_set(&build->policies, profile->number, policy);
		build->policy_count++;
	}
	policy->users++;
}

void build_policies_release(struct build *build, const struct fleet_profile *profile)
{
	struct build_policy *policy = policy_at(build, profile->number);

	assert(policy && policy->serial == profile->serial && policy->users > 0);
	if (--policy->users)
		return;
	build_array_set(&build->policies, profile->number, NULL);
	build->policy_count--;
	build_retire(build, policy_give, policy);
}

/* NULL: those of all tiers and of none. */
void build_policies_follow_tier(struct build *build, const char *tier)
{
	for (size_t i = 0; i < build->policies.count; i++) {
		struct build_policy *old = build->policies.items[i];
		if (!old || (tier && (!old->profile->tier || strcmp(old->profile->tier, tier) != 0)))
			continue;
		struct build_policy *policy = policy_new(build, old->profile);
		policy->users = old->users;
		build_array_set(&build->policies, i, policy);
		build_retire(build, policy_give, old);
	}
}

void build_policies_done(struct build *build)
{
	for (size_t i = 0; i < build->policies.count; i++)
		free(build->policies.items[i]);
}
