/*
 * How much a client is hurt that another region takes: how much farther the nearest other one is. Pure, on
 * the UDP path of regions that shed; any thread.
 */
#pragma once
#include "gslb/decide/order.h"
#include "gslb/decide/shed.h"

/* 0 (no farther, or nobody knows where the client is) to SHED_BUCKETS - 1. `client` as order_find() takes it,
 * but cut to the prefix inside which all clients get one answer. */
unsigned regret_bucket(const struct order *order, const struct places *places, const struct ip *client,
		       const struct ip *resolver, unsigned region, region_set others);
