/*
 * The effective table of `gslbctl check`: in which order each service's regions answer a client of each
 * continent, with all up and with each region down. By the server's own functions, without a server.
 */
#pragma once
#include "gslb/compile/load.h"

/* Of a good load_run. {clients: [{continent, address, at, country, from}], services: [{service, order,
 * rows: [{continent, down, step, tiers: [[region]]}]}]}; new reference. tiers[0] answers. */
json_t *check_table(const struct load_result *loaded);
