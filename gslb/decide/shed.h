/*
 * How much a region above its target sheds, and to whom it goes: one step of a controller a period, from what
 * forwarders report (docs/decision.md, "Shedding"). Pure: what it remembers stands in struct shed_region.
 * Any thread; what comes of it is compiled into the plan.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHED_BUCKETS 16 /* of clients, by how much farther their next region is (regret.h) */
#define SHED_STEP 0.05	/* of the clients: the most that leaves or comes back in a period */

struct shed_region {
	/* Now. */
	bool is_known; /* forwarders report, or did lately */
	bool can_take; /* it is healthy enough, and no control keeps clients away */
	double current, target, max;
	/* What the steps so far have left; all zero at first. */
	double fraction; /* of its clients that others are to take: 0..1 */
	double headroom; /* what it could have of others' clients, as requests: their shares go by it */
	double foreign;	 /* what it has of others' clients by now, as far as caches have run out */
	double arrived;	 /* of `fraction`, what clients know by now: caches keep earlier answers */
	double held_s;	 /* the longest that a cache may yet hold an answer from before the last change */
	double quiet_s;	 /* since that change */
	/* What its clients are like. */
	double bucket[SHED_BUCKETS]; /* share of the clients in each; all 0: nobody knows yet */
	double order;		     /* 0: by hash alone, as long as nobody knows; 1: the least hurt first */
	uint64_t stayed, left[SHED_BUCKETS]; /* answers that were not learned from yet */
};

struct shed_times {
	double period_s;	     /* since the last step */
	double ttl_min_s, ttl_max_s; /* of the answers */
};

/* All regions of a service at once. */
void shed_step(struct shed_region *regions, size_t count, const struct shed_times *times);
/* Answers since the last call: clients that it was the first choice of and that stayed, and those that left,
 * by bucket. Before shed_step, with the thresholds that they were given by. */
void shed_learn(struct shed_region *region, uint64_t stayed, const uint64_t left[static SHED_BUCKETS]);
/* A client leaves whose draw, of 32 bits, is below that of its bucket. A larger fraction moves all that a
 * smaller one moves. */
void shed_thresholds(const struct shed_region *region, uint32_t ret[static SHED_BUCKETS]);
