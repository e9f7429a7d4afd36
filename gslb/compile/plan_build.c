/* What a service looks like right now. Control thread. */
#include "gslb/compile/plan_build.h"
#include "gslb/decide/https.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "store/controls.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t control_changed_ms(const struct plan_build *build, const char *region, const char *service,
				   const char *address)
{
	char key[CONTROLS_KEY_MAX];
	controls_key(region, service, address, key);
	const uint64_t *changed = map_get(build->control_changes, key);
	return changed ? *changed : 0;
}

static void suppose(const struct what_if *what_if, struct plan_vip_input *vip, bool is_the_address)
{
	if (what_if->kind == WHAT_IF_STATE) {
		if (vip->state != VIP_DOWN) /* it would fall now */
			vip->fell_ms = (uint64_t)clock_unix_ms();
		vip->state = what_if->is_up ? VIP_UP : VIP_DOWN;
		vip->score = what_if->is_up ? SCORE_FULL : 0;
		vip->pending = 0;
	} else if (is_the_address) {
		vip->is_drained = what_if->share <= 0;
	}
}

static void apply_what_ifs(const struct plan_build *build, const char *region, struct plan_vip_input *vip)
{
	for (size_t i = 0; i < build->what_if_count; i++) {
		const struct what_if *what_if = &build->what_if[i];
		struct ip ip;
		if (what_if->region && strcmp(what_if->region, region) == 0)
			suppose(what_if, vip, false);
		else if (what_if->address && ip_parse(what_if->address, &ip) && ip_equal(&ip, &vip->ip))
			suppose(what_if, vip, true);
	}
}

/* `changed_ms`: the last change of a control of the VIP's region. */
static void fill_vip(const struct plan_build *build, const struct fleet_service *service, const char *region,
		     const struct fleet_vip *vip, uint64_t changed_ms, struct plan_vip_input *out,
		     uint64_t *next_ms)
{
	const char *check_id = vip->check ? vip->check : service->check;
	struct vip_health health = {.state = VIP_UP, .changed_ms = changed_ms};
	out->ip = vip->ip;
	out->weight = vip->weight;
	out->shares = vip->shares;
	out->score = SCORE_FULL;
	const struct fleet_object *check =
		check_id ? fleet_get(build->server->fleet, FLEET_CHECK, check_id) : NULL;
	if (check) {
		const struct health_entry *entry = health_book_find(build->server->health, vip, check_id);
		health.interval_ms = ((const struct fleet_check *)check)->interval_ms;
		health.state = VIP_UNKNOWN;
		if (entry) {
			health.state = health_book_vip_state(entry->verdict.state);
			health.pending = (uint16_t)verdict_pending(&entry->verdict);
			health.is_settled = entry->is_long_ago && changed_ms == 0;
			if (entry->changed_ms > health.changed_ms)
				health.changed_ms = entry->changed_ms;
			out->score = entry->score;
			out->fell_ms = entry->was_up ? (uint64_t)entry->changed_unix_ms : 0;
		}
	}
	char address[IP_TEXT_MAX];
	ip_format(&vip->ip, address);
	const struct control_row *control = controls_get(build->server->controls, region, "", address);
	out->is_drained = control && control->share == 0;
	uint64_t own_changed_ms = control_changed_ms(build, region, "", address);
	if (own_changed_ms > health.changed_ms) {
		health.changed_ms = own_changed_ms;
		health.is_settled = false;
	}
	out->state = health.state;
	out->interval_ms = health.interval_ms;
	out->pending = health.pending;
	uint64_t own_next_ms;
	out->ttl = vip_ttl(&health, service->ttl_min, service->ttl_max, build->now_ms, &own_next_ms);
	if (own_next_ms < *next_ms)
		*next_ms = own_next_ms;
	out->ttl_is_pending = health.interval_ms > 0 && (health.pending > 0 || health.state == VIP_UNKNOWN);
	out->ttl_is_recent = out->ttl < service->ttl_max && !out->ttl_is_pending;
	apply_what_ifs(build, region, out);
}

static int region_share(const struct plan_build *build, const char *region, const char *service)
{
	const struct control_row *control = controls_effective(build->server->controls, region, service);
	int share = control ? control->share : 100;
	for (size_t i = 0; i < build->what_if_count; i++) {
		const struct what_if *what_if = &build->what_if[i];
		if (what_if->region && what_if->kind == WHAT_IF_SHARE && strcmp(what_if->region, region) == 0)
			share = what_if->share;
	}
	return share;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct plan_service *plan_build_service(const struct plan_build *build, const struct fleet_service *service,
					uint64_t *ret_next_ms)
{
	struct plan_region_input regions[REGIONS_MAX];
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
			fleet_get(build->server->fleet, FLEET_REGION, from->region);
		if (!region)
			continue;
		uint64_t changed_ms = later(control_changed_ms(build, from->region, "", ""),
					    control_changed_ms(build, from->region, service->object.id, ""));
		struct plan_region_input *to = &regions[input.region_count++];
		struct plan_vip_input *to_vips = vips + r * VIPS_PER_REGION_MAX;
		to->number = (uint8_t)region->number;
		to->id = region->id;
		to->share = (int8_t)region_share(build, from->region, service->object.id);
		to->vip_count = (uint8_t)from->count;
		to->vips = to_vips;
		for (size_t v = 0; v < from->count; v++)
			fill_vip(build, service, from->region, &from->vips[v], changed_ms, &to_vips[v],
				 ret_next_ms);
	}
	struct plan_service *plan = plan_service_compile(&input);
	free(vips);
	return plan;
}
