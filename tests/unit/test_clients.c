/* How many connections one client may have. */
#include "forwarder/io/clients.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip parsed;
	assert_true(ip_parse(text, &parsed));
	return parsed;
}

static void the_bound_is_exact_and_each_client_has_its_own(void **state)
{
	struct clients *clients = clients_new();
	struct ip one = ip("192.0.2.1"), other = ip("192.0.2.2");
	bool is_counted;
	for (int i = 0; i < 3; i++)
		assert_true(clients_enter(clients, &one, 3, &is_counted) && is_counted);
	assert_false(clients_enter(clients, &one, 3, &is_counted));
	assert_true(clients_enter(clients, &other, 3, &is_counted));
	clients_leave(clients, &one);
	assert_true(clients_enter(clients, &one, 3, &is_counted));
	assert_false(clients_enter(clients, &one, 3, &is_counted));
	clients_free(clients);
}

static void an_ipv6_client_is_its_64(void **state)
{
	struct clients *clients = clients_new();
	struct ip one = ip("2001:db8::1"), neighbour = ip("2001:db8::ffff"), other = ip("2001:db8:0:1::1");
	bool is_counted;
	assert_true(clients_enter(clients, &one, 1, &is_counted));
	assert_false(clients_enter(clients, &neighbour, 1, &is_counted));
	assert_true(clients_enter(clients, &other, 1, &is_counted));
	clients_free(clients);
}

static void who_left_takes_no_room(void **state)
{
	struct clients *clients = clients_new();
	for (uint32_t i = 0; i < 2000000; i++) {
		struct ip address = {.family = 4,
				     .bytes = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		bool is_counted;
		assert_true(clients_enter(clients, &address, 1, &is_counted));
		assert_true(is_counted);
		clients_leave(clients, &address);
	}
	clients_free(clients);
}

static void *come_and_go(void *argument)
{
	struct clients *clients = argument;
	struct ip address = ip("192.0.2.1");
	for (int i = 0; i < 100000; i++) {
		bool is_counted = false;
		if (clients_enter(clients, &address, 2, &is_counted) && is_counted)
			clients_leave(clients, &address);
	}
	return NULL;
}

static void workers_agree(void **state)
{
	struct clients *clients = clients_new();
	struct ip address = ip("192.0.2.1");
	pthread_t threads[4];
	bool is_counted;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, clients), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		assert_true(clients_enter(clients, &address, 2, &is_counted) && is_counted);
	assert_false(clients_enter(clients, &address, 2, &is_counted));
	clients_free(clients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_is_exact_and_each_client_has_its_own),
		cmocka_unit_test(an_ipv6_client_is_its_64),
		cmocka_unit_test(who_left_takes_no_room),
		cmocka_unit_test(workers_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
