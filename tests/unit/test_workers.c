/* Real sockets and threads: binding, UDP, worlds that change under way, stopping (gslb/serve/workers.c,
 * udp.c). TCP's own rules are in test_tcp.c. */
#include "gslb/serve/workers.h"
#include "lib/clock.h"
#include "tests/support/client.h"
#include "tests/support/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define STOP_MS 500

static const char world_text[] = "region eu 50 8\n"
				 "service shop order=listed\n"
				 "vip shop eu 192.0.2.11\n"
				 "zone example\n"
				 "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
				 "end\n"
				 "tenant acme.example shop\n";

static struct publish published;
static struct workers *workers;
static uint8_t reply[MESSAGE_MAX];
static struct packet query;

static struct listen_address address(const char *text)
{
	struct listen_address listen;
	assert_true(listen_parse_dns(text, &listen));
	return listen;
}

static void start(const struct listen_address *listen, size_t count, unsigned udp_workers)
{
	struct workers_config config = {.listen = listen,
					.listen_count = count,
					.workers = udp_workers,
					.sockets = {.buffer_bytes = 1 << 20},
					.world = &published};
	struct err_list errors = {0};
	workers = workers_start(&config, &errors);
	if (errors.count != 0)
		err_print(&errors, stderr);
	assert_non_null(workers);
	err_done(&errors);
}

static const struct sockaddr_storage *listener(size_t number)
{
	size_t count;
	const struct sockaddr_storage *listeners = workers_listeners(workers, &count);
	assert_true(number < count);
	return &listeners[number];
}

static uint64_t sum(size_t offset)
{
	size_t count;
	struct stats *const *stats = workers_stats(workers, &count);
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += counter_read((const counter *)((const char *)stats[i] + offset));
	return total;
}

static int set_up(void **state)
{
	published.current = fixture_world(world_text);
	packet_query(&query, "acme.example.", "A");
	return 0;
}

static int tear_down(void **state)
{
	uint64_t start_ms = clock_mono_ms();
	workers_stop(workers);
	workers = NULL;
	assert_true(clock_mono_ms() - start_ms < STOP_MS);
	world_free(published.current);
	return 0;
}

/* Every address of every family answers on both transports, on the one port that the kernel chose. */
static void test_listeners(void **state)
{
	struct listen_address listen[] = {address("127.0.0.1@0"), address("::1@0"), address("0.0.0.0@0"),
					  address("::@0")};
	start(listen, 4, 2);
	for (size_t i = 0; i < 4; i++) {
		struct sockaddr_storage server = *listener(i);
		if (i == 2) /* any address of this machine, and it answers from the one asked */
			((struct sockaddr_in *)&server)->sin_addr.s_addr = htonl(0x7f000002);
		if (i == 3)
			((struct sockaddr_in6 *)&server)->sin6_addr = in6addr_loopback;
		int udp = client_udp(&server), tcp = client_tcp(&server);
		client_send_udp(udp, &query);
		client_send_tcp(tcp, &query);
		assert_int_equal(client_receive_udp(udp, reply, sizeof reply), query.length + 16);
		assert_memory_equal(reply + query.length + 12, "\xc0\0\2\x0b", 4);
		assert_int_equal(client_receive_tcp(tcp, reply, sizeof reply), query.length + 16);
		close(udp);
		close(tcp);
	}
}

static void test_many_clients(void **state)
{
	enum { CLIENTS = 64, QUERIES = 20 };
	struct listen_address listen = address("127.0.0.1@0");
	start(&listen, 1, 3);
	int clients[CLIENTS];
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = client_udp(listener(0));
	for (int round = 0; round < QUERIES; round++) {
		for (int i = 0; i < CLIENTS; i++)
			client_send_udp(clients[i], &query);
		for (int i = 0; i < CLIENTS; i++)
			assert_int_equal(client_receive_udp(clients[i], reply, sizeof reply),
					 query.length + 16);
	}
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	size_t queries = offsetof(struct stats, transport[TRANSPORT_UDP].queries) +
			 rrtype_metric_row(RR_A) * sizeof(counter);
	assert_int_equal(sum(queries), CLIENTS * QUERIES);
}

/* A packet that deserves silence neither gets a reply nor holds up the next one. */
static void test_silence(void **state)
{
	struct listen_address listen = address("127.0.0.1@0");
	start(&listen, 1, 1);
	int fd = client_udp(listener(0));
	client_send(fd, "", 0);
	client_send(fd, "short", 5);
	struct packet response = query;
	response.octets[2] = 0x80;
	client_send_udp(fd, &response);
	query.octets[0] = 0x77;
	client_send_udp(fd, &query);
	assert_int_equal(client_receive_udp(fd, reply, sizeof reply), query.length + 16);
	assert_int_equal(reply[0], 0x77);
	close(fd);
	assert_int_equal(sum(offsetof(struct stats, dropped[DROP_MALFORMED])), 2);
	assert_int_equal(sum(offsetof(struct stats, dropped[DROP_RESPONSE])), 1);
}

/* Worlds come and go while queries run; each old one is freed as soon as publish_swap gives it back. */
static void test_worlds_change(void **state)
{
	struct listen_address listen = address("127.0.0.1@0");
	start(&listen, 1, 2);
	int udp = client_udp(listener(0)), tcp = client_tcp(listener(0));
	for (int i = 0; i < 100; i++) {
		client_send_udp(udp, &query);
		client_send_tcp(tcp, &query);
		world_free(publish_swap(&published, fixture_world(world_text)));
		assert_int_equal(client_receive_udp(udp, reply, sizeof reply), query.length + 16);
		assert_int_equal(client_receive_tcp(tcp, reply, sizeof reply), query.length + 16);
	}
	close(udp);
	close(tcp);
}

/* An address that is taken is named, and nothing of the rest stays open. */
static void test_address_in_use(void **state)
{
	struct listen_address listen[2] = {address("127.0.0.1@0")};
	start(listen, 1, 1);
	listen[0].sockaddr = *listener(0);
	listen[1] = address("192.0.2.1@53"); /* not of this machine */
	struct workers_config config = {.listen = listen,
					.listen_count = 2,
					.workers = 2,
					.sockets = {.buffer_bytes = 1 << 20},
					.world = &published};
	struct err_list errors = {0};
	int before = dup(0), after;
	assert_null(workers_start(&config, &errors));
	assert_int_equal(errors.count, 2);
	assert_non_null(strstr(errors.items[0].message, "cannot listen on 127.0.0.1@"));
	assert_non_null(strstr(errors.items[1].message, "cannot listen on 192.0.2.1@53: "));
	err_done(&errors);
	close(before);
	after = dup(0);
	assert_int_equal(before, after); /* no descriptor is left behind */
	close(after);
}

/* What one thread counts stands in no cache line that another one writes, and the pointer that all of them
 * read in none that anybody writes often. */
static void test_threads_stand_apart(void **state)
{
	struct listen_address listen = address("127.0.0.1@0");
	start(&listen, 1, 4);
	size_t count;
	struct stats *const *stats = workers_stats(workers, &count);
	assert_int_equal(count, 8);
	for (size_t i = 0; i < count; i++)
		assert_int_equal((uintptr_t)stats[i] % MEM_APART, 0);
	assert_int_equal(sizeof(struct publish) % MEM_APART, 0);
	assert_int_equal((uintptr_t)&published % MEM_APART, 0);
}

static void test_too_many_threads(void **state)
{
	struct listen_address listen[8];
	for (int i = 0; i < 8; i++)
		listen[i] = address("127.0.0.1@0");
	struct workers_config config = {.listen = listen,
					.listen_count = 8,
					.workers = 256,
					.sockets = {.buffer_bytes = 1 << 20},
					.world = &published};
	struct err_list errors = {0};
	assert_null(workers_start(&config, &errors));
	assert_int_equal(errors.count, 1);
	err_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listeners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_clients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worlds_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_address_in_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads_stand_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_threads, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
