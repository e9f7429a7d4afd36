/*
 * In which order a client's place puts the regions: tiers, compiled for one way of steering into a
 * prefix table whose leaves are folded, so that a leaf's depth is the exact ECS scope (RFC 7871
 * §7.2.1). Compiled on a control thread, immutable afterwards, shared by content.
 */
#pragma once
#include "fleet/words.h"
#include "gslb/decide/place/place.h"
#include <stdint.h>

#define REGIONS_MAX 64

typedef uint64_t region_set; /* bit r = region number r */

/* A list of tiers: region numbers, in order; bit 7 marks the first of each tier. */
#define TIER_START 0x80
struct tiers {
	uint8_t count; /* 0: no candidate */
	uint8_t item[REGIONS_MAX];
	region_set only; /* the first tier where that is one region, else 0; filled in by order_compile */
};

struct map_rule {
	enum map_rule_kind kind;
	struct prefix prefix; /* MAP_PREFIX */
	uint32_t asn;	      /* MAP_ASN */
	char country[3];      /* MAP_COUNTRY, MAP_SUBDIVISION */
	char continent[3];    /* MAP_CONTINENT */
	char subdivision[12]; /* MAP_SUBDIVISION */
	bool is_nearest; /* by distance: of the regions in `tiers`, of all candidates where it is empty */
	struct tiers tiers;
};

/* Everything that an order depends on, but for geography. */
struct order_spec {
	enum order_kind kind;
	uint32_t tolerance_km;
	uint8_t listed_count; /* the candidates in the order of steering.regions */
	uint8_t listed[REGIONS_MAX];
	/* of each region number */
	double latitude[REGIONS_MAX], longitude[REGIONS_MAX];
	int8_t bias[REGIONS_MAX]; /* -99..99, see order_biased_km */
	size_t rule_count;
	const struct map_rule *rules; /* with kind ORDER_MAP; exactly one MAP_DEFAULT */
};

struct order; /* compiled */

struct order_result {
	const struct tiers *tiers;
	uint8_t depth;	    /* bits of the client's prefix that decided; 0 = none */
	bool used_resolver; /* the place came from the resolver's address */
};

/* `spec` is copied. Listed regions that a rule names but that are no candidates are left out of the
 * tiers. nearest: each tier begins with the nearest region left and holds all others left whose
 * distance is within tolerance_km of it; equal distances keep the order of listed. Distances are those
 * of order_biased_km. */
struct order *order_compile(const struct order_spec *spec, const struct places *places);
/* The same for everybody, so that no place has a say and it is compiled in no time. */
bool order_is_constant(const struct order_spec *spec);
struct order *order_ref(struct order *order);
void order_unref(struct order *order);
bool order_is_shared(const struct order *order); /* more than one reference is held */
size_t order_bytes(const struct order *order);

/* `client`: the ECS address or the resolver's own. `resolver`: only for a client taken from ECS,
 * else NULL. No allocation, no lock. */
struct order_result order_find(const struct order *order, const struct ip *client, const struct ip *resolver);

/* docs/decision.md, "Bias": above 0 a region counts as nearer than it is, d·(1−b/100), and draws
 * clients; below 0 as farther, d/(1+b/100), and sends them away. */
static inline double order_biased_km(double distance_km, int bias)
{
	return bias >= 0 ? distance_km * (100 - bias) / 100 : distance_km * 100 / (100 + bias);
}

/* For explain: the rule of the map that matched, NULL without ORDER_MAP. Leaves are folded by tiers
 * alone, so the rules are evaluated again on `places`, those that the order was compiled from. The
 * rule lives as long as the order. */
const struct map_rule *order_explain_rule(const struct order *order, const struct places *places,
					  const struct ip *client, const struct ip *resolver);
