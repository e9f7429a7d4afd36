/*
 * A question against the world: RFC 1034 §4.3.2 with wildcards (RFC 4592), DNAME (RFC 6672) and the
 * tenants' choice. Pure; every thread that answers or explains.
 */
#include "gslb/decide/resolve.h"
#include "lib/inline.h"
#include <string.h>

enum progress { DONE, FOLLOW }; /* FOLLOW: the name moved on to a CNAME's target */

struct state {
	const struct world *world;
	const struct question *question;
	const struct client *client;
	uint64_t random;
	struct answer *answer;
	const uint8_t *name;  /* the current name, lower case */
	const uint8_t *owner; /* the same as it is written to the reply */
	size_t length;
	uint64_t hash;
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

static void add_set(struct answer *answer, uint8_t *section_count, const uint8_t *owner,
		    const struct rrset *set, uint32_t ttl)
{
	struct answer_item *item = add_item(answer, section_count);
	if (!item)
		return;
	item->kind = ITEM_SET;
	item->type = set->type;
	item->ttl = ttl;
	item->owner = owner;
	item->set = set;
	item->target = NULL;
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

/* Two records may have one target: a set stands once in a message (RFC 2181 §5). */
static bool has_set(const struct answer *answer, const uint8_t *owner, const struct rrset *set)
{
	unsigned used = answer->answer_count + answer->authority_count + answer->additional_count;
	for (unsigned i = 0; i < used; i++) {
		const struct answer_item *item = &answer->items[i];
		if (item->kind == ITEM_SET && item->set == set && name_equal(item->owner, owner))
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
			add_once(state, owner, state->owner, RR_A);
			add_once(state, owner, state->owner, RR_AAAA);
		}
		at = rdata + (at[10] << 8 | at[11]);
	}
}

/* `owner`: the node of the set. */
static inline void add_additional(struct state *state, const struct node *owner, const struct rrset *set,
				  bool takes_glue)
{
	uint8_t offset;
	if (rrtype_additional_offset(set->type, &offset))
		add_targets(state, owner, set, offset, takes_glue);
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
	state->name = name->octets;
	state->owner = target;
	state->length = name->length;
	state->hash = name_hash(name->octets, name->length);
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
	add_set(answer, &answer->answer_count, state->owner, cname, cname->ttl);
	if (state->links == CHAIN_MAX || is_loop(state, cname->wire + 12))
		return DONE;
	move_to(state, cname->wire + 12);
	return FOLLOW;
}

static bool is_answered(const struct answer *answer, const struct rrset *set)
{
	for (unsigned i = 0; i < answer->answer_count; i++)
		if (answer->items[i].set == set)
			return true;
	return false;
}

/* RFC 6672 §2.2, §3.2: the DNAME, and a CNAME synthesised from it. The chain ends there for who asked for
 * that CNAME (RFC 1034 §4.3.2, step 3a), where it comes back, and where the DNAME leads below itself, for
 * then every step would only make the name longer. */
static OUT_OF_LINE enum progress follow_dname(struct state *state, const struct node *owner)
{
	struct answer *answer = state->answer;
	const struct rrset *dname = rrset_find(owner->sets, RR_DNAME);
	if (!is_answered(answer, dname))
		add_set(answer, &answer->answer_count, owner->name, dname, dname->ttl);
	const uint8_t *target = dname->wire + 12;
	size_t kept = state->length - owner->name_length;
	size_t target_length = name_length(target);
	if (kept + target_length > NAME_MAX_OCTETS) {
		answer->rcode = RCODE_YXDOMAIN;
		return DONE;
	}
	if (state->links == CHAIN_MAX)
		return DONE;
	struct name synthesised;
	memcpy(synthesised.octets, state->owner, kept);
	memcpy(synthesised.octets + kept, target, target_length);
	struct answer_item *item = add_item(answer, &answer->answer_count);
	if (!item)
		return DONE;
	item->kind = ITEM_CNAME;
	item->type = RR_CNAME;
	item->ttl = dname->ttl;
	item->owner = state->owner;
	item->set = NULL;
	bool is_end = state->question->type == RR_CNAME || is_loop(state, synthesised.octets);
	move_to(state, synthesised.octets);
	state->owner = state->name; /* the synthesised name lives in scratch alone */
	item->target = state->name;
	return is_end || name_is_below(state->name + kept, owner->name) ? DONE : FOLLOW;
}

static enum progress answer_missing(struct state *state, const struct find *find)
{
	state->answer->rcode = RCODE_NXDOMAIN;
	if (find->node->policy != INDEX_NONE)
		state->answer->charged = find->node;
	add_negative(state, find->zone, UINT32_MAX);
	return DONE;
}

static void add_chosen(struct state *state, uint8_t *section_count, enum item_kind kind, uint16_t type)
{
	struct answer_item *item = add_item(state->answer, section_count);
	if (!item)
		return;
	item->kind = kind;
	item->type = type;
	item->ttl = state->answer->choice.ttl;
	item->owner = state->owner;
	item->set = NULL;
	item->target = NULL;
}

/* How many addresses of a family are to be given; their scope widens the answer's. */
static unsigned choose_family(struct state *state, unsigned family)
{
	struct answer *answer = state->answer;
	const struct choice *choice = &answer->choice;
	unsigned row = family == 6;
	uint8_t scope = choose_scope(choice, family);
	if (scope > answer->scope)
		answer->scope = scope;
	unsigned count = choose_vips(choice, family, state->random, answer->vips[row]);
	answer->vip_count[row] = (uint8_t)count;
	return count;
}

/* Both families as hints, and as additional records (configuration.md, "HTTPS"). */
static OUT_OF_LINE bool add_hints(struct state *state, uint16_t type)
{
	struct answer *answer = state->answer;
	unsigned ipv4 = choose_family(state, 4), ipv6 = choose_family(state, 6);
	if (ipv4 + ipv6 == 0)
		return false;
	add_chosen(state, &answer->answer_count, ITEM_HTTPS, type);
	if (ipv4 != 0)
		add_chosen(state, &answer->additional_count, ITEM_VIPS, RR_A);
	if (ipv6 != 0)
		add_chosen(state, &answer->additional_count, ITEM_VIPS, RR_AAAA);
	return true;
}

/* What the choice has for the type; false: nothing. */
static bool add_choice(struct state *state, unsigned family, uint16_t type)
{
	state->answer->scope = 0;
	if (family == 0)
		return add_hints(state, type);
	if (choose_family(state, family) == 0)
		return false;
	add_chosen(state, &state->answer->answer_count, ITEM_VIPS, type);
	return true;
}

/* The tenant's rule decides: A, AAAA and, where the service declares it, HTTPS and SVCB
 * (configuration.md, "Choice"). */
static void answer_tenant(struct state *state, const struct node *node, uint16_t type)
{
	struct answer *answer = state->answer;
	const struct policy *policy = &state->world->plan->policies[node->policy];
	answer->tenant = node->tenant;
	if (policy->is_suspended) {
		answer->ede = EDE_OTHER;
		answer->ede_text = "tenant suspended";
		add_negative(state, node->zone, policy->service->ttl_max);
		return;
	}
	unsigned family = type == RR_A ? 4 : type == RR_AAAA ? 6 : 0;
	if (family == 0 && policy->service->https_length == 0) {
		add_negative(state, node->zone, policy->service->ttl_max);
		return;
	}
	struct choice *choice = &answer->choice;
	choose_region(policy, state->client, state->hash, state->random, choice);
	answer->uses_client = true;
	if (choice->step == STEP_LAST_RESORT) {
		answer->ede = EDE_OTHER;
		answer->ede_text = "every region is down: last resort";
	}
	if (!add_choice(state, family, type))
		add_negative(state, node->zone, policy->service->ttl_max);
}

static inline bool is_tenant_type(uint16_t type)
{
	return type == RR_A || type == RR_AAAA || type == RR_HTTPS || type == RR_SVCB;
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
	if (node->policy != INDEX_NONE)
		answer->charged = node;
	if (node->policy != INDEX_NONE && (is_tenant_type(type) || (type == RR_ANY && !node->sets))) {
		answer_tenant(state, node, type == RR_ANY ? RR_A : type);
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
	add_set(answer, &answer->answer_count, state->owner, set, set->ttl);
	add_additional(state, node, set, false);
	return DONE;
}

static enum progress take_step(struct state *state)
{
	const struct index *index = state->world->index;
	struct find find = state->question->type == RR_DS
				   ? index_find_ds(index, state->name, state->length, state->hash)
				   : index_find(index, state->name, state->length, state->hash);
	if (state->links == 0)
		state->answer->zone = find.zone;
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

void resolve(const struct world *world, const struct question *question, const struct client *client,
	     uint64_t random, struct answer *ret)
{
	ret->rcode = RCODE_NOERROR;
	ret->is_authoritative = true;
	ret->is_truncated = false;
	ret->uses_client = false;
	ret->scope = 0;
	ret->ede = EDE_NONE;
	ret->ede_text = "";
	ret->answer_count = ret->authority_count = ret->additional_count = 0;
	ret->vip_count[0] = ret->vip_count[1] = 0;
	ret->tenant = INDEX_NONE;
	ret->zone = NULL;
	ret->node = NULL;
	ret->charged = NULL;
	ret->choice.policy = NULL;

	struct state state = {
		.world = world,
		.question = question,
		.client = client,
		.random = random,
		.answer = ret,
		.name = question->name,
		.owner = question->as_asked,
		.length = question->length,
		.hash = question->hash,
	};
	while (take_step(&state) == FOLLOW)
		;
}
