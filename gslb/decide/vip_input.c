/* The rules for one VIP (docs/decision.md). Pure; any thread. */
#include "gslb/decide/vip_input.h"
#include <assert.h>
#include <string.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* MIN while something is pending or unknown; after the last change of health or controls twice as much with
 * each quiet interval. */
static uint32_t ttl_of(const struct plan_vip_input *vip, uint32_t interval_ms, bool is_long_ago,
		       uint64_t changed_ms, uint32_t ttl_min, uint32_t ttl_max, uint64_t now_ms,
		       uint64_t *ret_next_ms)
{
	*ret_next_ms = UINT64_MAX;
	if (interval_ms == 0)
		return ttl_max;
	if (vip->ttl_is_pending)
		return ttl_min;
	if (is_long_ago)
		return ttl_max;
	uint64_t step_ms = (uint64_t)ttl_min * 1000;
	if (step_ms < interval_ms)
		step_ms = interval_ms;
	uint64_t quiet_ms = now_ms > changed_ms ? now_ms - changed_ms : 0;
	uint64_t doublings = quiet_ms / step_ms;
	uint64_t ttl = doublings < 32 ? (uint64_t)ttl_min << doublings : ttl_max;
	if (ttl >= ttl_max)
		return ttl_max;
	*ret_next_ms = changed_ms + (doublings + 1) * step_ms;
	return (uint32_t)ttl;
}

/* What is a little does not become nothing. */
static uint16_t scaled(uint16_t score, const struct vip_load *load)
{
	if (!load->is_reported)
		return score;
	return (uint16_t)(((uint32_t)score * load->scale + SCORE_FULL - 1) / SCORE_FULL);
}

static void fill_health(struct plan_vip_input *vip, const struct vip_health *health,
			const struct vip_load *load)
{
	bool has_check = health->interval_ms > 0;
	assert(health->state < VIP_STATES && health->score <= SCORE_FULL && load->scale <= SCORE_FULL);
	vip->interval_ms = health->interval_ms;
	vip->state = has_check ? health->state : VIP_UP;
	vip->score = scaled(has_check && health->state != VIP_UNKNOWN ? health->score : SCORE_FULL, load);
	vip->pending = has_check ? health->pending : 0;
	vip->fell_ms = has_check && health->was_up ? (uint64_t)health->changed_unix_ms : 0;
	if (vip->state != VIP_DOWN && vip->score == 0) /* its origins are gone */
		vip->fell_ms = (uint64_t)load->changed_unix_ms;
	vip->ttl_is_pending = has_check && (vip->pending > 0 || vip->state == VIP_UNKNOWN);
}

void vip_input_fill(struct plan_vip_input *vip, const struct vip_health *health,
		    const struct vip_controls *controls, const struct vip_load *load, uint32_t ttl_min,
		    uint32_t ttl_max, uint64_t now_ms, uint64_t *ret_next_ms)
{
	uint64_t others_ms = later(controls->changed_ms, controls->region_changed_ms);
	assert(ttl_min <= ttl_max);
	fill_health(vip, health, load);
	vip->is_drained = controls->share <= 0;
	uint32_t interval_ms = health->interval_ms;
	bool is_long_ago = health->is_long_ago;
	if (load->is_reported) {
		others_ms = later(others_ms, load->changed_ms);
		if (interval_ms == 0) {
			interval_ms = VIP_LOAD_INTERVAL_MS;
			is_long_ago = true;
		}
	}
	vip->ttl = ttl_of(vip, interval_ms, is_long_ago && others_ms == 0,
			  later(health->changed_ms, others_ms), ttl_min, ttl_max, now_ms, ret_next_ms);
	vip->ttl_is_recent = vip->ttl < ttl_max && !vip->ttl_is_pending;
}

/* ---- what if ---- */

static void suppose(struct plan_vip_input *vip, const struct what_if *what_if, bool is_the_address,
		    int64_t now_unix_ms)
{
	switch (what_if->kind) {
	case WHAT_IF_STATE:
		if (vip->state != VIP_DOWN) /* it would fall now */
			vip->fell_ms = (uint64_t)now_unix_ms;
		vip->state = what_if->is_up ? VIP_UP : VIP_DOWN;
		vip->score = what_if->is_up ? SCORE_FULL : 0;
		vip->pending = 0;
		break;
	case WHAT_IF_SHARE:
		if (is_the_address)
			vip->is_drained = what_if->share <= 0;
		break;
	}
}

void vip_input_suppose(struct plan_vip_input *vip, const char *region, const struct what_if *what_if,
		       size_t count, int64_t now_unix_ms)
{
	for (size_t i = 0; i < count; i++) {
		struct ip ip;
		if (what_if[i].region && strcmp(what_if[i].region, region) == 0)
			suppose(vip, &what_if[i], false, now_unix_ms);
		else if (what_if[i].address && ip_parse(what_if[i].address, &ip) && ip_equal(&ip, &vip->ip))
			suppose(vip, &what_if[i], true, now_unix_ms);
	}
}

int vip_input_suppose_share(int share, const char *region, const struct what_if *what_if, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (what_if[i].region && what_if[i].kind == WHAT_IF_SHARE &&
		    strcmp(what_if[i].region, region) == 0)
			share = what_if[i].share;
	return share;
}
