/*
 * The plan: what health, weights and controls say right now, compiled so that a choice is a walk
 * over bit sets (docs/decision.md, "Steps when tiers fail"). A plan is immutable; a change
 * of one service makes a new plan that shares all other services with the old one. Control thread
 * builds, any thread reads.
 */
#pragma once
#include "gslb/decide/order.h"
#include "gslb/decide/shed.h"
#include "zones/zone.h"
#include <stdbool.h>
#include <stdint.h>

/* LAST_RESORT_LAST_GOOD: the VIPs that were up last. A VIP fell when it went from up to down; one that was
 * never seen up fell at time 0. Of a region they are those that no control drains and that fell no earlier
 * than their window (max(interval of the check, 1 s)) before the last of the region's; of a client's
 * candidates the regions whose last fall lies within its window of the last of all. Where no VIP was ever up
 * they are all. Among these regions step (1) decides. */
#define LAST_GOOD_WINDOW_MIN_MS 1000

#define ANSWERS_MAX 32
#define VIPS_PER_REGION_MAX 64

struct plan_vip {
	struct ip ip;
	uint64_t hash;	  /* of the address, for the rendezvous */
	uint32_t weight;  /* configured, 0..1000000 */
	uint8_t shares;	  /* so many VIPs have the weight together; 0 where none of the service shares one */
	uint16_t score;	  /* 0..SCORE_FULL; 0 when down */
	uint16_t pending; /* failures seen while up, successes while down */
	uint32_t ttl;	  /* seconds, what this VIP alone asks for */
	enum vip_state state;
	bool is_drained;   /* by a VIP control */
	bool is_last_good; /* at the last resort it counts as up; always true but with last-good */
	bool ttl_is_recent, ttl_is_pending; /* why ttl is below the maximum */
};

/* The VIPs that a split may pick from, with their weights (weight·score, all 0 → all equal). */
struct plan_pick {
	uint64_t weight;
	uint64_t hash;		   /* of the VIP */
	const struct rrset *ready; /* the VIP alone, where answers have one (ready.h); else NULL */
	uint8_t vip;		   /* index into plan_region.vips */
};
#define WEIGHT_UNIT 65536 /* of the weights in a service where VIPs share one; else they are whole */
struct plan_picks {
	uint8_t count;
	struct plan_pick *pick;
};

/* How VIPs count: in the regular steps; in panic, where drained ones serve too; and at the last resort,
 * where every VIP that is not drained counts as up, with `last-good` those that were up last. */
enum pick_mode { PICK_REGULAR, PICK_PANIC, PICK_ALL, PICK_MODES };
#define WEIGHT_CONFIGURED PICK_MODES /* as if all VIPs were up and nothing controlled */

/* Of a region, in a service of which some region sheds. */
struct plan_shed {
	uint32_t threshold[SHED_BUCKETS]; /* by bucket (regret.h): which draws leave */
	uint64_t salt;			  /* of service and region */
	uint32_t headroom;		  /* the weight by which it takes what others shed; 0: nothing */
	uint16_t slot;			  /* of what is counted (stats.h); STATS_SHED_SLOTS: nothing is */
	bool sheds;
};

enum ready { READY_A, READY_AAAA, READY_HTTPS, READY_SETS };

struct plan_region {
	uint8_t number;
	uint8_t vip_count;
	int8_t share;			 /* 0..100 or SHARE_DOWN */
	uint32_t counter;		 /* of its answers (stats.h) */
	uint32_t ttl;			 /* minimum over the VIPs */
	uint64_t hash;			 /* of the region's id, for the rendezvous */
	uint64_t share_salt;		 /* of service and region */
	uint32_t healthy_permille;	 /* healthy share */
	uint64_t weight[PICK_MODES + 1]; /* larger of the two families' sum; by pick_mode, or configured */
	struct plan_picks picks[PICK_MODES][2]; /* [0] IPv4, [1] IPv6 */
	const struct plan_vip *vips;
	const struct rrset
		*ready[READY_SETS];	 /* by `enum ready`; NULL: to be made for each query (ready.h) */
	uint32_t ready_octets;		 /* of all of them together */
	uint16_t ready_addresses;	 /* records in the sets of addresses */
	uint64_t fell_ms, fell_until_ms; /* last-good: the last fall, and the end of its window */
};

struct plan_service {
	unsigned references;
	uint32_t number; /* stable, for counters */
	char id[64];
	enum split split;
	enum last_resort last_resort;
	uint8_t prefix4, prefix6; /* bits that the split hashes */
	uint8_t answers;
	uint32_t ttl_min, ttl_max;
	region_set ok;	      /* healthy share ≥ min_healthy and a healthy VIP */
	region_set healthy;   /* a healthy VIP that no control drains */
	region_set panic;     /* a healthy VIP, drained or not */
	region_set open;      /* a VIP that no control drains, healthy or not */
	region_set positive;  /* share above 0 */
	region_set partial;   /* share 1..99, or sheds: a client's hash has a say */
	region_set sheds;     /* some of its clients leave */
	region_set takes;     /* what others shed: headroom above 0 */
	region_set down;      /* control `down` */
	region_set holds[2];  /* a VIP of the family in whatever state: [0] IPv4, [1] IPv6 */
	region_set gives[2];  /* a VIP of the family for answers, if all were up and nothing controlled */
	region_set takes_all; /* ok, positive and not down, and take every client, whatever its hash */
	bool picks_vips;      /* some region has more of them than an answer takes: a hash or a draw picks */
	uint8_t region_count;
	uint8_t slot[REGIONS_MAX]; /* region number → index into regions, 255: none */
	struct plan_region *regions;
	uint16_t https_length;	 /* octets of https; 0: no HTTPS records */
	const uint8_t *https;	 /* template of their RDATA (https.h) */
	uint8_t resort_count[2]; /* LAST_RESORT_ADDRESSES: IPv4, IPv6, each at most ANSWERS_MAX */
	const struct plan_vip *resort[2];
	/* The same service with the VIPs of one family alone, for what that family chooses by itself: where
	 * the service has both families, and a region may be chosen that has no VIP of this one. Else NULL.
	 */
	struct plan_service *alone[2];
	const struct plan_shed *shed; /* with `sheds`, for each of `regions`; apart, for few need it */
	const struct places *places;  /* with `sheds`: those of the world */
};

struct policy { /* one way to answer; shared by all tenants that are answered alike */
	const struct plan_service *service;
	const struct order *order;
	region_set allowed;   /* steering.regions ∩ the tenant's regions */
	region_set takes_all; /* of these, the service's */
	bool is_resident;     /* the tenant names regions */
	bool is_suspended;
	bool has_budget;
};

static inline struct policy policy_of(const struct plan_service *service, const struct order *order,
				      region_set allowed)
{
	return (struct policy){.service = service,
			       .order = order,
			       .allowed = allowed,
			       .takes_all = service->takes_all & allowed};
}

/* Of each tenant by itself: between two queries that one worker answers by UDP, and between two that
 * find no name (lib/gcra.h); 0: no limit. */
struct plan_budget {
	uint64_t queries_interval_ns, nxdomain_interval_ns;
};

struct plan {
	unsigned references;
	size_t service_count, policy_count;
	struct plan_service **services;	 /* by position; NULL where removed */
	struct policy *policies;	 /* node.policy is the index */
	struct plan_budget *budgets;	 /* by policy; not in it, for few have one */
	char region_id[REGIONS_MAX][64]; /* by region number, "" unused */
};

/* ---- building (control thread) ---- */

struct plan_vip_input {
	struct ip ip;
	uint32_t weight;
	uint8_t shares; /* VIPs that have the weight together; 0 as 1 */
	enum vip_state state;
	uint16_t score; /* of a VIP that is not down */
	uint16_t pending;
	uint32_t ttl;
	bool ttl_is_recent, ttl_is_pending;
	bool is_drained;
	uint64_t fell_ms; /* of one that is down or scores 0: when it was up last, by any one clock; 0: never
			     seen up */
	uint32_t interval_ms; /* of its check */
};
struct plan_region_input {
	uint8_t number;
	const char *id;
	int8_t share;
	uint8_t vip_count;
	const struct plan_vip_input *vips;
	const struct plan_shed *shed; /* all but the salt; NULL: it neither sheds nor takes */
};
struct plan_service_input {
	uint32_t number;
	const char *id;
	enum split split;
	enum last_resort last_resort;
	uint8_t prefix4, prefix6, answers;
	uint32_t ttl_min, ttl_max;
	uint32_t min_healthy_hundredths; /* of a percent: 0..10000 */
	uint8_t region_count;
	const struct plan_region_input *regions; /* every region with VIPs */
	uint16_t https_length;			 /* 0: none */
	const uint8_t *https;
	size_t resort_count; /* with LAST_RESORT_ADDRESSES */
	const struct ip *resort;
	const struct places *places; /* where a region sheds; they outlive the service */
};

struct plan_service *plan_service_compile(const struct plan_service_input *input);
struct plan_service *plan_service_ref(struct plan_service *service);
void plan_service_unref(struct plan_service *service); /* NULL is fine */

struct plan *plan_new(size_t service_count, size_t policy_count); /* all empty */
/* Takes over the caller's reference to `service`; policies point at it by plan_set_policy. */
void plan_set_service(struct plan *plan, size_t position, struct plan_service *service);
void plan_set_policy(struct plan *plan, size_t number, size_t service_position, struct order *order,
		     region_set allowed, bool is_resident, bool is_suspended); /* refs the order */
void plan_set_budget(struct plan *plan, size_t number, const struct plan_budget *budget);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan); /* NULL is fine */
