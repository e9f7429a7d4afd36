/*
 * forwarderd's control path without a relay: it starts with the fleet of files or of gslbd, and a reload
 * takes all of what is new or nothing.
 */
#include "forwarder/control/server.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/forwarder_server_XXXXXX";
static char config_path[80], fleet_path[80], socket_path[80], snapshot_path[80];
static struct event_base *base;
static struct publish world;
static struct server *server;
static unsigned starts, reloads;
static bool can_bind;
static char *reload_errors;

/* ---- a relay ---- */

static bool start_serving(void *user, struct err_list *errors)
{
	assert_non_null(publish_get(&world));
	starts++;
	if (!can_bind)
		err_add(errors, NULL, 0, 0, "127.0.0.1:1: cannot be bound");
	return can_bind;
}

static const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	static struct sockaddr_storage bound[2];
	struct sockaddr_in plain = {.sin_family = AF_INET, .sin_port = htons(8080)};
	memcpy(&bound[0], &plain, sizeof plain);
	*ret_count = 1;
	return bound;
}

static size_t connections(void *user)
{
	return 5;
}

static const struct server_hooks hooks = {
	.start_serving = start_serving, .listeners = listeners, .connections = connections};

/* ---- files ---- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void write_config(const char *more)
{
	char text[1000];
	snprintf(text, sizeof text,
		 "node: {name: fwd, region: eu, state_dir: %s}\n"
		 "forwarder: {http: ['127.0.0.1:0']%s}\n%s",
		 folder, more, strstr(more, "control:") ? "" : "fleet: [fleet.yaml]\n");
	write_file(config_path, text);
}

static void write_fleet(const char *tenants)
{
	char text[2000];
	snprintf(text, sizeof text,
		 "regions: {eu: {at: [50, 8]}}\n"
		 "zones: {app.example.net: {text: \"@ 60 SOA . . 1 1 1 1 1\\n@ 60 NS ns.example.\"}}\n"
		 "services: {shop: {vips: {eu: [192.0.2.1]}, routes: [{origins: web}], origins: {web: {eu: "
		 "['10.1.0.5:80']}}}}\n"
		 "tenants: {%s}\n",
		 tenants);
	write_file(fleet_path, text);
}

#define TENANT(id) id ": {zone: app.example.net, service: shop}"

static const char *who(const char *name)
{
	static char id[64];
	const struct world *now = publish_get(&world);
	struct hosts_entry entry;
	if (!now || !hosts_find(now->hosts, name, strlen(name), &entry))
		return "";
	snprintf(id, sizeof id, "%.*s", (int)entry.tenant_length, entry.tenant);
	return id;
}

/* ---- the scene ---- */

static int set_up(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(config_path, sizeof config_path, "%s/node.yaml", folder);
	snprintf(fleet_path, sizeof fleet_path, "%s/fleet.yaml", folder);
	snprintf(socket_path, sizeof socket_path, "%s/gslb.sock", folder);
	snprintf(snapshot_path, sizeof snapshot_path, "%s/forwarderd-fleet.jsonl", folder);
	base = event_base_new();
	starts = reloads = 0;
	can_bind = true;
	write_config("");
	write_fleet(TENANT("acme"));
	return 0;
}

static int tear_down(void **state)
{
	server_free(server);
	server = NULL;
	assert_null(publish_get(&world));
	event_base_free(base);
	free(reload_errors);
	reload_errors = NULL;
	unlink(config_path);
	unlink(fleet_path);
	unlink(socket_path);
	unlink(snapshot_path);
	return rmdir(folder);
}

#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static void start(void)
{
	struct err_list errors = {0};
	server = server_new(base, config_path, &hooks, &world, &errors);
	assert_int_equal(errors.count, 0);
	assert_non_null(server);
}

static void on_reloaded(void *user, const struct err_list *errors)
{
	assert_ptr_equal(user, &reloads);
	reloads++;
	free(reload_errors);
	const char *first = err_first_message(errors);
	reload_errors = xstrdup(first ? first : "");
}

static void reload(void)
{
	unsigned before = reloads;
	server_reload(server, on_reloaded, &reloads);
	AWAIT(reloads > before);
}

static void test_the_fleet_of_files(void **state)
{
	start();
	assert_string_equal(server_waiting(server)[0], "fleet");
	assert_int_equal(starts, 0);
	AWAIT(server_is_serving(server));
	assert_int_equal(starts, 1);
	assert_null(server_waiting(server)[0]);
	assert_string_equal(who("acme.app.example.net"), "acme");
	const struct world *now = server_world(server);
	assert_ptr_equal(now, publish_get(&world));
	assert_int_equal(now->epoch, 1);
	assert_int_equal(now->settings.head_bytes, 16384);
	assert_int_equal(now->settings.https_port, 0);
	assert_int_equal(server_connections(server), 5);
	assert_false(server_feed(server, &(struct feed_facts){0}));
	server_drain(server);
	assert_string_equal(server_waiting(server)[0], "draining");
}

static void test_a_reload_takes_all_or_nothing(void **state)
{
	start();
	AWAIT(server_is_serving(server));
	write_fleet(TENANT("beta"));
	write_config(", limits: {head: 8KiB}");
	reload();
	assert_string_equal(reload_errors, "");
	assert_string_equal(who("acme.app.example.net"), "");
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_int_equal(server_world(server)->settings.head_bytes, 8192);
	assert_int_equal(starts, 1);
	write_config("");
	write_fleet(TENANT("gamma") ", broken: {zone: app.example.net, service: nowhere}");
	reload();
	assert_string_not_equal(reload_errors, "");
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_int_equal(server_world(server)->settings.head_bytes, 8192);
	write_fleet(TENANT("gamma"));
	write_config(", workers: 3");
	reload();
	assert_non_null(strstr(reload_errors, "forwarder.workers cannot change"));
	assert_string_equal(who("gamma.app.example.net"), "");
	write_config("");
	/* who asks while files are read gets what stands there then */
	server_reload(server, on_reloaded, &reloads);
	write_fleet(TENANT("gamma") "," TENANT("delta"));
	unsigned before = reloads;
	server_reload(server, on_reloaded, &reloads);
	server_reload(server, on_reloaded, &reloads);
	AWAIT(reloads == before + 3);
	assert_string_equal(who("gamma.app.example.net"), "gamma");
	assert_string_equal(who("delta.app.example.net"), "delta");
}

static void test_what_is_wrong_at_the_start(void **state)
{
	struct err_list errors = {0};
	write_config(", workers: 0");
	assert_null(server_new(base, config_path, &hooks, &world, &errors));
	assert_true(err_has_errors(&errors));
	err_done(&errors);
	write_config("");
	write_fleet("broken: {zone: app.example.net, service: nowhere}");
	assert_false(server_check(config_path, &errors));
	err_done(&errors);
	start();
	AWAIT(server_has_failed(server));
	assert_int_equal(starts, 0);
	server_free(server);
	write_fleet(TENANT("acme"));
	assert_true(server_check(config_path, &errors));
	err_done(&errors);
	can_bind = false;
	start();
	AWAIT(server_has_failed(server));
	assert_int_equal(starts, 1);
	assert_false(server_is_serving(server));
}

/* ---- the fleet of gslbd ---- */

static void on_asked(struct bufferevent *bev, void *user)
{
	static const char answer[] =
		"HTTP/1.0 200 OK\r\n\r\n{\"reset\":true}\n"
		"{\"put\":\"region\",\"id\":\"eu\",\"object\":{\"at\":[50,8]}}\n"
		"{\"put\":\"service\",\"id\":\"shop\",\"object\":{\"vips\":{\"eu\":[\"192.0.2.1\"]},"
		"\"routes\":[{"
		"\"origins\":\"web\"}],\"origins\":{\"web\":{\"eu\":[\"10.1.0.5:80\"]}}}}\n"
		"{\"put\":\"zone\",\"id\":\"app.example.net.\",\"object\":{}}\n"
		"{\"put\":\"tenant\",\"id\":\"acme\",\"object\":{\"zone\":\"app.example.net.\",\"service\":"
		"\"shop\"}}"
		"\n{\"version\":\"a-1\"}\n";
	evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	bufferevent_write(bev, answer, sizeof answer - 1);
}

static void on_accept(struct evconnlistener *by, evutil_socket_t fd, struct sockaddr *address, int length,
		      void *user)
{
	struct bufferevent **peer = user;
	*peer = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(*peer, on_asked, NULL, NULL, NULL);
	bufferevent_enable(*peer, EV_READ | EV_WRITE);
}

static void test_the_fleet_of_gslbd(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct bufferevent *peer = NULL;
	struct feed_facts facts;
	strcpy(address.sun_path, socket_path);
	struct evconnlistener *listener =
		evconnlistener_new_bind(base, on_accept, &peer, LEV_OPT_CLOSE_ON_FREE, 4,
					(struct sockaddr *)&address, sizeof address);
	assert_non_null(listener);
	write_config("}\ncontrol: {api: 'unix:gslb.sock'");
	start();
	assert_string_equal(server_feed_version(server), "0");
	AWAIT(server_is_serving(server));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(server_feed_version(server), "a-1");
	assert_true(server_feed(server, &facts));
	assert_int_equal(facts.state, FEED_OPEN);
	const char *added = "{\"put\":\"tenant\",\"id\":\"beta\",\"object\":{\"zone\":\"app.example.net.\","
			    "\"service\":\"shop\"}}\n{\"version\":\"a-2\"}\n";
	uint64_t start_ms = clock_mono_ms();
	bufferevent_write(peer, added, strlen(added));
	AWAIT(*who("beta.app.example.net"));
	assert_true(clock_mono_ms() - start_ms < 100); /* goal 20 */
	/* a reload is node.yaml's alone */
	write_config(", limits: {head: 8KiB}}\ncontrol: {api: 'unix:gslb.sock'");
	reload();
	assert_string_equal(reload_errors, "");
	assert_int_equal(server_world(server)->settings.head_bytes, 8192);
	assert_string_equal(who("beta.app.example.net"), "beta");
	bufferevent_free(peer);
	evconnlistener_free(listener);
	/* and a restart needs no gslbd */
	server_free(server);
	start();
	AWAIT(server_is_serving(server));
	AWAIT(strcmp(who("beta.app.example.net"), "beta") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_fleet_of_files),
		TEST(test_a_reload_takes_all_or_nothing),
		TEST(test_what_is_wrong_at_the_start),
		TEST(test_the_fleet_of_gslbd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
