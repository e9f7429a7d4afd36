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
		snprintf(ids[i], sizeof ids[i], "t%zu", i);
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
		if (!model[i])
			continue;
		count++;
		assert_ptr_equal(collection->objects[model[i]->number], model[i]);
	}
	assert_int_equal(collection->count, count);
	struct fleet_object *page[IDS + 1];
	assert_int_equal(fleet_collection_page(collection, NULL, IDS + 1, page), count);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(page[i], fleet_collection_get(collection, page[i]->id));
		assert_true(i == 0 || strcmp(page[i - 1]->id, page[i]->id) < 0);
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
		if (!object) {
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
		if (random() % 100 == 0)
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

	struct fleet_object *page[2];

	assert_null(fleet_collection_get(&collection, "t"));
	assert_int_equal(fleet_collection_page(&collection, NULL, 2, page), 0);
	assert_int_equal(fleet_collection_page(&collection, "t", 2, page), 0);
	fleet_collection_done(&collection);
}

/* ---- pages of more objects than the collection keeps sorted ---- */

#define MANY 50000

static char many_ids[MANY][8];
static struct fleet_object many[MANY]; /* sorted by id */
static bool is_in[MANY];

static void add_many(struct fleet_collection *collection)
{
	static size_t order[MANY];

	for (size_t i = 0; i < MANY; i++) {
		size_t at = (size_t)random() % (i + 1);
		snprintf(many_ids[i], sizeof many_ids[i], "t%05zu", i);
		many[i] = (struct fleet_object){.id = many_ids[i]};
		order[i] = order[at];
		order[at] = i;
	}
	for (size_t i = 0; i < MANY; i++) {
		is_in[order[i]] = order[i] % 3 > 0;
		if (is_in[order[i]])
			fleet_collection_add(collection, &many[order[i]]);
	}
}

static void edit_one(struct fleet_collection *collection, size_t i)
{
	if (is_in[i])
		fleet_collection_remove(collection, &many[i]);
	else
		fleet_collection_add(collection, &many[i]);
	is_in[i] = !is_in[i];
}

/* Follows the pages from the start, or from behind a number, to the end, with edits before and behind. */
static void assert_pages(struct fleet_collection *collection, size_t from, size_t limit, size_t edits)
{
	static struct fleet_object *page[MANY];
	const char *after = from > 0 ? many_ids[from - 1] : NULL;
	size_t count, at = from;

	do {
		for (size_t i = 0; i < edits; i++) {
			size_t near = at + (size_t)random() % (4 * limit);
			edit_one(collection, i % 2 == 0 && near < MANY ? near : (size_t)random() % MANY);
		}
		count = fleet_collection_page(collection, after, limit, page);
		for (size_t i = 0; i < count; i++, at++) {
			while (at < MANY && !is_in[at])
				at++;
			assert_true(at < MANY);
			assert_ptr_equal(page[i], &many[at]);
		}
		if (count > 0)
			after = page[count - 1]->id;
	} while (count == limit);
	while (at < MANY)
		assert_false(is_in[at++]);
}

static void test_all_pages_are_the_sorted_list(void **state)
{
	static const size_t limits[] = {1, 7, 1001, 10001, 16384, 30000, MANY};
	struct fleet_collection collection = {.objects = NULL};

	srandom(12);
	add_many(&collection);
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		for (size_t edits = 0; edits <= 100; edits = edits * 10 + 1) {
			if (edits > limits[i] * 10) /* pages of one with many edits would never end */
				continue;
			assert_pages(&collection, 0, limits[i], edits);
			assert_pages(&collection, (size_t)random() % MANY, limits[i], edits);
		}
	fleet_collection_done(&collection);
}

/* Those that a full window drops at its end, and the one of the cursor itself. */
static void test_edits_at_the_ends_of_the_window(void **state)
{
	struct fleet_collection collection = {.objects = NULL};
	struct fleet_object *page[2];

	memset(is_in, 0, sizeof is_in);
	add_many(&collection);
	for (size_t i = 0; i < MANY; i++)
		if (is_in[i])
			edit_one(&collection, i);
	for (size_t i = 1; i <= 16384; i++)
		edit_one(&collection, i);
	assert_pages(&collection, 0, 2, 0); /* it holds all of them */
	edit_one(&collection, 20000);
	assert_pages(&collection, 0, 5000, 0);
	edit_one(&collection, 0);
	edit_one(&collection, 16384);
	assert_pages(&collection, 0, 5000, 0);
	for (size_t i = 0; i < MANY; i++)
		if (is_in[i])
			edit_one(&collection, i);
	assert_int_equal(fleet_collection_page(&collection, many_ids[5], 1, page), 0);
	edit_one(&collection, 5);
	assert_int_equal(fleet_collection_page(&collection, many_ids[5], 2, page), 0);
	assert_int_equal(fleet_collection_page(&collection, many_ids[4], 2, page), 1);
	assert_ptr_equal(page[0], &many[5]);
	fleet_collection_done(&collection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_the_smallest_number_is_taken),
		cmocka_unit_test(test_nothing_is_in_an_empty_one),
		cmocka_unit_test(test_all_pages_are_the_sorted_list),
		cmocka_unit_test(test_edits_at_the_ends_of_the_window),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
