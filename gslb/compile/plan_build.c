/* What a service looks like right now. Control thread. */
#include "gslb/compile/plan_build.h"
#include "gslb/compile/shedding.h"
#include "gslb/decide/https.h"
#include "health/health_book.h"
#include "health/load_book.h"
#include "lib/mem.h"
#include "store/controls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t control_changed_ms(const struct plan_build *build, const char *region, const char *service,
				   const char *address)
{
	char key[CONTROLS_KEY_MAX];
	if (!build->control_changes)
		return 0;
	controls_key(region, service, address, key);
	const uint64_t *changed = map_get(build->control_changes, key);
	return changed ? *changed : 0;
}

static struct vip_health health_of(const struct plan_build *build, const struct fleet_service *service,
				   const struct fleet_vip *vip)
{
	const char *check_id = vip->check ? vip->check : service->check;
	if (!check_id)
		return (struct vip_health){.state = VIP_UP};
	const struct fleet_check *check =
		(const struct fleet_check *)fleet_get(build->source->fleet, FLEET_CHECK, check_id);
	assert(check); /* else the service had been refused */
	const struct health_book *book = build->source->health;
	const struct health_entry *entry = book ? health_book_find(book, vip, check_id) : NULL;
	if (!entry)
		return (struct vip_health){.interval_ms = check->spec.interval_ms, .state = VIP_UNKNOWN};
	return (struct vip_health){
		.interval_ms = check->spec.interval_ms,
		.state = health_book_vip_state(entry->verdict.state),
		.score = entry->score,
		.pending = (uint16_t)health_book_pending(entry),
		.changed_ms = entry->changed_ms,
		.changed_unix_ms = entry->changed_unix_ms,
		.was_up = entry->was_up,
		.is_long_ago = entry->is_long_ago,
	};
}

static struct vip_load load_of(const struct plan_build *build, const struct fleet_service *service,
			       const char *region)
{
	const struct load_book *book = build->source->loads;
	const struct load_entry *entry = book ? load_book_find(book, region, service->object.id) : NULL;
	if (!entry)
		return (struct vip_load){.scale = SCORE_FULL};
	uint64_t ago_ms = build->now_ms > entry->changed_ms ? build->now_ms - entry->changed_ms : 0;
	return (struct vip_load){
		.is_reported = true,
		.scale = entry->scale,
		.changed_ms = entry->changed_ms,
		.changed_unix_ms = build->now_unix_ms - (int64_t)ago_ms,
	};
}

/* A change of what it sheds is one of load. NULL: nothing in the service sheds. */
static const struct plan_shed *shed_of(const struct plan_build *build, const struct fleet_service *service,
				       const char *region, struct plan_shed *shed, struct vip_load *load)
{
	const struct shedding *shedding = build->source->shedding;
	uint64_t changed_ms = 0;
	bool is_given = shedding && shedding_get(shedding, service->object.id, region, shed, &changed_ms);
	if (changed_ms > load->changed_ms)
		load->changed_ms = changed_ms;
	return is_given ? shed : NULL;
}

/* `region_changed_ms`: the last change of a control of the VIP's region. */
static void fill_vip(const struct plan_build *build, const struct fleet_service *service, const char *region,
		     const struct fleet_vip *vip, uint64_t region_changed_ms, const struct vip_load *load,
		     struct plan_vip_input *out, uint64_t *next_ms)
{
	char address[IP_TEXT_MAX];
	ip_format(&vip->ip, address);
	const struct controls *all = build->source->controls;
	const struct control_row *control = all ? controls_get(all, region, "", address) : NULL;
	struct vip_health health = health_of(build, service, vip);
	struct vip_controls controls = {
		.share = control ? control->share : 100,
		.changed_ms = control_changed_ms(build, region, "", address),
		.region_changed_ms = region_changed_ms,
	};
	uint64_t own_next_ms;
	out->ip = vip->ip;
	out->weight = vip->weight;
	out->shares = vip->shares;
	vip_input_fill(out, &health, &controls, load, service->ttl_min, service->ttl_max, build->now_ms,
		       &own_next_ms);
	if (own_next_ms < *next_ms)
		*next_ms = own_next_ms;
	vip_input_suppose(out, region, build->what_if, build->what_if_count, build->now_unix_ms);
}

static int region_share(const struct plan_build *build, const char *region, const char *service)
{
	const struct controls *all = build->source->controls;
	const struct control_row *control = all ? controls_effective(all, region, service) : NULL;
	return vip_input_suppose_share(control ? control->share : 100, region, build->what_if,
				       build->what_if_count);
}

static_assert(FLEET_VIPS_PER_REGION_MAX == VIPS_PER_REGION_MAX, "room for each VIP");

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct plan_service *plan_build_service(const struct plan_build *build, const struct fleet_service *service,
					uint64_t *ret_next_ms)
{
	struct plan_region_input regions[REGIONS_MAX];
	struct plan_shed shed[REGIONS_MAX];
	struct plan_vip_input *vips =
		xcalloc(service->vip_region_count + 1, VIPS_PER_REGION_MAX * sizeof *vips);
	struct plan_service_input input = {
		.number = service->object.number,
		.id = service->object.id,
		.split = service->split,
		.last_resort = service->last_resort,
		.prefix4 = service->prefix4,
		.prefix6 = service->prefix6,
		.answers = service->answers,
		.ttl_min = service->ttl_min,
		.ttl_max = service->ttl_max,
		.min_healthy_hundredths = service->min_healthy_hundredths,
		.resort_count = service->resort_count,
		.resort = service->resort,
		.regions = regions,
		.places = build->places,
	};
	uint8_t https[HTTPS_TEMPLATE_MAX];
	if (service->has_https) {
		input.https = https;
		input.https_length = (uint16_t)https_template(service->https_alpn, service->https_alpn_count,
							      service->https_port, https);
	}
	*ret_next_ms = UINT64_MAX;
	for (size_t r = 0; r < service->vip_region_count; r++) {
		const struct fleet_vips *from = &service->vips[r];
		const struct fleet_object *region =
			fleet_get(build->source->fleet, FLEET_REGION, from->region);
		if (!region)
			continue;
		uint64_t changed_ms = later(control_changed_ms(build, from->region, "", ""),
					    control_changed_ms(build, from->region, service->object.id, ""));
		struct vip_load load = load_of(build, service, from->region);
		struct plan_region_input *to = &regions[input.region_count++];
		struct plan_vip_input *to_vips = vips + r * VIPS_PER_REGION_MAX;
		assert(region->number < REGIONS_MAX && from->count <= VIPS_PER_REGION_MAX);
		assert(input.region_count <= REGIONS_MAX);
		to->number = (uint8_t)region->number;
		to->id = region->id;
		to->share = (int8_t)region_share(build, from->region, service->object.id);
		to->shed = shed_of(build, service, from->region, &shed[input.region_count - 1], &load);
		to->vip_count = (uint8_t)from->count;
		to->vips = to_vips;
		for (size_t v = 0; v < from->count; v++)
			fill_vip(build, service, from->region, &from->vips[v], changed_ms, &load, &to_vips[v],
				 ret_next_ms);
	}
	struct plan_service *plan = plan_service_compile(&input);
	free(vips);
	return plan;
}
