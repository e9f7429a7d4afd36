/* A build as a whole: what changed, what a world gets of it, and what is freed behind it. Control thread. */
#include "forwarder/build/build_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct build *build_new(const struct build_shared *shared, const struct fleet *fleet,
			const struct build *previous)
{
	struct build *build = xcalloc(1, sizeof *build);

	build->shared = *shared;
	build->fleet = fleet;
	build->previous = previous;
	return build;
}

void build_free(struct build *build)
{
	if (!build)
		return;
	build_parts_settle(build);
	build_hosts_done(build);
	build_services_done(build);
	build_policies_done(build);
	build_array_done(&build->policies);
	build_array_done(&build->services);
	build_array_done(&build->pools);
	free(build->retired);
	free(build);
}

/* ---- following the fleet ---- */

static void put_tenant(struct build *build, const struct fleet_tenant *tenant)
{
	build_policies_use(build, tenant->profile);
	build_hosts_put(build, tenant);
}

bool build_step(struct build *build, size_t most)
{
	const struct fleet_object *object;

	if (!build->has_services) {
		for (size_t at = 0; (object = fleet_next(build->fleet, FLEET_SERVICE, &at));)
			build_services_put(build, (const struct fleet_service *)object);
		build->has_services = true;
	}
	for (; most > 0; most--) {
		object = fleet_next(build->fleet, FLEET_TENANT, &build->at);
		if (!object)
			return false;
		put_tenant(build, (const struct fleet_tenant *)object);
	}
	return true;
}

/* Everything but tenants. */
static void follow_structure(struct build *build, const struct fleet_touched *touched)
{
	const struct fleet_object *object = touched->after ? touched->after : touched->before;

	switch (touched->kind) {
	case FLEET_SERVICE:
		if (touched->after)
			build_services_put(build, (const struct fleet_service *)object);
		break;
	case FLEET_CHECK:
		build_services_again(build, object->id);
		break;
	case FLEET_TIER:
		build_policies_follow_tier(build, object->id);
		break;
	default:
		break; /* nothing here depends on it */
	}
}

void build_follow(struct build *build, const struct fleet_result *result)
{
	/* What tenants leave goes before what others get: a name may have moved, and a number, too. */
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (touched->kind != FLEET_TENANT || !touched->before)
			continue;
		const struct fleet_tenant *before = (const struct fleet_tenant *)touched->before;
		build_hosts_remove(build, before, touched->after != NULL);
		build_policies_release(build, before->profile);
	}
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (touched->kind == FLEET_SERVICE && !touched->after)
			build_services_remove(build, touched->before->number);
	}
	for (size_t i = 0; i < result->touched_count; i++)
		follow_structure(build, &result->touched[i]);
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind == FLEET_TENANT && result->touched[i].after)
			put_tenant(build, (const struct fleet_tenant *)result->touched[i].after);
}

void build_nodes_changed(struct build *build)
{
	build_policies_follow_tier(build, NULL);
}

void build_addresses_changed(struct build *build)
{
	build_services_again(build, NULL);
}

/* ---- worlds ---- */

bool build_is_changed(const struct build *build)
{
	return build->edit || build->policies.is_changed || build->services.is_changed ||
	       build->pools.is_changed || !build->hosts;
}

static void give_hosts(struct build *build, void *part)
{
	hosts_unref(part);
}

static const struct hosts *publish_hosts(struct build *build)
{
	if (!build->hosts && !build->edit)
		build->edit = hosts_edit_new(NULL);
	if (build->edit) {
		if (build->hosts)
			build_retire(build, give_hosts, build->hosts);
		build->hosts = hosts_edit_done(build->edit);
		build->edit = NULL;
	}
	return build->hosts;
}

struct world *build_world(struct build *build)
{
	struct world *world = xcalloc(1, sizeof *world);

	world->hosts = publish_hosts(build);
	world->policies = (const struct policy *const *)build_array_publish(build, &build->policies);
	world->policy_count = build->policies.count;
	world->services = (const struct route_service *const *)build_array_publish(build, &build->services);
	world->service_count = build->services.count;
	world->pools = (const struct pool *const *)build_array_publish(build, &build->pools);
	world->pool_count = build->pools.count;
	world->states = slots_states(build->shared.slots);
	return world;
}

void build_settle(struct build *build)
{
	assert(build->hosts); /* a world was made */
	build_parts_settle(build);
	build_services_check(build);
	build->previous = NULL;
}

void build_count(const struct build *build, struct build_counts *ret)
{
	*ret = (struct build_counts){.tenants = build->tenants,
				     .hosts = build->hosts ? hosts_count(build->hosts) : 0,
				     .host_bytes = build->hosts ? hosts_bytes(build->hosts) : 0,
				     .policies = build->policy_count,
				     .services = build->service_count,
				     .pools = build->pool_count};
}

bool build_find_tenant(const struct build *build, const char *id, struct build_tenant *ret)
{
	const struct fleet_object *object = fleet_get(build->fleet, FLEET_TENANT, id);

	if (!object || object->number >= build->slot_capacity ||
	    build->slots[object->number] == BUILD_NO_SLOT)
		return false;
	const struct fleet_profile *profile = ((const struct fleet_tenant *)object)->profile;
	*ret = (struct build_tenant){build->slots[object->number], build->policies.items[profile->number]};
	assert(ret->policy);
	return true;
}
