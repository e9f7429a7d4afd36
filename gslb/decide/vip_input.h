/*
 * Health and controls → what a plan is told of a VIP: its state, score and TTL, and what of it is only
 * supposed. These rules stand here alone: the server and the simulation call them. Pure: the clocks are
 * arguments.
 */
#pragma once
#include "gslb/decide/plan.h"

/* What its check found. */
struct vip_health {
	uint32_t interval_ms; /* of the check; 0: it has none, so it is up, and nothing else here counts */
	enum vip_state state;
	uint16_t score;		 /* 0..SCORE_FULL */
	uint16_t pending;	 /* failures seen while up, successes while down */
	uint64_t changed_ms;	 /* the last transition, monotonic; 0: none since the start */
	int64_t changed_unix_ms; /* the same by the wall clock, which a restart does not lose */
	bool was_up;		 /* the last transition was from up */
	bool is_long_ago;	 /* it was before this boot: there is nothing to wait for */
};

/* What an operator's hand did. */
struct vip_controls {
	int share;		    /* of the VIP's own control; 100: there is none */
	uint64_t changed_ms;	    /* the last change of that, monotonic; 0: none since the start */
	uint64_t region_changed_ms; /* the last change of a control of its region */
};

/* What the region's forwarders report of the service. */
struct vip_load {
	bool is_reported;    /* else nothing here counts */
	uint16_t scale;	     /* what is left of the region's weight, of SCORE_FULL */
	uint64_t changed_ms; /* the last change of that, monotonic; 0: none since the start */
	int64_t changed_unix_ms;
};
#define VIP_LOAD_INTERVAL_MS 1000 /* between reports: the interval of a VIP without a check */

/* Fills all of `vip` but ip, weight and shares. *ret_next_ms: when its TTL will grow by itself (monotonic),
 * UINT64_MAX: never. */
void vip_input_fill(struct plan_vip_input *vip, const struct vip_health *health,
		    const struct vip_controls *controls, const struct vip_load *load, uint32_t ttl_min,
		    uint32_t ttl_max, uint64_t now_ms, uint64_t *ret_next_ms);

/* ---- what if ---- */

struct what_if {
	const char *region;  /* or */
	const char *address; /* canonical text */
	enum what_if_kind { WHAT_IF_STATE, WHAT_IF_SHARE } kind;
	bool is_up;
	int share; /* 0..100, SHARE_DOWN */
};

/* The later of two that say different things wins. */
void vip_input_suppose(struct plan_vip_input *vip, const char *region, const struct what_if *what_if,
		       size_t count, int64_t now_unix_ms);
/* The region's share, which is `share` where nothing else is supposed. */
int vip_input_suppose_share(int share, const char *region, const struct what_if *what_if, size_t count);
