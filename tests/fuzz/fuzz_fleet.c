/*
 * Fleet documents: any text gives errors at places inside it, or a fleet; and what is exported of a fleet is
 * that fleet, as YAML and as the JSON of each object.
 */
#include "fleet/fleet.h"
#include "lib/doc.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

/* True: it was applied. */
static bool apply(struct fleet *fleet, const char *text, size_t size, struct fleet_result *ret,
		  struct err_list *errors)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct doc *doc = doc_from_yaml("f.yaml", text, size, errors);

	if (doc)
		fleet_change_add_document(change, doc, errors);
	doc_free(doc);
	bool is_good = !err_has_errors(errors) && fleet_apply(fleet, change, 1, false, ret, errors);
	check(is_good == !err_has_errors(errors));
	fleet_change_free(change);
	if (is_good)
		fleet_result_done(ret);
	return is_good;
}

static void check_places(const struct err_list *errors, size_t size)
{
	for (size_t i = 0; i < errors->count; i++) {
		check(errors->items[i].line <= size + 1 && errors->items[i].column <= size + 1);
		check(errors->items[i].message[0] != '\0');
	}
}

static void check_object(struct fleet *fleet, const struct fleet_object *object)
{
	json_t *json = fleet_object_to_json(object);
	char *text = json_dumps(json, JSON_COMPACT);
	struct err_list errors = {.items = NULL};
	struct fleet_result result;
	struct doc *doc = doc_from_json(text, strlen(text), &errors);
	struct fleet_change *change = fleet_change_new(FLEET_STORE);

	check(doc != NULL);
	fleet_change_put(change, object->kind, object->id, doc, doc->root, 1, &errors);
	check(fleet_apply(fleet, change, 1, true, &result, &errors));
	check(result.unchanged == 1 && result.added + result.changed + result.removed == 0);
	fleet_change_free(change);
	doc_free(doc);
	err_done(&errors);
	free(text);
	json_decref(json);
}

static void check_export(struct fleet *fleet, size_t count)
{
	char *yaml = fleet_export_yaml(fleet, false);
	struct err_list errors = {.items = NULL};
	struct fleet_result result;

	check(apply(fleet, yaml, strlen(yaml), &result, &errors));
	check(result.unchanged == count);
	check(result.added + result.changed + result.removed == 0);
	err_done(&errors);
	free(yaml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fleet *fleet = fleet_new();
	struct err_list errors = {.items = NULL};
	struct fleet_result result;

	if (apply(fleet, (const char *)data, size, &result, &errors)) {
		const struct fleet_object *object;
		for (int kind = 0; kind < FLEET_KINDS; kind++)
			for (size_t at = 0; (object = fleet_next(fleet, (enum fleet_kind)kind, &at)) != NULL;)
				check_object(fleet, object);
		check_export(fleet, result.added);
	}
	check_places(&errors, size);
	err_done(&errors);
	fleet_free(fleet);
	return 0;
}
