/*
 * From a policy and a client to one region and its VIPs. Pure: no I/O, no clock, no allocation; the
 * random number comes in as an argument. The server, explain, what-if and the tests call this.
 */
#pragma once
#include "gslb/decide/plan.h"

struct client {
	struct ip address;   /* the ECS prefix with missing bits zero, or the resolver's address */
	struct ip resolver;  /* address of the peer */
	uint8_t source_bits; /* of the ECS prefix; 32 or 128 without ECS */
	bool is_ecs;
};

/* STEP_FAMILY: a family of addresses made its own choice, by STEP_TIER. STEP_SHED: the region of STEP_TIER
 * has too much load, and another takes the client. */
enum step {
	STEP_TIER,
	STEP_FAMILY,
	STEP_SHED,
	STEP_DEGRADED,
	STEP_PANIC,
	STEP_LAST_RESORT,
	STEP_NONE,
	STEP_COUNT
};

struct choice {
	enum step step;
	enum pick_mode mode;
	const struct policy *policy;
	const struct plan_service
		*service; /* whose VIPs count: the policy's, or of these one family's alone */
	struct order_result order;
	region_set kept;		  /* regions of the chosen tier that the split picked from */
	region_set consulted;		  /* regions whose state had a say (TTL, scope) */
	const struct plan_region *region; /* NULL with STEP_NONE, and where the last resort is a list */
	uint32_t ttl;			  /* seconds */
	uint8_t client_family;		  /* 4 or 6 */
	bool share_split; /* a share between 1 and 99 was consulted, or a choice before went by a hash */
	/* The first tier is one region, and it takes every client: no hash has a say in it. */
	bool is_sole_region;
	bool has_other; /* the other family chose by itself (choose_families); unless step is STEP_TIER */
	/* Of a family's own choice: whether health or a control is why, and the common choice's region. */
	bool is_forced;
	/* With STEP_SHED: the number of the region that the client leaves, and its bucket there. */
	uint8_t shed_from, shed_bucket;
	const struct plan_region *common_region;
	uint64_t client_hash; /* of client prefix and name; only where a hash may have a say */
};

/* Whether a family of addresses chose by itself. */
static inline bool choice_is_own(const struct choice *choice)
{
	return choice->service != choice->policy->service;
}

/* name_hash: name_hash() of the lower-case name that is decided. random: 64 fresh bits, used by
 * `split: random` alone. */
void choose_region(const struct policy *policy, const struct client *client, uint64_t name_hash,
		   uint64_t random, struct choice *ret);
/* Whether the choice has a VIP of the family. */
bool choose_has(const struct choice *choice, unsigned family);
/* Where the common choice has no VIP of a family (4 or 6) and regions of this client hold one: what the
 * family chooses by itself, by the same steps, in which its own VIPs alone count. False: the common choice
 * stands. */
bool choose_alone(const struct choice *common, const struct client *client, uint64_t name_hash,
		  uint64_t random, unsigned family, struct choice *ret);
static inline bool choose_family(const struct choice *common, const struct client *client, uint64_t name_hash,
				 uint64_t random, unsigned family, struct choice *ret)
{
	return common->policy->service->alone[family == 6] &&
	       choose_alone(common, client, name_hash, random, family, ret);
}
/* For a question for both families: makes *choice what one of them is answered from, or both; where the other
 * one chose by itself beside it, that is *ret_other, and choice->has_other says so. */
void choose_families(struct choice *choice, const struct client *client, uint64_t name_hash, uint64_t random,
		     struct choice *ret_other);
/* Up to `answers` VIPs of the family (4 or 6), in the order of the answer, or the last resort's whole list;
 * returns how many. */
unsigned choose_vips(const struct choice *choice, unsigned family, uint64_t random,
		     const struct plan_vip *ret[static ANSWERS_MAX]);
/* Whether regions of this client hold a VIP of the family (4 or 6) at all: if the answer has none, that is by
 * health or a control, and may end at any time. */
bool choose_holds(const struct choice *choice, unsigned family);
/* What choose_vips gives where an answer has one VIP, of these picks of the region; NULL: there are none. */
const struct plan_pick *choose_one(const struct choice *choice, const struct plan_picks *picks,
				   uint64_t random);
/* ECS scope of an answer for this family (4, 6; 0: none asked for, the region alone). */
uint8_t choose_scope(const struct choice *choice, unsigned family);
/* The same where a hash of the client is known to have had a say. */
uint8_t choose_scope_hashed(const struct choice *choice);

/* Whether a client with this hash stays with a region of the given share. */
bool choose_inside_share(const struct plan_region *region, uint64_t client_hash);
uint64_t choose_client_hash(const struct plan_service *service, const struct client *client,
			    uint64_t name_hash);
