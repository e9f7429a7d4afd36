/*
 * forwarderd's control path without a relay: it starts with the fleet of files or of gslbd, and a reload
 * takes all of what is new or nothing.
 */
#include "tests/unit/forwarder_fixture.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/un.h>

static unsigned reloads;
static char *reload_errors;

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
	assert_string_equal(who("beta.app.example.net"), "beta");
}

static int tear_down_all(void **state)
{
	free(reload_errors);
	reload_errors = NULL;
	return tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_all)

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
