/* Fleet, health and controls → the input of one service's plan. Control thread. */
#pragma once
#include "gslb/compile/world_builder.h"
#include "lib/map.h"

struct plan_build {
	struct server *server;
	const struct map *control_changes; /* controls_key → uint64_t *, monotonic ms */
	const struct what_if *what_if;
	size_t what_if_count;
	uint64_t now_ms; /* monotonic */
};

/* *ret_next_ms: when a TTL of it grows by itself (monotonic), UINT64_MAX: never. */
struct plan_service *plan_build_service(const struct plan_build *build, const struct fleet_service *service,
					uint64_t *ret_next_ms);
/* Bits of the regions that the service's steering names and that hold VIPs of it. */
region_set plan_build_candidates(const struct fleet *fleet, const struct fleet_service *service);
/* Bits of the tenant's own regions; all bits where it names none. */
region_set plan_build_tenant_regions(const struct fleet *fleet, const struct fleet_tenant *tenant);
/* The fleet's `locations:`; free() them. */
struct location *plan_build_locations(const struct fleet *fleet, size_t *ret_count);
/* The fleet's `locations:` laid over places; a new reference, to `places` itself where there are none. */
struct places *places_with_locations(struct places *places, const struct fleet *fleet);
