/*
 * What several handlers and the metrics show alike: a VIP as it stands, a control, a time. Control
 * thread.
 */
#include "gslb/api/api_internal.h"

#include "gslb/compile/shedding.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/text.h"
#include <assert.h>
#include <inttypes.h>

json_t *api_view_time(int64_t unix_ms)
{
	char text[32];
	if (unix_ms == 0)
		return json_null();
	text_from_unix_ms(unix_ms, text);
	return json_text(text);
}

json_t *api_view_object(const struct fleet_object *object)
{
	char version[24];
	snprintf(version, sizeof version, "%" PRIu64, fleet_object_version(object));
	json_t *view = json_pack("{s:o, s:o, s:o}", "id", json_text(object->id), "source",
				 json_text(object->source == FLEET_BASE ? "base" : "store"), "version",
				 json_text(version));
	json_t *own = fleet_object_to_json(object);
	json_object_update(view, own);
	json_decref(own);
	return view;
}

/* As it was promised; where the wall clock was stepped since, as that clock will show it. */
static int64_t until_unix_ms(const struct control_row *row)
{
	if (row->expires_mono_ms == 0)
		return 0;
	int64_t until = clock_unix_ms() + (int64_t)(row->expires_mono_ms - clock_mono_ms());
	int64_t step = until - row->expires_unix_ms;
	return step > -1000 && step < 1000 ? row->expires_unix_ms : until;
}

json_t *api_view_control(const struct control_row *row)
{
	if (!row)
		return json_null();
	char version[24];
	assert(row->share == SHARE_DOWN || (row->share >= 0 && row->share <= 100));
	snprintf(version, sizeof version, "%" PRId64, row->since_unix_ms);
	json_t *share = row->share == SHARE_DOWN ? json_string("down") : json_integer(row->share);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "share", share, "since",
			 api_view_time(row->since_unix_ms), "until", api_view_time(until_unix_ms(row)),
			 "reason", json_text(row->reason[0] ? row->reason : NULL), "author",
			 json_text(row->author), "version", json_text(version));
}

json_t *api_view_load(const struct server *server, const struct load_entry *entry, bool is_named)
{
	if (!entry)
		return json_null();
	const struct shedding *shedding = server_shedding(server);
	double shed = shedding ? shedding_fraction(shedding, entry->service, entry->region) : 0;
	uint64_t now_ms = clock_mono_ms();
	uint64_t age_ms = now_ms > entry->fresh_ms ? now_ms - entry->fresh_ms : 0;
	json_t *view = json_object();
	assert(entry->draining <= entry->nodes && entry->scale <= SCORE_FULL);
	if (is_named) {
		json_object_set_new(view, "region", json_text(entry->region));
		json_object_set_new(view, "service", json_text(entry->service));
	}
	json_t *values = json_pack(
		"{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "scale", entry->scale / (double)SCORE_FULL,
		"shed", (double)(uint64_t)(shed * 1000 + 0.5) / 1000, "current", (json_int_t)entry->current,
		"target", (json_int_t)entry->target, "max", (json_int_t)entry->max, "forwarders",
		(json_int_t)entry->nodes, "draining", (json_int_t)entry->draining, "age_ms",
		json_integer(entry->is_fresh ? 0 : (json_int_t)age_ms));
	json_object_update(view, values);
	json_decref(values);
	return view;
}

void api_view_vip(const struct server *server, const struct fleet_service *service,
		  const struct fleet_vips *vips, size_t at, struct api_vip *ret)
{
	assert(at < vips->count);
	const struct fleet_vip *vip = &vips->vips[at];
	char address[IP_TEXT_MAX];
	ip_format(&vip->ip, address);
	*ret = (struct api_vip){
		.region = vips->region,
		.service = service->object.id,
		.check = vip->check ? vip->check : service->check,
		.vip = vip,
		.state = VIP_UP,
		.score = 1.0,
		.reason = "",
		.control = controls_get(server_controls(server), vips->region, "", address),
	};
	if (!ret->check)
		return;
	ret->entry = health_book_find(server_health(server), vip, ret->check);
	ret->state = ret->entry ? health_book_vip_state(ret->entry->verdict.state) : VIP_UNKNOWN;
	if (ret->state == VIP_UNKNOWN)
		return;
	ret->score = ret->state == VIP_UP ? (double)ret->entry->score / SCORE_FULL : 0.0;
	ret->since_unix_ms = ret->entry->changed_unix_ms;
	ret->reason = ret->entry->reason;
}
