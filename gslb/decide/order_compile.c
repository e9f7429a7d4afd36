/*
 * Compiles a way of steering and a set of places into an order: evaluates each place once, sweeps
 * the ranges with the map's prefix rules laid over, and joins neighbours with one outcome. Runs on
 * a thread of the control path.
 */
#include "gslb/decide/intern.h"
#include "gslb/decide/order_table.h"
#include "gslb/decide/spans.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define NOT_YET UINT32_MAX

/* Which question a table answers. */
enum question { ASK_ALL, ASK_PLACE_RULES, ASK_NEAREST };

struct compiler {
	struct order *order;
	const struct order_spec *spec; /* the order's */
	const struct places *places;
	struct intern tiers;		     /* of struct tiers */
	struct intern outcomes;		     /* of struct order_outcome */
	uint32_t listed;		     /* tiers: one region each, as listed */
	uint32_t *nearest;		     /* tiers of each place, or NOT_YET */
	uint32_t *rule_tiers;		     /* of each rule that is not `nearest` */
	bool is_needed[NEED_COUNT];	     /* whether the resolver's place can change the tiers */
	bool has_prefix_or_asn, has_nearest; /* among the rules */
	bool places_are_nearest; /* the rules for places put every place in the order of distance */
};

/* ---- tiers ---- */

static uint32_t put_tiers(struct compiler *compiler, const struct tiers *tiers)
{
	struct tiers clean;
	region_set first = 0;
	memset(&clean, 0, sizeof(clean)); /* compared as bytes: nothing behind the last item */
	clean.count = tiers->count;
	memcpy(clean.item, tiers->item, tiers->count);
	for (unsigned i = 0; i < clean.count && (i == 0 || !(clean.item[i] & TIER_START)); i++)
		first |= (region_set)1 << (clean.item[i] & (TIER_START - 1));
	clean.only = first & (first - 1) ? 0 : first;
	return intern_put(&compiler->tiers, &clean);
}

static uint32_t put_listed(struct compiler *compiler, bool one_tier)
{
	struct tiers tiers = {.count = compiler->spec->listed_count};
	for (unsigned i = 0; i < tiers.count; i++)
		tiers.item[i] = compiler->spec->listed[i] | (one_tier && i > 0 ? 0 : TIER_START);
	return put_tiers(compiler, &tiers);
}

/* A rule's tiers without the regions that are no candidates; a tier left empty vanishes. */
static uint32_t put_rule(struct compiler *compiler, const struct map_rule *rule)
{
	region_set left = 0;
	for (unsigned i = 0; i < compiler->spec->listed_count; i++)
		left |= (region_set)1 << compiler->spec->listed[i];
	struct tiers tiers = {.count = 0};
	uint8_t start = TIER_START;
	for (unsigned i = 0; i < rule->tiers.count; i++) {
		uint8_t item = rule->tiers.item[i], region = item & (TIER_START - 1);
		start |= item & TIER_START;
		if (!(left >> region & 1))
			continue;
		left &= ~((region_set)1 << region);
		tiers.item[tiers.count++] = region | start;
		start = 0;
	}
	return put_tiers(compiler, &tiers);
}

static uint32_t put_nearest(struct compiler *compiler, const struct place *place)
{
	const struct order_spec *spec = compiler->spec;
	double latitude, longitude, distance[REGIONS_MAX];
	if (!place_coordinates(place, &latitude, &longitude))
		return compiler->listed;
	struct tiers tiers = {.count = spec->listed_count};
	/* Insertion keeps the order of listed among equal distances. */
	for (unsigned i = 0; i < spec->listed_count; i++) {
		uint8_t region = spec->listed[i];
		double d = place_distance_km(latitude, longitude, spec->latitude[region],
					     spec->longitude[region]);
		d = order_biased_km(d, spec->bias[region]);
		unsigned at = i;
		for (; at > 0 && distance[at - 1] > d; at--) {
			distance[at] = distance[at - 1];
			tiers.item[at] = tiers.item[at - 1];
		}
		distance[at] = d;
		tiers.item[at] = region;
	}
	double first = 0;
	for (unsigned i = 0; i < tiers.count; i++) {
		if (i > 0 && distance[i] <= first + spec->tolerance_km)
			continue;
		first = distance[i];
		tiers.item[i] |= TIER_START;
	}
	return put_tiers(compiler, &tiers);
}

static uint32_t nearest_of(struct compiler *compiler, uint32_t place)
{
	if (compiler->nearest[place] == NOT_YET)
		compiler->nearest[place] = put_nearest(compiler, &compiler->places->places[place]);
	return compiler->nearest[place];
}

static uint32_t tiers_of(struct compiler *compiler, const struct map_rule *rule, uint32_t place)
{
	if (rule->is_nearest)
		return nearest_of(compiler, place);
	return compiler->rule_tiers[rule - compiler->spec->rules];
}

/* ---- outcomes ---- */

static uint32_t outcome_of(struct compiler *compiler, enum question question, uint32_t number,
			   const struct map_rule *prefix_rule)
{
	const struct order_spec *spec = compiler->spec;
	const struct place *place = &compiler->places->places[number];
	struct order_outcome outcome = {.need = NEED_NOTHING};
	if (question == ASK_NEAREST || spec->kind == ORDER_NEAREST) {
		outcome.tiers = nearest_of(compiler, number);
		outcome.need = NEED_NEAREST;
	} else {
		const struct map_rule *rule = prefix_rule;
		if (!rule && question == ASK_ALL)
			rule = order_rules_by_asn(spec, place->asn);
		outcome.need = !rule ? NEED_PLACE : rule->is_nearest ? NEED_NEAREST : NEED_NOTHING;
		if (!rule)
			rule = order_rules_by_place(spec, place);
		outcome.tiers = tiers_of(compiler, rule, number);
	}
	if (place_is_located(place) || !compiler->is_needed[outcome.need])
		outcome.need = NEED_NOTHING;
	if (outcome.need == NEED_PLACE && compiler->places_are_nearest)
		outcome.need = NEED_NEAREST; /* one need for one behaviour, so that leaves fold */
	return intern_put(&compiler->outcomes, &outcome);
}

static uint32_t place_rule_tiers(struct compiler *compiler, uint32_t place)
{
	return tiers_of(compiler, order_rules_by_place(compiler->spec, &compiler->places->places[place]),
			place);
}

/* Where no located place has other tiers than an address without location, the resolver's place
 * changes nothing, and unlocated prefixes fold with the others. */
static void find_needs(struct compiler *compiler)
{
	bool is_map = compiler->spec->kind == ORDER_MAP;
	bool uses_nearest = !is_map || compiler->has_nearest;
	uint32_t nowhere = is_map ? place_rule_tiers(compiler, PLACE_NONE) : compiler->listed;
	compiler->places_are_nearest = is_map && uses_nearest && nowhere == compiler->listed;
	for (uint32_t i = 1; i < compiler->places->place_count; i++) {
		if (!place_is_located(&compiler->places->places[i]))
			continue;
		uint32_t nearest = uses_nearest ? nearest_of(compiler, i) : compiler->listed;
		if (nearest != compiler->listed)
			compiler->is_needed[NEED_NEAREST] = true;
		if (!is_map)
			continue;
		uint32_t here = place_rule_tiers(compiler, i);
		if (here != nowhere)
			compiler->is_needed[NEED_PLACE] = true;
		if (here != nearest)
			compiler->places_are_nearest = false;
	}
}

/* ---- sweep ---- */

static void put_run(struct order_runs *runs, address_key start, uint32_t outcome)
{
	if (runs->count > 0 && runs->items[runs->count - 1].outcome == outcome)
		return;
	xgrow((void **)&runs->items, &runs->capacity, runs->count + 1, sizeof(*runs->items));
	runs->items[runs->count++] = (struct order_run){.start = start, .outcome = outcome};
}

static void sweep(struct compiler *compiler, enum question question, unsigned family,
		  const struct spans *spans, struct order_runs *runs)
{
	const struct places *places = compiler->places;
	uint32_t *outcomes = xmalloc(places->place_count * sizeof(*outcomes)); /* without prefix rule */
	memset(outcomes, 0xff, places->place_count * sizeof(*outcomes));
	struct place_cursor range;
	size_t span = 0;
	address_key at = 0;
	place_cursor_init(&range, places_ranges(places, family));
	for (;;) {
		uint32_t place = range.place, rule = spans->items[span].prefix;
		if (rule == SPAN_NONE && outcomes[place] == NOT_YET)
			outcomes[place] = outcome_of(compiler, question, place, NULL);
		put_run(runs, at,
			rule == SPAN_NONE
				? outcomes[place]
				: outcome_of(compiler, question, place, &compiler->spec->rules[rule]));
		bool more_spans = span + 1 < spans->count;
		if (!range.has_next && !more_spans)
			break;
		address_key next_span = more_spans ? spans->items[span + 1].start : 0;
		at = !more_spans || (range.has_next && range.next_start < next_span) ? range.next_start
										     : next_span;
		if (range.has_next && range.next_start == at)
			place_cursor_next(&range);
		span += more_spans && next_span == at;
	}
	free(outcomes);
}

static void build_table(struct compiler *compiler, enum question question, struct order_table *table)
{
	const struct order_spec *spec = compiler->spec;
	size_t prefix_count = 0; /* prefix rules come first */
	while (question == ASK_ALL && prefix_count < spec->rule_count &&
	       spec->rules[prefix_count].kind == MAP_PREFIX)
		prefix_count++;
	struct prefix *prefixes = xcalloc(prefix_count + 1, sizeof(*prefixes));
	for (size_t i = 0; i < prefix_count; i++)
		prefixes[i] = spec->rules[i].prefix;
	for (unsigned family = 4; family <= 6; family += 2) {
		struct spans spans;
		struct order_runs runs = {.count = 0};
		spans_init(&spans, prefixes, prefix_count, family);
		sweep(compiler, question, family, &spans, &runs);
		order_table_build(table, family, &runs);
		spans_done(&spans);
		free(runs.items);
	}
	free(prefixes);
	order_table_finish(table);
}

static bool has_need(const struct compiler *compiler, enum order_need need)
{
	const struct order_outcome *outcomes = (const struct order_outcome *)compiler->outcomes.items;
	for (size_t i = 0; i < compiler->outcomes.count; i++)
		if (outcomes[i].need == need)
			return true;
	return false;
}

static void compile_tables(struct compiler *compiler)
{
	struct order *order = compiler->order;
	const struct order_spec *spec = compiler->spec;
	find_needs(compiler);
	build_table(compiler, ASK_ALL, &order->main);
	bool main_is_nearest = spec->kind == ORDER_NEAREST;
	bool main_is_places = spec->kind == ORDER_MAP && !compiler->has_prefix_or_asn;
	if (main_is_nearest || !has_need(compiler, NEED_NEAREST)) {
		order->resolver_table[NEED_NEAREST] = &order->main;
	} else {
		build_table(compiler, ASK_NEAREST, &order->by_need[NEED_NEAREST]);
		order->resolver_table[NEED_NEAREST] = &order->by_need[NEED_NEAREST];
	}
	if (main_is_places || !has_need(compiler, NEED_PLACE)) {
		order->resolver_table[NEED_PLACE] = &order->main;
	} else {
		build_table(compiler, ASK_PLACE_RULES, &order->by_need[NEED_PLACE]);
		order->resolver_table[NEED_PLACE] = &order->by_need[NEED_PLACE];
	}
}

static void compile_constant(struct compiler *compiler, bool one_tier)
{
	struct order_outcome outcome = {.tiers = put_listed(compiler, one_tier)};
	compiler->order->main.whole[0] = intern_put(&compiler->outcomes, &outcome);
	compiler->order->main.whole[1] = compiler->order->main.whole[0];
}

static struct order *copy_spec(const struct order_spec *spec)
{
	struct order *order = xcalloc(1, sizeof(*order));
	order->references = 1;
	order->spec = *spec;
	order->spec.rule_count = spec->kind == ORDER_MAP ? spec->rule_count : 0;
	order->spec.rules = NULL;
	if (order->spec.rule_count > 0) {
		struct map_rule *rules = xmemdup(spec->rules, spec->rule_count * sizeof(*rules));
		order_rules_sort(rules, spec->rule_count);
		order->spec.rules = rules;
	}
	return order;
}

bool order_is_constant(const struct order_spec *spec)
{
	return spec->kind == ORDER_LISTED || spec->kind == ORDER_NONE ||
	       (spec->kind == ORDER_NEAREST && spec->listed_count <= 1);
}

struct order *order_compile(const struct order_spec *spec, const struct places *places)
{
	assert(spec->listed_count <= REGIONS_MAX);
	struct order *order = copy_spec(spec);
	struct compiler compiler = {.order = order, .spec = &order->spec, .places = places};
	intern_init(&compiler.tiers, sizeof(struct tiers));
	intern_init(&compiler.outcomes, sizeof(struct order_outcome));
	compiler.listed = put_listed(&compiler, false);
	compiler.nearest = xmalloc(places->place_count * sizeof(*compiler.nearest));
	memset(compiler.nearest, 0xff, places->place_count * sizeof(*compiler.nearest));
	compiler.rule_tiers = xcalloc(order->spec.rule_count + 1, sizeof(*compiler.rule_tiers));
	for (size_t i = 0; i < order->spec.rule_count; i++) {
		compiler.rule_tiers[i] = put_rule(&compiler, &order->spec.rules[i]);
		if (order->spec.rules[i].kind <= MAP_ASN)
			compiler.has_prefix_or_asn = true;
		if (order->spec.rules[i].is_nearest)
			compiler.has_nearest = true;
	}

	if (order_is_constant(spec))
		compile_constant(&compiler, spec->kind == ORDER_NONE);
	else
		compile_tables(&compiler);

	assert(compiler.outcomes.count <= ENTRY_OUTCOME_MASK);
	order->tiers_count = compiler.tiers.count;
	order->tiers = xmemdup(compiler.tiers.items, compiler.tiers.count * sizeof(struct tiers));
	order->outcome_count = compiler.outcomes.count;
	order->outcomes =
		xmemdup(compiler.outcomes.items, compiler.outcomes.count * sizeof(struct order_outcome));
	for (size_t i = 0; i < order->outcome_count; i++) /* from numbers */
		order->outcomes[i].tiers *= (uint32_t)sizeof(struct tiers);
	free(compiler.nearest);
	free(compiler.rule_tiers);
	intern_done(&compiler.tiers);
	intern_done(&compiler.outcomes);
	return order;
}

struct order *order_ref(struct order *order)
{
	order->references++;
	return order;
}

void order_unref(struct order *order)
{
	if (!order || --order->references > 0)
		return;
	order_table_done(&order->main);
	for (unsigned i = 0; i < NEED_COUNT; i++)
		order_table_done(&order->by_need[i]);
	free((struct map_rule *)order->spec.rules);
	free(order->tiers);
	free(order->outcomes);
	free(order);
}

bool order_is_shared(const struct order *order)
{
	return order->references > 1;
}

size_t order_bytes(const struct order *order)
{
	size_t bytes = sizeof(*order) + order_table_bytes(&order->main) +
		       order->spec.rule_count * sizeof(*order->spec.rules) +
		       order->tiers_count * sizeof(*order->tiers) +
		       order->outcome_count * sizeof(*order->outcomes);
	for (unsigned i = 0; i < NEED_COUNT; i++)
		bytes += order_table_bytes(&order->by_need[i]);
	return bytes;
}
