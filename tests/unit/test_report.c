/* Reports of load as gslbd gets them: each second, at once when origins change, with epochs that only grow.
 */
#include "forwarder/control/report.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/report_XXXXXX";
static char socket_path[80], epoch_path[80];
static struct event_base *base;
static struct evconnlistener *listener;
static struct report *report;
static struct origin *origin;
static struct pool_member member;
static struct pool_state pool_state;
static struct pool web;
static const struct pool *const pools[] = {&web};
static const struct route_service shop = {.id = "shop"};
static const struct route_service *const services[] = {&shop};
static const struct world world = {.pool_count = 1, .pools = pools, .service_count = 1, .services = services};
static bool has_world, drains;
/* What came. */
static unsigned count;
static struct load_report last;
static uint64_t came_ms;
static const char *reply;

/* ---- a gslbd ---- */

static void take(const char *body)
{
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(body, strlen(body), &errors);
	load_report_done(&last);
	assert_true(doc && load_report_read(doc, &last, &errors));
	doc_free(doc);
	err_done(&errors);
	count++;
	came_ms = clock_mono_ms();
}

static void on_sent(struct bufferevent *connection, void *user)
{
	if (evbuffer_get_length(bufferevent_get_output(connection)) == 0)
		bufferevent_free(connection);
}

static void on_gone(struct bufferevent *connection, short what, void *user)
{
	bufferevent_free(connection);
}

static void on_request(struct bufferevent *connection, void *user)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	size_t length = evbuffer_get_length(input);
	char *text = xstrndup((const char *)evbuffer_pullup(input, -1), length);
	char *body = strstr(text, "\r\n\r\n"), *said = strstr(text, "Content-Length: ");
	assert_memory_equal(text, "POST /v1/load HTTP/1.0\r\n", 24);
	if (body && said && strlen(body + 4) == strtoul(said + 16, NULL, 10)) {
		take(body + 4);
		bufferevent_setcb(connection, NULL, on_sent, on_gone, NULL);
		bufferevent_write(connection, reply, strlen(reply));
	}
	free(text);
}

static void on_accept(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address, int length,
		      void *user)
{
	struct bufferevent *connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(connection, on_request, NULL, on_gone, NULL);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unlink(socket_path);
	strcpy(address.sun_path, socket_path);
	listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 16,
					   (struct sockaddr *)&address, sizeof address);
	assert_non_null(listener);
}

/* ---- a forwarder ---- */

static bool look(void *user, struct report_view *ret)
{
	*ret = (struct report_view){.world = &world, .capacity = 40};
	return has_world;
}

static bool is_draining(void *user)
{
	return drains;
}

static struct report *start(void)
{
	const struct report_settings settings = {
		.socket_path = socket_path, .node = "fwd-1", .region = "eu", .epoch_path = epoch_path};
	return report_new(base, &settings, &(struct report_hooks){NULL, look, is_draining});
}

static int setup(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(socket_path, sizeof socket_path, "%s/gslb.sock", folder);
	snprintf(epoch_path, sizeof epoch_path, "%s/epoch", folder);
	reply = "HTTP/1.0 200 OK\r\n\r\n{\"accepted\":true,\"controls_seq\":\"a-1\"}";
	count = 0;
	has_world = true;
	drains = false;
	origin = xcalloc_apart(sizeof *origin);
	member = (struct pool_member){origin, 1};
	web = (struct pool){.name = "web",
			    .state = &pool_state,
			    .concurrency = 100,
			    .member_count = 1,
			    .weight_total = 1,
			    .members = &member};
	base = event_base_new();
	listen_here();
	report = start();
	return 0;
}

static int teardown(void **state)
{
	report_free(report);
	if (listener)
		evconnlistener_free(listener);
	listener = NULL;
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	load_report_done(&last);
	free(origin);
	unlink(socket_path);
	unlink(epoch_path);
	rmdir(folder);
	return 0;
}

#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static struct report_facts facts(void)
{
	struct report_facts now;
	report_facts(report, &now);
	return now;
}

static void test_each_second(void **state)
{
	AWAIT(count == 1);
	uint64_t first_ms = came_ms, seq = last.seq;
	assert_string_equal(last.node, "fwd-1");
	assert_string_equal(last.region, "eu");
	assert_int_equal(last.state, LOAD_UP);
	assert_int_equal(last.service_count, 1);
	assert_int_equal(last.services[0].max, 40);
	AWAIT(count == 3);
	assert_in_range(came_ms - first_ms, 1900, 3000);
	assert_int_equal(last.seq, seq + 2);
	AWAIT(facts().sent == 3 && facts().accepted_ms > 0);
	assert_string_equal(facts().problem, "");
}

static void test_at_once_when_origins_change(void **state)
{
	AWAIT(count == 1);
	uint64_t before_ms = clock_mono_ms();
	origin->state = ORIGIN_DOWN;
	AWAIT(last.service_count == 1 && last.services[0].origins_usable == 0);
	assert_in_range(came_ms - before_ms, 0, 300); /* 50, on a machine with nothing else to do */
	before_ms = clock_mono_ms();
	drains = true;
	AWAIT(last.state == LOAD_DRAINING);
	assert_in_range(came_ms - before_ms, 0, 300);
}

static void test_nothing_is_told_before_there_is_a_world(void **state)
{
	has_world = false;
	struct timeval wait = {.tv_usec = 200000};
	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
	assert_int_equal(count, 0);
	has_world = true;
	AWAIT(count == 1);
}

static void test_epochs_grow(void **state)
{
	AWAIT(count == 1);
	uint64_t epoch = last.epoch;
	report_free(report);
	report = start();
	AWAIT(count == 2);
	assert_true(last.epoch > epoch);
	/* Also where the clock was behind when the last one began. */
	FILE *file = fopen(epoch_path, "w");
	fprintf(file, "99999999999\n");
	fclose(file);
	report_free(report);
	report = start();
	AWAIT(count == 3);
	assert_true(last.epoch == 100000000000);
}

static void test_what_is_wrong_is_told_and_tried_again(void **state)
{
	reply = "HTTP/1.0 503 Service Unavailable\r\n\r\n{}";
	AWAIT(facts().failed > 0);
	assert_non_null(strstr(facts().problem, "503"));
	reply = "HTTP/1.0 200 OK\r\n\r\n{\"accepted\":false}";
	AWAIT(strstr(facts().problem, "later one"));
	evconnlistener_free(listener);
	listener = NULL;
	unlink(socket_path);
	AWAIT(strstr(facts().problem, "No such file"));
	reply = "HTTP/1.0 200 OK\r\n\r\n{\"accepted\":true}";
	listen_here();
	AWAIT(facts().problem[0] == '\0');
	assert_true(facts().accepted_ms > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_once_when_origins_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_told_before_there_is_a_world, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_epochs_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_wrong_is_told_and_tried_again, setup, teardown),
	};
	signal(SIGPIPE, SIG_IGN); /* one that ends while it is answered */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
