/* Changes: durable before they are answered, all or nothing, told to the audit with before and after. */
#include "gslb/control/change.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "store/controls.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#define FLEET                                                                                            \
	"regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"                                            \
	"services: {shop: {steering: {order: listed}, vips: {eu: [192.0.2.1], us: [192.0.2.2]}},\n"      \
	"           six: {steering: {order: listed}, vips: {eu: [\"2001:db8::1\"], us: [192.0.2.4]}}}\n" \
	"zones: {app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}}\n"            \
	"tenants: {base: {zone: app.test, service: shop}}\n"

static struct rig rig;
static const struct requester requester = {"uid:7 (eve)", "api"};

static int setup(void **state)
{
	rig_init(&rig);
	rig_must_start(&rig, FLEET);
	return 0;
}

static int teardown(void **state)
{
	rig_done(&rig);
	return 0;
}

static const char *ask(const char *name)
{
	return rig_answer(&rig, rig_world(&rig), name, "198.51.100.7", NULL);
}

/* The newest line of the audit as JSON text, without seq and time; how many there are. */
static char *last_audit(size_t *ret_count)
{
	json_t *audit = store_audit(server_store(rig.server), 0, 1000);
	*ret_count = json_array_size(audit);
	json_t *line = json_array_get(audit, *ret_count - 1);
	char *text = NULL;
	if (line) {
		json_object_del(line, "seq");
		json_object_del(line, "time");
		text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(audit);
	return text;
}

static void expect_audit(size_t count, const char *expected)
{
	size_t lines;
	char *text = last_audit(&lines);
	assert_string_equal(text, expected);
	assert_int_equal(lines, count);
	free(text);
}

/* The store's files can grow no more, as on a full disk. */
static void set_disk_full(bool is_full)
{
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = is_full ? 1 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* ---- fleet ---- */

static void test_a_tenant_comes_changes_and_goes(void **state)
{
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	assert_int_equal(
		rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop, regions: [us]}}", NULL),
		CHANGE_DONE);
	assert_int_equal(rig_world(&rig)->epoch, epoch + 1);
	assert_int_equal(server_fleet_version(rig.server), version + 1);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	expect_audit(1, "{\"after\":{\"regions\":[\"us\"],\"service\":\"shop\",\"zone\":\"app.test.\"},"
			"\"author\":\"uid:7 (eve)\",\"before\":null,\"object\":\"fleet\",\"reason\":null,"
			"\"verb\":\"apply\",\"via\":\"api\"}");
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	expect_audit(2, "{\"after\":{\"service\":\"shop\",\"zone\":\"app.test.\"},\"author\":\"uid:7 (eve)\","
			"\"before\":{\"regions\":[\"us\"],\"service\":\"shop\",\"zone\":\"app.test.\"},"
			"\"object\":\"fleet\",\"reason\":null,\"verb\":\"apply\",\"via\":\"api\"}");
	rig_remove_tenant(&rig, "acme", NULL);
	assert_string_equal(ask("acme.app.test"), "NXDOMAIN");
	assert_int_equal(server_fleet_version(rig.server), version + 3);
	expect_audit(3, "{\"after\":null,\"author\":\"uid:7 (eve)\","
			"\"before\":{\"service\":\"shop\",\"zone\":\"app.test.\"},\"object\":\"tenant acme\","
			"\"reason\":null,\"verb\":\"delete\",\"via\":\"api\"}");
}

static void test_many_at_once_are_counted(void **state)
{
	rig_apply(&rig, "tenants: {a: {zone: app.test, service: shop}, b: {zone: app.test, service: six}}",
		  NULL);
	expect_audit(1, "{\"after\":{\"added\":2,\"changed\":0,\"removed\":0,\"unchanged\":0},"
			"\"author\":\"uid:7 (eve)\",\"before\":null,\"object\":\"fleet\",\"reason\":null,"
			"\"verb\":\"apply\",\"via\":\"api\"}");
}

static void test_what_changes_nothing_is_no_change(void **state)
{
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	assert_int_equal(rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL),
			 CHANGE_DONE);
	assert_int_equal(rig_apply(&rig, "tenants: {base: {zone: app.test, service: shop}}", NULL),
			 CHANGE_DONE);
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
}

static void test_a_dry_run_changes_nothing(void **state)
{
	struct err_list errors = {0};
	struct fleet_result result;
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	const char *yaml = "tenants: {acme: {zone: app.test, service: shop}}";
	struct doc *doc = doc_from_yaml("apply", yaml, strlen(yaml), &errors);
	fleet_change_add_document(change, doc, &errors);
	doc_free(doc);
	uint64_t epoch = rig_world(&rig)->epoch;
	assert_int_equal(
		change_fleet(rig.server, change, true, &requester, "apply", "fleet", &result, &errors),
		CHANGE_DONE);
	assert_int_equal(result.added, 1);
	fleet_result_done(&result);
	fleet_change_free(change);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
	assert_null(fleet_get(server_fleet(rig.server), FLEET_TENANT, "acme"));
	err_done(&errors);
}

static void expect_refused(enum change_outcome outcome, enum change_outcome expected, struct err_list *errors,
			   const char *message)
{
	assert_int_equal(outcome, expected);
	assert_true(err_has_errors(errors));
	if (!strstr(errors->items[0].message, message))
		fail_msg("no '%s' in '%s'", message, errors->items[0].message);
	err_done(errors);
}

static void test_what_is_refused_changes_nothing(void **state)
{
	struct err_list errors = {0};
	size_t lines;
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	expect_refused(
		rig_apply(&rig,
			  "tenants: {a: {zone: app.test, service: shop}, b: {zone: app.test, service: shup}}",
			  &errors),
		CHANGE_INVALID, &errors, "shup");
	expect_refused(rig_apply(&rig, "tenants: {base: {zone: app.test, service: six}}", &errors),
		       CHANGE_BASE_OBJECT, &errors, "base");
	expect_refused(rig_remove_tenant(&rig, "base", &errors), CHANGE_BASE_OBJECT, &errors, "base");
	expect_refused(rig_remove_tenant(&rig, "nobody", &errors), CHANGE_NOT_FOUND, &errors, "nobody");
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
	assert_null(last_audit(&lines));
	assert_string_equal(ask("a.app.test"), "NXDOMAIN");
}

static void test_what_cannot_be_stored_is_taken_back(void **state)
{
	struct err_list errors = {0};
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	set_disk_full(true);
	enum change_outcome applied = rig_apply(
		&rig,
		"services: {own: {vips: {us: [192.0.2.7]}}}\n"
		"tenants: {acme: {zone: app.test, service: own}, bolt: {zone: app.test, service: shop}}",
		&errors);
	size_t applied_errors = errors.errors;
	enum change_outcome removed = rig_remove_tenant(&rig, "acme", &errors);
	enum change_outcome controlled = rig_control(&rig, "eu", NULL, NULL, 0, 0);
	set_disk_full(false);
	assert_int_equal(applied, CHANGE_UNAVAILABLE);
	assert_int_equal(applied_errors, 1);
	assert_int_equal(removed, CHANGE_UNAVAILABLE);
	assert_int_equal(controlled, CHANGE_UNAVAILABLE);
	err_done(&errors);
	assert_null(controls_get(server_controls(rig.server), "eu", "", ""));
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
	assert_null(fleet_get(server_fleet(rig.server), FLEET_SERVICE, "own"));
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	assert_string_equal(ask("bolt.app.test"), "NXDOMAIN");
	/* With room on the disk it goes on as if nothing had been. */
	assert_int_equal(rig_remove_tenant(&rig, "acme", NULL), CHANGE_DONE);
	assert_int_equal(server_fleet_version(rig.server), version + 1);
	assert_string_equal(ask("acme.app.test"), "NXDOMAIN");
}

static void test_nothing_is_accepted_before_the_fleet_is_loaded(void **state)
{
	struct err_list errors = {0};
	rig_stop(&rig);
	char *path = rig_path(&rig, "node.yaml");
	rig.server = server_new(rig.base, path, &rig.hooks, &rig.world, &errors);
	free(path);
	assert_false(server_is_loaded(rig.server));
	expect_refused(rig_apply(&rig, "tenants: {a: {zone: app.test, service: shop}}", &errors),
		       CHANGE_UNAVAILABLE, &errors, "still being loaded");
	assert_int_equal(rig_control(&rig, "eu", NULL, NULL, 0, 0), CHANGE_UNAVAILABLE);
}

/* ---- controls ---- */

static void test_a_control_is_answered_when_the_call_returns(void **state)
{
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	assert_int_equal(rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 0), CHANGE_DONE);
	assert_int_equal(rig_world(&rig)->epoch, epoch + 1);
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.2");
	expect_audit(1,
		     "{\"after\":{\"share\":\"down\"},\"author\":\"uid:7 (eve)\",\"before\":null,"
		     "\"object\":\"region eu\",\"reason\":\"drill\",\"verb\":\"control\",\"via\":\"api\"}");
	rig_control(&rig, "eu", "shop", NULL, 100, 0); /* the service's own goes first */
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.1");
	expect_audit(2, "{\"after\":{\"share\":100},\"author\":\"uid:7 (eve)\",\"before\":null,"
			"\"object\":\"region eu service shop\",\"reason\":\"drill\",\"verb\":\"control\","
			"\"via\":\"api\"}");
	rig_control(&rig, "eu", "shop", NULL, SHARE_RESTORE, 0);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.2");
	expect_audit(3, "{\"after\":null,\"author\":\"uid:7 (eve)\",\"before\":{\"share\":100},"
			"\"object\":\"region eu service shop\",\"reason\":\"drill\",\"verb\":\"control\","
			"\"via\":\"api\"}");
	assert_int_equal(rig_control(&rig, "us", NULL, NULL, SHARE_RESTORE, 0),
			 CHANGE_DONE); /* there was none */
}

static void test_a_vip_is_named_in_any_form(void **state)
{
	assert_int_equal(rig_control(&rig, "eu", NULL, "2001:DB8:0::1", 0, 0), CHANGE_DONE);
	expect_audit(1, "{\"after\":{\"share\":0},\"author\":\"uid:7 (eve)\",\"before\":null,"
			"\"object\":\"vip eu "
			"2001:db8::1\",\"reason\":\"drill\",\"verb\":\"control\",\"via\":\"api\"}");
	assert_non_null(controls_get(server_controls(rig.server), "eu", "", "2001:db8::1"));
	assert_int_equal(rig_control(&rig, "eu", NULL, "2001:db8::0:1", SHARE_RESTORE, 0), CHANGE_DONE);
	assert_null(controls_get(server_controls(rig.server), "eu", "", "2001:db8::1"));
}

static void test_a_batch_is_all_or_nothing(void **state)
{
	struct err_list errors = {0};
	struct control_request requests[] = {
		{.region = "eu", .share = SHARE_DOWN},
		{.region = "use", .share = 100},
		{.region = "us", .service = "shup", .share = 0},
		{.region = "us", .address = "192.0.2.1", .share = 0},
	};
	uint64_t epoch = rig_world(&rig)->epoch;
	assert_int_equal(change_controls(rig.server, requests, 4, &requester, "batch", &errors),
			 CHANGE_NOT_FOUND);
	assert_int_equal(errors.errors, 3);
	assert_string_equal(errors.items[0].message, "no region 'use'; did you mean 'us'?");
	assert_string_equal(errors.items[1].message, "no service 'shup'; did you mean 'shop'?");
	assert_string_equal(errors.items[2].message, "region 'us' has no VIP 192.0.2.1");
	err_done(&errors);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
	assert_null(controls_get(server_controls(rig.server), "eu", "", ""));

	requests[1] = (struct control_request){.region = "us", .share = 100};
	assert_int_equal(change_controls(rig.server, requests, 2, &requester, "batch", &errors), CHANGE_DONE);
	assert_int_equal(rig_world(&rig)->epoch, epoch + 1);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.2");
	size_t lines;
	free(last_audit(&lines));
	assert_int_equal(lines, 2);
}

/* ---- expiry ---- */

static bool has_no_control(struct rig *unused)
{
	return !controls_get(server_controls(rig.server), "eu", "", "");
}

static void test_a_control_expires_by_itself(void **state)
{
	rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 40);
	rig_control(&rig, "us", NULL, NULL, 70, 3600000);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.2");
	rig_await(&rig, has_no_control);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.1");
	assert_non_null(controls_get(server_controls(rig.server), "us", "", ""));
	size_t lines;
	char *text = last_audit(&lines);
	assert_int_equal(lines, 3);
	assert_non_null(strstr(text, "\"author\":\"gslbd\",\"before\":{\"share\":\"down\",\"until\":\"20"));
	assert_non_null(strstr(text, "\"object\":\"region eu\",\"reason\":\"drill\",\"verb\":\"restore\","
				     "\"via\":\"expiry\""));
	free(text);
	rig_stop(&rig); /* and it is durable */
	struct err_list errors = {0};
	assert_true(rig_start(&rig, &errors));
	assert_null(controls_get(server_controls(rig.server), "eu", "", ""));
	assert_int_equal(controls_get(server_controls(rig.server), "us", "", "")->share, 70);
}

/* While the process runs, a step of the wall clock makes no promise shorter or longer. */
static void test_a_stepped_wall_clock_changes_no_end(void **state)
{
	rig_control(&rig, "us", NULL, NULL, SHARE_DOWN, 3600000);
	rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 100);
	rig_step_wall_clock(-7200000);
	rig_await(&rig, has_no_control);
	rig_step_wall_clock(14400000);
	change_expire_controls(rig.server);
	assert_int_equal(controls_get(server_controls(rig.server), "us", "", "")->share, SHARE_DOWN);
	assert_string_equal(ask("base.app.test"), "NOERROR 192.0.2.1");
	rig_step_wall_clock(-7200000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Their versions are times: several changes in one millisecond, and a clock that was set back. */
static void test_no_two_changes_of_a_control_have_one_version(void **state)
{
	int64_t last = 0;
	for (int i = 0; i < 200; i++) {
		if (i == 100)
			rig_step_wall_clock(-3600000);
		rig_control(&rig, "eu", NULL, NULL, i % 100, 0);
		int64_t since = controls_get(server_controls(rig.server), "eu", "", "")->since_unix_ms;
		assert_true(since > last);
		last = since;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_tenant_comes_changes_and_goes),
		TEST(test_many_at_once_are_counted),
		TEST(test_what_changes_nothing_is_no_change),
		TEST(test_a_dry_run_changes_nothing),
		TEST(test_what_is_refused_changes_nothing),
		TEST(test_what_cannot_be_stored_is_taken_back),
		TEST(test_nothing_is_accepted_before_the_fleet_is_loaded),
		TEST(test_a_control_is_answered_when_the_call_returns),
		TEST(test_a_vip_is_named_in_any_form),
		TEST(test_a_batch_is_all_or_nothing),
		TEST(test_a_control_expires_by_itself),
		TEST(test_a_stepped_wall_clock_changes_no_end),
		TEST(test_no_two_changes_of_a_control_have_one_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
