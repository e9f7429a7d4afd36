/*
 * decide(question, client, world) → answer, as sections of record sets and chosen VIPs; serve/ writes
 * it to the wire and explain prints it. Follows CNAME and DNAME inside the served zones. Pure.
 */
#pragma once
#include "gslb/decide/choose.h"
#include "gslb/decide/world.h"
#include "lib/rng.h"
#include "zones/rcode.h"
#include "zones/rrtype.h"

#define CHAIN_MAX 16 /* CNAMEs followed (docs/decision.md, "Custom domains") */
#define ANSWER_ITEMS_MAX 128

enum { /* extended DNS errors, RFC 8914 §4; EDE_NONE is ours */
       EDE_NONE = -1,
       EDE_OTHER = 0,
       EDE_NOT_AUTHORITATIVE = 20,
};

enum item_kind {
	ITEM_SET,   /* a static record set, TTL as given */
	ITEM_VIPS,  /* answer.vips of one family as A or AAAA */
	ITEM_HTTPS, /* answer.vips of both families as hints of an HTTPS or SVCB record (https.h) */
	ITEM_CNAME, /* a CNAME synthesised from a DNAME: owner → target */
};

struct answer_item {
	enum item_kind kind;
	uint16_t type;
	uint32_t ttl;
	const uint8_t *owner;	 /* wire form; as asked (any case) for the question's own name */
	const struct rrset *set; /* ITEM_SET */
	const uint8_t *target;	 /* ITEM_CNAME */
};

struct question {
	const uint8_t *name;	 /* lower case */
	const uint8_t *as_asked; /* same length, the case of the question */
	uint8_t length;
	uint16_t type;
	uint64_t hash; /* name_hash(name) */
};

struct answer { /* what each query sets stands first, in whole words */
	uint8_t rcode;
	bool is_authoritative;
	bool is_truncated; /* over a limit: no records but TC, so that a real client comes by TCP */
	bool uses_client;  /* a tenant's rule decided: `scope` counts, else SCOPE is 0 */
	uint8_t scope;
	uint8_t answer_count, authority_count, additional_count; /* consecutive in items */
	/* All items are sets of the question's name that can be sent as they stand, and their wire forms lie
	 * one behind the other; or the one item is the SOA of a negative answer that its zone has compressed.
	 */
	bool is_ready;
	int16_t ede;		 /* EDE_NONE or a code */
	uint32_t tenant;	 /* number of the tenant whose rule decided, or INDEX_NONE */
	const char *ede_text;	 /* where `ede` says so */
	const struct zone *zone; /* of the question's name; NULL: not served */
	const struct node *node; /* that the last step ended at, or NULL */
	/* A tenant's node that the last step ended at, or right below which there is no such name, if the
	 * tenant has a budget: that pays. Else NULL. */
	const struct node *charged;
	/* What a tenant's rule chose; valid when choice.policy is not NULL. Of a question for one family of
	 * addresses that is what the family chose by itself, where it did. */
	struct choice choice;
	struct choice other;	   /* the other family's own one, of a question for both: see resolve_other */
	uint32_t ready_octets;	   /* of the records, where is_ready */
	uint16_t ready_additional; /* of these, additional records; where is_ready and additional_count */
	uint8_t vip_count[2];	   /* of ITEM_VIPS and ITEM_HTTPS: [0] IPv4, [1] IPv6 */
	const struct plan_vip *vips[2][ANSWERS_MAX];
	struct answer_item items[ANSWER_ITEMS_MAX];
	struct name scratch[CHAIN_MAX + 1]; /* lower-case targets of the chain */
};

/* The addresses that a tenant's rule gave for A or AAAA; returns how many. */
unsigned resolve_addresses(const struct answer *answer, uint16_t type, struct ip ret[static ANSWERS_MAX]);
/* What the other family of addresses chose by itself, where HTTPS brings both; NULL: the one choice is for
 * all. */
static inline const struct choice *resolve_other(const struct answer *answer)
{
	const struct choice *choice = &answer->choice;
	return choice->step != STEP_TIER && choice->has_other ? &answer->other : NULL;
}

/* Of a tenant's rule that left a question for this type without a record: health or a control did it, and an
 * answer may come any moment. Such an answer is not to be kept for long (docs/decision.md, "TTL"). */
bool resolve_is_outage(const struct answer *answer, uint16_t type);
/* What was looked up before resolve(). */
struct found {
	const struct node *node;   /* of the question's name; NULL: there is none */
	const struct node *parent; /* then: of the name right above it, or NULL: none, or nobody looked */
};

/* Fills *ret without clearing it all. */
void resolve(const struct world *world, const struct question *question, struct found found,
	     const struct client *client, struct rng *rng, struct answer *ret);
