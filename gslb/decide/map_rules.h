/*
 * The rules of a map, sorted: those for AS numbers and places are found by binary search, those for prefixes
 * come first. Pure; any thread.
 */
#pragma once
#include "gslb/decide/order.h"

void map_rules_sort(struct map_rule *rules, size_t count); /* by kind, then by content */
/* Of sorted rules, the more specific kinds first; NULL: none. */
const struct map_rule *map_rules_by_asn(const struct order_spec *spec, uint32_t asn);
const struct map_rule *map_rules_by_place(const struct order_spec *spec, const struct place *place);
