/* The objects of a kind against a model: random additions, replacements, removals and restorations of few
 * ids, so that slots collide and numbers come back. */
#include "fleet/fleet_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#define IDS 500

static char ids[IDS][8];
static struct fleet_object objects[2][IDS]; /* two of each id */
static struct fleet_object *model[IDS];	    /* the one that is in, or NULL */

static void make_objects(void)
{
	for (size_t i = 0; i < IDS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "t%zu", i);
		objects[0][i] = (struct fleet_object){.id = ids[i]};
		objects[1][i] = (struct fleet_object){.id = ids[i]};
		model[i] = NULL;
	}
}

static void assert_same(struct fleet_collection *collection)
{
	size_t count = 0;

	for (size_t i = 0; i < IDS; i++) {
		assert_ptr_equal(fleet_collection_get(collection, ids[i]), model[i]);
		if (model[i] == NULL)
			continue;
		count++;
		assert_ptr_equal(collection->objects[model[i]->number], model[i]);
	}
	assert_int_equal(collection->count, count);
	struct fleet_object *const *sorted = fleet_collection_sorted(collection);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(sorted[i], fleet_collection_get(collection, sorted[i]->id));
		assert_true(i == 0 || strcmp(sorted[i - 1]->id, sorted[i]->id) < 0);
	}
}

static void test_against_a_model(void **state)
{
	struct fleet_collection collection = {.objects = NULL};

	make_objects();
	srandom(11);
	for (size_t step = 0; step < 20000; step++) {
		size_t i = (size_t)random() % IDS;
		struct fleet_object *object = model[i];
		if (object == NULL) {
			model[i] = &objects[0][i];
			fleet_collection_add(&collection, model[i]);
		} else if (random() % 2) {
			model[i] = &objects[object == &objects[0][i]][i];
			fleet_collection_replace(&collection, model[i]);
			assert_int_equal(model[i]->number, object->number);
		} else {
			fleet_collection_remove(&collection, object);
			model[i] = NULL;
			if (random() % 4 == 0) {
				fleet_collection_restore(&collection, object);
				model[i] = object;
			}
		}
		if (random() % 100 == 0) /* with and without as many edits as a sorted list is kept for */
			assert_same(&collection);
	}
	assert_same(&collection);
	fleet_collection_done(&collection);
}

static void test_the_smallest_number_is_taken(void **state)
{
	struct fleet_collection collection = {.objects = NULL};

	make_objects();
	for (size_t i = 0; i < 5; i++)
		fleet_collection_add(&collection, &objects[0][i]);
	fleet_collection_remove(&collection, &objects[0][3]);
	fleet_collection_remove(&collection, &objects[0][1]);
	fleet_collection_add(&collection, &objects[0][7]);
	assert_int_equal(objects[0][7].number, 1);
	fleet_collection_add(&collection, &objects[0][8]);
	assert_int_equal(objects[0][8].number, 3);
	fleet_collection_add(&collection, &objects[0][9]);
	assert_int_equal(objects[0][9].number, 5);
	fleet_collection_done(&collection);
}

static void test_nothing_is_in_an_empty_one(void **state)
{
	struct fleet_collection collection = {.objects = NULL};

	assert_null(fleet_collection_get(&collection, "t"));
	fleet_collection_sorted(&collection);
	fleet_collection_done(&collection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_the_smallest_number_is_taken),
		cmocka_unit_test(test_nothing_is_in_an_empty_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
