/* DNS over TCP on real connections: framing, pipelining, limits, ends (gslb/serve/tcp.c). */
#include "gslb/decide/resolve.h"
#include "gslb/serve/workers.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/support/client.h"
#include "tests/support/fixture.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OCTETS_50 "01234567890123456789012345678901234567890123456789"
#define OCTETS_200 OCTETS_50 OCTETS_50 OCTETS_50 OCTETS_50

static const char zone_text[] = "zone example\n"
				"@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
				"www 300 IN A 192.0.2.80\n"
				"big 300 IN TXT " OCTETS_200 " a\n"
				"big 300 IN TXT " OCTETS_200 " b\n"
				"big 300 IN TXT " OCTETS_200 " c\n"
				"big 300 IN TXT " OCTETS_200 " d\n"
				"big 300 IN TXT " OCTETS_200 " e\n"
				"end\n";

static struct publish published;
static struct workers *workers;
static uint8_t reply[MESSAGE_MAX];
static struct packet query;
static uint8_t framed_query[2 + sizeof query.octets];

static void ask_for(const char *name, const char *type)
{
	packet_query(&query, name, type);
	framed_query[1] = (uint8_t)query.length;
	memcpy(framed_query + 2, query.octets, query.length);
}

/* Starts with `set` lines of the fixture. */
static void start_threads(const char *settings, unsigned threads)
{
	char *text = xasprintf("%s\n%s", settings, zone_text);
	published.current = fixture_world(text);
	free(text);
	struct listen_address listen;
	assert_true(listen_parse_dns("127.0.0.1@0", &listen));
	struct workers_config config = {.listen = &listen,
					.listen_count = 1,
					.workers = threads,
					.sockets = {.buffer_bytes = 1 << 20},
					.world = &published};
	struct err_list errors = {0};
	workers = workers_start(&config, &errors);
	assert_non_null(workers);
	ask_for("www.example.", "A");
}

static void start(const char *settings)
{
	start_threads(settings, 1);
}

static int tear_down(void **state)
{
	workers_stop(workers);
	world_free(published.current);
	return 0;
}

static int connection(void)
{
	size_t count;
	return client_tcp(workers_listeners(workers, &count));
}

static uint64_t dropped(enum drop_reason reason)
{
	size_t count;
	struct stats *const *stats = workers_stats(workers, &count);
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += counter_read(&stats[i]->dropped[reason]);
	return total;
}

static void expect_reply(int fd)
{
	assert_int_equal(client_receive_tcp(fd, reply, sizeof reply), query.length + 16);
}

/* Octet by octet, and many in one write: each is answered, in order. */
static void test_framing(void **state)
{
	enum { QUERIES = 500 };
	start("");
	int fd = connection(), on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	for (size_t i = 0; i < 2 + query.length; i++)
		client_send(fd, framed_query + i, 1);
	expect_reply(fd);

	size_t length = 2 + query.length;
	uint8_t *many = xmalloc(QUERIES * length);
	for (size_t i = 0; i < QUERIES; i++) {
		memcpy(many + i * length, framed_query, length);
		many[i * length + 2] = (uint8_t)(i >> 8);
		many[i * length + 3] = (uint8_t)i;
	}
	client_send(fd, many, QUERIES * length);
	for (size_t i = 0; i < QUERIES; i++) {
		expect_reply(fd);
		assert_int_equal(reply[0] << 8 | reply[1], i);
	}
	free(many);
	close(fd);
}

/* The peer has said all it will, and still gets what it asked for. */
static void test_half_close(void **state)
{
	start("");
	int fd = connection();
	client_send_tcp(fd, &query);
	client_send_tcp(fd, &query);
	shutdown(fd, SHUT_WR);
	expect_reply(fd);
	expect_reply(fd);
	assert_true(client_is_closed(fd));
	close(fd);
}

static void test_rubbish_closes(void **state)
{
	static const uint8_t empty[2] = {0, 0}, small[] = {0, 3, 1, 2, 3};
	start("");
	int fd = connection();
	client_send_tcp(fd, &query);
	client_send(fd, empty, sizeof empty);
	expect_reply(fd); /* what came before is answered */
	assert_true(client_is_closed(fd));
	close(fd);
	fd = connection();
	client_send(fd, small, sizeof small);
	assert_true(client_is_closed(fd));
	close(fd);
	fd = connection();
	query.octets[2] = 0x80;
	client_send_tcp(fd, &query);
	assert_true(client_is_closed(fd));
	close(fd);
}

static void test_idle(void **state)
{
	start("set tcp_idle_ms=200");
	int silent = connection(), half = connection();
	uint64_t start_ms = clock_mono_ms();
	client_send(half, "\0", 1);
	assert_true(client_is_closed(silent));
	assert_true(client_is_closed(half));
	uint64_t waited_ms = clock_mono_ms() - start_ms;
	assert_in_range(waited_ms, 150, 4000);
	close(silent);
	close(half);
}

/* The replies to the last queries that are allowed still arrive, then the server closes. */
static void test_queries_of_a_connection(void **state)
{
	start("set tcp_queries=3");
	int fd = connection();
	for (int i = 0; i < 10; i++)
		client_send_tcp(fd, &query);
	for (int i = 0; i < 3; i++)
		expect_reply(fd);
	assert_true(client_is_closed(fd));
	close(fd);
}

/* Out of places: the one that has idled longest makes room. */
static void test_all_places_taken(void **state)
{
	start("set tcp_connections=3");
	int first = connection(), second = connection(), third = connection();
	int *all[] = {&first, &second, &third};
	for (int i = 0; i < 3; i++) {
		client_send_tcp(*all[i], &query);
		expect_reply(*all[i]);
	}
	client_send_tcp(first, &query); /* now the second is the oldest */
	expect_reply(first);
	int fourth = connection();
	client_send_tcp(fourth, &query);
	expect_reply(fourth);
	assert_true(client_is_closed(second));
	client_send_tcp(first, &query);
	expect_reply(first);
	client_send_tcp(third, &query);
	expect_reply(third);
	assert_int_equal(dropped(DROP_LIMIT), 1);
	for (int i = 0; i < 3; i++)
		close(*all[i]);
	close(fourth);
}

/* No client takes more than its share, and what it gives back it may take again. */
static void test_places_of_a_client(void **state)
{
	start("set tcp_per_client=2");
	int first = connection(), second = connection();
	client_send_tcp(first, &query);
	expect_reply(first);
	client_send_tcp(second, &query);
	expect_reply(second);
	int third = connection();
	assert_true(client_is_closed(third));
	assert_int_equal(dropped(DROP_LIMIT), 1);
	close(third);
	shutdown(second, SHUT_WR);
	assert_true(client_is_closed(second)); /* the server has noticed */
	third = connection();
	client_send_tcp(third, &query);
	expect_reply(third);
	close(first);
	close(second);
	close(third);
}

/* Connections are spread over the threads, and the limits are those of all together. */
static void test_several_threads(void **state)
{
	enum { CONNECTIONS = 64 };
	start_threads("set tcp_per_client=64 tcp_connections=64", 4);
	int fds[CONNECTIONS];
	for (int i = 0; i < CONNECTIONS; i++) {
		fds[i] = connection();
		client_send_tcp(fds[i], &query);
		expect_reply(fds[i]);
	}
	size_t count, threads = 0;
	struct stats *const *stats = workers_stats(workers, &count);
	for (size_t i = 0; i < count; i++)
		threads += counter_read(&stats[i]->transport[TRANSPORT_TCP].responses[RCODE_NOERROR]) != 0;
	assert_int_equal(threads, 4);
	int beyond = connection();
	assert_true(client_is_closed(beyond)); /* its share is full, whichever thread it came to */
	close(beyond);
	for (int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
}

/* Out of places with several threads: whoever comes is served in the end, at the cost of those that idle
 * with this thread or another, and no more than the limit are open at any time. */
static void test_all_places_of_several_threads(void **state)
{
	enum { CONNECTIONS = 40, PLACES = 3, ATTEMPTS = 100 };
	start_threads("set tcp_connections=3", 4);
	struct pollfd open[CONNECTIONS];
	for (int i = 0; i < CONNECTIONS; i++) {
		bool is_served = false;
		for (int attempt = 0; attempt < ATTEMPTS && !is_served; attempt++) {
			open[i] = (struct pollfd){.fd = connection(), .events = POLLIN};
			send(open[i].fd, framed_query, 2 + query.length, MSG_NOSIGNAL);
			is_served = client_receive_tcp(open[i].fd, reply, sizeof reply) != 0;
			if (!is_served)
				close(open[i].fd);
		}
		assert_true(is_served);
		int closed = poll(open, (nfds_t)i + 1, 0); /* an end can be read */
		assert_true(i + 1 - closed <= PLACES);
	}
	for (int i = 0; i < CONNECTIONS; i++)
		close(open[i].fd);
}

/* A client that sends and does not read: the server stops reading, serves others, and in the end
 * closes; what is not read is not kept without bound. */
static void test_slow_reader(void **state)
{
	start("set tcp_idle_ms=300");
	int slow = connection(), quick;
	size_t sent = 0;
	struct pollfd poll_slow = {.fd = slow, .events = POLLOUT};
	/* until the server's and the kernel's buffers are full, or it has given up on us */
	while (sent < ((size_t)64 << 20) && poll(&poll_slow, 1, 1000) == 1 &&
	       !(poll_slow.revents & (POLLERR | POLLHUP))) {
		ssize_t n = send(slow, framed_query, 2 + query.length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n != (ssize_t)(2 + query.length))
			break;
		sent += (size_t)n;
	}
	assert_true(sent < ((size_t)64 << 20));
	quick = connection();
	client_send_tcp(quick, &query);
	expect_reply(quick);
	close(quick);
	poll_slow.events = 0; /* an end is always reported */
	assert_int_equal(poll(&poll_slow, 1, 5000), 1);
	close(slow);
}

/* Of a client whose buffers hold little, so that the server is soon held up. */
static int narrow_connection(int send_bytes)
{
	size_t count;
	const struct sockaddr_storage *server = workers_listeners(workers, &count);
	struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), receive_bytes = 4096;
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)server, sizeof(struct sockaddr_in)), 0);
	return fd;
}

static void expect_big_reply(int fd, unsigned id)
{
	assert_in_range(client_receive_tcp(fd, reply, sizeof reply), 1000, 1200);
	assert_int_equal(reply[0] << 8 | reply[1], id);
}

/* Sends as many queries as go in; their ids count. `partial`: octets that the last one has sent. */
static unsigned send_queries(int fd, unsigned from, unsigned to, size_t *partial)
{
	size_t length = 2 + query.length;
	while (from < to) {
		framed_query[2] = (uint8_t)(from >> 8);
		framed_query[3] = (uint8_t)from;
		ssize_t n = send(fd, framed_query + *partial, length - *partial, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			break;
		*partial += (size_t)n;
		if (*partial == length) {
			*partial = 0;
			from++;
		}
	}
	return from;
}

/* The server cannot send all its replies: it stops reading, and takes up where it stopped as the client
 * reads. No query is lost or answered twice. */
static void test_long_pipeline(void **state)
{
	enum { QUERIES = 20000 };
	start("");
	ask_for("big.example.", "TXT"); /* 20 MB of replies, more than kernels take */
	int fd = narrow_connection(4096);
	size_t partial = 0;
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	unsigned sent = 0;
	while (sent < QUERIES && poll(&writable, 1, 200) == 1)
		sent = send_queries(fd, sent, QUERIES, &partial);
	assert_true(sent < QUERIES); /* nothing more goes in: nobody reads at the other end */
	for (unsigned received = 0; received < QUERIES; received++) {
		sent = send_queries(fd, sent, QUERIES, &partial);
		expect_big_reply(fd, received);
	}
	close(fd);
}

/* A client that has said all it will, or all it may, still gets the replies that are held up. */
static void test_end_with_replies_held_up(void **state)
{
	enum { QUERIES = 8000 };
	static const char *const settings[] = {"", "set tcp_queries=8000"};
	for (unsigned i = 0; i < 2; i++) {
		start(settings[i]);
		ask_for("big.example.", "TXT");
		int fd = narrow_connection(1 << 20);
		size_t partial = 0;
		unsigned sent = 0;
		while (sent < QUERIES)
			sent = send_queries(fd, sent, QUERIES, &partial);
		if (i == 0)
			shutdown(fd, SHUT_WR);
		for (unsigned received = 0; received < QUERIES; received++) {
			expect_big_reply(fd, received);
		}
		assert_true(client_is_closed(fd));
		close(fd);
		if (i == 0)
			tear_down(state);
	}
}

/* The largest message there is, in pieces that the server reads one by one, and what follows it. */
static void test_largest_message(void **state)
{
	start("");
	int fd = connection();
	static uint8_t message[2 + MESSAGE_MAX] = {0xff, 0xff};
	memcpy(message + 2, query.octets, query.length);
	message[2] = 0x77; /* its id; the rest is a query with octets behind it */
	for (size_t at = 0; at < sizeof message; at += 5000) {
		size_t left = sizeof message - at;
		client_send(fd, message + at, left < 5000 ? left : 5000);
	}
	client_send(fd, framed_query, 2 + query.length);
	assert_in_range(client_receive_tcp(fd, reply, sizeof reply), 12, 512);
	assert_int_equal(reply[0], 0x77);
	assert_int_equal(reply[3] & 15, RCODE_FORMERR);
	expect_reply(fd);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_framing, tear_down),
		cmocka_unit_test_teardown(test_half_close, tear_down),
		cmocka_unit_test_teardown(test_rubbish_closes, tear_down),
		cmocka_unit_test_teardown(test_idle, tear_down),
		cmocka_unit_test_teardown(test_queries_of_a_connection, tear_down),
		cmocka_unit_test_teardown(test_all_places_taken, tear_down),
		cmocka_unit_test_teardown(test_places_of_a_client, tear_down),
		cmocka_unit_test_teardown(test_several_threads, tear_down),
		cmocka_unit_test_teardown(test_all_places_of_several_threads, tear_down),
		cmocka_unit_test_teardown(test_slow_reader, tear_down),
		cmocka_unit_test_teardown(test_long_pipeline, tear_down),
		cmocka_unit_test_teardown(test_end_with_replies_held_up, tear_down),
		cmocka_unit_test_teardown(test_largest_message, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
