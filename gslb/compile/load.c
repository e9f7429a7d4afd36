/* See the header. load_run: any one thread; the rest: control thread. */
#include "gslb/compile/load.h"
#include "gslb/compile/geo_load.h"
#include "gslb/compile/steering.h"
#include "lib/doc.h"
#include "lib/helper.h"
#include "lib/mem.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the work ---- */

static void load_fleet(const struct node_config *config, struct load_result *ret)
{
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	for (size_t i = 0; i < config->fleet_count; i++) {
		struct doc *doc = doc_from_file(config->fleet[i], &ret->errors);
		if (doc)
			fleet_change_add_document(change, doc, &ret->errors);
		else
			fleet_change_set_incomplete(change);
		doc_free(doc);
	}
	struct fleet *fleet = fleet_new();
	struct fleet_result result = {0};
	/* Also with errors: what is wrong between the documents is reported in the same pass. */
	bool is_applied = fleet_apply(fleet, change, 0, false, &result, &ret->errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	if (!is_applied || err_has_errors(&ret->errors)) {
		fleet_free(fleet);
		return;
	}
	ret->fleet = fleet;
	if (config->region && !fleet_get(fleet, FLEET_REGION, config->region))
		err_warn(&ret->errors, config->path, 0, 0, "node.region: no region '%s' in the fleet yet",
			 config->region);
}

/* What tells one set of geo files from another without reading them. */
static char *sign_geo(const struct node_config *config)
{
	char *signature = xstrdup("");
	for (size_t i = 0; i < config->geo_count; i++) {
		struct stat st = {0};
		int is_missing = stat(config->geo[i], &st);
		char *longer = xasprintf("%s%s|%d|%lld|%lld.%09ld|%llu\n", signature, config->geo[i],
					 is_missing, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
					 st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
		free(signature);
		signature = longer;
	}
	return signature;
}

static void load_geo(const struct load_previous *previous, struct load_result *ret)
{
	const struct node_config *config = &ret->config->node;
	ret->geo_signature = sign_geo(config);
	if (previous->places && strcmp(previous->geo_signature, ret->geo_signature) == 0)
		ret->places = places_ref(previous->places);
	else if (config->geo_count == 0)
		ret->places = places_new_empty();
	else
		ret->places = geo_load((const char *const *)config->geo, config->geo_count, &ret->errors);
}

/* The orders that the base's tenants need. */
static void compile_orders(struct load_previous *previous, struct load_result *ret)
{
	ret->locations_hash = steering_locations_hash(ret->fleet);
	if (previous->places == ret->places && previous->locations_hash == ret->locations_hash) {
		ret->laid = places_ref(previous->laid);
		ret->orders = previous->orders;
		previous->orders = NULL;
	} else {
		ret->laid = steering_lay_locations(ret->places, ret->fleet);
		ret->orders = order_cache_new();
	}
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

void load_run(const char *config_path, enum load_depth depth, struct load_previous *previous,
	      struct load_result *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->config = gslb_config_load(config_path, &ret->errors);
	if (ret->config)
		load_fleet(&ret->config->node, ret);
	if (!err_has_errors(&ret->errors) || (depth == LOAD_CHECK && ret->config))
		load_geo(previous, ret);
	if (depth == LOAD_ALL && !err_has_errors(&ret->errors))
		compile_orders(previous, ret);
	err_sort(&ret->errors);
}

void load_result_done(struct load_result *result)
{
	gslb_config_free(result->config);
	fleet_free(result->fleet);
	order_cache_free(result->orders);
	places_unref(result->laid);
	places_unref(result->places);
	free(result->geo_signature);
	err_done(&result->errors);
	memset(result, 0, sizeof *result);
}

/* ---- the helper thread ---- */

struct loader {
	char *config_path;
	struct load_previous previous;
	struct load_result result;
	struct helper *helper;
	load_done_fn *done;
	void *user;
};

static void work(void *user)
{
	struct loader *loader = user;
	load_run(loader->config_path, LOAD_ALL, &loader->previous, &loader->result);
	malloc_trim(0); /* what reading geography leaves free would add to the store's objects */
}

static void on_done(void *user)
{
	struct loader *loader = user;
	loader->helper = NULL;
	loader->done(loader->user, &loader->result);
	load_free(loader);
}

struct loader *load_start(struct event_base *base, const char *config_path, struct load_previous *previous,
			  load_done_fn *done, void *user)
{
	struct loader *loader = xcalloc(1, sizeof *loader);
	*loader = (struct loader){
		.config_path = xstrdup(config_path), .previous = *previous, .done = done, .user = user};
	memset(previous, 0, sizeof *previous);
	loader->helper = helper_start(base, work, on_done, loader);
	if (loader->helper)
		return loader;
	int reason = errno;
	load_free(loader);
	errno = reason;
	return NULL;
}

void load_free(struct loader *loader)
{
	if (!loader)
		return;
	helper_free(loader->helper);
	load_result_done(&loader->result);
	load_previous_done(&loader->previous);
	free(loader->config_path);
	free(loader);
}
