/*
 * The world: everything that an answer is made from, published as one pointer. Parts are shared
 * between worlds by reference; the control thread builds and frees, workers only read.
 */
#pragma once
#include "gslb/decide/plan.h"
#include "zones/index.h"

#define COOKIE_SECRETS_MAX 8
#define RRL_EXEMPT_MAX 64
#define ECS_FROM_MAX 256

struct serve_settings {	     /* what a reload may change about serving */
	uint16_t edns_size;  /* octets; announced, and the most that UDP sends */
	bool ecs;	     /* the client subnet is believed: everybody's, or that of ecs_from */
	uint8_t nsid_length; /* 0: NSID is off */
	uint8_t nsid[255];
	uint32_t tcp_connections, tcp_per_client;
	uint32_t tcp_queries; /* per connection; 0 = no bound */
	uint32_t tcp_idle_ms;
	uint8_t cookie_secret_count; /* 0: no cookies; the first signs, all verify (RFC 9018 §5) */
	uint8_t cookie_secrets[COOKIE_SECRETS_MAX][16];
	int64_t unix_offset_ns; /* wall clock minus monotonic clock, for the stamps of cookies */
	bool rrl_is_on;
	uint8_t rrl_slip; /* each slip-th limited query gets a truncated reply; 0: none */
	uint8_t rrl_exempt_count;
	uint64_t rrl_interval_ns; /* between two responses to a prefix by one worker (lib/gcra.h) */
	struct prefix rrl_exempt[RRL_EXEMPT_MAX];
	uint16_t ecs_from_count; /* 0: everybody */
	struct prefix ecs_from[ECS_FROM_MAX];
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
