/*
 * What loads, but can hardly be meant: steering that names regions where the service has no VIP, and
 * wildcards of tenants that other names hide (RFC 4592 §2.2.1). Walks the whole fleet once; the tenants
 * only where one of them has a wildcard. Any one thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 5 /* regions that one warning names */

/* At a base object, or a part of it. An object of the store stands nowhere; the message names it. */
static __attribute__((format(printf, 6, 7))) void warn(struct err_list *errors, const char *topic,
						       const struct fleet_object *object, uint32_t line,
						       uint32_t column, const char *format, ...)
{
	bool is_base = object->source == FLEET_BASE;
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		abort();
	va_end(args);
	if (!is_base)
		err_warn_topic(errors, topic, NULL, 0, 0, "%s", message);
	else
		err_warn_topic(errors, topic, object->where->file, line > 0 ? line : object->where->line,
			       line > 0 ? column : object->where->column, "%s", message);
	free(message);
}

/* ---- regions without VIPs ---- */

struct region_names {
	const struct fleet *fleet;
	struct err_list *errors;
	uint64_t **map_rules; /* by the map's number: for each rule the bits of the regions that it lists */
};

static uint64_t region_bit(const struct fleet *fleet, const char *id)
{
	const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, id);

	assert(region && region->number < FLEET_REGIONS_MAX);
	return (uint64_t)1 << region->number;
}

/* "'ap', 'sa' and 3 more" */
static char *list_regions(const struct fleet *fleet, uint64_t bits)
{
	char *list = xstrdup("");
	int left = __builtin_popcountll(bits), listed = 0;

	for (; bits != 0 && listed < LISTED_MAX; bits &= bits - 1, listed++) {
		const struct fleet_object *region =
			fleet_numbered(fleet, FLEET_REGION, (uint32_t)__builtin_ctzll(bits));
		char *longer = xasprintf("%s%s'%s'", list, listed > 0 ? ", " : "", region->id);
		free(list);
		list = longer;
	}
	if (left > listed) {
		char *longer = xasprintf("%s and %d more", list, left - listed);
		free(list);
		list = longer;
	}
	return list;
}

static const uint64_t *rules_of(struct region_names *names, const struct fleet_map *map)
{
	uint64_t **slot = &names->map_rules[map->object.number];

	if (*slot)
		return *slot;
	*slot = xcalloc(map->rule_count + 1, sizeof(**slot));
	for (size_t r = 0; r < map->rule_count; r++)
		for (size_t i = 0; i < map->rules[r].tiers.count; i++)
			(*slot)[r] |= region_bit(names->fleet, map->rules[r].tiers.items[i].region);
	return *slot;
}

/* `what` of the service names regions that do nothing, because of `why`. */
static void warn_of_regions(const struct region_names *names, const struct fleet_service *service,
			    const char *what, uint64_t idle, const char *why)
{
	if (idle == 0)
		return;
	char *list = list_regions(names->fleet, idle);
	warn(names->errors, "idle regions", &service->object, 0, 0, "service '%s': %s names %s, %s",
	     service->object.id, what, list, why);
	free(list);
}

static void check_map(struct region_names *names, const struct fleet_service *service, uint64_t with_vips,
		      uint64_t candidates)
{
	const struct fleet_map *map =
		(const struct fleet_map *)fleet_get(names->fleet, FLEET_MAP, service->map);
	uint64_t named = 0;

	assert(map != NULL);
	const uint64_t *rules = rules_of(names, map);
	for (size_t r = 0; r < map->rule_count; r++) {
		const struct fleet_map_rule *rule = &map->rules[r];
		if (rules[r] == 0 || (rules[r] & candidates) != 0) {
			named |= rules[r];
			continue;
		}
		warn(names->errors, "rules without candidates", &map->object, rule->line, rule->column,
		     "map '%s', '%s': service '%s' has no VIP in these regions, so that it gives these "
		     "clients no address",
		     map->object.id, rule->key, service->object.id);
	}
	char *what = xasprintf("its map '%s'", map->object.id);
	warn_of_regions(names, service, what, named & ~with_vips, "where it has no VIP");
	warn_of_regions(names, service, what, named & with_vips & ~candidates,
			"which its steering.regions leaves out");
	free(what);
}

/* A service without any VIP says by itself that it has no address yet. */
static void check_service(struct region_names *names, const struct fleet_service *service)
{
	uint64_t with_vips = 0, listed = 0, biased = 0;

	for (size_t i = 0; i < service->vip_region_count; i++)
		with_vips |= region_bit(names->fleet, service->vips[i].region);
	for (size_t i = 0; i < service->region_count; i++)
		listed |= region_bit(names->fleet, service->regions[i]);
	for (size_t i = 0; i < service->bias_count; i++)
		biased |= region_bit(names->fleet, service->bias[i].region);
	if (with_vips == 0)
		return;
	warn_of_regions(names, service, "steering.regions", listed & ~with_vips, "where it has no VIP");
	warn_of_regions(names, service, "steering.bias", biased & ~(listed & with_vips),
			"which is no candidate of it");
	if (service->order == ORDER_MAP)
		check_map(names, service, with_vips, listed & with_vips);
}

static struct region_names names_begin(const struct fleet *fleet, struct err_list *errors)
{
	return (struct region_names){
		.fleet = fleet,
		.errors = errors,
		.map_rules = xcalloc(fleet_number_end(fleet, FLEET_MAP) + 1, sizeof(uint64_t *))};
}

static void names_end(struct region_names *names)
{
	for (size_t i = 0; i < fleet_number_end(names->fleet, FLEET_MAP); i++)
		free(names->map_rules[i]);
	free(names->map_rules);
}

static void check_services(const struct fleet *fleet, struct err_list *errors)
{
	struct region_names names = names_begin(fleet, errors);
	const struct fleet_object *object;

	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at)) != NULL;)
		check_service(&names, (const struct fleet_service *)object);
	names_end(&names);
}

/* Each once, also where both it and its map are touched. */
static void check_touched_services(const struct fleet *fleet, const struct fleet_result *result,
				   struct err_list *errors)
{
	bool *is_touched[] = {xcalloc(fleet_number_end(fleet, FLEET_SERVICE) + 1, sizeof(bool)),
			      xcalloc(fleet_number_end(fleet, FLEET_MAP) + 1, sizeof(bool))};
	struct region_names names = names_begin(fleet, errors);
	const struct fleet_object *object;

	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (touched->after && (touched->kind == FLEET_SERVICE || touched->kind == FLEET_MAP))
			is_touched[touched->kind == FLEET_MAP][touched->after->number] = true;
	}
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at)) != NULL;) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		const struct fleet_object *map =
			service->order == ORDER_MAP ? fleet_get(fleet, FLEET_MAP, service->map) : NULL;
		if (is_touched[0][object->number] || (map && is_touched[1][map->number]))
			check_service(&names, service);
	}
	names_end(&names);
	free(is_touched[0]);
	free(is_touched[1]);
}

/* ---- hidden wildcards ---- */

/* One wildcard and the names below it that exist. */
struct hidden {
	const struct fleet_tenant *tenant; /* whose wildcard it is */
	char *wildcard;
	char *top; /* where it does not answer: this name and all below it */
	char *why;
	size_t count; /* of such names */
};

struct wildcard_walk {
	const struct fleet *fleet;
	struct names *by_parent; /* → struct hidden */
	struct hidden **all;
	size_t count, capacity;
	bool *zone_has_wildcard; /* by number */
};

static char *text_of(const uint8_t *name)
{
	char text[NAME_TEXT_MAX];

	name_to_text(name, text);
	return xstrdup(text);
}

/* `name` exists because of the holder; NULL: because of the zone's own records. */
static void note_hidden(struct wildcard_walk *walk, const struct fleet_tenant *tenant, const uint8_t *top,
			const uint8_t *name, const struct fleet_object *holder)
{
	const uint8_t *parent = top + *top + 1;
	struct hidden *hidden = names_get(walk->by_parent, parent);

	if (hidden) {
		hidden->count++;
		return;
	}
	hidden = xcalloc(1, sizeof *hidden);
	char *text = text_of(name);
	*hidden = (struct hidden){
		.tenant = tenant,
		.top = text_of(top),
		.count = 1,
		.why = holder ? xasprintf("'%s' of %s '%s'", text, fleet_kind_name[holder->kind], holder->id)
			      : xasprintf("'%s' in the zone's own text", text)};
	free(text);
	xgrow((void **)&walk->all, &walk->capacity, walk->count + 1, sizeof *walk->all);
	walk->all[walk->count++] = hidden;
	/* The key has to stay: the wildcard's own name, which the tenant holds. */
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		if (!name_is_wildcard(at.name) || !name_equal(at.name + WILDCARD_LABEL, parent))
			continue;
		names_put(walk->by_parent, at.name + WILDCARD_LABEL, hidden);
		hidden->wildcard = text_of(at.name);
	}
}

/* A name that exists hides the closest wildcard above it inside its zone, whose apex is so long. */
static void visit(struct wildcard_walk *walk, const uint8_t *name, size_t apex_length,
		  const struct fleet_object *holder)
{
	const uint8_t *top;
	const struct fleet_tenant *tenant = fleet_closest_wildcard(walk->fleet, name, apex_length, &top);

	if (!tenant)
		return;
	/* Nobody looks for addresses at names like _dmarc (RFC 8552), nor does a tenant miss its wildcard
	 * where it answers by itself. */
	bool is_own = holder == &tenant->object && top == name;
	if (top[1] != '_' && !is_own)
		note_hidden(walk, tenant, top, name, holder);
}

static void visit_tenant(struct wildcard_walk *walk, const struct fleet_tenant *tenant)
{
	const struct fleet *fleet = walk->fleet;
	const uint8_t *zone_name = tenant->profile->zone;

	/* Of a million tenants most have one name, right below their zone's apex. */
	if (!tenant->has_hosts && tenant->domain_count == 0) {
		struct hidden *hidden = names_get(walk->by_parent, zone_name);
		if (hidden && hidden->tenant != tenant) {
			hidden->count++;
			return;
		}
		if (!names_get(fleet->wildcards, zone_name))
			return;
	}
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		const struct fleet_zone *zone = at.is_domain ? names_enclosing(fleet->zones, at.name)
							     : names_get(fleet->zones, zone_name);
		if (!zone)
			continue; /* a domain that no zone here holds is not answered */
		if (name_is_wildcard(at.name))
			walk->zone_has_wildcard[zone->object.number] = true;
		visit(walk, at.name, zone->name.length, &tenant->object);
	}
}

/* The zone's own records below wildcards in it, and its apex below those of the zone around it. */
static void visit_zone(struct wildcard_walk *walk, const struct fleet_zone *zone)
{
	const uint8_t *name = zone->name.octets;

	for (const struct zone_node *node = zone->zone->nodes;
	     node != NULL && walk->zone_has_wildcard[zone->object.number]; node = node->next)
		if (node->sets && !(node->flags & (ZONE_NODE_OCCLUDED | ZONE_NODE_APEX)))
			visit(walk, node->name, zone->name.length, NULL);
	if (*name == 0)
		return;
	const struct fleet_zone *around = names_enclosing(walk->fleet->zones, name + *name + 1);
	if (around && walk->zone_has_wildcard[around->object.number])
		visit(walk, name, around->name.length, &zone->object);
}

static void report_hidden(const struct wildcard_walk *walk, struct err_list *errors)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct hidden *hidden = walk->all[i];
		char *more = hidden->count > 1
				     ? xasprintf("; nor below %zu more such names", hidden->count - 1)
				     : xstrdup("");
		warn(errors, "hidden wildcards", &hidden->tenant->object, 0, 0,
		     "tenant '%s': its wildcard '%s' does not answer '%s' and what is below, because of "
		     "%s%s",
		     hidden->tenant->object.id, hidden->wildcard, hidden->top, hidden->why, more);
		free(more);
		free(hidden->wildcard);
		free(hidden->top);
		free(hidden->why);
		free(hidden);
	}
}

static struct wildcard_walk walk_begin(const struct fleet *fleet)
{
	return (struct wildcard_walk){.fleet = fleet,
				      .by_parent = names_new(),
				      .zone_has_wildcard =
					      xcalloc(fleet_number_end(fleet, FLEET_ZONE) + 1, sizeof(bool))};
}

static void walk_end(struct wildcard_walk *walk, struct err_list *errors)
{
	report_hidden(walk, errors);
	names_free(walk->by_parent);
	free(walk->zone_has_wildcard);
	free(walk->all);
}

static void check_wildcards(const struct fleet *fleet, struct err_list *errors)
{
	const struct fleet_object *object;

	if (names_count(fleet->wildcards) == 0)
		return;
	struct wildcard_walk walk = walk_begin(fleet);
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_TENANT, &at)) != NULL;)
		visit_tenant(&walk, (const struct fleet_tenant *)object);
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_ZONE, &at)) != NULL;)
		visit_zone(&walk, (const struct fleet_zone *)object);
	walk_end(&walk, errors);
}

static void check_touched_names(const struct fleet *fleet, const struct fleet_result *result,
				struct err_list *errors)
{
	if (names_count(fleet->wildcards) == 0)
		return;
	struct wildcard_walk walk = walk_begin(fleet);
	memset(walk.zone_has_wildcard, true,
	       fleet_number_end(fleet, FLEET_ZONE)); /* as far as one can know */
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_object *after = result->touched[i].after;
		if (after && after->kind == FLEET_TENANT)
			visit_tenant(&walk, (const struct fleet_tenant *)after);
		else if (after && after->kind == FLEET_ZONE)
			visit_zone(&walk, (const struct fleet_zone *)after);
	}
	walk_end(&walk, errors);
}

void fleet_warn(const struct fleet *fleet, struct err_list *errors)
{
	check_services(fleet, errors);
	check_wildcards(fleet, errors);
}

void fleet_warn_of_change(const struct fleet *fleet, const struct fleet_result *result,
			  struct err_list *errors)
{
	assert(result->fleet == fleet || result->touched_count == 0);
	if (result->structure_changed)
		check_touched_services(fleet, result, errors);
	check_touched_names(fleet, result, errors);
}
