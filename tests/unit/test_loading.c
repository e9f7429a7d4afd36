/* Loading: its stages in order, what a change accepted meanwhile does, and what breaking off leaves. */
#include "gslb/control/loading.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FLEET                                                                                 \
	"zones: {app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}}\n" \
	"regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"                                 \
	"services: {shop: {vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n"                      \
	"tenants: {base: {zone: app.test, service: shop}}\n"

static struct rig rig; /* its directory and loop alone */
static struct store *store;
static struct loading *loading;
static size_t finished, tenants, errors, starts_again;
static enum loading_stage stage_when_finished;

static void start(void)
{
	struct load_previous nothing = {0};
	assert_true(loading_start(loading, &nothing, STORE_MISFIT_SET_ASIDE));
}

static uint64_t version(void *user)
{
	return store_fleet_version(store);
}

static void on_finished(void *user, struct node_files *files, size_t set_aside)
{
	finished++;
	errors = files->errors.count;
	tenants = files->parts.fleet ? fleet_count(files->parts.fleet, FLEET_TENANT) : 0;
	stage_when_finished = loading_stage(loading);
	node_files_done(files);
	if (starts_again > 0) {
		starts_again--;
		start();
	}
}

static const struct loading_hooks hooks = {NULL, version, on_finished};

/* The store keeps what a served node accepted. */
static void put_tenant_into_store(const char *id)
{
	rig_must_start(&rig, FLEET);
	char *yaml = xasprintf("tenants: {%s: {zone: app.test, service: shop}}\n", id);
	assert_int_equal(rig_apply(&rig, yaml, NULL), CHANGE_DONE);
	free(yaml);
	rig_stop(&rig);
}

static int setup(void **state)
{
	struct err_list none = {0};
	rig_init(&rig);
	put_tenant_into_store("stored");
	store = store_open(rig.directory, &none);
	char *path = rig_path(&rig, "node.yaml");
	loading = loading_new(rig.base, path, store, &hooks);
	free(path);
	finished = tenants = errors = starts_again = 0;
	return store ? 0 : -1;
}

static int teardown(void **state)
{
	loading_free(loading);
	store_close(store);
	rig_done(&rig);
	return 0;
}

static bool has_finished(struct rig *unused)
{
	return finished > 0 && loading_stage(loading) == LOADING_NOTHING;
}

static void test_files_and_store_become_one_fleet(void **state)
{
	assert_int_equal(loading_stage(loading), LOADING_NOTHING);
	start();
	assert_int_equal(loading_stage(loading), LOADING_FILES);
	rig_await(&rig, has_finished);
	assert_int_equal(errors, 0);
	assert_int_equal(tenants, 2);
	assert_int_equal(stage_when_finished, LOADING_NOTHING);
}

static void test_broken_files_end_it_before_the_store(void **state)
{
	rig_write(&rig, "fleet.yaml", "regions: {eu: {}}\n");
	start();
	rig_await(&rig, has_finished);
	assert_int_equal(errors, 1);
	assert_int_equal(tenants, 0);
}

static void test_it_may_start_again_when_it_has_finished(void **state)
{
	starts_again = 2;
	start();
	rig_await(&rig, has_finished);
	assert_int_equal(finished, 3);
	assert_int_equal(tenants, 2);
}

static bool is_joining_the_store(struct rig *unused)
{
	return loading_stage(loading) == LOADING_STORE;
}

/* A tenant that is removed while it loads must not come back with what was loaded. */
static void test_a_change_accepted_meanwhile_is_followed(void **state)
{
	struct err_list none = {0};
	struct fleet_result result = {0};
	struct fleet *served = fleet_new();
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct doc *doc = doc_from_yaml("served", FLEET, strlen(FLEET), &none);
	fleet_change_add_document(change, doc, &none);
	assert_true(fleet_apply(served, change, 1, false, &result, &none));
	fleet_result_done(&result);
	fleet_change_free(change);
	doc_free(doc);

	start();
	rig_await(&rig, is_joining_the_store);
	static const char added[] = "tenants: {late: {zone: app.test, service: shop}}\n";
	change = fleet_change_new(FLEET_STORE);
	doc = doc_from_yaml("added", added, strlen(added), &none);
	fleet_change_add_document(change, doc, &none);
	result = (struct fleet_result){0};
	assert_true(fleet_apply(served, change, 2, false, &result, &none));
	loading_follow(loading, &result);
	rig_await(&rig, has_finished);
	assert_int_equal(errors, 0);
	assert_int_equal(tenants, 3);
	fleet_result_done(&result);
	fleet_change_free(change);
	doc_free(doc);
	fleet_free(served);
	err_done(&none);
}

static void test_it_can_be_broken_off(void **state)
{
	start();
	loading_free(loading); /* under LeakSanitizer and ThreadSanitizer, too */
	loading = NULL;
	rig_turn_ms(&rig, 20);
	assert_int_equal(finished, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_and_store_become_one_fleet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_files_end_it_before_the_store, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_may_start_again_when_it_has_finished, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_change_accepted_meanwhile_is_followed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_it_can_be_broken_off, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
