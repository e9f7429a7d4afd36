/*
 * How the fleet says clients are steered, in the terms of the decision: regions as bits, a service's steering
 * as the spec of an order, `locations:` as places. Pure; any thread that may read the fleet.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/order.h"

/* Bits of the regions that the service's steering names and that hold VIPs of it. */
region_set steering_candidates(const struct fleet *fleet, const struct fleet_service *service);
/* What an order of the service's candidates among `allowed` depends on; every octet is set. free() its rules.
 */
void steering_order_spec(const struct fleet *fleet, const struct fleet_service *service, region_set allowed,
			 struct order_spec *ret);
/* The key, as the operator wrote it, of the map's rule that became `rule`. */
const char *steering_rule_key(const struct fleet_map *map, const struct map_rule *rule);
/* The fleet's `locations:`; free() them. */
struct location *steering_locations(const struct fleet *fleet, size_t *ret_count);
uint64_t steering_locations_hash(const struct fleet *fleet); /* tells them from others */
/* The fleet's `locations:` laid over places; a new reference, to `places` itself where there are none. */
struct places *steering_lay_locations(struct places *places, const struct fleet *fleet);
