/* The sockets of the data path (gslb/serve/sockets.c): buffers, drops, who may bind beside whom. */
#include "gslb/serve/sockets.h"
#include "tests/support/client.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BUFFER_BYTES (64 << 10)

static const struct sockets_settings usual = {.buffer_bytes = BUFFER_BYTES};

static struct listen_address address(const char *text)
{
	struct listen_address listen;
	assert_true(listen_parse_dns(text, &listen));
	return listen;
}

static void open_pair(struct listen_address *ret_bound, int *ret_udp, int *ret_tcp)
{
	*ret_bound = address("127.0.0.1@0");
	assert_true(sockets_open_pair(ret_bound, &usual, &ret_bound->sockaddr, ret_udp, ret_tcp));
}

static void test_buffers(void **state)
{
	struct listen_address bound;
	int udp, tcp;
	unsigned receive_bytes, send_bytes;
	open_pair(&bound, &udp, &tcp);
	sockets_granted(udp, &receive_bytes, &send_bytes);
	assert_int_equal(receive_bytes, BUFFER_BYTES);
	assert_int_equal(send_bytes, BUFFER_BYTES);
	close(udp);
	close(tcp);
}

/* Nobody reads: what the buffer does not hold is counted, no more and no less. */
static void test_dropped_datagrams(void **state)
{
	enum { SENT = 5000, OCTETS = 64 };
	struct listen_address bound;
	int udp, tcp;
	char packet[OCTETS] = {0};
	open_pair(&bound, &udp, &tcp);
	assert_int_equal(sockets_dropped(udp), 0);
	int client = client_udp(&bound.sockaddr);
	for (unsigned i = 0; i < SENT; i++)
		client_send(client, packet, sizeof packet);
	unsigned read = 0;
	while (recv(udp, packet, sizeof packet, MSG_DONTWAIT) > 0)
		read++;
	assert_in_range(read, 1, SENT - 1);
	assert_int_equal(sockets_dropped(udp), SENT - read);
	close(client);
	close(udp);
	close(tcp);
}

/* A second server is refused at its first TCP socket; a worker's further sockets share the address. */
static void test_who_shares(void **state)
{
	struct listen_address bound;
	int udp, tcp;
	open_pair(&bound, &udp, &tcp);
	assert_int_equal(sockets_open_tcp(&bound.sockaddr, bound.length, &usual, true), -1);
	assert_int_equal(errno, EADDRINUSE);
	int second = sockets_open_tcp(&bound.sockaddr, bound.length, &usual, false);
	assert_true(second >= 0);
	struct sockaddr_storage other;
	int other_udp, other_tcp;
	assert_false(sockets_open_pair(&bound, &usual, &other, &other_udp, &other_tcp));
	assert_int_equal(errno, EADDRINUSE);
	close(second);
	close(udp);
	close(tcp);
}

static void test_any_address(void **state)
{
	static const struct {
		const char *text;
		bool is_any;
	} rows[] = {{"0.0.0.0@53", true}, {"::@53", true}, {"127.0.0.1@53", false}, {"::1@53", false}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct listen_address one = address(rows[i].text);
		assert_int_equal(sockets_is_any_address(&one.sockaddr), rows[i].is_any);
	}
}

/* The documentation prefixes are on no machine (RFC 5737, RFC 3849). */
static void test_an_address_that_comes_later(void **state)
{
	static const char *const texts[] = {"192.0.2.53@0", "2001:db8::53@0"};
	struct sockets_settings free_to_bind = usual;
	free_to_bind.has_freebind = true;
	for (unsigned i = 0; i < 2; i++) {
		struct listen_address wanted = address(texts[i]);
		struct sockaddr_storage bound;
		int udp, tcp;
		assert_false(sockets_open_pair(&wanted, &usual, &bound, &udp, &tcp));
		assert_int_equal(errno, EADDRNOTAVAIL);
		assert_true(sockets_open_pair(&wanted, &free_to_bind, &bound, &udp, &tcp));
		close(udp);
		close(tcp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_dropped_datagrams),
		cmocka_unit_test(test_who_shares),
		cmocka_unit_test(test_any_address),
		cmocka_unit_test(test_an_address_that_comes_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
