/*
 * Keeps the compiled parts of the world and rebuilds what a change touched. Control thread; the one
 * place that publishes.
 */
#include "gslb/compile/world_builder.h"
#include "fleet/policies.h"
#include "gslb/compile/name_index.h"
#include "gslb/compile/order_cache.h"
#include "gslb/compile/plan_build.h"
#include "gslb/compile/policy_orders.h"
#include "gslb/compile/steering.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/gcra.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "store/controls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Health changes of one moment become one world, and so do the TTLs that grow in it: however many VIPs
 * come and go, no more than 50 worlds a second are compiled for them. */
#define COALESCE_MS 20

struct service_slot { /* by service number */
	const struct fleet_service *service;
	struct plan_service *plan;
	region_set candidates;
	uint64_t next_ms; /* when a TTL of it grows */
	bool is_dirty;
};

struct world_builder {
	struct world_source source;
	struct publish *published;
	uint64_t epoch, index_builds;
	struct places *geo;    /* as read from files */
	struct places *places; /* with `locations:` laid over */
	struct index *index;
	struct order_cache *orders;
	struct order_work *order_work;
	struct fleet_policies policies;
	struct policy_orders policy_orders;
	struct service_slot *services;
	size_t service_count, service_capacity;
	uint32_t *tenant_policies; /* by number of the tenant */
	size_t policy_capacity;
	struct map *control_changes; /* see plan_build.h */
	struct ip *changed_vips;     /* whose health changed since the last world */
	size_t changed_vip_count, changed_vip_capacity;
	struct event *timer;
	uint64_t due_ms; /* of the timer; UINT64_MAX: not armed */
	uint64_t published_ms;
};

static void on_timer(evutil_socket_t fd, short what, void *user);

struct world_builder *world_builder_new(struct event_base *base, struct publish *published)
{
	struct world_builder *builder = xcalloc(1, sizeof *builder);
	builder->published = published;
	builder->orders = order_cache_new();
	builder->order_work = order_work_new(base, &builder->orders);
	builder->control_changes = map_new();
	builder->timer = evtimer_new(base, on_timer, builder);
	builder->due_ms = UINT64_MAX;
	return builder;
}

static void forget_policies(struct world_builder *builder)
{
	fleet_policies_done(&builder->policies);
	policy_orders_done(&builder->policy_orders);
}

static void drop_services(struct world_builder *builder)
{
	for (size_t i = 0; i < builder->service_count; i++)
		plan_service_unref(builder->services[i].plan);
	builder->service_count = 0;
}

void world_builder_free(struct world_builder *builder)
{
	if (!builder)
		return;
	event_free(builder->timer);
	drop_services(builder);
	free(builder->services);
	forget_policies(builder);
	order_work_free(builder->order_work);
	order_cache_free(builder->orders);
	index_unref(builder->index);
	places_unref(builder->places);
	places_unref(builder->geo);
	free(builder->tenant_policies);
	free(builder->changed_vips);
	size_t at = 0;
	const char *key;
	for (void *value; (value = map_next(builder->control_changes, &at, &key));)
		free(value);
	map_free(builder->control_changes);
	free(builder);
}

/* ---- services ---- */

static struct plan_build plan_build_now(const struct world_builder *builder)
{
	return (struct plan_build){.source = &builder->source,
				   .places = builder->places,
				   .control_changes = builder->control_changes,
				   .now_ms = clock_mono_ms(),
				   .now_unix_ms = clock_unix_ms()};
}

static int compare_ips(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static bool holds_one_of(const struct fleet_vips *vips, const struct ip *sorted, size_t count)
{
	for (size_t i = 0; i < vips->count; i++)
		if (bsearch(&vips->vips[i].ip, sorted, count, sizeof *sorted, compare_ips))
			return true;
	return false;
}

/* In one walk over the services, however many VIPs changed. */
static void mark_changed_vips(struct world_builder *builder)
{
	size_t count = builder->changed_vip_count;
	builder->changed_vip_count = 0;
	if (count == 0)
		return;
	qsort(builder->changed_vips, count, sizeof *builder->changed_vips, compare_ips);
	for (size_t i = 0; i < builder->service_count; i++) {
		struct service_slot *slot = &builder->services[i];
		for (size_t r = 0; slot->service && r < slot->service->vip_region_count; r++)
			slot->is_dirty |= holds_one_of(&slot->service->vips[r], builder->changed_vips, count);
	}
}

static void compile_dirty(struct world_builder *builder)
{
	struct plan_build build = plan_build_now(builder);
	mark_changed_vips(builder);
	for (size_t i = 0; i < builder->service_count; i++) {
		struct service_slot *slot = &builder->services[i];
		if (!slot->service || !(slot->is_dirty || slot->next_ms <= build.now_ms))
			continue;
		plan_service_unref(slot->plan);
		slot->plan = plan_build_service(&build, slot->service, &slot->next_ms);
		slot->is_dirty = false;
	}
}

static void load_services(struct world_builder *builder)
{
	drop_services(builder);
	const struct fleet *fleet = builder->source.fleet;
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_SERVICE, &at));) {
		size_t need = object->number + 1;
		xgrow((void **)&builder->services, &builder->service_capacity, need,
		      sizeof *builder->services);
		while (builder->service_count < need)
			builder->services[builder->service_count++] =
				(struct service_slot){.next_ms = UINT64_MAX};
		struct service_slot *slot = &builder->services[object->number];
		slot->service = (const struct fleet_service *)object;
		slot->candidates = steering_candidates(fleet, slot->service);
		slot->is_dirty = true;
	}
}

/* ---- policies ---- */

/* One worker's share of a rate: the kernel spreads the clients over the workers. */
static uint64_t budget_interval_ns(const struct world_builder *builder, const struct fleet_rate *rate)
{
	return rate->written[0] != '\0' ? gcra_interval_ns(rate->per_second, builder->source.workers) : 0;
}

static void set_budget(const struct world_builder *builder, struct plan *plan, size_t number)
{
	uint32_t tier = builder->policies.entries[number].policy.tier;
	if (tier == 0)
		return;
	const struct fleet_tier *limits =
		(const struct fleet_tier *)fleet_numbered(builder->source.fleet, FLEET_TIER, tier - 1);
	const struct plan_budget budget = {
		.queries_interval_ns = budget_interval_ns(builder, &limits->dns_queries),
		.nxdomain_interval_ns = budget_interval_ns(builder, &limits->dns_nxdomain),
	};
	plan_set_budget(plan, number, &budget);
}

static void set_policy(struct world_builder *builder, struct plan *plan, size_t number)
{
	const struct fleet_policy *policy = &builder->policies.entries[number].policy;
	assert(policy->service < builder->service_count && builder->services[policy->service].service);
	const struct service_slot *slot = &builder->services[policy->service];
	region_set allowed = slot->candidates & policy->regions;
	struct order *order = policy_orders_get(&builder->policy_orders, number);
	if (!order) {
		order = order_cache_get(builder->orders, builder->source.fleet, slot->service, allowed,
					builder->places);
		policy_orders_put(&builder->policy_orders, number, order);
	}
	plan_set_policy(plan, number, policy->service, order, allowed, policy->is_resident,
			policy->is_suspended);
	set_budget(builder, plan, number);
}

static struct plan *build_plan(struct world_builder *builder)
{
	const struct fleet *fleet = builder->source.fleet;
	struct plan *plan = plan_new(builder->service_count, builder->policies.count);
	for (size_t i = 0; i < builder->service_count; i++)
		if (builder->services[i].plan)
			plan_set_service(plan, i, plan_service_ref(builder->services[i].plan));
	for (size_t i = 0; i < builder->policies.count; i++)
		if (builder->policies.entries[i].users > 0)
			set_policy(builder, plan, i);
	size_t at = 0;
	for (struct fleet_object *region; (region = fleet_next(fleet, FLEET_REGION, &at));)
		strncpy(plan->region_id[region->number], region->id, sizeof plan->region_id[0] - 1);
	return plan;
}

/* ---- publishing ---- */

static void arm_timer(struct world_builder *builder, uint64_t due_ms)
{
	uint64_t now_ms = clock_mono_ms();
	uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 1;
	struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
	assert(due_ms != UINT64_MAX);
	builder->due_ms = due_ms;
	evtimer_add(builder->timer, &wait);
}

static void arm_for_next_ttl(struct world_builder *builder)
{
	uint64_t due_ms = UINT64_MAX;
	for (size_t i = 0; i < builder->service_count; i++)
		if (builder->services[i].service && builder->services[i].next_ms < due_ms)
			due_ms = builder->services[i].next_ms;
	if (due_ms < builder->published_ms + COALESCE_MS)
		due_ms = builder->published_ms + COALESCE_MS;
	builder->due_ms = UINT64_MAX;
	evtimer_del(builder->timer);
	if (due_ms != UINT64_MAX)
		arm_timer(builder, due_ms);
}

static void publish_world(struct world_builder *builder)
{
	assert(builder->index && builder->places && builder->source.fleet && builder->source.settings);
	compile_dirty(builder); /* whoever publishes takes along what waited for the timer */
	struct serve_settings settings = *builder->source.settings;
	settings.unix_offset_ns = clock_unix_ms() * 1000000 - (int64_t)clock_mono_ns();
	struct world *next =
		world_new(++builder->epoch, builder->source.fleet_version, index_ref(builder->index),
			  build_plan(builder), places_ref(builder->places), &settings);
	assert(next->epoch == builder->epoch);
	world_free(publish_swap(builder->published, next));
	builder->published_ms = clock_mono_ms();
	arm_for_next_ttl(builder);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct world_builder *builder = user;
	builder->due_ms = UINT64_MAX;
	publish_world(builder);
}

static void publish_soon(struct world_builder *builder)
{
	uint64_t due_ms = clock_mono_ms() + COALESCE_MS;
	if (builder->index && builder->due_ms > due_ms)
		arm_timer(builder, due_ms);
}

void world_builder_state_changed(struct world_builder *builder, const struct ip *vip)
{
	if (vip) {
		size_t count = ++builder->changed_vip_count;
		xgrow((void **)&builder->changed_vips, &builder->changed_vip_capacity, count,
		      sizeof *builder->changed_vips);
		builder->changed_vips[count - 1] = *vip;
	}
	for (size_t i = 0; !vip && i < builder->service_count; i++)
		builder->services[i].is_dirty = true;
	publish_soon(builder);
}

void world_builder_load_changed(struct world_builder *builder, uint32_t service)
{
	if (service >= builder->service_count)
		return;
	builder->services[service].is_dirty = true;
	publish_soon(builder);
}

static bool has_changes(const struct world_builder *builder)
{
	bool has = builder->changed_vip_count > 0;
	for (size_t i = 0; i < builder->service_count && !has; i++)
		has = builder->services[i].service && builder->services[i].is_dirty;
	return has;
}

void world_builder_settle(struct world_builder *builder)
{
	if (builder->index && has_changes(builder))
		publish_world(builder);
}

static void note_control_change(struct world_builder *builder, const struct control_row *row, uint64_t now_ms)
{
	char key[CONTROLS_KEY_MAX];
	controls_key(row->region, row->service, row->address, key);
	uint64_t *changed = map_get(builder->control_changes, key);
	if (!changed) {
		changed = xmalloc(sizeof *changed);
		map_put(builder->control_changes, key, changed);
	}
	*changed = now_ms;
}

/* A VIP's control holds for every service that has the VIP in that region. */
static bool concerns(const struct control_row *row, const struct ip *vip, const struct fleet_service *service)
{
	if (!row->address[0] && row->service[0] && strcmp(row->service, service->object.id) != 0)
		return false;
	for (size_t r = 0; r < service->vip_region_count; r++)
		if (strcmp(service->vips[r].region, row->region) == 0)
			return !row->address[0] || holds_one_of(&service->vips[r], vip, 1);
	return false;
}

static void mark_controlled(struct world_builder *builder, const struct control_row *row)
{
	struct ip vip = {.family = 0};
	if (row->address[0] && !ip_parse(row->address, &vip))
		return;
	for (size_t i = 0; i < builder->service_count; i++) {
		struct service_slot *slot = &builder->services[i];
		if (slot->service && !slot->is_dirty)
			slot->is_dirty = concerns(row, &vip, slot->service);
	}
}

void world_builder_controls_changed(struct world_builder *builder, const struct control_row *rows,
				    size_t count)
{
	uint64_t now_ms = clock_mono_ms();
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].region, CONTROL_OF_ORIGIN) == 0)
			continue; /* the forwarders' business */
		note_control_change(builder, &rows[i], now_ms);
		mark_controlled(builder, &rows[i]);
	}
	publish_world(builder);
}

/* ---- fleet ---- */

static void index_tenant(struct world_builder *builder, struct index_edit *edit,
			 const struct fleet_tenant *tenant)
{
	struct fleet_policy how = fleet_policy_of(builder->source.fleet, tenant);
	uint32_t policy = fleet_policies_use(&builder->policies, &how), number = tenant->object.number;
	xgrow((void **)&builder->tenant_policies, &builder->policy_capacity, number + 1,
	      sizeof *builder->tenant_policies);
	builder->tenant_policies[number] = policy;
	name_index_add_tenant(edit, builder->source.fleet, tenant, policy);
}

static void publish_fleet(struct world_builder *builder)
{
	publish_world(builder);
	if (order_work_is_handing_out(builder->order_work))
		return;
	order_cache_sweep(builder->orders);
	order_work_forget_laid(builder->order_work);
}

/* Everything but the geography that was read from files. */
static void rebuild(struct world_builder *builder)
{
	const struct fleet *fleet = builder->source.fleet;
	load_services(builder);
	forget_policies(builder);
	struct index_edit *edit = index_edit_new(NULL);
	index_edit_expect(edit, fleet_count(fleet, FLEET_TENANT));
	name_index_add_zones(edit, fleet);
	size_t at = 0;
	for (struct fleet_object *tenant; (tenant = fleet_next(fleet, FLEET_TENANT, &at));)
		index_tenant(builder, edit, (const struct fleet_tenant *)tenant);
	index_unref(builder->index);
	builder->index = index_edit_done(edit);
	builder->index_builds++;
	publish_fleet(builder);
}

void world_builder_load(struct world_builder *builder, const struct world_source *source, struct places *geo,
			struct places *laid, struct order_cache *orders)
{
	assert(source->fleet && source->settings && source->workers > 0);
	assert(geo && laid && orders);
	builder->source = *source;
	places_unref(builder->geo);
	places_unref(builder->places);
	builder->geo = geo;
	builder->places = laid;
	forget_policies(builder);
	order_cache_free(builder->orders);
	builder->orders = orders;
	rebuild(builder);
}

void world_builder_share(const struct world_builder *builder, struct places **ret_geo,
			 struct places **ret_laid, struct order_cache **ret_orders)
{
	*ret_geo = places_ref(builder->geo);
	*ret_laid = places_ref(builder->places);
	*ret_orders = order_cache_clone(builder->orders);
}

static bool touches(const struct fleet_result *result, enum fleet_kind kind)
{
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind == kind)
			return true;
	return false;
}

/* ---- fleet changes ahead of time ---- */

struct ahead {
	struct places *places; /* those of the changed fleet */
	struct order_cache *wanted;
};

static void want_order(const struct world_builder *builder, const struct fleet_object *service,
		       region_set regions, const struct ahead *ahead)
{
	const struct fleet *fleet = builder->source.fleet;
	const struct fleet_service *now = (const struct fleet_service *)service;
	order_cache_want(builder->orders, fleet, now, steering_candidates(fleet, now) & regions,
			 ahead->places, ahead->wanted);
}

static void want_of_tenant(const struct world_builder *builder, const struct fleet_tenant *tenant,
			   const struct ahead *ahead)
{
	struct fleet_policy policy = fleet_policy_of(builder->source.fleet, tenant);
	/* Where it is in use there is an order, or it is wanted already. */
	if (fleet_policies_find(&builder->policies, &policy) == FLEET_POLICY_NONE)
		want_order(builder, fleet_get(builder->source.fleet, FLEET_SERVICE, tenant->profile->service),
			   policy.regions, ahead);
}

static void want_of_policies(const struct world_builder *builder, const struct ahead *ahead)
{
	for (size_t i = 0; i < builder->policies.count; i++) {
		const struct fleet_policy_entry *entry = &builder->policies.entries[i];
		if (entry->users == 0)
			continue;
		const char *id = builder->services[entry->policy.service].service->object.id;
		const struct fleet_object *service = fleet_get(builder->source.fleet, FLEET_SERVICE, id);
		if (service)
			want_order(builder, service, entry->policy.regions, ahead);
	}
}

static bool has_wanted_orders(const struct world_builder *builder, const struct fleet_result *result,
			      struct places *places)
{
	const struct ahead ahead = {places, order_cache_new()};
	if (result->structure_changed)
		want_of_policies(builder, &ahead);
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind == FLEET_TENANT && result->touched[i].after)
			want_of_tenant(builder, (const struct fleet_tenant *)result->touched[i].after,
				       &ahead);
	if (order_cache_count(ahead.wanted) > 0)
		return !order_work_start(builder->order_work, ahead.wanted);
	order_cache_free(ahead.wanted);
	return true;
}

/* NULL: they have to be laid first. */
static struct places *laid_ahead(const struct world_builder *builder)
{
	return order_work_laid(builder->order_work, builder->geo,
			       steering_locations_hash(builder->source.fleet));
}

static bool starts_to_lay(struct world_builder *builder)
{
	const struct fleet *fleet = builder->source.fleet;
	size_t count;
	struct location *locations = steering_locations(fleet, &count);
	return order_work_lay(builder->order_work, builder->geo, locations, count,
			      steering_locations_hash(fleet));
}

bool world_builder_is_prepared(struct world_builder *builder, const struct fleet_result *result)
{
	if (!touches(result, FLEET_LOCATION))
		return has_wanted_orders(builder, result, builder->places);
	if (order_cache_is_quick_over(builder->places))
		return true;
	struct places *laid = laid_ahead(builder);
	if (!laid)
		return !starts_to_lay(builder);
	bool is_prepared = has_wanted_orders(builder, result, laid);
	places_unref(laid);
	return is_prepared;
}

void world_builder_await(struct world_builder *builder, order_work_ready_fn *ready, void *user)
{
	order_work_await(builder->order_work, ready, user);
}

static void leave_policy(struct world_builder *builder, const struct fleet_tenant *tenant)
{
	assert(tenant->object.number < builder->policy_capacity);
	uint32_t policy = builder->tenant_policies[tenant->object.number];
	if (fleet_policies_release(&builder->policies, policy) == 0)
		policy_orders_drop(&builder->policy_orders, policy);
}

static void edit_tenants(struct world_builder *builder, const struct fleet_result *result)
{
	struct index_edit *edit = index_edit_new(builder->index);
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_tenant *before = (const struct fleet_tenant *)result->touched[i].before;
		if (result->touched[i].kind != FLEET_TENANT || !before)
			continue;
		name_index_remove_tenant(edit, before);
		leave_policy(builder, before);
	}
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind == FLEET_TENANT && result->touched[i].after)
			index_tenant(builder, edit, (const struct fleet_tenant *)result->touched[i].after);
	index_unref(builder->index);
	builder->index = index_edit_done(edit);
}

void world_builder_fleet_changed(struct world_builder *builder, const struct fleet_result *result,
				 uint64_t fleet_version)
{
	assert(builder->index && fleet_version > builder->source.fleet_version);
	builder->source.fleet_version = fleet_version;
	if (touches(result, FLEET_LOCATION)) {
		places_unref(builder->places);
		builder->places = laid_ahead(builder);
		if (!builder->places)
			builder->places = steering_lay_locations(builder->geo, builder->source.fleet);
	}
	/* Zones have names of their own in the index, and decide which custom domains stand there. */
	if (touches(result, FLEET_ZONE)) {
		rebuild(builder);
		return;
	}
	if (result->structure_changed) {
		load_services(builder);
		policy_orders_drop_all(&builder->policy_orders);
	}
	if (touches(result, FLEET_TENANT))
		edit_tenants(builder, result);
	publish_fleet(builder);
}

/* ---- what-if and look-ups ---- */

struct world *world_builder_what_if(struct world_builder *builder, const struct what_if *what_if,
				    size_t count)
{
	struct plan_build build = plan_build_now(builder);
	build.what_if = what_if;
	build.what_if_count = count;
	struct plan_service **real = xcalloc(builder->service_count + 1, sizeof *real);
	for (size_t i = 0; count > 0 && i < builder->service_count; i++) {
		struct service_slot *slot = &builder->services[i];
		uint64_t next_ms;
		real[i] = slot->plan;
		if (slot->service)
			slot->plan = plan_build_service(&build, slot->service, &next_ms);
	}
	struct world *world =
		world_new(builder->epoch, builder->source.fleet_version, index_ref(builder->index),
			  build_plan(builder), places_ref(builder->places), builder->source.settings);
	for (size_t i = 0; count > 0 && i < builder->service_count; i++) {
		plan_service_unref(builder->services[i].plan);
		builder->services[i].plan = real[i];
	}
	free(real);
	return world;
}

const struct fleet_tenant *world_builder_tenant(const struct world_builder *builder, uint32_t number)
{
	return (const struct fleet_tenant *)fleet_numbered(builder->source.fleet, FLEET_TENANT, number);
}

const struct plan_service *world_builder_service(const struct world_builder *builder, uint32_t number)
{
	return number < builder->service_count ? builder->services[number].plan : NULL;
}

const struct places *world_builder_places(const struct world_builder *builder)
{
	return builder->places;
}

uint64_t world_builder_epoch(const struct world_builder *builder)
{
	return builder->epoch;
}

uint64_t world_builder_index_builds(const struct world_builder *builder)
{
	return builder->index_builds;
}
