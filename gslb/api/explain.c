/*
 * Tells the server's own decision as JSON (Explanation in openapi.json). It decides nothing: the
 * words are read off what resolve() left behind. Control thread.
 */
#include "gslb/api/explain.h"
#include "gslb/api/api_internal.h"
#include "gslb/compile/steering.h"
#include "gslb/compile/world_builder.h"
#include "gslb/decide/https.h"
#include "gslb/decide/resolve.h"
#include "gslb/decide/words.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct story {
	struct server *server;
	const struct world *world;
	const struct explain_request *request;
	struct client client;
	struct answer *answer;
	const struct fleet_tenant *tenant;   /* NULL: no tenant's name */
	const struct fleet_service *service; /* NULL likewise */
	const struct plan_service *plan;
	struct choice choice; /* valid with a tenant: what the regions are told of */
	double latitude, longitude;
	bool has_place;
};

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_text(text) : json_null();
}

/* ---- client ---- */

static void set_client(struct story *story)
{
	const struct explain_request *request = story->request;
	struct client *client = &story->client;
	client->address = request->has_client ? request->client.ip : request->via;
	client->source_bits =
		(uint8_t)(request->has_client ? request->client.length : ip_bits(&request->via));
	client->is_ecs = request->has_client && request->has_via;
	client->resolver = request->has_via ? request->via : client->address;
}

/* The place that counted: the client's own, or the resolver's where the client has none. */
static json_t *client_json(struct story *story)
{
	const struct places *places = story->world->places;
	const struct place *own = places_find(places, &story->client.address);
	const struct place *place = own;
	if (!place_is_located(own) && story->client.is_ecs)
		place = places_find(places, &story->client.resolver);
	story->has_place = place_coordinates(place, &story->latitude, &story->longitude);

	struct prefix prefix = {story->client.address, story->client.source_bits};
	bool is_known = prefix.ip.family != 0; /* else neither client nor resolver was given */
	char address[PREFIX_TEXT_MAX] = "";
	if (is_known)
		prefix_format(&prefix, address);
	const char *from = NULL;
	if (place->source == PLACE_FROM_LOCATIONS)
		from = "locations";
	else if (place != &places->places[PLACE_NONE] && place->source < places->file_count)
		from = places->files[place->source].path;
	json_t *at = story->has_place ? json_pack("[f,f]", story->latitude, story->longitude) : json_null();
	return json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "source",
			 json_text(story->request->has_client ? "argument" : "resolver"), "address",
			 text_or_null(address), "scope",
			 story->answer->uses_client && is_known ? story->answer->scope : 0, "at", at,
			 "continent", text_or_null(place_continent(place)), "country",
			 text_or_null(place->country), "subdivision", text_or_null(place->subdivision), "asn",
			 own->asn ? json_integer(own->asn) : json_null(), "from", text_or_null(from));
}

/* ---- regions ---- */

static int tier_of(const struct story *story, unsigned number)
{
	const struct tiers *tiers = story->choice.order.tiers;
	int tier = -1;
	for (unsigned i = 0; i < tiers->count; i++) {
		tier += i == 0 || (tiers->item[i] & TIER_START);
		if ((tiers->item[i] & (REGIONS_MAX - 1)) == number)
			return tier;
	}
	return -1;
}

static int kept_tier(const struct story *story)
{
	return story->choice.kept ? tier_of(story, (unsigned)__builtin_ctzll(story->choice.kept))
				  : REGIONS_MAX;
}

static bool names(char *const *ids, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static const struct plan_region *region_of(const struct plan_service *plan, unsigned number)
{
	assert(number < REGIONS_MAX);
	if (plan->slot[number] == UINT8_MAX)
		return NULL;
	const struct plan_region *region = &plan->regions[plan->slot[number]];
	assert(region->number == number);
	return region;
}

static enum region_reason region_reason(const struct story *story, unsigned number, const char *id, int tier)
{
	const struct fleet_service *service = story->service;
	const struct plan_region *region = region_of(story->plan, number);
	if (!region)
		return REASON_NO_VIPS;
	if (!names(service->regions, service->region_count, id))
		return REASON_NOT_LISTED;
	if (story->tenant->profile->has_regions &&
	    !names(story->tenant->profile->regions, story->tenant->profile->region_count, id))
		return REASON_RESIDENCY;
	if (tier < 0)
		return REASON_NOT_LISTED;
	if (region->share == SHARE_DOWN)
		return REASON_DOWN;
	region = region_of(story->choice.service, number);
	if (!region)
		return REASON_FAMILY;
	if (region == story->choice.region)
		return REASON_CHOSEN;
	region_set bit = (region_set)1 << region->number;
	if (story->choice.kept & bit)
		return REASON_NOT_PICKED;
	if (tier > kept_tier(story))
		return REASON_LOWER_TIER;
	if (region->share == 0)
		return REASON_DRAINED;
	if (story->choice.step == STEP_SHED && number == story->choice.shed_from)
		return REASON_SHED;
	bool is_regular = story->choice.step <= STEP_SHED;
	region_set fit = is_regular ? story->choice.service->ok : story->choice.service->healthy;
	if (!(fit & bit))
		return REASON_UNHEALTHY;
	if (!choose_inside_share(region, story->choice.client_hash))
		return REASON_SHARE;
	return REASON_LOWER_TIER;
}

static double vip_weight(const struct plan_vip *vip)
{
	return vip->shares > 1 ? (double)vip->weight / vip->shares : vip->weight;
}

static json_t *vip_json(const struct plan_vip *vip)
{
	char address[IP_TEXT_MAX];
	assert((unsigned)vip->state < VIP_STATES && vip->score <= SCORE_FULL);
	ip_format(&vip->ip, address);
	return json_pack("{s:o, s:o, s:f, s:o, s:i}", "address", json_text(address), "state",
			 json_text(fleet_vip_state_word[vip->state]), "score",
			 vip->score / (double)SCORE_FULL, "weight",
			 vip->shares > 1 ? json_real(vip_weight(vip)) : json_integer(vip->weight), "pending",
			 (int)vip->pending);
}

/* Σ weight·h of the family in which it is larger. */
static double region_weight(const struct plan_region *region)
{
	double sum[2] = {0, 0};
	for (unsigned i = 0; i < region->vip_count; i++) {
		const struct plan_vip *vip = &region->vips[i];
		if (!vip->is_drained)
			sum[vip->ip.family == 6] += vip_weight(vip) * (vip->score / (double)SCORE_FULL);
	}
	return sum[0] > sum[1] ? sum[0] : sum[1];
}

static json_t *region_json(const struct story *story, const char *id)
{
	const struct fleet_region *fleet_region =
		(const struct fleet_region *)fleet_get(server_fleet(story->server), FLEET_REGION, id);
	assert(fleet_region); /* a service names no region that is not there */
	unsigned number = fleet_region->object.number;
	const struct plan_region *region = region_of(story->plan, number);
	const struct plan_region *counted = region_of(story->choice.service, number);
	int tier = tier_of(story, number);
	enum region_reason reason = region_reason(story, number, id, tier);
	const struct load_entry *load =
		load_book_find(server_load_book(story->server), id, story->service->object.id);
	bool is_candidate = tier >= 0 && region && region->share != SHARE_DOWN;
	json_t *vips = json_array();
	for (unsigned i = 0; region && i < region->vip_count; i++)
		json_array_append_new(vips, vip_json(&region->vips[i]));
	json_t *distance = json_null();
	if (story->has_place)
		distance = json_integer(
			(json_int_t)(place_distance_km(story->latitude, story->longitude,
						       fleet_region->latitude, fleet_region->longitude) +
				     0.5));
	json_t *share = json_integer(region ? region->share : 100);
	if (region && region->share == SHARE_DOWN) {
		json_decref(share);
		share = json_string("down");
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:f, s:f, s:o, s:b, s:o, s:o}", "region", json_text(id),
			 "tier", is_candidate ? json_integer(tier) : json_null(), "distance_km", distance,
			 "share", share, "healthy", counted ? counted->healthy_permille / 1000.0 : 0.0,
			 "weight", counted ? region_weight(counted) : 0.0, "load",
			 api_view_load(story->server, load, false), "kept",
			 (story->choice.kept >> number & 1) != 0, "reason",
			 json_text(words_region_reason(reason)), "vips", vips);
}

static json_t *regions_json(const struct story *story)
{
	json_t *regions = json_array();
	const struct fleet_service *service = story->service;
	if (!service)
		return regions;
	for (size_t i = 0; i < service->region_count; i++)
		json_array_append_new(regions, region_json(story, service->regions[i]));
	for (size_t i = 0; i < service->vip_region_count; i++)
		if (!names(service->regions, service->region_count, service->vips[i].region))
			json_array_append_new(regions, region_json(story, service->vips[i].region));
	return regions;
}

static json_t *policy_json(const struct story *story)
{
	if (!story->service)
		return json_null();
	const struct map_rule *rule = NULL;
	const struct fleet_object *map = NULL;
	if (story->service->order == ORDER_MAP) {
		map = fleet_get(server_fleet(story->server), FLEET_MAP, story->service->map);
		rule = order_explain_rule(story->choice.policy->order, story->world->places,
					  &story->client.address,
					  story->client.is_ecs ? &story->client.resolver : NULL);
	}
	const char *matched = rule ? steering_rule_key((const struct fleet_map *)map, rule) : NULL;
	return json_pack("{s:o, s:o, s:o, s:o}", "order", json_text(fleet_order_word[story->service->order]),
			 "map", text_or_null(story->service->order == ORDER_MAP ? story->service->map : NULL),
			 "matched", text_or_null(matched), "split",
			 json_text(fleet_split_word[story->service->split]));
}

static json_t *probabilities_json(const struct story *story)
{
	json_t *all = json_object();
	double sum = 0;
	for (region_set left = story->choice.kept; left; left &= left - 1)
		sum += (double)region_of(story->choice.service, (unsigned)__builtin_ctzll(left))
			       ->weight[story->choice.mode];
	for (region_set left = story->choice.kept; left; left &= left - 1) {
		unsigned number = (unsigned)__builtin_ctzll(left);
		const struct plan_region *region = region_of(story->choice.service, number);
		json_object_set_new(all, story->world->plan->region_id[number],
				    json_real((double)region->weight[story->choice.mode] / sum));
	}
	return all;
}

static json_t *region_id(const struct story *story, const struct plan_region *region)
{
	return region ? json_text(story->world->plan->region_id[region->number]) : json_null();
}

static void add_family(const struct story *story, const struct choice *choice, json_t *families)
{
	bool is_ipv4 = choice->service == choice->policy->service->alone[0];
	json_object_set_new(families, is_ipv4 ? "ipv4" : "ipv6",
			    json_pack("{s:o, s:o, s:o, s:o}", "region", region_id(story, choice->region),
				      "instead_of", region_id(story, choice->common_region), "step",
				      json_text(words_step(choice->step)), "cause",
				      json_text(choice->is_forced ? "health" : "configuration")));
}

/* What families of addresses chose by themselves; null: the common choice is for all. */
static json_t *family_json(const struct story *story)
{
	json_t *families = json_object();
	const struct answer *answer = story->answer;
	const struct choice *other = answer->choice.policy ? resolve_other(answer) : NULL;
	if (story->service && choice_is_own(&story->choice))
		add_family(story, &story->choice, families);
	if (other)
		add_family(story, other, families);
	if (json_object_size(families) > 0)
		return families;
	json_decref(families);
	return json_null();
}

/* ---- answer ---- */

static void add_record(json_t *records, const uint8_t *owner, uint16_t type, uint32_t ttl,
		       const uint8_t *rdata, size_t length)
{
	char name[NAME_TEXT_MAX], type_text[16];
	char *data = xmalloc(4 * length + 4096);
	name_to_text(owner, name);
	rrtype_to_text(type, type_text);
	rrtype_rdata_to_text(type, rdata, length, data, 4 * length + 4096);
	json_array_append_new(records, json_pack("{s:o, s:o, s:I, s:o}", "name", json_text(name), "type",
						 json_text(type_text), "ttl", (json_int_t)ttl, "data",
						 json_text(data)));
	free(data);
}

static void add_item(json_t *records, const struct answer *answer, const struct answer_item *item)
{
	if (item->kind == ITEM_CNAME) {
		add_record(records, item->owner, RR_CNAME, item->ttl, item->target,
			   name_length(item->target));
	} else if (item->kind == ITEM_VIPS) {
		unsigned row = item->type == RR_AAAA;
		for (unsigned i = 0; i < answer->vip_count[row]; i++)
			add_record(records, item->owner, item->type, item->ttl,
				   answer->vips[row][i]->ip.bytes, row ? 16 : 4);
	} else if (item->kind == ITEM_HTTPS) {
		const struct plan_service *service = answer->choice.policy->service;
		size_t length = https_rdata_length(service, answer->vip_count);
		uint8_t *rdata = xmalloc(length);
		https_rdata_write(service, answer->vips, answer->vip_count, rdata);
		add_record(records, item->owner, item->type, item->ttl, rdata, length);
		free(rdata);
	} else {
		const uint8_t *at = item->set->wire;
		for (unsigned i = 0; i < item->set->count; i++) {
			size_t length = (size_t)at[10] << 8 | at[11];
			add_record(records, item->owner, item->type, item->ttl, at + 12, length);
			at += 12 + length;
		}
	}
}

static json_t *answer_json(const struct story *story)
{
	char rcode[RCODE_TEXT_MAX];
	const struct answer *answer = story->answer;
	json_t *records = json_array();
	for (unsigned i = 0; i < answer->answer_count; i++)
		add_item(records, answer, &answer->items[i]);
	json_t *ede = json_null();
	if (answer->ede != EDE_NONE)
		ede = json_pack("{s:i, s:o}", "code", answer->ede, "text", json_text(answer->ede_text));
	rcode_to_text(answer->rcode, rcode);
	return json_pack("{s:o, s:o, s:o}", "rcode", json_text(rcode), "records", records, "ede", ede);
}

/* Why the choice asks for this TTL, which is its own or a longer one's. */
static enum ttl_reason choice_ttl_why(const struct choice *choice, uint32_t ttl)
{
	if (choice->step > STEP_SHED)
		return TTL_FALLBACK;
	enum ttl_reason why = TTL_STABLE;
	for (region_set left = choice->consulted; left; left &= left - 1) {
		const struct plan_region *region =
			region_of(choice->service, (unsigned)__builtin_ctzll(left));
		for (unsigned i = 0; region && i < region->vip_count; i++) {
			if (region->vips[i].ttl != ttl)
				continue;
			if (region->vips[i].ttl_is_pending)
				return TTL_PENDING;
			if (region->vips[i].ttl_is_recent)
				why = TTL_RECENT;
		}
	}
	return why;
}

static enum ttl_reason ttl_why(const struct story *story, uint32_t ttl)
{
	const struct answer *answer = story->answer;
	if (answer->authority_count > 0)
		return resolve_is_outage(answer, story->request->type) ? TTL_FALLBACK : TTL_STABLE;
	const struct choice *other = answer->choice.policy ? resolve_other(answer) : NULL;
	return choice_ttl_why(other && other->ttl < story->choice.ttl ? other : &story->choice, ttl);
}

static json_t *ttl_json(const struct story *story)
{
	const struct answer *answer = story->answer;
	const struct answer_item *last = NULL; /* the record that the question was about */
	if (answer->answer_count > 0)
		last = &answer->items[answer->answer_count - 1];
	else if (answer->authority_count > 0)
		last = &answer->items[0];
	if (!last)
		return json_null();
	if (!story->service)
		return json_pack("{s:I, s:I, s:I, s:o}", "value", (json_int_t)last->ttl, "min",
				 (json_int_t)last->ttl, "max", (json_int_t)last->ttl, "why",
				 json_text(words_ttl_reason(TTL_STABLE)));
	return json_pack("{s:I, s:I, s:I, s:o}", "value", (json_int_t)last->ttl, "min",
			 (json_int_t)story->plan->ttl_min, "max", (json_int_t)story->plan->ttl_max, "why",
			 json_text(words_ttl_reason(ttl_why(story, last->ttl))));
}

/* ---- the wildcard that would have answered ---- */

/* RFC 4592 §2.2.1: a wildcard covers no name that exists, nor any below such a name. */
static json_t *hidden_wildcard_json(const struct story *story)
{
	char wildcard[NAME_TEXT_MAX], by[NAME_TEXT_MAX];
	const struct name *asked = &story->request->name;
	const uint8_t *top, *name = asked->octets;
	const struct fleet_tenant *tenant = fleet_wildcard_above(server_fleet(story->server), name, &top);
	if (!tenant || tenant == story->tenant)
		return json_null();
	size_t length = asked->length;
	while (name != top && !index_get(story->world->index, name, length, name_hash(name, length))) {
		length -= *name + 1u;
		name += *name + 1;
	}
	struct name covering;
	name_wildcard_of(top + *top + 1, &covering); /* it is there, so it fits */
	name_to_text(covering.octets, wildcard);
	name_to_text(name, by);
	return json_pack("{s:o, s:o, s:o}", "tenant", json_text(tenant->object.id), "wildcard",
			 json_text(wildcard), "by", json_text(by));
}

/* ---- the whole ---- */

/* Of the name that was decided: where the chain ended, and at a wildcard what was asked, not the node's. */
static uint64_t decided_hash(const struct story *story)
{
	const struct answer *answer = story->answer;
	struct name name = story->request->name;
	for (unsigned i = 0; i < answer->answer_count; i++) {
		const struct answer_item *item = &answer->items[i];
		if (item->type != RR_CNAME)
			continue;
		const uint8_t *target = item->kind == ITEM_CNAME ? item->target : item->set->wire + 12;
		name.length = (uint8_t)name_length(target);
		memcpy(name.octets, target, name.length);
	}
	name_lower(name.octets, name.length);
	return name_hash(name.octets, name.length);
}

/* Whose rule decided, also where the type or a suspension kept it from choosing. */
static void find_tenant(struct story *story, uint64_t random)
{
	const struct answer *answer = story->answer;
	if (answer->tenant == INDEX_NONE)
		return;
	assert(answer->node && answer->node->policy < story->world->plan->policy_count);
	const struct policy *policy = &story->world->plan->policies[answer->node->policy];
	story->tenant = world_builder_tenant(server_builder(story->server), answer->tenant);
	story->service = (const struct fleet_service *)fleet_get(server_fleet(story->server), FLEET_SERVICE,
								 story->tenant->profile->service);
	story->plan = policy->service;
	if (answer->choice.policy)
		story->choice = answer->choice;
	else
		choose_region(policy, &story->client, decided_hash(story), random, &story->choice);
}

static json_t *tell(struct story *story)
{
	char name[NAME_TEXT_MAX], type[16], zone[NAME_TEXT_MAX] = "";
	name_to_text(story->request->name.octets, name);
	rrtype_to_text(story->request->type, type);
	if (story->answer->zone)
		name_to_text(story->answer->zone->name.octets, zone);
	const char *kind = story->tenant ? "tenant" : story->answer->zone ? "static" : "none";
	if (!story->tenant && story->answer->rcode == RCODE_NXDOMAIN)
		kind = "none";
	json_t *reply = json_pack("{s:{s:o, s:o}, s:I, s:I, s:o}", "query", "name", json_text(name), "type",
				  json_text(type), "epoch", (json_int_t)story->world->epoch, "fleet_version",
				  (json_int_t)story->world->fleet_version, "client", client_json(story));
	json_object_set_new(reply, "tenant", text_or_null(story->tenant ? story->tenant->object.id : NULL));
	json_object_set_new(reply, "service",
			    text_or_null(story->service ? story->service->object.id : NULL));
	json_object_set_new(reply, "zone", text_or_null(zone));
	json_object_set_new(reply, "kind", json_text(kind));
	json_object_set_new(reply, "hidden_wildcard", hidden_wildcard_json(story));
	json_object_set_new(reply, "policy", policy_json(story));
	json_object_set_new(reply, "regions", regions_json(story));
	json_object_set_new(reply, "step",
			    json_text(words_step(story->service ? story->choice.step : STEP_NONE)));
	json_object_set_new(reply, "family", family_json(story));
	json_object_set_new(reply, "ttl", ttl_json(story));
	json_object_set_new(reply, "answer", answer_json(story));
	if (story->service && story->service->split == SPLIT_RANDOM)
		json_object_set_new(reply, "probabilities", probabilities_json(story));
	return reply;
}

json_t *explain(struct server *server, const struct explain_request *request)
{
	struct world *world =
		world_builder_what_if(server_builder(server), request->what_if, request->what_if_count);
	struct story story = {.server = server, .world = world, .request = request};
	set_client(&story);
	struct rng rng;
	rng_seed_from_system(&rng);
	struct question question = {
		.name = request->name.octets,
		.as_asked = request->name.octets,
		.length = request->name.length,
		.type = request->type,
		.hash = name_hash(request->name.octets, request->name.length),
	};
	story.answer = xmalloc(sizeof *story.answer);
	const struct node *node = index_get(world->index, question.name, question.length, question.hash);
	resolve(world, &question, (struct found){.node = node}, &story.client, &rng, story.answer);
	find_tenant(&story, rng_next(&rng));
	json_t *reply = tell(&story);
	free(story.answer);
	world_free(world);
	return reply;
}
