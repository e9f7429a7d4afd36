/*
 * What worlds are compiled from: the truth as whoever owns it has it right now. Nothing here is needed to
 * run, so that `gslbctl check` and tests fill one as they like. Control thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/world.h"

struct controls;
struct health_book;
struct load_book;
struct shedding;

struct world_source {
	const struct fleet *fleet;
	uint64_t fleet_version;
	const struct controls *controls;  /* NULL: no hand is on anything */
	const struct health_book *health; /* NULL: nothing is known of any VIP */
	const struct load_book *loads;	  /* NULL: no forwarder reports */
	const struct shedding *shedding;  /* with `loads` */
	const struct serve_settings *settings;
	unsigned workers; /* that share the clients, and a tenant's budget */
};
