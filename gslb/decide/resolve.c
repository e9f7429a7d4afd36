/*
 * A question against the world: RFC 1034 §4.3.2 with wildcards (RFC 4592), DNAME (RFC 6672) and the
 * tenants' choice. Pure; every thread that answers or explains.
 */
#include "gslb/decide/resolve.h"
#include "lib/inline.h"
#include "zones/index_layout.h"
#include <string.h>

enum progress { DONE, FOLLOW }; /* FOLLOW: the name moved on to a CNAME's target */

struct state {
	struct question current; /* what the chain has come to; `as_asked`: as it is written to the reply */
	const struct world *world;
	const struct question *question;
	const struct client *client;
	uint64_t random;
	struct answer *answer;
	unsigned links; /* of the chain so far */
};

static struct answer_item *add_item(struct answer *answer, uint8_t *section_count)
{
	unsigned used = answer->answer_count + answer->authority_count + answer->additional_count;
	if (used == ANSWER_ITEMS_MAX)
		return NULL;
	(*section_count)++;
	return &answer->items[used];
}

static inline void put_item(struct answer_item *item, const uint8_t *owner, const struct rrset *set)
{
	item->kind = ITEM_SET;
	item->type = set->type;
	item->ttl = set->ttl;
	item->owner = owner;
	item->set = set;
}

static void add_set(struct answer *answer, uint8_t *section_count, const uint8_t *owner,
		    const struct rrset *set, uint32_t ttl)
{
	struct answer_item *item = add_item(answer, section_count);
	if (!item)
		return;
	put_item(item, owner, set);
	item->ttl = ttl;
}

/* RFC 2308 §3, §5. `most` bounds the TTL further. */
static void add_negative(struct state *state, const struct zone *zone, uint32_t most)
{
	uint32_t ttl = zone->negative_ttl < most ? zone->negative_ttl : most;
	add_set(state->answer, &state->answer->authority_count, zone->name.octets, zone_soa(zone), ttl);
}

/* ---- additional section: the addresses of NS, MX, SRV, SVCB and HTTPS targets that we serve ---- */

static bool is_service_binding(uint16_t type)
{
	return type == RR_HTTPS || type == RR_SVCB;
}

static bool is_same_owner(const uint8_t *a, const uint8_t *b) /* in any case (RFC 4343) */
{
	uint8_t lower_a[NAME_MAX_OCTETS], lower_b[NAME_MAX_OCTETS];
	size_t length = name_length(a);
	if (name_length(b) != length)
		return false;
	memcpy(lower_a, a, length);
	memcpy(lower_b, b, length);
	name_lower(lower_a, length);
	name_lower(lower_b, length);
	return memcmp(lower_a, lower_b, length) == 0;
}

/* A set stands once in a message (RFC 2181 §5): two records may have one target, and a chain may come back
 * to a DNAME that it passed. */
static bool has_set(const struct answer *answer, const uint8_t *owner, const struct rrset *set)
{
	unsigned used = answer->answer_count + answer->authority_count + answer->additional_count;
	for (unsigned i = 0; i < used; i++) {
		const struct answer_item *item = &answer->items[i];
		if (item->kind == ITEM_SET && item->set == set && is_same_owner(item->owner, owner))
			return true;
	}
	return false;
}

static void add_once(struct state *state, const struct node *node, const uint8_t *owner, uint16_t type)
{
	const struct rrset *set = rrset_find(node->sets, type);
	if (set && !has_set(state->answer, owner, set))
		add_set(state->answer, &state->answer->additional_count, owner, set, set->ttl);
}

/* A target that is a tenant's host has no static addresses and adds none: they would depend on the
 * client, and the answer's SCOPE is 0. */
static void add_addresses(struct state *state, const uint8_t *target, const struct rrset *from,
			  const struct zone *zone, bool takes_glue)
{
	uint8_t lower[NAME_MAX_OCTETS];
	size_t length = name_length(target);
	memcpy(lower, target, length);
	name_lower(lower, length);
	const struct index *index = state->world->index;
	uint64_t hash = name_hash(lower, length);
	const struct node *node = index_get(index, lower, length, hash);
	const uint8_t *owner;
	if (node) {
		owner = node->name;
	} else { /* RFC 4592 §3.3.1: the name may exist by a wildcard */
		struct find find = index_find(index, lower, length, hash);
		node = find.kind == FIND_WILDCARD ? find.node : NULL;
		owner = target;
	}
	if (!node || node->zone != zone || ((node->flags & ZONE_NODE_OCCLUDED) && !takes_glue))
		return;
	add_once(state, node, owner, RR_A);
	add_once(state, node, owner, RR_AAAA);
	if (is_service_binding(from->type)) /* RFC 9460 §4.1: the next record of the chain, too */
		add_once(state, node, owner, from->type);
}

/* The targets stand in the RDATA at `offset`. */
static OUT_OF_LINE void add_targets(struct state *state, const struct node *owner, const struct rrset *set,
				    size_t offset, bool takes_glue)
{
	const uint8_t *at = set->wire;
	for (unsigned i = 0; i < set->count; i++) {
		const uint8_t *rdata = at + 12, *target = rdata + offset;
		bool is_alias = rdata[0] == 0 && rdata[1] == 0;
		if (*target != 0 || !is_service_binding(set->type)) {
			add_addresses(state, target, set, owner->zone, takes_glue);
		} else if (!is_alias) { /* RFC 9460 §2.5.2: "." is the owner; §2.5.1: or no service at all */
			add_once(state, owner, state->current.as_asked, RR_A);
			add_once(state, owner, state->current.as_asked, RR_AAAA);
		}
		at = rdata + (at[10] << 8 | at[11]);
	}
}

/* `owner`: the node of the set. */
static inline void add_additional(struct state *state, const struct node *owner, const struct rrset *set,
				  bool takes_glue)
{
	if (set->additional != 0)
		add_targets(state, owner, set, set->additional - 1, takes_glue);
}

/* ---- the steps ---- */

static OUT_OF_LINE enum progress refer(struct state *state, const struct node *cut)
{
	struct answer *answer = state->answer;
	const struct rrset *ns = rrset_find(cut->sets, RR_NS);
	if (state->links == 0)
		answer->is_authoritative = false;
	add_set(answer, &answer->authority_count, cut->name, ns, ns->ttl);
	add_additional(state, cut, ns, true);
	return DONE;
}

static void move_to(struct state *state, const uint8_t *target)
{
	struct name *name = &state->answer->scratch[state->links++];
	name->length = (uint8_t)name_length(target);
	memcpy(name->octets, target, name->length);
	name_lower(name->octets, name->length);
	state->current.name = name->octets;
	state->current.as_asked = target;
	state->current.length = name->length;
	state->current.hash = name_hash(name->octets, name->length);
}

/* A chain that comes back to a name of its own has said all it can. */
static bool is_loop(const struct state *state, const uint8_t *target)
{
	uint8_t lower[NAME_MAX_OCTETS];
	size_t length = name_length(target);
	memcpy(lower, target, length);
	name_lower(lower, length);
	if (length == state->question->length && memcmp(lower, state->question->name, length) == 0)
		return true;
	for (unsigned i = 0; i < state->links; i++) {
		const struct name *seen = &state->answer->scratch[i];
		if (length == seen->length && memcmp(lower, seen->octets, length) == 0)
			return true;
	}
	return false;
}

static OUT_OF_LINE enum progress follow_cname(struct state *state, const struct rrset *cname)
{
	struct answer *answer = state->answer;
	add_set(answer, &answer->answer_count, state->current.as_asked, cname, cname->ttl);
	if (state->links == CHAIN_MAX || is_loop(state, cname->wire + 12))
		return DONE;
	move_to(state, cname->wire + 12);
	return FOLLOW;
}

/* RFC 6672 §2.2, §3.2: the DNAME, and a CNAME synthesised from it. The chain ends there for who asked for
 * that CNAME (RFC 1034 §4.3.2, step 3a), where it comes back, and where the DNAME leads below itself, for
 * then every step would only make the name longer. */
static OUT_OF_LINE enum progress follow_dname(struct state *state, const struct node *owner)
{
	struct answer *answer = state->answer;
	const struct rrset *dname = rrset_find(owner->sets, RR_DNAME);
	if (!has_set(answer, owner->name, dname))
		add_set(answer, &answer->answer_count, owner->name, dname, dname->ttl);
	const uint8_t *target = dname->wire + 12;
	size_t kept = state->current.length - owner->name_length;
	size_t target_length = name_length(target);
	if (kept + target_length > NAME_MAX_OCTETS) {
		answer->rcode = RCODE_YXDOMAIN;
		return DONE;
	}
	if (state->links == CHAIN_MAX)
		return DONE;
	struct name synthesised;
	memcpy(synthesised.octets, state->current.as_asked, kept);
	memcpy(synthesised.octets + kept, target, target_length);
	struct answer_item *item = add_item(answer, &answer->answer_count);
	if (!item)
		return DONE;
	item->kind = ITEM_CNAME;
	item->type = RR_CNAME;
	item->ttl = dname->ttl;
	item->owner = state->current.as_asked;
	item->set = NULL;
	bool is_end = state->question->type == RR_CNAME || is_loop(state, synthesised.octets);
	move_to(state, synthesised.octets);
	state->current.as_asked = state->current.name; /* the synthesised name lives in scratch alone */
	item->target = state->current.name;
	return is_end || name_is_below(state->current.name + kept, owner->name) ? DONE : FOLLOW;
}

/* `node` is a tenant's. */
static void charge(const struct world *world, const struct node *node, struct answer *answer)
{
	if (world->plan->policies[node->policy].has_budget)
		answer->charged = node;
}

static enum progress answer_missing(struct state *state, const struct find *find)
{
	state->answer->rcode = RCODE_NXDOMAIN;
	if (find->node->policy != INDEX_NONE)
		charge(state->world, find->node, state->answer);
	add_negative(state, find->node->zone, UINT32_MAX);
	return DONE;
}

static void add_chosen(struct state *state, uint8_t *section_count, enum item_kind kind, uint16_t type,
		       uint32_t ttl)
{
	struct answer_item *item = add_item(state->answer, section_count);
	if (!item)
		return;
	item->kind = kind;
	item->type = type;
	item->ttl = ttl;
	item->owner = state->current.as_asked;
	item->set = NULL;
	item->target = NULL;
}

/* Whether what the region has ready holds for this choice. */
static inline bool has_ready(const struct choice *choice)
{
	return choice->region && choice->mode == PICK_REGULAR && choice->ttl == choice->region->ttl;
}

/* How many addresses of a family the choice gives; their scope widens the answer's. */
static unsigned take_vips(struct state *state, const struct choice *choice, unsigned family)
{
	struct answer *answer = state->answer;
	unsigned row = family == 6;
	uint8_t scope = choose_scope(choice, family);
	if (scope > answer->scope)
		answer->scope = scope;
	unsigned count = choose_vips(choice, family, state->random, answer->vips[row]);
	answer->vip_count[row] = (uint8_t)count;
	return count;
}

/* Both families as hints, and as additional records (docs/decision.md, "HTTPS"). */
static OUT_OF_LINE bool add_hints(struct state *state, uint16_t type)
{
	struct answer *answer = state->answer;
	choose_families(&answer->choice, state->client, state->current.hash, state->random, &answer->other);
	const struct choice *choice = &answer->choice, *other = resolve_other(answer), *of[2];
	unsigned count[2];
	for (unsigned row = 0; row < 2; row++) {
		unsigned family = row == 0 ? 4 : 6;
		of[row] = other && !choose_has(choice, family) ? other : choice;
		count[row] = take_vips(state, of[row], family);
	}
	if (count[0] + count[1] == 0)
		return false;
	add_chosen(state, &answer->answer_count, ITEM_HTTPS, type,
		   other && other->ttl < choice->ttl ? other->ttl : choice->ttl);
	for (unsigned row = 0; row < 2; row++)
		if (count[row] != 0)
			add_chosen(state, &answer->additional_count, ITEM_VIPS, row == 0 ? RR_A : RR_AAAA,
				   of[row]->ttl);
	return true;
}

static bool add_addresses_of(struct state *state, uint16_t type)
{
	struct answer *answer = state->answer;
	unsigned family = type == RR_AAAA ? 6 : 4;
	if (choose_family(&answer->choice, state->client, state->current.hash, state->random, family,
			  &answer->other))
		answer->choice = answer->other;
	if (take_vips(state, &answer->choice, family) == 0)
		return false;
	add_chosen(state, &answer->answer_count, ITEM_VIPS, type, answer->choice.ttl);
	return true;
}

bool resolve_is_outage(const struct answer *answer, uint16_t type)
{
	const struct choice *choice = &answer->choice;
	if (!choice->policy) /* nobody was to choose */
		return false;
	bool wants_ipv4 = type != RR_AAAA, wants_ipv6 = type == RR_AAAA || is_service_binding(type);
	return (wants_ipv4 && choose_holds(choice, 4)) || (wants_ipv6 && choose_holds(choice, 6));
}

static const char suspended[] = "tenant suspended", all_down[] = "every region is down: last resort",
		  family_down[] = "every VIP of the address family is down: last resort";

/* What an answer by the last resort says of itself (RFC 8914 §4.1). */
static void tell_last_resort(struct answer *answer)
{
	const struct choice *choice = &answer->choice, *other = resolve_other(answer);
	bool is_other = other && other->step == STEP_LAST_RESORT;
	if (choice->step != STEP_LAST_RESORT && !is_other)
		return;
	answer->ede = EDE_OTHER;
	answer->ede_text =
		choice->step == STEP_LAST_RESORT && !choice_is_own(choice) ? all_down : family_down;
}

/* The tenant's rule decides: A, AAAA and, where the service declares it, HTTPS and SVCB
 * (docs/decision.md). ANY is answered as A where nothing static stands at the name. False: the
 * type is none of these. */
static bool answer_tenant(struct state *state, const struct node *node)
{
	struct answer *answer = state->answer;
	const struct policy *policy = &state->world->plan->policies[node->policy];
	uint16_t type = state->question->type;
	bool is_address = type == RR_A || type == RR_AAAA,
	     is_binding = !is_address && is_service_binding(type);
	if (!is_address && !is_binding && (type != RR_ANY || node->sets))
		return false;
	answer->tenant = node->tenant;
	if (policy->is_suspended) {
		answer->ede = EDE_OTHER;
		answer->ede_text = suspended;
	} else if (!is_binding || policy->service->https_length != 0) {
		struct choice *choice = &answer->choice;
		if (!choice->policy)
			choose_region(policy, state->client, state->current.hash, state->random, choice);
		answer->uses_client = true;
		bool is_given = is_binding ? add_hints(state, type)
					   : add_addresses_of(state, type == RR_AAAA ? type : RR_A);
		if (choice->step != STEP_TIER)
			tell_last_resort(answer);
		if (is_given)
			return true;
	}
	add_negative(state, node->zone,
		     resolve_is_outage(answer, type) ? policy->service->ttl_min : policy->service->ttl_max);
	return true;
}

/* The static set that answers `type`, or NULL. ANY gets one set that is there (RFC 8482 §4.1); the
 * apex's SOA is the zone's current one. */
static const struct rrset *static_set(const struct node *node, uint16_t type)
{
	const struct rrset *set = type == RR_ANY ? node->sets : rrset_find(node->sets, type);
	return set && set->type == RR_SOA && (node->flags & ZONE_NODE_APEX) ? zone_soa(node->zone) : set;
}

static enum progress answer_node(struct state *state, const struct node *node)
{
	struct answer *answer = state->answer;
	uint16_t type = state->question->type;
	answer->node = node;
	if (node->policy != INDEX_NONE) {
		charge(state->world, node, answer);
		if (answer_tenant(state, node))
			return DONE;
	}
	if ((node->flags & ZONE_NODE_CNAME) && type != RR_CNAME && type != RR_ANY)
		return follow_cname(state, rrset_find(node->sets, RR_CNAME));
	const struct rrset *set = static_set(node, type);
	if (!set) {
		uint32_t most = UINT32_MAX;
		if (node->policy != INDEX_NONE)
			most = state->world->plan->policies[node->policy].service->ttl_max;
		add_negative(state, node->zone, most);
		return DONE;
	}
	if (state->links == 0 || !has_set(answer, state->current.as_asked, set)) {
		add_set(answer, &answer->answer_count, state->current.as_asked, set, set->ttl);
		add_additional(state, node, set, false);
	}
	return DONE;
}

/* `find`: of the current name. */
static enum progress take_step(struct state *state, struct find find)
{
	if (state->links == 0 && find.node)
		state->answer->zone = find.node->zone;
	switch (find.kind) {
	case FIND_EXACT:
	case FIND_WILDCARD:
		return answer_node(state, find.node);
	case FIND_MISSING:
		return answer_missing(state, &find);
	case FIND_CUT:
		return refer(state, find.node);
	case FIND_DNAME:
		return follow_dname(state, find.node);
	case FIND_NONE:
		break;
	}
	if (state->links == 0) { /* not a target outside the served zones: the question itself */
		state->answer->rcode = RCODE_REFUSED;
		state->answer->is_authoritative = false;
		state->answer->ede = EDE_NOT_AUTHORITATIVE;
		state->answer->ede_text = "";
	}
	return DONE;
}

static inline void put_first(struct answer *answer, const uint8_t *owner, const struct rrset *set)
{
	put_item(&answer->items[0], owner, set);
	answer->ready_octets = set->wire_length;
}

/* The set of the one VIP that is picked from several; NULL: none is ready. A hash that picks widens the
 * scope, a draw does not. */
static const struct rrset *pick_ready(const struct choice *choice, enum ready number, uint64_t random,
				      struct answer *answer)
{
	const struct plan_service *service = choice->service;
	if (service->answers != 1)
		return NULL;
	const struct plan_pick *pick =
		choose_one(choice, &choice->region->picks[PICK_REGULAR][number], random);
	if (!pick || !pick->ready)
		return NULL;
	answer->scope =
		service->split == SPLIT_STICKY ? choose_scope_hashed(choice) : choose_scope(choice, 0);
	return pick->ready;
}

/* The set for one address family, the region's as a rule. */
static inline const struct rrset *ready_addresses(const struct choice *choice, enum ready number,
						  uint64_t random, struct answer *answer)
{
	const struct rrset *set = choice->region->ready[number];
	if (!set)
		return pick_ready(choice, number, random, answer);
	answer->scope = choice->is_sole_region ? choice->order.depth : choose_scope(choice, 0);
	return set;
}

/* The same of what the family chooses by itself, where the common choice has no VIP of it. */
static OUT_OF_LINE const struct rrset *ready_family(const struct question *question,
						    const struct client *client, enum ready number,
						    uint64_t random, struct answer *answer)
{
	struct choice *own = &answer->other;
	unsigned family = number == READY_A ? 4 : 6;
	if (!choose_family(&answer->choice, client, question->hash, random, family, own) || !has_ready(own))
		return NULL;
	const struct rrset *set = ready_addresses(own, number, random, answer);
	if (set)
		answer->choice = *own;
	return set;
}

/* The sets for HTTPS, which brings the addresses along (docs/decision.md, "HTTPS"). */
static bool add_ready_https(const struct choice *choice, const struct question *question,
			    struct answer *answer)
{
	const struct plan_region *region = choice->region;
	const struct rrset *const *ready = region->ready;
	if (!ready[READY_HTTPS])
		return false;
	struct answer_item *item = answer->items;
	put_item(item++, question->as_asked, ready[READY_HTTPS]);
	if (ready[READY_A])
		put_item(item++, question->as_asked, ready[READY_A]);
	if (ready[READY_AAAA])
		put_item(item++, question->as_asked, ready[READY_AAAA]);
	answer->additional_count = (uint8_t)(item - &answer->items[1]);
	answer->ready_octets = region->ready_octets;
	answer->ready_additional = region->ready_addresses;
	answer->scope = choose_scope(choice, 0);
	return true;
}

/* The type as one that regions have sets for; READY_SETS: none. */
static inline enum ready ready_number(uint16_t type)
{
	return type == RR_A	  ? READY_A
	       : type == RR_AAAA  ? READY_AAAA
	       : type == RR_HTTPS ? READY_HTTPS
				  : READY_SETS;
}

/* False: but for the choice of the region, if it was made, nothing of *answer is changed. */
static inline bool answer_tenant_at_once(const struct world *world, const struct node *node,
					 const struct question *question, const struct client *client,
					 struct rng *rng, struct answer *answer)
{
	const struct policy *policy = &world->plan->policies[node->policy];
	struct choice *choice = &answer->choice;
	enum ready number = ready_number(question->type);
	bool has_type = number < READY_HTTPS || (number == READY_HTTPS && policy->service->https_length != 0);
	if (!has_type || policy->is_suspended)
		return false;
	uint64_t random = policy->service->split == SPLIT_RANDOM ? rng_next(rng) : 0;
	choose_region(policy, client, question->hash, random, choice);
	if (!choice->is_sole_region && !has_ready(choice))
		return false;
	if (number == READY_HTTPS) {
		if (!add_ready_https(choice, question, answer))
			return false;
	} else {
		const struct rrset *set = ready_addresses(choice, number, random, answer);
		if (!set && policy->service->alone[number])
			set = ready_family(question, client, number, random, answer);
		if (!set)
			return false;
		put_first(answer, question->as_asked, set);
	}
	answer->uses_client = true;
	answer->tenant = node->tenant;
	if (policy->has_budget)
		answer->charged = node;
	return true;
}

/* The usual question: record sets answer it as they stand. For a tenant's name those are what the chosen
 * region or VIP has ready. False: all of the steps are to be taken. */
static WHOLE bool answer_at_once(const struct world *world, const struct node *node,
				 const struct question *question, const struct client *client,
				 struct rng *rng, struct answer *answer)
{
	if (node->policy == INDEX_NONE) {
		const struct rrset *set = rrset_find(node->sets, question->type);
		if (!set || set->additional != 0 || set->name_count != 0)
			return false;
		put_first(answer, question->as_asked, set);
	} else if (!answer_tenant_at_once(world, node, question, client, rng, answer)) {
		return false;
	}
	answer->zone = node->zone;
	answer->node = node;
	answer->answer_count = 1;
	answer->is_ready = true;
	return true;
}

/* The name does not exist, and no name before it led here. False: the zone's SOA needs a longer look. */
static bool deny_at_once(const struct world *world, const struct node *encloser, struct answer *answer)
{
	const struct zone *zone = encloser->zone;
	if (!zone->negative)
		return false;
	struct answer_item *item = &answer->items[0];
	put_item(item, zone->name.octets, zone_soa(zone));
	item->ttl = zone->negative_ttl;
	answer->ready_octets = zone->negative_length + ZONE_SOA_NUMBERS;
	answer->rcode = RCODE_NXDOMAIN;
	answer->zone = zone;
	if (encloser->policy != INDEX_NONE)
		charge(world, encloser, answer);
	answer->authority_count = 1;
	answer->is_ready = true;
	return true;
}

/* Of a name that is not there: whether the node right above it says no more than that. */
static inline bool says_missing(const struct node *parent)
{
	return parent &&
	       !(parent->flags & (ZONE_NODE_OCCLUDED | ZONE_NODE_CUT | ZONE_NODE_DNAME | NODE_HAS_WILDCARD));
}

static struct find find_from(const struct index *index, const struct question *question, struct found found,
			     uint16_t type)
{
	if (type == RR_DS)
		return index_find_ds(index, question->name, question->length, question->hash);
	if (!found.node && says_missing(found.parent))
		return (struct find){FIND_MISSING, found.parent};
	return index_find_from(index, question->name, question->length, found.node);
}

static OUT_OF_LINE void take_steps(const struct world *world, const struct question *question,
				   const struct client *client, struct rng *rng, struct find find,
				   struct answer *answer)
{
	struct state state = {
		.current = *question,
		.world = world,
		.question = question,
		.client = client,
		.random = rng_next(rng),
		.answer = answer,
	};
	while (take_step(&state, find) == FOLLOW) {
		const struct question *current = &state.current;
		const struct node *node =
			index_probe(world->index, current->name, current->length, current->hash, 0);
		find = find_from(world->index, current, (struct found){.node = node}, question->type);
	}
}

void resolve(const struct world *world, const struct question *question, struct found found,
	     const struct client *client, struct rng *rng, struct answer *ret)
{
	const struct node *node = found.node;
	ret->rcode = RCODE_NOERROR;
	ret->is_authoritative = true;
	ret->is_truncated = false;
	ret->uses_client = false;
	ret->scope = 0;
	ret->answer_count = ret->authority_count = ret->additional_count = 0;
	ret->is_ready = false;
	ret->ede = EDE_NONE;
	ret->tenant = INDEX_NONE;
	ret->zone = NULL;
	ret->node = NULL;
	ret->charged = NULL;
	ret->choice.policy = NULL;

	if (node && !(node->flags & (ZONE_NODE_OCCLUDED | ZONE_NODE_CUT)) && question->type != RR_DS &&
	    answer_at_once(world, node, question, client, rng, ret))
		return;
	struct find find = find_from(world->index, question, found, question->type);
	if (find.kind == FIND_MISSING && deny_at_once(world, find.node, ret))
		return;
	take_steps(world, question, client, rng, find, ret);
}

unsigned resolve_addresses(const struct answer *answer, uint16_t type, struct ip ret[static ANSWERS_MAX])
{
	unsigned row = type == RR_AAAA, count = 0;
	size_t octets = row == 0 ? 4 : 16;
	for (unsigned i = 0; i < answer->answer_count; i++) {
		const struct answer_item *item = &answer->items[i];
		if (item->type != type || !answer->choice.policy)
			continue;
		for (unsigned v = 0; item->kind == ITEM_VIPS && v < answer->vip_count[row]; v++)
			ret[count++] = answer->vips[row][v]->ip;
		for (unsigned r = 0; answer->is_ready && r < item->set->count; r++) {
			ret[count] = (struct ip){.family = row == 0 ? 4 : 6};
			memcpy(ret[count++].bytes, item->set->wire + r * (12 + octets) + 12, octets);
		}
	}
	return count;
}
