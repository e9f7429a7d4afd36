/*
 * The world: everything that an answer is made from, published as one pointer. Parts are shared
 * between worlds by reference; the control thread builds and frees, workers only read.
 */
#pragma once
#include "gslb/decide/plan.h"
#include "zones/index.h"

struct serve_settings { /* what a reload may change about serving */
	uint16_t edns_size; /* octets; announced, and the most that UDP sends */
	bool ecs;	    /* the client subnet is believed */
	uint8_t nsid_length; /* 0: NSID is off */
	uint8_t nsid[255];
	uint32_t tcp_connections, tcp_per_client;
	uint32_t tcp_queries; /* per connection; 0 = no bound */
	uint32_t tcp_idle_ms;
};

struct world {
	uint64_t epoch;		/* grows by one with every published world */
	uint64_t fleet_version; /* grows by one with every accepted change of the fleet */
	struct index *index;
	struct plan *plan;
	struct places *places; /* explain only */
	struct serve_settings settings;
};

/* Takes over one reference to each part. */
struct world *world_new(uint64_t epoch, uint64_t fleet_version, struct index *index, struct plan *plan,
			struct places *places, const struct serve_settings *settings);
void world_free(struct world *world); /* NULL is fine */
