/*
 * Applies a change: finds what it touches, puts that into the fleet, checks the fleet as it would be, and
 * takes everything back when something is wrong. The cost is that of the change: the fleet is walked only
 * when something goes or changes to which others refer. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NEAREST_MAX 100	 /* look-ups of near words in one change */
#define STANDING_MAX 100 /* errors about objects that the change does not bring */

static const size_t limits[FLEET_KINDS] = {
	FLEET_REGIONS_MAX,  SIZE_MAX,	     FLEET_CHECKS_MAX, FLEET_MAPS_MAX,
	FLEET_SERVICES_MAX, FLEET_ZONES_MAX, FLEET_TIERS_MAX,  FLEET_TENANTS_MAX,
};

struct apply {
	struct fleet *fleet;
	struct fleet_change *change;
	uint64_t version;
	struct fleet_result *result;
	size_t touched_capacity;
	struct err_list *errors;
	size_t errors_before;
	bool has_refusal;
};

static __attribute__((format(printf, 6, 7))) void refuse(struct apply *apply, enum fleet_refusal refusal,
							 const struct fleet_stage *stage,
							 const struct fleet_place *place, const char *path,
							 const char *format, ...)
{
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		abort();
	va_end(args);
	struct err *err = err_add(apply->errors, stage->file, place->line, place->column, "%s", message);
	free(message);
	if (stage->pointer) {
		char *pointer = xasprintf("%s%s", stage->pointer, path);
		err_set_pointer(err, pointer);
		free(pointer);
	}
	if (!apply->has_refusal)
		apply->result->refusal = refusal;
	apply->has_refusal = true;
}

static void touch(struct apply *apply, enum fleet_kind kind, struct fleet_object *before,
		  struct fleet_object *after)
{
	struct fleet_result *result = apply->result;

	assert(kind < FLEET_KINDS && (before || after));
	assert(!before || before->kind == kind);
	assert(!after || (after->kind == kind && after->is_staged));
	xgrow((void **)&result->touched, &apply->touched_capacity, result->touched_count + 1,
	      sizeof *result->touched);
	result->touched[result->touched_count++] =
		(struct fleet_touched){.kind = kind, .before = before, .after = after};
	if (kind != FLEET_TENANT)
		result->structure_changed = true;
	if (!before)
		result->added++;
	else if (!after)
		result->removed++;
	else
		result->changed++;
}

/* ---- what a change touches ---- */

static void stage_remove(struct apply *apply, const struct fleet_stage *stage)
{
	struct fleet_object *existing = fleet_get(apply->fleet, stage->kind, stage->id);
	const char *kind = fleet_kind_name[stage->kind];

	if (!existing)
		refuse(apply, FLEET_REFUSED_NOT_FOUND, stage, &stage->place, "", "there is no %s '%s'", kind,
		       stage->id);
	else if (existing->source == FLEET_BASE && apply->change->source == FLEET_STORE)
		refuse(apply, FLEET_REFUSED_BASE_OBJECT, stage, &stage->place, "",
		       "%s '%s' is a base object (%s:%u); change it there", kind, stage->id,
		       existing->where->file, existing->where->line);
	else
		touch(apply, stage->kind, existing, NULL);
}

struct path_finder {
	size_t at; /* of the reference that comes next */
	bool is_found;
	size_t place; /* of the first path */
	char pointer[160];
};

static void find_path(void *user, const struct fleet_reference *reference)
{
	struct path_finder *finder = user;

	if (reference->role == REFERENCE_FILE && !finder->is_found) {
		finder->is_found = true;
		finder->place = finder->at;
		snprintf(finder->pointer, sizeof finder->pointer, "%s", reference->path);
	}
	finder->at++;
}

/* Only a base document may name paths; the same object as in the base is no change. True: it was refused. */
static bool refuse_path(struct apply *apply, const struct fleet_stage *stage)
{
	struct path_finder finder = {.at = 0};

	if (apply->change->source != FLEET_STORE || apply->change->allows_paths ||
	    (stage->kind != FLEET_ZONE && stage->kind != FLEET_SERVICE))
		return false;
	fleet_each_reference(stage->object, find_path, &finder);
	if (!finder.is_found)
		return false;
	assert(finder.place < stage->place_count);
	refuse(apply, FLEET_REFUSED_INVALID, stage, &stage->places[finder.place], finder.pointer,
	       "'%s' is only for the node's own fleet files%s", strrchr(finder.pointer, '/') + 1,
	       stage->kind == FLEET_ZONE ? "; use 'text'" : "");
	return true;
}

static void stage_put(struct apply *apply, struct fleet_stage *stage)
{
	struct fleet_object *object = stage->object;
	struct fleet_object *existing = fleet_collection_get(&apply->fleet->kinds[stage->kind], stage->id);
	const char *kind = fleet_kind_name[stage->kind];

	assert(object->kind == stage->kind && !object->is_staged);
	if (existing && fleet_object_equal(existing, object)) {
		apply->result->unchanged++;
		return;
	}
	if (refuse_path(apply, stage))
		return;
	if (existing && existing->source == FLEET_BASE) {
		refuse(apply,
		       apply->change->source == FLEET_STORE ? FLEET_REFUSED_BASE_OBJECT
							    : FLEET_REFUSED_INVALID,
		       stage, &stage->place, "", "%s '%s' is a base object (%s:%u); change it there", kind,
		       stage->id, existing->where->file, existing->where->line);
		return;
	}
	if (object->kind == FLEET_TENANT)
		stage->object = object =
			&fleet_tenant_settle((struct fleet_tenant *)object, apply->fleet->slab)->object;
	if (object->source == FLEET_STORE && object->version == 0)
		object->version = apply->version;
	object->is_staged = true;
	touch(apply, stage->kind, existing, object);
}

static void prune(struct apply *apply)
{
	struct fleet_object *object;

	for (int kind = 0; kind < FLEET_KINDS; kind++) {
		if (!apply->change->is_named[kind])
			continue;
		for (size_t at = 0; (object = fleet_next(apply->fleet, (enum fleet_kind)kind, &at)) != NULL;)
			if (object->source == FLEET_STORE &&
			    !fleet_change_find(apply->change, (enum fleet_kind)kind, object->id))
				touch(apply, (enum fleet_kind)kind, object, NULL);
	}
}

/* Removals come first, so that their numbers are free for what is added. */
static void find_touched(struct apply *apply)
{
	struct fleet_change *change = apply->change;

	for (size_t i = 0; i < change->count; i++) {
		struct fleet_stage *stage = &change->stages[i];
		if (stage->action == STAGE_REMOVE &&
		    fleet_change_find(change, stage->kind, stage->id) == stage)
			stage_remove(apply, stage);
	}
	if (change->is_pruning)
		prune(apply);
	for (size_t i = 0; i < change->count; i++)
		if (change->stages[i].action == STAGE_PUT)
			stage_put(apply, &change->stages[i]);
}

/* ---- zone text ---- */

/* Errors in text that stands inside a document are told at the document's lines. */
static void place_text_errors(struct err_list *errors, const struct fleet_zone *zone,
			      const struct fleet_stage *stage)
{
	char *pointer = stage->pointer ? xasprintf("%s/text", stage->pointer) : NULL;

	for (size_t i = 0; i < errors->count; i++) {
		struct err *err = &errors->items[i];
		if (pointer) {
			free(err->file);
			err->file = NULL;
			err_set_pointer(err, pointer);
		} else if (err->line > 0) {
			err->line += zone->text_line - 1;
		} else {
			err->line = stage->place.line;
			err->column = stage->place.column;
		}
	}
	free(pointer);
}

/* A file that cannot be read at all is told where it is named. */
static void place_file_errors(struct err_list *errors, const struct fleet_stage *stage)
{
	for (size_t i = 0; i < errors->count; i++) {
		struct err *err = &errors->items[i];
		if (err->line > 0 || !stage->file || stage->place_count == 0)
			continue;
		char *message = xasprintf("%s: %s", err->file, err->message);
		free(err->message);
		free(err->file);
		err->message = message;
		err->file = xstrdup(stage->file);
		err->line = stage->places[0].line;
		err->column = stage->places[0].column;
	}
}

static void load_zone(struct apply *apply, struct fleet_stage *stage)
{
	struct fleet_zone *zone = (struct fleet_zone *)stage->object;
	struct err_list errors = {0};

	assert(!zone->zone && (!zone->path) != (!zone->text));
	zone->zone = zone_load(&zone->name, zone->path, zone->text,
			       stage->file != NULL ? stage->file : stage->id, &errors);
	if (!zone->path)
		place_text_errors(&errors, zone, stage);
	else
		place_file_errors(&errors, stage);
	err_move(apply->errors, &errors);
}

static void load_zones(struct apply *apply)
{
	for (size_t i = 0; i < apply->change->count; i++) {
		struct fleet_stage *stage = &apply->change->stages[i];
		if (stage->kind == FLEET_ZONE && stage->object && stage->object->is_staged)
			load_zone(apply, stage);
	}
}

/* ---- into the fleet and out of it ---- */

/* The host that a tenant has because of its id stands in no map: fleet_tenant_of finds it. */
static bool next_claim(const struct fleet_tenant *tenant, struct fleet_tenant_name *at)
{
	bool is_left = fleet_tenant_next_name(tenant, at);

	return is_left && !at->is_domain && !tenant->has_hosts ? fleet_tenant_next_name(tenant, at) : is_left;
}

static void claim_names(struct fleet *fleet, struct fleet_object *object)
{
	struct fleet_tenant *tenant = (struct fleet_tenant *)object;

	if (object->kind == FLEET_ZONE)
		names_put(fleet->zones, ((struct fleet_zone *)object)->name.octets, object);
	if (object->kind != FLEET_TENANT)
		return;
	/* The first owner keeps the name; validation reports the second. */
	for (struct fleet_tenant_name at = {0}; next_claim(tenant, &at);) {
		if (names_get(fleet->tenants, at.name))
			continue;
		names_put(fleet->tenants, at.name, tenant);
		if (name_is_wildcard(at.name))
			names_put(fleet->wildcards, at.name + WILDCARD_LABEL, tenant);
	}
}

static void give_up_names(struct fleet *fleet, struct fleet_object *object)
{
	struct fleet_tenant *tenant = (struct fleet_tenant *)object;

	if (object->kind == FLEET_ZONE)
		names_remove(fleet->zones, ((struct fleet_zone *)object)->name.octets);
	if (object->kind != FLEET_TENANT)
		return;
	for (struct fleet_tenant_name at = {0}; next_claim(tenant, &at);) {
		if (names_get(fleet->tenants, at.name) != tenant)
			continue;
		names_remove(fleet->tenants, at.name);
		if (name_is_wildcard(at.name))
			names_remove(fleet->wildcards, at.name + WILDCARD_LABEL);
	}
}

static void share_profile(struct fleet *fleet, struct fleet_object *object)
{
	struct fleet_tenant *tenant = (struct fleet_tenant *)object;

	if (object->kind == FLEET_TENANT)
		tenant->profile = fleet_profile_share(fleet->profile, tenant->profile);
}

/* A removed object lives on in the result until that is done, and returns to its place when the change is
 * reverted. */
static void swap_in(struct fleet *fleet, const struct fleet_result *result)
{
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (!touched->before)
			continue;
		give_up_names(fleet, touched->before);
		if (!touched->after)
			fleet_collection_remove(&fleet->kinds[touched->kind], touched->before);
	}
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (!touched->after)
			continue;
		if (touched->before)
			fleet_collection_replace(&fleet->kinds[touched->kind], touched->after);
		else
			fleet_collection_add(&fleet->kinds[touched->kind], touched->after);
		share_profile(fleet, touched->after);
		claim_names(fleet, touched->after);
	}
}

static void swap_out(struct fleet *fleet, const struct fleet_result *result)
{
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (!touched->after)
			continue;
		give_up_names(fleet, touched->after);
		if (touched->before)
			fleet_collection_replace(&fleet->kinds[touched->kind], touched->before);
		else
			fleet_collection_remove(&fleet->kinds[touched->kind], touched->after);
	}
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (!touched->before)
			continue;
		claim_names(fleet, touched->before);
		if (!touched->after)
			fleet_collection_restore(&fleet->kinds[touched->kind], touched->before);
	}
}

/* ---- checking ---- */

static void check_counts(struct apply *apply)
{
	bool is_reported[FLEET_KINDS] = {false};

	for (size_t i = apply->change->count; i-- > 0;) { /* the last one is one too many */
		const struct fleet_stage *stage = &apply->change->stages[i];
		size_t count = fleet_count(apply->fleet, stage->kind);
		if (count <= limits[stage->kind] || is_reported[stage->kind])
			continue;
		is_reported[stage->kind] = true;
		refuse(apply, FLEET_REFUSED_INVALID, stage, &stage->place, "", "%zu %s; at most %zu", count,
		       fleet_kind_key[stage->kind], limits[stage->kind]);
	}
}

static bool touches_zone(const struct fleet_result *result)
{
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind == FLEET_ZONE)
			return true;
	return false;
}

/* Whether the change may break objects that it does not bring: something to which they refer is gone or
 * different, or a new zone takes names over. */
static bool may_break_others(const struct fleet_result *result)
{
	for (size_t i = 0; i < result->touched_count; i++)
		if (result->touched[i].kind != FLEET_TENANT && result->touched[i].before)
			return true;
	return touches_zone(result);
}

/* Names depend on zones alone; everything else stands in profiles, of which there are few. */
static bool may_break_tenants(const struct fleet_result *result, const struct fleet_validation *validation)
{
	return touches_zone(result) || !fleet_validate_profiles(validation);
}

static void check_references(struct apply *apply)
{
	static const enum fleet_kind referring[] = {FLEET_MAP, FLEET_SERVICE, FLEET_TENANT /* last */};
	struct fleet_validation validation = {.fleet = apply->fleet,
					      .change = apply->change,
					      .errors = apply->errors,
					      .serial = ++apply->fleet->validations,
					      .nearest_left = NEAREST_MAX,
					      .standing_left = STANDING_MAX};
	const struct fleet_object *object;

	for (size_t i = 0; i < apply->change->count; i++) {
		const struct fleet_stage *stage = &apply->change->stages[i];
		if (stage->object && (stage->object->is_staged || stage->action == STAGE_BROKEN))
			fleet_validate(&validation, stage->object, stage);
	}
	if (!may_break_others(apply->result))
		return;
	size_t kinds = may_break_tenants(apply->result, &validation) ? 3 : 2;
	for (size_t k = 0; k < kinds; k++)
		for (size_t at = 0; (object = fleet_next(apply->fleet, referring[k], &at)) != NULL;)
			if (!object->is_staged)
				fleet_validate(&validation, object, NULL);
}

/* ---- the whole ---- */

static bool is_refused(const struct apply *apply)
{
	return apply->change->is_refused || apply->has_refusal ||
	       apply->errors->errors > apply->errors_before;
}

/* The fleet owns the objects now, and the file names that they point to. */
static void hand_over(struct apply *apply)
{
	struct fleet_change *change = apply->change;
	struct fleet *fleet = apply->fleet;

	for (size_t i = 0; i < change->count; i++) {
		struct fleet_stage *stage = &change->stages[i];
		if (!stage->object || !stage->object->is_staged)
			continue;
		assert(stage->action == STAGE_PUT);
		stage->object->is_staged = false;
		stage->object = NULL;
	}
	xgrow((void **)&fleet->files, &fleet->file_capacity, fleet->file_count + change->file_count + 1,
	      sizeof *fleet->files);
	for (size_t i = 0; i < change->file_count && change->source == FLEET_BASE; i++) {
		fleet->files[fleet->file_count++] = change->files[i];
		change->files[i] = NULL;
	}
}

static void forget_touched(struct fleet_result *result)
{
	free(result->touched);
	result->touched = NULL;
	result->touched_count = 0;
	result->fleet = NULL;
}

bool fleet_apply(struct fleet *fleet, struct fleet_change *change, uint64_t version, bool dry_run,
		 struct fleet_result *ret, struct err_list *errors)
{
	struct apply apply = {.fleet = fleet,
			      .change = change,
			      .version = version,
			      .result = ret,
			      .errors = errors,
			      .errors_before = errors->errors,
			      .has_refusal = change->is_refused};

	assert(!fleet->has_open_result);
	*ret = (struct fleet_result){.refusal = FLEET_REFUSED_INVALID};
	find_touched(&apply);
	load_zones(&apply);
	swap_in(fleet, ret);
	check_counts(&apply);
	check_references(&apply);
	bool is_good = !is_refused(&apply);
	if (is_good && !dry_run) {
		ret->fleet = fleet;
		fleet->has_open_result = true;
		hand_over(&apply);
	} else {
		swap_out(fleet, ret);
		forget_touched(ret);
	}
	if (!is_good)
		ret->added = ret->changed = ret->removed = ret->unchanged = 0;
	fleet_change_clear(change);
	return is_good;
}

void fleet_revert(struct fleet *fleet, struct fleet_result *result)
{
	if (!result->fleet)
		return;
	assert(result->fleet == fleet && fleet->has_open_result);
	swap_out(fleet, result);
	for (size_t i = 0; i < result->touched_count; i++)
		fleet_object_free(result->touched[i].after);
	fleet->has_open_result = false;
	forget_touched(result);
}

void fleet_result_done(struct fleet_result *result)
{
	if (!result->fleet)
		return;
	assert(result->fleet->has_open_result);
	for (size_t i = 0; i < result->touched_count; i++)
		fleet_object_free(result->touched[i].before);
	result->fleet->has_open_result = false;
	forget_touched(result);
}
