/*
 * The effective table of `gslbctl check`: in which order each service's regions answer a client of each
 * continent, with all up and with each region down. By the server's own functions, without a server.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/place/place.h"
#include <jansson.h>

/* Of a good fleet, whose VIPs by name it resolves to a stand-in, and its geography without `locations:`.
 * Where nothing says where anybody is, the only client is the one without location, whose continent is null.
 * {clients: [{continent, address, at, country, from}], services: [{service, order,
 * rows: [{continent, down, step, tiers: [[region]]}]}]}; new reference. tiers[0] answers. */
json_t *check_table(struct fleet *fleet, struct places *geo);
