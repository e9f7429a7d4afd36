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
static uint32_t ttl_of(const struct plan_vip_input *vip, bool is_long_ago, uint64_t changed_ms,
		       uint32_t ttl_min, uint32_t ttl_max, uint64_t now_ms, uint64_t *ret_next_ms)
{
	*ret_next_ms = UINT64_MAX;
	if (vip->interval_ms == 0)
		return ttl_max;
	if (vip->ttl_is_pending)
		return ttl_min;
	if (is_long_ago)
		return ttl_max;
	uint64_t step_ms = (uint64_t)ttl_min * 1000;
	if (step_ms < vip->interval_ms)
		step_ms = vip->interval_ms;
	uint64_t quiet_ms = now_ms > changed_ms ? now_ms - changed_ms : 0;
	uint64_t doublings = quiet_ms / step_ms;
	uint64_t ttl = doublings < 32 ? (uint64_t)ttl_min << doublings : ttl_max;
	if (ttl >= ttl_max)
		return ttl_max;
	*ret_next_ms = changed_ms + (doublings + 1) * step_ms;
	return (uint32_t)ttl;
}

static void fill_health(struct plan_vip_input *vip, const struct vip_health *health)
{
	bool has_check = health->interval_ms > 0;
	assert(health->state < VIP_STATES && health->score <= SCORE_FULL);
	vip->interval_ms = health->interval_ms;
	vip->state = has_check ? health->state : VIP_UP;
	vip->score = has_check && health->state != VIP_UNKNOWN ? health->score : SCORE_FULL;
	vip->pending = has_check ? health->pending : 0;
	vip->fell_ms = has_check && health->was_up ? (uint64_t)health->changed_unix_ms : 0;
	vip->ttl_is_pending = has_check && (vip->pending > 0 || vip->state == VIP_UNKNOWN);
}

void vip_input_fill(struct plan_vip_input *vip, const struct vip_health *health,
		    const struct vip_controls *controls, uint32_t ttl_min, uint32_t ttl_max, uint64_t now_ms,
		    uint64_t *ret_next_ms)
{
	uint64_t controlled_ms = later(controls->changed_ms, controls->region_changed_ms);
	assert(ttl_min <= ttl_max);
	fill_health(vip, health);
	vip->is_drained = controls->share <= 0;
	vip->ttl = ttl_of(vip, health->is_long_ago && controlled_ms == 0,
			  later(health->changed_ms, controlled_ms), ttl_min, ttl_max, now_ms, ret_next_ms);
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
