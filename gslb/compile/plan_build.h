/* Fleet, health and controls → the input of one service's plan. Control thread. */
#pragma once
#include "gslb/compile/world_source.h"
#include "gslb/decide/vip_input.h"
#include "lib/map.h"

struct plan_build {
	const struct world_source *source;
	const struct map *control_changes; /* controls_key → uint64_t *, monotonic ms; NULL: none */
	const struct places *places;	   /* of the world that it is for */
	const struct what_if *what_if;
	size_t what_if_count;
	uint64_t now_ms; /* monotonic */
	int64_t now_unix_ms;
};

/* *ret_next_ms: when a TTL of it grows by itself (monotonic), UINT64_MAX: never. */
struct plan_service *plan_build_service(const struct plan_build *build, const struct fleet_service *service,
					uint64_t *ret_next_ms);
