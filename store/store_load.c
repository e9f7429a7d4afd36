/*
 * A batch is one fleet change; where it is refused and misfits are to be set aside, its objects are applied
 * one by one. Control thread.
 */
#include "store/store_load.h"
#include "lib/doc.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_TENANTS 2000 /* some ten milliseconds */
#define ERRORS_MAX 1000	   /* then the rest is not looked at */

struct store_load {
	struct store *store;
	struct fleet *fleet;
	uint64_t version;
	enum store_misfit misfit;
	bool has_structure; /* everything but tenants is loaded */
	int64_t row;	    /* of the last tenant read */
	size_t count, set_aside;
};

struct store_load *store_load_new(struct store *store, struct fleet *fleet, uint64_t version,
				  enum store_misfit misfit)
{
	assert(misfit == STORE_MISFIT_REFUSED || misfit == STORE_MISFIT_SET_ASIDE);
	struct store_load *load = xcalloc(1, sizeof *load);
	load->store = store;
	load->fleet = fleet;
	load->version = version;
	load->misfit = misfit;
	return load;
}

void store_load_free(struct store_load *load)
{
	free(load);
}

size_t store_load_count(const struct store_load *load)
{
	return load->count;
}

size_t store_load_set_aside(const struct store_load *load)
{
	return load->set_aside;
}

/* ---- one object ---- */

static void put(struct fleet_change *change, enum fleet_kind kind, const char *id, const char *json,
		uint64_t version, struct err_list *errors)
{
	struct doc *doc = doc_from_json(json, strlen(json), errors);
	if (doc)
		fleet_change_put(change, kind, id, doc, doc->root, version, errors);
	doc_free(doc);
}

struct batch {
	struct store_load *load;
	struct fleet_change *change; /* all in one; NULL: each by itself */
	struct err_list *errors;
};

static void read_into_change(void *user, enum fleet_kind kind, const char *id, const char *json,
			     uint64_t version)
{
	struct batch *batch = user;
	struct err_list errors = {0};
	assert(batch->change && batch->errors);
	put(batch->change, kind, id, json, version, &errors);
	for (size_t i = 0; i < errors.count; i++) {
		struct err *err = &errors.items[i];
		char *message = xasprintf("store: %s '%s': %s", fleet_kind_name[kind], id, err->message);
		free(err->message);
		err->message = message;
		err_set_pointer(err, NULL);
	}
	err_move(batch->errors, &errors);
	batch->load->count++;
}

static void apply_alone(void *user, enum fleet_kind kind, const char *id, const char *json, uint64_t version)
{
	struct store_load *load = ((struct batch *)user)->load;
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	put(change, kind, id, json, version, &errors);
	if (!fleet_apply(load->fleet, change, version, false, &result, &errors)) {
		load->set_aside++;
		const char *message = err_first_message(&errors);
		log_error("%s '%s' of the store is set aside: %s", fleet_kind_name[kind], id,
			  message ? message : "refused");
	}
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

/* ---- batches ---- */

/* Tenants come in batches, all else at once: services, zones and tiers refer to each other. */
static bool read_batch(struct store_load *load, int64_t *row, store_object_fn *fn, struct batch *batch)
{
	if (load->has_structure)
		return store_each_object(load->store, FLEET_TENANT, row, BATCH_TENANTS, fn, batch);
	for (int kind = 0; kind < FLEET_TENANT; kind++) {
		int64_t from = 0;
		if (!store_each_object(load->store, (enum fleet_kind)kind, &from, SIZE_MAX, fn, batch))
			return false;
	}
	return true;
}

/* False: refused, errors say why. */
static bool apply_batch(struct store_load *load, int64_t *row, struct err_list *errors)
{
	struct batch batch = {load, fleet_change_new(FLEET_STORE), errors};
	struct fleet_result result = {0};
	bool is_good = read_batch(load, row, read_into_change, &batch);
	if (!is_good)
		err_add(errors, NULL, 0, 0, "the store cannot be read");
	is_good = is_good && !err_has_errors(errors) &&
		  fleet_apply(load->fleet, batch.change, load->version, false, &result, errors);
	fleet_result_done(&result);
	fleet_change_free(batch.change);
	return is_good;
}

bool store_load_step(struct store_load *load, struct err_list *errors)
{
	int64_t from = load->row, row = from;
	struct err_list wrong = {0};
	bool is_good = apply_batch(load, &row, &wrong);
	if (!is_good && load->misfit == STORE_MISFIT_SET_ASIDE) {
		struct batch batch = {load, NULL, NULL};
		row = from;
		read_batch(load, &row, apply_alone, &batch);
		is_good = true;
	}
	bool is_structure = !load->has_structure;
	assert(row >= from);
	load->has_structure = true;
	load->row = row;
	if (!is_good)
		err_move(errors, &wrong);
	err_done(&wrong);
	/* Where a service or a zone is refused, errors about its tenants would tell nothing more. */
	if (is_structure)
		return is_good;
	return row != from && errors->errors < ERRORS_MAX;
}

void store_load_follow(struct store_load *load, const struct fleet_result *result, struct err_list *errors)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		assert(touched->after || touched->before);
		const char *id = (touched->after ? touched->after : touched->before)->id;
		const struct fleet_object *there = fleet_get(load->fleet, touched->kind, id);
		if (touched->after) {
			json_t *json = fleet_object_to_json(touched->after);
			char *text = json_dumps(json, JSON_COMPACT);
			put(change, touched->kind, id, text, touched->after->version, errors);
			free(text);
			json_decref(json);
		} else if (there && there->source == FLEET_STORE) {
			fleet_change_remove(change, touched->kind, id);
		}
	}
	struct fleet_result followed = {0};
	fleet_apply(load->fleet, change, load->version, false, &followed, errors);
	fleet_result_done(&followed);
	fleet_change_free(change);
}
