/*
 * The feed against a small gslbd of this file: what it tells is served, from which version it is asked again,
 * and that nothing stops when it goes.
 */
#include "forwarder/feed/feed.h"
#include "tests/unit/feed_fixture.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/feed_XXXXXX";
static char socket_path[64], snapshot_path[64];
static struct feed *feed;
static unsigned was_read;

/* ---- a gslbd ---- */

static struct evconnlistener *listener;
static struct bufferevent *peer; /* the last one that connected; NULL: none is open */
static unsigned requests;
static char request[512];  /* the last one */
static const char *answer; /* to each request, at once; then it stays open */
static bool closes;	   /* behind the answer */
static bool is_answered;

static void on_peer_written(struct bufferevent *bev, void *user)
{
	if (closes && is_answered && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
		bufferevent_free(bev);
		peer = NULL;
	}
}

static void on_peer_read(struct bufferevent *bev, void *user)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos < 0)
		return;
	int length = evbuffer_remove(input, request, sizeof request - 1);
	assert_true(length > 0);
	request[length] = 0;
	requests++;
	is_answered = true;
	bufferevent_write(bev, answer, strlen(answer));
}

static void on_peer_event(struct bufferevent *bev, short what, void *user)
{
	bufferevent_free(bev);
	if (peer == bev)
		peer = NULL;
}

static void on_accept(struct evconnlistener *by, evutil_socket_t fd, struct sockaddr *address, int length,
		      void *user)
{
	assert_null(peer); /* one connection at a time */
	is_answered = false;
	peer = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(peer, on_peer_read, on_peer_written, on_peer_event, NULL);
	bufferevent_enable(peer, EV_READ | EV_WRITE);
}

static void gslbd_starts(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, socket_path);
	unlink(socket_path);
	listener =
		evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
					16, (struct sockaddr *)&address, sizeof address);
	assert_non_null(listener);
}

static void gslbd_goes(void)
{
	if (peer)
		bufferevent_free(peer);
	peer = NULL;
	evconnlistener_free(listener);
	listener = NULL;
}

static void tell(const char *lines)
{
	bufferevent_write(peer, lines, strlen(lines));
}

#define HEAD "HTTP/1.0 200 OK\r\nContent-Type: application/jsonl\r\n\r\n"
#define FLEET RESET REGION SERVICE ZONE TENANT("acme")

/* ---- the scene ---- */

static void on_read(void *user)
{
	assert_ptr_equal(user, &was_read);
	was_read++;
}

static const struct feed_hooks feed_hooks = {&was_read, on_read};

static int set_up(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof socket_path, "%s/gslb.sock", folder);
	snprintf(snapshot_path, sizeof snapshot_path, "%s/fleet", folder);
	shared_new();
	copy_new();
	requests = 0;
	closes = false;
	answer = HEAD FLEET VERSION("a-1");
	was_read = 0;
	feed = feed_new(base, socket_path, snapshot_path, copy, &feed_hooks);
	return 0;
}

static int tear_down(void **state)
{
	if (listener)
		gslbd_goes();
	feed_free(feed);
	copy_free();
	shared_free();
	unlink(socket_path);
	unlink(snapshot_path);
	return rmdir(folder);
}

#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static struct feed_facts facts(void)
{
	struct feed_facts facts;
	feed_facts(feed, &facts);
	return facts;
}

static bool was_asked_from(const char *version)
{
	char line[100];
	snprintf(line, sizeof line, "GET /v1/changes?since=%s&wait=30s HTTP/1.0\r\n", version);
	return strncmp(request, line, strlen(line)) == 0;
}

static void test_what_is_told_is_served(void **state)
{
	gslbd_starts();
	AWAIT(replaced == 1);
	assert_true(was_asked_from("0"));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_int_equal(facts().state, FEED_OPEN);
	assert_true(facts().heard_ms > 0);
	uint64_t start_ns = clock_mono_ns();
	tell(TENANT("beta") VERSION("a-2"));
	AWAIT(changed == 1);
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_true(clock_mono_ns() - start_ns < 100000000); /* goal 20 ms */
	/* a line in pieces */
	tell("{\"put\":\"tenant\",\"id\":\"gamma\",\"object\":{\"zone\":");
	event_base_loop(base, EVLOOP_NONBLOCK);
	tell("\"app.example.net.\",\"service\":\"shop\"}}");
	event_base_loop(base, EVLOOP_NONBLOCK);
	tell("\n{\"version\":\"a-3\"}\n");
	AWAIT(changed == 2);
	assert_string_equal(who("gamma.app.example.net"), "gamma");
	assert_int_equal(requests, 1);
}

static void test_the_end_of_a_reply_is_no_fault(void **state)
{
	closes = true;
	gslbd_starts();
	AWAIT(replaced == 1);
	answer = HEAD TENANT("beta") VERSION("a-2") TENANT("gamma");
	AWAIT(changed == 1);
	assert_true(was_asked_from("a-1"));
	answer = HEAD VERSION("a-2");
	unsigned before = requests;
	AWAIT(requests > before + 1);
	assert_true(was_asked_from("a-2"));
	assert_string_equal(who("gamma.app.example.net"), ""); /* its version never came */
}

static void test_it_is_waited_for(void **state)
{
	AWAIT(facts().state == FEED_LOST && *facts().problem);
	answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
	gslbd_starts();
	AWAIT(strstr(facts().problem, "503"));
	assert_int_equal(replaced, 0);
	answer = "not HTTP\r\n\r\n";
	AWAIT(strstr(facts().problem, "not HTTP"));
	answer = HEAD FLEET VERSION("a-1");
	AWAIT(replaced == 1);
	assert_string_equal(who("acme.app.example.net"), "acme");
}

static void test_lost_and_found_again(void **state)
{
	gslbd_starts();
	AWAIT(replaced == 1);
	gslbd_goes();
	AWAIT(facts().state == FEED_LOST);
	assert_string_equal(who("acme.app.example.net"), "acme");
	answer = HEAD TENANT("beta") VERSION("a-2");
	gslbd_starts();
	AWAIT(changed == 1);
	assert_true(was_asked_from("a-1"));
	/* another instance begins anew */
	gslbd_goes();
	answer = HEAD RESET REGION SERVICE ZONE TENANT("other") VERSION("b-1");
	gslbd_starts();
	AWAIT(replaced == 2);
	assert_true(was_asked_from("a-2"));
	assert_string_equal(who("acme.app.example.net"), "");
	assert_string_equal(who("other.app.example.net"), "other");
}

static void test_what_is_no_feed_is_asked_for_anew(void **state)
{
	gslbd_starts();
	AWAIT(replaced == 1);
	answer = HEAD FLEET TENANT("beta") VERSION("a-3");
	tell("nonsense\n");
	AWAIT(replaced == 2);
	assert_true(was_asked_from("0"));
	assert_string_equal(who("beta.app.example.net"), "beta");
}

static void test_a_restart_serves_without_gslbd(void **state)
{
	gslbd_starts();
	AWAIT(replaced == 1);
	tell(TENANT("beta") VERSION("a-2"));
	AWAIT(changed == 1);
	gslbd_goes();
	feed_free(feed);
	copy_free();
	copy_new();
	feed = feed_new(base, socket_path, snapshot_path, copy, &feed_hooks);
	assert_int_equal(facts().state, FEED_READING);
	AWAIT(was_read == 2);
	assert_int_equal(replaced, 1);
	assert_int_equal(changed, 1); /* all of the file */
	assert_string_equal(who("beta.app.example.net"), "beta");
	AWAIT(facts().state == FEED_LOST);
	answer = HEAD GONE("tenant", "acme") VERSION("a-3");
	gslbd_starts();
	AWAIT(changed == 2);
	assert_true(was_asked_from("a-2"));
	assert_string_equal(who("acme.app.example.net"), "");
	feed_tick(feed, fleet);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_told_is_served),
		TEST(test_the_end_of_a_reply_is_no_fault),
		TEST(test_it_is_waited_for),
		TEST(test_lost_and_found_again),
		TEST(test_what_is_no_feed_is_asked_for_anew),
		TEST(test_a_restart_serves_without_gslbd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
