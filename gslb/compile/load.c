/* Reads and compiles, one step after the other; what is in use already is used again. Any one thread. */
#include "gslb/compile/load.h"
#include "gslb/compile/geo_load.h"
#include "gslb/compile/steering.h"
#include "gslb/decide/place/place_build.h"
#include "lib/doc.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct fleet *load_fleet(const struct load_files *files, struct err_list *errors)
{
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	for (size_t i = 0; i < files->fleet_count; i++) {
		struct doc *doc = doc_from_file(files->fleet[i], errors);
		if (doc)
			fleet_change_add_document(change, doc, errors);
		else
			fleet_change_set_incomplete(change);
		doc_free(doc);
	}
	struct fleet *fleet = fleet_new();
	struct fleet_result result = {0};
	/* Also with errors: what is wrong between the documents is reported in the same pass. */
	bool is_applied = fleet_apply(fleet, change, 0, false, &result, errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	if (is_applied && !err_has_errors(errors))
		return fleet;
	fleet_free(fleet);
	return NULL;
}

/* What tells one set of geo files from another without reading them. */
static char *sign_geo(const struct load_files *files)
{
	char *signature = xstrdup("");
	for (size_t i = 0; i < files->geo_count; i++) {
		struct stat st = {0};
		int is_missing = stat(files->geo[i], &st);
		char *longer = xasprintf("%s%s|%d|%lld|%lld.%09ld|%llu\n", signature, files->geo[i],
					 is_missing, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
					 st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
		free(signature);
		signature = longer;
	}
	return signature;
}

static void load_geo(const struct load_files *files, const struct load_previous *previous,
		     struct load_parts *ret, struct err_list *errors)
{
	ret->geo_signature = sign_geo(files);
	if (previous->places && strcmp(previous->geo_signature, ret->geo_signature) == 0)
		ret->places = places_ref(previous->places);
	else if (files->geo_count == 0)
		ret->places = places_new_empty();
	else
		ret->places = geo_load((const char *const *)files->geo, files->geo_count, errors);
}

/* The orders that the base's tenants need. */
static void compile_orders(struct load_previous *previous, struct load_parts *ret)
{
	assert(ret->fleet && ret->places);
	ret->locations_hash = steering_locations_hash(ret->fleet);
	if (previous->places == ret->places && previous->locations_hash == ret->locations_hash) {
		ret->laid = places_ref(previous->laid);
		ret->orders = previous->orders;
		previous->orders = NULL;
	} else {
		ret->laid = steering_lay_locations(ret->places, ret->fleet);
		ret->orders = order_cache_new();
	}
	ret->facts = place_facts_new(ret->laid);
	struct order_cache *wanted = order_cache_new();
	order_cache_want_all(ret->orders, ret->fleet, ret->laid, wanted);
	order_cache_compile(wanted);
	order_cache_take(ret->orders, wanted);
}

void load_previous_done(struct load_previous *previous)
{
	places_unref(previous->places);
	places_unref(previous->laid);
	order_cache_free(previous->orders);
	free(previous->geo_signature);
	memset(previous, 0, sizeof *previous);
}

void load_run(const struct load_files *files, enum load_depth depth, struct load_previous *previous,
	      struct load_parts *ret, struct err_list *errors)
{
	*ret = (struct load_parts){.fleet = load_fleet(files, errors)};
	if (!err_has_errors(errors) || depth == LOAD_CHECK)
		load_geo(files, previous, ret, errors);
	if (err_has_errors(errors))
		return;
	if (depth == LOAD_ALL) {
		compile_orders(previous, ret);
		return;
	}
	ret->laid = steering_lay_locations(ret->places, ret->fleet);
	ret->facts = place_facts_new(ret->laid);
}

void load_parts_done(struct load_parts *parts)
{
	fleet_free(parts->fleet);
	order_cache_free(parts->orders);
	places_unref(parts->laid);
	places_unref(parts->places);
	place_facts_free(parts->facts);
	free(parts->geo_signature);
	memset(parts, 0, sizeof *parts);
}
