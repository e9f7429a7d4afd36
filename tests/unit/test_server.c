/* The life of the control path: when DNS may be answered, and what a reload takes over or refuses. */
#include "gslb/control/start.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define NODE                               \
	"node: {name: n1, state_dir: .}\n" \
	"fleet: [fleet.yaml]\n"
#define ZONE "zones: {app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}}\n"
#define FLEET                                                                                   \
	"regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"                                   \
	"checks: {web: {type: http}}\n"                                                         \
	"services: {shop: {check: web, steering: {order: listed}, vips: {eu: [192.0.2.1], us: " \
	"[192.0.2.2]}}}\n" ZONE

static struct rig rig;

static int setup(void **state)
{
	rig_init(&rig);
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

static bool is_ready(struct rig *unused)
{
	return server_is_ready(rig.server);
}

/* The start with fleet.yaml as it stands and this in `dns:` beside listen. */
static bool start_with(const char *dns_keys, struct err_list *errors)
{
	char *text = xasprintf(NODE "dns: {listen: [\"127.0.0.1@0\"]%s}\n", dns_keys);
	rig_write(&rig, "node.yaml", text);
	free(text);
	return rig_start(&rig, errors);
}

static void must_start_with(const char *dns_keys)
{
	struct err_list errors = {0};
	assert_true(start_with(dns_keys, &errors));
	assert_int_equal(errors.count, 0);
}

static void expect_errors(struct err_list *errors, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	err_print(errors, out);
	fclose(out);
	/* The directory has a name of its own every time. */
	char *at, *plain = xstrdup("");
	for (char *line = strtok_r(text, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
		size_t length = strlen(rig.directory);
		const char *rest = strncmp(line, rig.directory, length) == 0 ? line + length + 1 : line;
		char *longer = xasprintf("%s%s\n", plain, rest);
		free(plain);
		plain = longer;
	}
	assert_string_equal(plain, expected);
	free(plain);
	free(text);
	err_done(errors);
}

/* ---- start ---- */

static void test_without_checks_it_serves_at_once(void **state)
{
	rig_must_start(&rig, ZONE);
	assert_int_equal(rig.times_started, 1);
	assert_true(server_is_ready(rig.server));
	assert_null(server_waiting(rig.server)[0]);
}

static void test_it_waits_for_what_the_probes_find(void **state)
{
	rig_set_health_complete(false);
	rig_must_start(&rig, FLEET);
	rig_turn_ms(&rig, 20);
	assert_int_equal(rig.times_started, 0);
	assert_string_equal(server_waiting(rig.server)[0], "health");
	assert_null(server_waiting(rig.server)[1]);
	start_progress(rig.server); /* not yet all of it */
	assert_int_equal(rig.times_started, 0);
	rig_set_health_complete(true);
	start_progress(rig.server);
	assert_int_equal(rig.times_started, 1);
	assert_null(server_waiting(rig.server)[0]);
	start_progress(rig.server);
	assert_int_equal(rig.times_started, 1);
}

/* The first answer knows what the first round has found. */
static void test_it_serves_what_the_probes_found(void **state)
{
	rig_set_health_complete(false);
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	rig_set_health(&rig, "192.0.2.2", "web", VIP_UP, 0);
	rig_set_health_complete(true);
	start_progress(rig.server);
	assert_int_equal(rig.times_started, 1);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
}

static void test_start_wait_bounds_the_wait(void **state)
{
	rig_set_health_complete(false);
	rig_write(&rig, "fleet.yaml", FLEET);
	must_start_with(", start_wait: 30ms");
	assert_int_equal(rig.times_started, 0);
	rig_await(&rig, is_ready);
	assert_int_equal(rig.times_started, 1);
	rig_stop(&rig);
	must_start_with(", start_wait: 0s");
	assert_int_equal(rig.times_started, 2);
}

/* What is waited for leaves the fleet: by a reload, by the API. */
static void test_nothing_is_left_to_wait_for(void **state)
{
	rig_set_health_complete(false);
	rig_must_start(&rig, FLEET);
	assert_int_equal(rig.times_started, 0);
	rig_set_health_complete(true);
	rig_write(&rig, "fleet.yaml", ZONE);
	assert_true(rig_reload(&rig));
	assert_int_equal(rig.times_started, 1);
	rig_stop(&rig);

	rig_set_health_complete(false);
	rig_must_start(&rig, FLEET);
	rig_set_health_complete(true);
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	assert_int_equal(rig.times_started, 2);
}

static void test_sockets_that_cannot_be_opened_fail_the_start(void **state)
{
	struct err_list errors = {0};
	rig.refuses_start = true;
	rig_write(&rig, "fleet.yaml", ZONE);
	assert_false(start_with("", &errors));
	assert_false(server_is_ready(rig.server));
}

static void test_files_that_are_broken_fail_the_start(void **state)
{
	struct err_list errors = {0};
	rig_write(&rig, "fleet.yaml", "regions: {eu: {}}\n");
	assert_false(start_with("", &errors)); /* the loader has printed why */
	assert_true(server_has_failed(rig.server));
	assert_int_equal(rig.times_started, 0);
	rig_stop(&rig);
	/* With node.yaml broken too, all is said at once. */
	assert_false(start_with(", worker: 1", &errors));
	assert_null(rig.server);
	expect_errors(&errors, "node.yaml:3:32: unknown key 'worker'; did you mean 'workers'?\n"
			       "fleet.yaml:1:15: missing key 'at'\n");
	char *path = rig_path(&rig, "node.yaml");
	assert_false(server_check(path, &errors));
	free(path);
	expect_errors(&errors, "node.yaml:3:32: unknown key 'worker'; did you mean 'workers'?\n"
			       "fleet.yaml:1:15: missing key 'at'\n");
}

static void test_it_can_be_stopped_at_any_moment(void **state)
{
	struct err_list errors = {0};
	rig_write(&rig, "fleet.yaml", FLEET);
	rig_write(&rig, "node.yaml", NODE "dns: {listen: [\"127.0.0.1@0\"]}\n");
	char *path = rig_path(&rig, "node.yaml");
	rig.server = server_new(rig.base, path, &rig.hooks, &rig.world, &errors);
	assert_non_null(rig.server);
	assert_string_equal(server_waiting(rig.server)[1], "geo");
	rig_stop(&rig); /* while its files are being read */
	free(path);
	must_start_with("");
	static const struct requester requester = {"uid:1", "signal"};
	server_reload(rig.server, &requester, NULL, NULL);
	rig_stop(&rig); /* while a reload is under way */
	assert_int_equal(rig.times_started, 1);
}

/* ---- store ---- */

static void test_the_store_is_there_after_a_restart(void **state)
{
	rig_must_start(&rig, FLEET);
	rig_apply(
		&rig,
		"services: {own: {vips: {us: [192.0.2.7]}}}\ntenants: {acme: {zone: app.test, service: own}}",
		NULL);
	rig_control(&rig, "us", "own", NULL, 0, 0);
	uint64_t version = server_fleet_version(rig.server);
	rig_stop(&rig);
	rig_must_start(&rig, FLEET);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.7"); /* drained, but the last one */
	assert_int_equal(server_fleet_version(rig.server), version);
	assert_int_equal(server_invalid_objects(rig.server), 0);
	assert_int_equal(rig_world(&rig)->fleet_version, version);
}

static void test_what_clashes_at_the_start_is_set_aside(void **state)
{
	rig_must_start(&rig, FLEET);
	rig_apply(&rig,
		  "tenants:\n"
		  "  acme: {zone: app.test, service: shop}\n"
		  "  bolt: {zone: app.test, service: shop}\n",
		  NULL);
	rig_stop(&rig);
	/* Meanwhile a base file got a tenant of that name. */
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop, regions: [us]}}\n");
	assert_int_equal(server_invalid_objects(rig.server), 1);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	assert_string_equal(ask("bolt.app.test"), "NOERROR 192.0.2.1");
	/* It is still in the store, and comes back with the next reload that has room for it. */
	rig_write(&rig, "fleet.yaml", FLEET);
	assert_true(rig_reload(&rig));
	assert_int_equal(server_invalid_objects(rig.server), 0);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

/* A control that was due while nobody ran answers nobody. */
static void test_controls_expire_while_the_node_is_down(void **state)
{
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 60000);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	rig_stop(&rig);
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.2");
	rig_stop(&rig);
	rig_advance_clocks(61000);
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

/* ---- reload ---- */

static void test_a_reload_takes_everything_over(void **state)
{
	rig_must_start(&rig, FLEET);
	uint64_t version = server_fleet_version(rig.server), epoch = rig_world(&rig)->epoch;
	assert_string_equal(ask("acme.app.test"), "NXDOMAIN");
	rig_write(&rig, "fleet.yaml", FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	rig_write(&rig, "node.yaml",
		  NODE "dns: {listen: [\"127.0.0.1@0\"], edns_size: 4000}\nprobes: {vantage: here}\n");
	assert_true(rig_reload(&rig));
	assert_string_equal(rig.reload_errors, "");
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
	assert_int_equal(rig_world(&rig)->settings.edns_size, 4000);
	assert_int_equal(server_fleet_version(rig.server), version + 1);
	assert_int_equal(rig_world(&rig)->epoch, epoch + 1);
	json_t *audit = store_audit(server_store(rig.server), 0, 100);
	json_t *line = json_array_get(audit, json_array_size(audit) - 1);
	assert_string_equal(json_string_value(json_object_get(line, "verb")), "reload");
	assert_string_equal(json_string_value(json_object_get(line, "author")), "uid:7 (eve)");
	json_decref(audit);
}

static void expect_refused(const char *message)
{
	uint64_t epoch = rig_world(&rig)->epoch;
	assert_false(rig_reload(&rig));
	if (!strstr(rig.reload_errors, message))
		fail_msg("no '%s' in '%s'", message, rig.reload_errors);
	assert_int_equal(rig_world(&rig)->epoch, epoch);
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

static void test_a_bad_reload_changes_nothing(void **state)
{
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	rig_write(&rig, "fleet.yaml", FLEET "tenants: {acme: {zone: app.test, service: shup}}\n");
	expect_refused("did you mean 'shop'?");
	rig_write(&rig, "fleet.yaml", "zones: {app.test: {text: \"@ 60 NS ns\\n\"}}\n");
	expect_refused("SOA");
	rig_write(&rig, "fleet.yaml", FLEET);
	rig_write(&rig, "node.yaml", NODE "dns: {listen: [\"127.0.0.1@0\"]}\ngeo: [none.mmdb]\n");
	expect_refused("none.mmdb");
	rig_write(&rig, "node.yaml", "a: [\n");
	expect_refused("node.yaml:");
}

static void test_keys_of_a_restart_are_named(void **state)
{
	static const struct {
		const char *text, *key;
	} changes[] = {
		{"node: {name: n2, state_dir: .}\nfleet: [fleet.yaml]\ndns: {listen: [\"127.0.0.1@0\"]}\n",
		 "'node"},
		{"node: {name: n1, state_dir: x}\nfleet: [fleet.yaml]\ndns: {listen: [\"127.0.0.1@0\"]}\n",
		 "'node"},
		{NODE "dns: {listen: [\"127.0.0.1@0\", \"127.0.0.2@0\"]}\n", "'dns.listen'"},
		{NODE "dns: {listen: [\"127.0.0.1@0\"], workers: 2}\n", "'dns.workers'"},
	};
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		rig_write(&rig, "node.yaml", changes[i].text);
		expect_refused(changes[i].key);
	}
}

static void test_a_reload_that_clashes_with_the_store_is_refused(void **state)
{
	rig_must_start(&rig, FLEET);
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	rig_write(&rig, "fleet.yaml",
		  FLEET "tenants: {acme: {zone: app.test, service: shop, regions: [us]}}\n");
	expect_refused("acme");
	rig_write(&rig, "fleet.yaml", ZONE); /* the service that it is answered by is gone */
	expect_refused("shop");
	rig_write(&rig, "fleet.yaml", FLEET);
	assert_true(rig_reload(&rig));
	assert_string_equal(ask("acme.app.test"), "NOERROR 192.0.2.1");
}

static void test_a_reload_whose_api_cannot_listen_is_refused(void **state)
{
	rig_must_start(&rig, FLEET "tenants: {acme: {zone: app.test, service: shop}}\n");
	rig_write(&rig, "fleet.yaml", FLEET);
	rig.refuses_rebind = true;
	expect_refused("another one answers there");
	rig.refuses_rebind = false;
	assert_true(rig_reload(&rig));
	assert_string_equal(ask("acme.app.test"), "NXDOMAIN");
}

static unsigned told;

static void on_told(void *user, const struct err_list *errors)
{
	told++;
	assert_false(err_has_errors(errors));
}

static bool all_told(struct rig *unused)
{
	return told == 4;
}

/* Who asks while files are read gets what the files hold after the question: they are read once more. */
static void test_reloads_in_a_row(void **state)
{
	static const struct requester requester = {"uid:1", "api"};
	told = 0;
	rig_must_start(&rig, FLEET);
	uint64_t version = server_fleet_version(rig.server);
	for (int i = 0; i < 4; i++)
		server_reload(rig.server, &requester, on_told, NULL);
	assert_int_equal(told, 0);
	rig_await(&rig, all_told);
	assert_int_equal(server_fleet_version(rig.server),
			 version + 2); /* the first, and one for the other three */
}

/* ---- serials ---- */

static uint32_t serial(const char *apex)
{
	struct name name;
	assert_null(name_from_text(apex, NULL, &name));
	return index_zone(rig_world(&rig)->index, name.octets)->serial;
}

#define CHANGING "zones: {app.test: {file: app.zone, serial: change}, old.test: {file: app.zone}}\n"

static void test_serials_say_what_changed(void **state)
{
	rig_write(&rig, "app.zone", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n");
	rig_must_start(&rig, FLEET);
	rig_stop(&rig);
	rig_must_start(&rig, "services: {shop: {vips: {}}}\n" CHANGING);
	uint32_t first = serial("app.test");
	assert_in_range(first, 1700000001, 1700001000); /* the times of rig_write */
	assert_int_equal(serial("old.test"), 1);
	/* Neither a reload of the same files nor two, nor a restart. */
	assert_true(rig_reload(&rig));
	assert_true(rig_reload(&rig));
	assert_int_equal(serial("app.test"), first);
	rig_write(&rig, "app.zone", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.elsewhere.\nwww 60 A 192.0.2.9\n");
	assert_true(rig_reload(&rig));
	uint32_t second = serial("app.test");
	assert_true(second > first);
	assert_string_equal(ask("www.app.test"), "NOERROR static");
	assert_int_equal(serial("old.test"), 1);
	rig_stop(&rig);
	struct err_list errors = {0};
	assert_true(rig_start(&rig, &errors));
	assert_int_equal(serial("app.test"), second);
}

static void test_serials_follow_the_tenants(void **state)
{
	rig_write(&rig, "app.zone", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n");
	rig_must_start(&rig,
		       "regions: {eu: {at: [1, 1]}}\nservices: {shop: {vips: {eu: [192.0.2.1]}}}\n" CHANGING);
	uint32_t first = serial("app.test");
	rig_control(&rig, "eu", NULL, NULL, 50, 0);
	assert_int_equal(serial("app.test"), first);
	rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}", NULL);
	uint32_t added = serial("app.test");
	assert_true(added > first);
	assert_int_equal(serial("old.test"), 1);
	rig_advance_clocks(2000);
	rig_apply(&rig, "tenants: {bolt: {zone: old.test, service: shop}}", NULL);
	assert_int_equal(serial("app.test"), added);
	assert_true(rig_reload(&rig)); /* what changed last in the store was no tenant of this zone */
	assert_int_equal(serial("app.test"), added);
	rig_remove_tenant(&rig, "acme", NULL);
	uint32_t removed = serial("app.test");
	assert_true(removed > added);
	assert_true(rig_reload(&rig)); /* never backwards */
	assert_int_equal(serial("app.test"), removed);
	rig_stop(&rig);
	struct err_list errors = {0};
	assert_true(rig_start(&rig, &errors));
	assert_int_equal(serial("app.test"), removed);
}

static bool is_loaded(struct rig *unused)
{
	return server_is_loaded(rig.server);
}

/* What goes to standard error while the node starts, and takes three seconds for it. */
static char *log_of_a_slow_start(void)
{
	char *path = rig_path(&rig, "node.yaml"), *text = xcalloc(1, 4096);
	struct err_list errors = {0};
	FILE *log = tmpfile();
	int terminal = dup(STDERR_FILENO);
	assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
	rig.server = server_new(rig.base, path, &rig.hooks, &rig.world, &errors);
	rig_advance_clocks(3000);
	rig_await(&rig, is_loaded);
	dup2(terminal, STDERR_FILENO);
	close(terminal);
	rewind(log);
	assert_true(fread(text, 1, 4095, log) > 0);
	fclose(log);
	free(path);
	return text;
}

static void test_a_long_start_says_how_far_it_is(void **state)
{
	rig_must_start(&rig, FLEET);
	assert_int_equal(rig_apply(&rig, "tenants: {acme: {zone: app.test, service: shop}}\n", NULL),
			 CHANGE_DONE);
	rig_stop(&rig);
	char *log = log_of_a_slow_start();
	assert_non_null(strstr(log, "loading for 3 s: 0 of 1 objects of the store\n"));
	free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_checks_it_serves_at_once),
		TEST(test_it_waits_for_what_the_probes_find),
		TEST(test_it_serves_what_the_probes_found),
		TEST(test_start_wait_bounds_the_wait),
		TEST(test_nothing_is_left_to_wait_for),
		TEST(test_sockets_that_cannot_be_opened_fail_the_start),
		TEST(test_files_that_are_broken_fail_the_start),
		TEST(test_it_can_be_stopped_at_any_moment),
		TEST(test_the_store_is_there_after_a_restart),
		TEST(test_what_clashes_at_the_start_is_set_aside),
		TEST(test_controls_expire_while_the_node_is_down),
		TEST(test_a_reload_takes_everything_over),
		TEST(test_a_bad_reload_changes_nothing),
		TEST(test_keys_of_a_restart_are_named),
		TEST(test_a_reload_that_clashes_with_the_store_is_refused),
		TEST(test_a_reload_whose_api_cannot_listen_is_refused),
		TEST(test_reloads_in_a_row),
		TEST(test_a_long_start_says_how_far_it_is),
		TEST(test_serials_say_what_changed),
		TEST(test_serials_follow_the_tenants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
