/*
 * Checks one object against the rest of the fleet: whether there is what it refers to, whether its names are
 * its own and lie where they may, whether its regions have a VIP. The cost does not depend on how many
 * tenants there are. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 8
#define NEAREST_AMONG_MAX 20000 /* ids that are compared for one near word */

/* Reports at the reference, or at the object where that was there before the change. */
static __attribute__((format(printf, 4, 5))) void fail(struct fleet_validation *validation,
						       const struct fleet_reference *reference,
						       const char *nearest, const char *format, ...)
{
	const struct fleet_object *object = validation->object;
	const struct fleet_stage *stage = validation->stage;
	struct err *err;
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		abort();
	va_end(args);
	if (stage) {
		assert(stage->object == object);
		const struct fleet_place *place = validation->place < stage->place_count
							  ? &stage->places[validation->place]
							  : &stage->place;
		err = err_add(validation->errors, stage->file, place->line, place->column, "%s", message);
		if (stage->pointer) {
			char *pointer = xasprintf("%s%s", stage->pointer, reference->path);
			err_set_pointer(err, pointer);
			free(pointer);
		}
	} else if (validation->standing_left > 0) {
		validation->standing_left--;
		static const struct fleet_where nowhere;
		const struct fleet_where *where = object->source == FLEET_BASE ? object->where : &nowhere;
		err = err_add(validation->errors, where->file, where->line, where->column, "%s '%s': %s",
			      fleet_kind_name[object->kind], object->id, message);
	} else {
		free(message);
		return;
	}
	err_set_nearest(err, nearest);
	free(message);
}

/* ---- references ---- */

/* Whether the change brings an object under this id that could not be read whole. Its own errors are
 * reported; an object that stands under the id now says nothing about what was meant. */
static bool is_broken(const struct fleet_validation *validation, enum fleet_kind kind, const char *id)
{
	const struct fleet_stage *stage = fleet_change_find(validation->change, kind, id);

	return stage != NULL && stage->action == STAGE_BROKEN;
}

/* Collects the ids of a kind, also of objects that are broken. */
static size_t collect_ids(const struct fleet_validation *validation, enum fleet_kind kind, const char **ids)
{
	const struct fleet_change *change = validation->change;
	const struct fleet_object *object;
	size_t count = 0;

	for (size_t at = 0;
	     count < NEAREST_AMONG_MAX && (object = fleet_next(validation->fleet, kind, &at)) != NULL;)
		ids[count++] = object->id;
	for (size_t i = 0; i < change->count && count < NEAREST_AMONG_MAX; i++)
		if (change->stages[i].action == STAGE_BROKEN && change->stages[i].kind == kind &&
		    !fleet_get(validation->fleet, kind, change->stages[i].id))
			ids[count++] = change->stages[i].id;
	return count;
}

/* Names the id that was meant: the nearest one, or where none is near and they are few, all. */
static void fail_unknown(struct fleet_validation *validation, const struct fleet_reference *reference)
{
	const char *kind = fleet_kind_name[reference->kind];
	char known[TEXT_KNOWN_MAX];

	if (validation->nearest_left == 0) {
		fail(validation, reference, NULL, "unknown %s '%s'", kind, reference->id);
		return;
	}
	assert(reference->role == REFERENCE_OBJECT && reference->kind < FLEET_KINDS);
	validation->nearest_left--;
	const char **ids = xcalloc(NEAREST_AMONG_MAX, sizeof *ids);
	size_t count = collect_ids(validation, reference->kind, ids);
	const char *nearest = text_known(reference->id, ids, count, known);
	if (count == 0)
		snprintf(known, sizeof known, "; there are no %s", fleet_kind_key[reference->kind]);
	fail(validation, reference, nearest, "unknown %s '%s'%s", kind, reference->id, known);
	free(ids);
}

static void check_object(struct fleet_validation *validation, const struct fleet_reference *reference)
{
	if (!fleet_get(validation->fleet, reference->kind, reference->id) &&
	    !validation->change->is_incomplete && !is_broken(validation, reference->kind, reference->id))
		fail_unknown(validation, reference);
}

/* ---- names of tenants ---- */

/* Types that a tenant's answer owns, and those that stand alone at a name. */
static const uint16_t owned_types[] = {RR_A, RR_AAAA, RR_HTTPS, RR_SVCB, RR_CNAME, RR_DNAME};

static void check_static(struct fleet_validation *validation, const struct fleet_reference *reference,
			 const char *what, const char *text, const struct zone *zone, const uint8_t *name)
{
	char cut_text[NAME_TEXT_MAX], types[80] = "";
	const struct zone_node *cut = NULL, *node = zone_find(zone, name, &cut);

	if (cut) {
		name_to_text(cut->name, cut_text);
		fail(validation, reference, NULL, "%s '%s' lies below the %s at '%s'", what, text,
		     cut->flags & ZONE_NODE_DNAME ? "DNAME" : "zone cut", cut_text);
		return;
	}
	if (!node)
		return;
	if ((node->flags & ZONE_NODE_CUT) && !(node->flags & ZONE_NODE_APEX)) {
		fail(validation, reference, NULL, "%s '%s' is a zone cut: it has NS records", what, text);
		return;
	}
	for (size_t i = 0; i < sizeof owned_types / sizeof owned_types[0]; i++) {
		char type[16];
		if (!rrset_find(node->sets, owned_types[i]))
			continue;
		rrtype_to_text(owned_types[i], type);
		size_t used = strlen(types);
		snprintf(types + used, sizeof types - used, "%s%s", used > 0 ? ", " : "", type);
	}
	if (types[0] != '\0')
		fail(validation, reference, NULL,
		     "%s '%s' has static records of type %s in its zone; a tenant's name owns A, AAAA, HTTPS "
		     "and SVCB and admits no CNAME or DNAME",
		     what, text, types);
}

/* Of two tenants that claim a name one reports it: the one that comes with the change, and of two such the
 * one that writes the name. Two that were there before did not clash then. */
static void check_owner(struct fleet_validation *validation, const struct fleet_reference *reference,
			const char *what, const char *text)
{
	const struct fleet_tenant *tenant = (const struct fleet_tenant *)validation->object, *owner;

	if (!validation->stage)
		return;
	owner = fleet_other_owner(validation->fleet, tenant, reference->name);
	if (!owner || (owner->object.is_staged && fleet_tenant_is_implied(tenant, reference->name)) ||
	    is_broken(validation, FLEET_TENANT, owner->object.id))
		return;
	fail(validation, reference, NULL, "%s '%s' already belongs to tenant '%s'", what, text,
	     owner->object.id);
}

static void check_name(struct fleet_validation *validation, const struct fleet_reference *reference)
{
	const struct fleet_tenant *tenant = (const struct fleet_tenant *)validation->object;
	bool is_host = reference->role == REFERENCE_HOST;
	const uint8_t *name = reference->name, *tenant_zone = tenant->profile->zone;
	const char *what = is_host ? "host" : "domain";
	char text[NAME_TEXT_MAX], zone_text[NAME_TEXT_MAX] = "";

	name_to_text(name, text);
	if (is_host)
		name_to_text(tenant_zone, zone_text);
	check_owner(validation, reference, what, text);
	if (is_host && !names_get(validation->fleet->zones, tenant_zone))
		return; /* of an unknown zone nothing more can be said */
	if (is_host && !name_equal(name, tenant_zone) && !name_is_below(name, tenant_zone)) {
		fail(validation, reference, NULL,
		     "host '%s' lies outside its zone '%s'; a customer's own name goes under 'domains'", text,
		     zone_text);
		return;
	}
	const struct fleet_zone *zone = names_enclosing(validation->fleet->zones, name);
	if (!zone)
		return;
	if (is_host && name_is_below(zone->name.octets, tenant_zone)) {
		fail(validation, reference, NULL,
		     "host '%s' lies outside its zone '%s': zone '%s' is served too and holds it", text,
		     zone_text, zone->object.id);
		return;
	}
	if (zone->zone)
		check_static(validation, reference, what, text, zone->zone, name);
}

static void check_reference(void *user, const struct fleet_reference *reference)
{
	struct fleet_validation *validation = user;

	switch (reference->role) {
	case REFERENCE_OBJECT:
		check_object(validation, reference);
		break;
	case REFERENCE_HOST:
	case REFERENCE_DOMAIN:
		check_name(validation, reference);
		break;
	case REFERENCE_FILE:
		break;
	}
	validation->place++;
}

/* ---- residency ---- */

static bool has_vips_in(const struct fleet_service *service, const char *region)
{
	for (size_t i = 0; i < service->vip_region_count; i++)
		if (strcmp(service->vips[i].region, region) == 0)
			return true;
	return false;
}

/* Zone and service come first among a tenant's references, then the regions. */
static void check_residency(struct fleet_validation *validation, const struct fleet_profile *profile)
{
	struct fleet *fleet = validation->fleet;
	const struct fleet_service *service =
		(const struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, profile->service);

	if (!profile->has_regions || !service || is_broken(validation, FLEET_SERVICE, profile->service))
		return;
	for (size_t i = 0; i < profile->region_count; i++)
		if (has_vips_in(service, profile->regions[i]) ||
		    !fleet_get(fleet, FLEET_REGION, profile->regions[i]))
			return; /* an unknown region is reported by itself */
	char regions[LISTED_MAX * 72] = "";
	size_t used = 0;
	for (size_t i = 0; i < service->vip_region_count && i < LISTED_MAX; i++)
		used += (size_t)snprintf(regions + used, sizeof regions - used, "%s%s",
					 i > 0 ? ", " : "; it has some in ", service->vips[i].region);
	validation->place = profile->region_count > 0 ? 2 : SIZE_MAX;
	fail(validation, &(struct fleet_reference){.path = "/regions"}, NULL,
	     "none of the tenant's regions has a VIP of service '%s'%s", profile->service, regions);
}

static size_t term_count(const struct fleet_profile *profile)
{
	return (size_t)(profile->zone != NULL) + (profile->service != NULL) + profile->region_count +
	       (profile->tier != NULL);
}

/* A profile is checked once in a validation. Where something is wrong with it, each of its tenants reports
 * it. */
static void check_profile(struct fleet_validation *validation, struct fleet_profile *profile, bool is_whole)
{
	size_t errors = validation->errors->errors;

	if (fleet_profile_is_good(profile, validation->serial)) {
		validation->place = term_count(profile);
		return;
	}
	fleet_each_term(profile, check_reference, validation);
	size_t place = validation->place;
	if (is_whole)
		check_residency(validation, profile);
	validation->place = place;
	if (is_whole && validation->errors->errors == errors)
		fleet_profile_set_good(profile, validation->serial);
}

/* ---- regions that are called as a setting ---- */

static bool is_setting(const char *id)
{
	const char *setting;

	for (size_t i = 0; (setting = fleet_pool_setting(i)) != NULL; i++)
		if (strcmp(setting, id) == 0)
			return true;
	return false;
}

static const struct fleet_object *service_with_origins(const struct fleet *fleet)
{
	const struct fleet_object *object;

	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at)) != NULL;)
		if (((const struct fleet_service *)object)->pool_count > 0)
			return object;
	return NULL;
}

/* Under `origins` settings and regions stand side by side: `hash: …` cannot be both. */
static void check_setting(struct fleet_validation *validation, const struct fleet_object *object)
{
	static const struct fleet_reference itself = {.path = ""};
	const char *setting;

	validation->place = SIZE_MAX; /* the object itself */
	if (object->kind == FLEET_REGION && is_setting(object->id) &&
	    service_with_origins(validation->fleet) != NULL)
		fail(validation, &itself, NULL,
		     "region '%s' is called as a setting of origins, and service '%s' has origins",
		     object->id, service_with_origins(validation->fleet)->id);
	if (object->kind != FLEET_SERVICE || ((const struct fleet_service *)object)->pool_count == 0)
		return;
	for (size_t i = 0; (setting = fleet_pool_setting(i)) != NULL; i++) {
		const struct fleet_object *region = fleet_get(validation->fleet, FLEET_REGION, setting);
		if (region && !region->is_staged) /* else the region reports it */
			fail(validation, &itself, NULL,
			     "service '%s' has origins, and region '%s' is called as a setting of them",
			     object->id, setting);
	}
}

void fleet_validate(struct fleet_validation *validation, const struct fleet_object *object,
		    const struct fleet_stage *stage)
{
	validation->object = object;
	validation->stage = stage;
	validation->place = 0;
	if (object->kind != FLEET_TENANT) {
		fleet_each_reference(object, check_reference, validation);
		if (stage)
			check_setting(validation, object);
		return;
	}
	const struct fleet_tenant *tenant = (const struct fleet_tenant *)object;
	check_profile(validation, tenant->profile, !stage || stage->action == STAGE_PUT);
	fleet_each_name(tenant, check_reference, validation);
}

static bool are_good(void *user, struct fleet_profile *profile)
{
	struct fleet_validation *trial = user;

	trial->place = 0;
	check_profile(trial, profile, true);
	return trial->errors->errors == 0;
}

bool fleet_validate_profiles(const struct fleet_validation *validation)
{
	struct fleet_object nobody = {.kind = FLEET_TENANT, .source = FLEET_STORE, .id = (char[]){""}};
	struct err_list errors = {0};
	struct fleet_validation trial = *validation;

	trial.object = &nobody;
	trial.stage = NULL;
	trial.errors = &errors;
	bool is_good = fleet_profile_all(validation->fleet->profile, are_good, &trial);
	err_done(&errors);
	return is_good;
}
