/* The store's objects over a fleet from files: in batches, with what fits no more, and with what changes
 * while they are read. The store is a real one. */
#include "store/store_load.h"
#include "tests/unit/fleet_fixture.h"
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANTS 5000 /* more than two batches */

static const char base[] = "regions: {eu: {at: [50, 8]}}\n"
			   "services: {shop: {vips: {eu: [192.0.2.1]}}}\n"
			   "zones: {z.example: {text: \"@ 60 SOA a b 1 2 3 4 5\\n@ 60 NS n.test.\\n\"}}\n";

static char directory[64];
static struct store *store;
static struct fleet *fleet; /* the current one, that changes go to */

static int setup(void **state)
{
	struct err_list errors = {0};

	snprintf(directory, sizeof directory, "/tmp/gslb-load-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	store = store_open(directory, &errors);
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE, base);
	return store ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"gslb.db", "gslb.db-wal", "gslb.lock"};

	store_close(store);
	fleet_free(fleet);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

/* Applies the change and stores it, as change.c does; follows it in `load` unless that is NULL. */
static void change_both(struct fleet_change *change, uint64_t version, struct store_load *load,
			struct err_list *follow_errors)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};

	if (!fleet_apply(fleet, change, version, false, &result, &errors))
		fail_msg("%s", errors.items[0].message);
	assert_true(store_commit(store, &(struct store_change){.fleet = &result, .fleet_version = version},
				 &errors));
	if (load)
		store_load_follow(load, &result, follow_errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
}

static void store_yaml(const char *yaml, uint64_t version)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct err_list errors = {0};

	add_yaml(change, "f", yaml, &errors);
	change_both(change, version, NULL, NULL);
}

static void store_many(void)
{
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	fputs("services: {late: {vips: {eu: [192.0.2.9]}}}\ntenants:\n", out);
	for (size_t i = 0; i < TENANTS; i++)
		fprintf(out, "  t%zu: {zone: z.example, service: %s}\n", i, i % 2 ? "late" : "shop");
	fclose(out);
	store_yaml(text, 5);
	free(text);
}

static struct fleet *new_fleet(const char *yaml)
{
	struct fleet *loaded = fleet_new();

	apply_good(loaded, FLEET_BASE, yaml);
	return loaded;
}

static void run_to_end(struct store_load *load, struct err_list *errors)
{
	while (store_load_step(load, errors))
		continue;
}

static void test_everything_comes_in_batches(void **state)
{
	struct err_list errors = {0};
	struct fleet *loaded = new_fleet(base);
	struct store_load *load = (store_many(), store_load_new(store, loaded, 5, STORE_MISFIT_REFUSED));
	size_t last = 0, largest = 0;

	while (store_load_step(load, &errors)) {
		if (store_load_count(load) - last > largest)
			largest = store_load_count(load) - last;
		last = store_load_count(load);
	}
	assert_false(err_has_errors(&errors));
	assert_true(largest < TENANTS / 2);
	assert_int_equal(fleet_count(loaded, FLEET_TENANT), TENANTS);
	assert_int_equal(store_load_count(load), TENANTS + 1);
	assert_int_equal(store_object_count(store), TENANTS + 1);
	const struct fleet_object *tenant = fleet_get(loaded, FLEET_TENANT, "t4999");
	assert_int_equal(fleet_object_version(tenant), 5);
	assert_int_equal(tenant->number, 4999); /* in order of definition */
	store_load_free(load);
	fleet_free(loaded);
}

static const char taken[] = "regions: {eu: {at: [50, 8]}}\n"
			    "services: {shop: {vips: {eu: [192.0.2.1]}}}\n"
			    "zones: {z.example: {text: \"@ 60 SOA a b 1 2 3 4 5\\n@ 60 NS n.test.\\n"
			    "t4000 60 "
			    "TXT x\\nt4500 60 A 192.0.2.7\\n\"}}\n"
			    "tenants: {mine: {zone: z.example, service: shop, hosts: [t10]}}\n";

static void test_what_does_not_fit_is_refused(void **state)
{
	struct err_list errors = {0};
	struct fleet *loaded = new_fleet(taken);
	struct store_load *load = (store_many(), store_load_new(store, loaded, 5, STORE_MISFIT_REFUSED));

	run_to_end(load, &errors);
	assert_int_equal(errors.errors, 2); /* of both batches */
	assert_string_equal(errors.items[0].message,
			    "host 't10.z.example.' already belongs to tenant 'mine'");
	assert_non_null(strstr(errors.items[1].message, "t4500"));
	err_done(&errors);
	store_load_free(load);
	fleet_free(loaded);
}

static void test_what_does_not_fit_is_set_aside(void **state)
{
	struct err_list errors = {0};
	struct fleet *loaded = new_fleet(taken);
	struct store_load *load = (store_many(), store_load_new(store, loaded, 5, STORE_MISFIT_SET_ASIDE));

	run_to_end(load, &errors);
	assert_int_equal(errors.count, 0);
	assert_int_equal(store_load_set_aside(load), 2);
	assert_int_equal(fleet_count(loaded, FLEET_TENANT), TENANTS - 2 + 1);
	assert_null(fleet_get(loaded, FLEET_TENANT, "t10"));
	assert_non_null(fleet_get(loaded, FLEET_TENANT, "t11"));
	store_load_free(load);
	fleet_free(loaded);
}

static void test_a_service_that_does_not_fit_stops_a_strict_load(void **state)
{
	struct err_list errors = {0};
	struct fleet *loaded = new_fleet("regions: {us: {at: [40, -80]}}\n");
	struct store_load *load = (store_many(), store_load_new(store, loaded, 5, STORE_MISFIT_REFUSED));

	assert_false(store_load_step(load, &errors));
	assert_int_equal(errors.errors, 1); /* and not one for each tenant */
	err_done(&errors);
	store_load_free(load);
	fleet_free(loaded);
}

static void test_changes_meanwhile_are_followed(void **state)
{
	struct err_list errors = {0};
	struct fleet *loaded = new_fleet(base);
	struct store_load *load = (store_many(), store_load_new(store, loaded, 5, STORE_MISFIT_REFUSED));

	assert_true(store_load_step(load, &errors)); /* the services */
	assert_true(store_load_step(load, &errors)); /* the first tenants */
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	add_yaml(change, "f",
		 "services: {fresh: {vips: {eu: [192.0.2.77]}}}\n"
		 "tenants: {new: {zone: z.example, service: fresh}, t0: {zone: z.example, service: fresh},"
		 " t4998: {zone: z.example, service: fresh}}\n",
		 &errors);
	change_both(change, 6, load, &errors);
	change = fleet_change_new(FLEET_STORE);
	fleet_change_remove(change, FLEET_TENANT, "t1");    /* loaded already */
	fleet_change_remove(change, FLEET_TENANT, "t4999"); /* not yet */
	change_both(change, 7, load, &errors);
	run_to_end(load, &errors);
	assert_int_equal(errors.count, 0);
	assert_int_equal(fleet_count(loaded, FLEET_TENANT), TENANTS - 1);
	for (size_t at = 0;;) {
		const struct fleet_object *object = fleet_next(fleet, FLEET_TENANT, &at);
		if (!object)
			break;
		const struct fleet_object *same = fleet_get(loaded, FLEET_TENANT, object->id);
		assert_non_null(same);
		assert_int_equal(same->version, object->version);
		assert_string_equal(((const struct fleet_tenant *)same)->profile->service,
				    ((const struct fleet_tenant *)object)->profile->service);
	}
	store_load_free(load);
	fleet_free(loaded);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everything_comes_in_batches),
		TEST(test_what_does_not_fit_is_refused),
		TEST(test_what_does_not_fit_is_set_aside),
		TEST(test_a_service_that_does_not_fit_stops_a_strict_load),
		TEST(test_changes_meanwhile_are_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
