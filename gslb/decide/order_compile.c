/*
 * Compiles a way of steering and a set of places into an order: evaluates each place once, sweeps
 * the ranges with the map's prefix rules laid over, and joins neighbours with one outcome. Runs on
 * a thread of the control path.
 */
#include "gslb/decide/map_rules.h"
#include "gslb/decide/order_table.h"
#include "gslb/decide/place/intern.h"
#include "gslb/decide/place/spans.h"
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
	struct intern tiers;	/* of struct tiers */
	struct intern outcomes; /* of struct order_outcome */
	uint32_t listed;	/* tiers: one region each, as listed */
	region_set candidates;	/* the bits of those listed */
	uint32_t *nearest;	/* tiers of each place among all candidates, or NOT_YET */
	struct intern some;	/* of struct some_near: of each place among some of them */
	uint32_t *some_nearest; /* tiers of each */
	size_t some_capacity;
	uint32_t *rule_tiers; /* of each rule that is not `nearest` */
	unsigned near_count;
	region_set near[ORDER_NEAR_MAX]; /* which regions the n-th NEED_NEAREST is about */
	region_set asked;		 /* ASK_NEAREST: among which */
	bool is_needed[NEED_COUNT];	 /* whether the resolver's place can change the tiers */
	bool has_prefix_or_asn;		 /* among the rules */
	/* What the rules for places need; a NEED_NEAREST where they put every place in that order. */
	enum order_need place_need;
};

struct some_near {
	region_set regions;
	uint64_t place;
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

static uint32_t put_listed(struct compiler *compiler, region_set regions, bool one_tier)
{
	struct tiers tiers = {.count = 0};
	for (unsigned i = 0; i < compiler->spec->listed_count; i++) {
		uint8_t region = compiler->spec->listed[i];
		bool starts_tier = !one_tier || tiers.count == 0;
		if (regions >> region & 1)
			tiers.item[tiers.count++] = region | (starts_tier ? TIER_START : 0);
	}
	return put_tiers(compiler, &tiers);
}

/* A rule's tiers without the regions that are no candidates; a tier left empty vanishes. */
static uint32_t put_rule(struct compiler *compiler, const struct map_rule *rule)
{
	region_set left = compiler->candidates;
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

static uint32_t put_nearest(struct compiler *compiler, region_set regions, const struct place *place)
{
	const struct order_spec *spec = compiler->spec;
	double latitude, longitude, distance[REGIONS_MAX];
	if (!place_coordinates(place, &latitude, &longitude))
		return put_listed(compiler, regions, false);
	struct tiers tiers = {.count = 0};
	/* Insertion keeps the order of listed among equal distances. */
	for (unsigned i = 0; i < spec->listed_count; i++) {
		uint8_t region = spec->listed[i];
		if (!(regions >> region & 1))
			continue;
		double d = place_distance_km(latitude, longitude, spec->latitude[region],
					     spec->longitude[region]);
		d = order_biased_km(d, spec->bias[region]);
		unsigned at = tiers.count++;
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

static uint32_t nearest_of_all(struct compiler *compiler, uint32_t place)
{
	if (compiler->nearest[place] == NOT_YET)
		compiler->nearest[place] =
			put_nearest(compiler, compiler->candidates, &compiler->places->places[place]);
	return compiler->nearest[place];
}

static uint32_t nearest_of(struct compiler *compiler, region_set regions, uint32_t place)
{
	if (regions == compiler->candidates)
		return nearest_of_all(compiler, place);
	struct some_near wanted = {.regions = regions, .place = place};
	size_t known = compiler->some.count;
	uint32_t number = intern_put(&compiler->some, &wanted);
	if (compiler->some.count > known) {
		xgrow((void **)&compiler->some_nearest, &compiler->some_capacity, compiler->some.count,
		      sizeof(*compiler->some_nearest));
		compiler->some_nearest[number] =
			put_nearest(compiler, regions, &compiler->places->places[place]);
	}
	return compiler->some_nearest[number];
}

/* Among which candidates a `nearest` rule chooses. */
static region_set near_regions(const struct compiler *compiler, const struct map_rule *rule)
{
	region_set named = 0;
	for (unsigned i = 0; i < rule->tiers.count; i++)
		named |= (region_set)1 << (rule->tiers.item[i] & (TIER_START - 1));
	return rule->tiers.count > 0 ? named & compiler->candidates : compiler->candidates;
}

static uint32_t tiers_of(struct compiler *compiler, const struct map_rule *rule, uint32_t place)
{
	if (rule->is_nearest)
		return nearest_of(compiler, near_regions(compiler, rule), place);
	return compiler->rule_tiers[rule - compiler->spec->rules];
}

/* ---- needs ---- */

static void add_near(struct compiler *compiler, region_set regions)
{
	for (unsigned i = 0; i < compiler->near_count; i++)
		if (compiler->near[i] == regions)
			return;
	assert(compiler->near_count < ORDER_NEAR_MAX);
	compiler->near[compiler->near_count++] = regions;
}

static enum order_need need_of(const struct compiler *compiler, region_set regions)
{
	unsigned number = 0;
	while (compiler->near[number] != regions) {
		number++;
		assert(number < compiler->near_count);
	}
	return (enum order_need)(NEED_NEAREST + number);
}

/* ---- outcomes ---- */

static uint32_t outcome_of(struct compiler *compiler, enum question question, uint32_t number,
			   const struct map_rule *prefix_rule)
{
	const struct order_spec *spec = compiler->spec;
	const struct place *place = &compiler->places->places[number];
	struct order_outcome outcome = {.need = NEED_NOTHING};
	if (question == ASK_NEAREST || spec->kind == ORDER_NEAREST) {
		outcome.tiers = nearest_of(compiler, compiler->asked, number);
		outcome.need = need_of(compiler, compiler->asked);
	} else {
		const struct map_rule *rule = prefix_rule;
		if (!rule && question == ASK_ALL)
			rule = map_rules_by_asn(spec, place->asn);
		if (!rule)
			outcome.need = NEED_PLACE;
		else if (rule->is_nearest)
			outcome.need = need_of(compiler, near_regions(compiler, rule));
		if (!rule)
			rule = map_rules_by_place(spec, place);
		outcome.tiers = tiers_of(compiler, rule, number);
	}
	if (place_is_located(place) || !compiler->is_needed[outcome.need])
		outcome.need = NEED_NOTHING;
	if (outcome.need == NEED_PLACE)
		outcome.need = compiler->place_need; /* one need for one behaviour, so that leaves fold */
	return intern_put(&compiler->outcomes, &outcome);
}

static uint32_t place_rule_tiers(struct compiler *compiler, uint32_t place)
{
	return tiers_of(compiler, map_rules_by_place(compiler->spec, &compiler->places->places[place]),
			place);
}

/* Where no located place has other tiers than an address without location, the resolver's place
 * changes nothing, and unlocated prefixes fold with the others. */
static void find_needs(struct compiler *compiler)
{
	bool is_map = compiler->spec->kind == ORDER_MAP, is_same[ORDER_NEAR_MAX];
	uint32_t nowhere = is_map ? place_rule_tiers(compiler, PLACE_NONE) : compiler->listed;
	uint32_t listed[ORDER_NEAR_MAX];
	for (unsigned n = 0; n < compiler->near_count; n++) {
		listed[n] = put_listed(compiler, compiler->near[n], false);
		is_same[n] = is_map && nowhere == listed[n];
	}
	for (uint32_t i = 1; i < compiler->places->place_count; i++) {
		if (!place_is_located(&compiler->places->places[i]))
			continue;
		uint32_t here = is_map ? place_rule_tiers(compiler, i) : nowhere;
		if (here != nowhere)
			compiler->is_needed[NEED_PLACE] = true;
		for (unsigned n = 0; n < compiler->near_count; n++) {
			uint32_t nearest = nearest_of(compiler, compiler->near[n], i);
			if (nearest != listed[n])
				compiler->is_needed[NEED_NEAREST + n] = true;
			if (nearest != here)
				is_same[n] = false;
		}
	}
	compiler->place_need = NEED_PLACE;
	for (unsigned n = 0; n < compiler->near_count; n++)
		if (is_same[n])
			compiler->place_need = (enum order_need)(NEED_NEAREST + n);
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

static void build_for_need(struct compiler *compiler, enum order_need need, enum question question)
{
	struct order *order = compiler->order;
	if (!has_need(compiler, need))
		return;
	build_table(compiler, question, &order->by_need[need]);
	order->resolver_table[need] = &order->by_need[need];
}

/* Where the main table answers the same question, it serves for the resolver, too. */
static void compile_tables(struct compiler *compiler)
{
	struct order *order = compiler->order;
	const struct order_spec *spec = compiler->spec;
	find_needs(compiler);
	compiler->asked = compiler->candidates;
	build_table(compiler, ASK_ALL, &order->main);
	for (unsigned need = 0; need < NEED_COUNT; need++)
		order->resolver_table[need] = &order->main;
	for (unsigned n = 0; spec->kind != ORDER_NEAREST && n < compiler->near_count; n++) {
		compiler->asked = compiler->near[n];
		build_for_need(compiler, (enum order_need)(NEED_NEAREST + n), ASK_NEAREST);
	}
	if (compiler->has_prefix_or_asn)
		build_for_need(compiler, NEED_PLACE, ASK_PLACE_RULES);
}

static void compile_constant(struct compiler *compiler, bool one_tier)
{
	struct order_outcome outcome = {.tiers = put_listed(compiler, compiler->candidates, one_tier)};
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
		map_rules_sort(rules, spec->rule_count);
		order->spec.rules = rules;
	}
	return order;
}

bool order_is_constant(const struct order_spec *spec)
{
	return spec->kind == ORDER_LISTED || spec->kind == ORDER_NONE ||
	       (spec->kind == ORDER_NEAREST && spec->listed_count <= 1);
}

static void compiler_init(struct compiler *compiler)
{
	const struct order_spec *spec = compiler->spec;
	size_t place_count = compiler->places->place_count;
	intern_init(&compiler->tiers, sizeof(struct tiers));
	intern_init(&compiler->outcomes, sizeof(struct order_outcome));
	intern_init(&compiler->some, sizeof(struct some_near));
	for (unsigned i = 0; i < spec->listed_count; i++)
		compiler->candidates |= (region_set)1 << spec->listed[i];
	compiler->listed = put_listed(compiler, compiler->candidates, false);
	compiler->nearest = xmalloc(place_count * sizeof(*compiler->nearest));
	memset(compiler->nearest, 0xff, place_count * sizeof(*compiler->nearest));
	compiler->rule_tiers = xcalloc(spec->rule_count + 1, sizeof(*compiler->rule_tiers));
	if (spec->kind == ORDER_NEAREST)
		add_near(compiler, compiler->candidates);
	for (size_t i = 0; i < spec->rule_count; i++) {
		const struct map_rule *rule = &spec->rules[i];
		compiler->rule_tiers[i] = put_rule(compiler, rule);
		if (rule->kind > MAP_ASN)
			continue;
		compiler->has_prefix_or_asn = true;
		if (rule->is_nearest)
			add_near(compiler, near_regions(compiler, rule));
	}
}

static void compiler_done(struct compiler *compiler)
{
	free(compiler->nearest);
	free(compiler->some_nearest);
	free(compiler->rule_tiers);
	intern_done(&compiler->some);
	intern_done(&compiler->tiers);
	intern_done(&compiler->outcomes);
}

struct order *order_compile(const struct order_spec *spec, const struct places *places)
{
	assert(spec->listed_count <= REGIONS_MAX);
	struct order *order = copy_spec(spec);
	struct compiler compiler = {.order = order, .spec = &order->spec, .places = places};
	compiler_init(&compiler);
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
	compiler_done(&compiler);
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
