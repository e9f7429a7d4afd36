/*
 * The usual answers of a region as record sets: where it gives all VIPs of a family, as configured, neither
 * client nor chance has a say, and the records can be sent as they stand. Those of HTTPS, A and AAAA lie one
 * behind the other, in this order, as the answer to a question for HTTPS has them. Where one VIP of several
 * is picked for each answer, each VIP has a set of its own. Control thread.
 */
#pragma once
#include "gslb/decide/plan.h"

/* Octets that ready_compile takes at most. */
size_t ready_octets(const struct plan_service_input *input, unsigned vip_count);
/* Fills region->ready from its picks and TTL and from what the service holds elsewhere, in memory of the
 * service at `at`; returns its end. */
uint8_t *ready_compile(const struct plan_service *service, struct plan_region *region, uint8_t *at);
