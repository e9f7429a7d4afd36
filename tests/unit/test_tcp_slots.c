/* Who holds how many slots for TCP connections (gslb/serve/tcp_slots.c), held against plain counting. */
#include "gslb/serve/tcp_slots.h"
#include "lib/rng.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

static struct tcp_slots *slots;
static int wake[3];

static int set_up(void **state)
{
	slots = tcp_slots_new();
	for (int i = 0; i < 3; i++) {
		wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(tcp_slots_join(slots, wake[i]), i);
	}
	return 0;
}

static int tear_down(void **state)
{
	tcp_slots_free(slots);
	for (int i = 0; i < 3; i++)
		close(wake[i]);
	return 0;
}

static struct ip client(unsigned number)
{
	struct ip ip = {.family = 4, .bytes = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}};
	return ip;
}

static bool was_woken(int number)
{
	eventfd_t value;
	return eventfd_read(wake[number], &value) == 0;
}

/* The limits are those of the process, whichever thread asks. */
static void test_limits(void **state)
{
	struct ip one = client(1), two = client(2), three = client(3);
	assert_int_equal(tcp_slots_take(slots, 0, &one, 3, 2), TCP_SLOT_TAKEN);
	assert_int_equal(tcp_slots_take(slots, 1, &one, 3, 2), TCP_SLOT_TAKEN);
	assert_int_equal(tcp_slots_take(slots, 2, &one, 3, 2), TCP_SLOTS_CLIENT_HAS_ITS_SHARE);
	assert_int_equal(tcp_slots_take(slots, 2, &two, 3, 2), TCP_SLOT_TAKEN);
	assert_int_equal(tcp_slots_take(slots, 0, &three, 3, 2), TCP_SLOTS_ALL_TAKEN);
	assert_int_equal(tcp_slots_take(slots, 0, &one, 3, 2), TCP_SLOTS_CLIENT_HAS_ITS_SHARE);
	tcp_slots_give(slots, 1, &one);
	assert_int_equal(tcp_slots_take(slots, 0, &three, 3, 2), TCP_SLOT_TAKEN);
	/* a limit that a reload lowered holds for newcomers */
	assert_int_equal(tcp_slots_take(slots, 0, &two, 2, 2), TCP_SLOTS_ALL_TAKEN);
}

/* Thousands of clients that come and go in any order: each count stays right. */
static void test_many_clients(void **state)
{
	enum { CLIENTS = 3000, STEPS = 200000, PER_CLIENT = 3 };
	static unsigned held[CLIENTS];
	struct rng rng;
	rng_seed(&rng, 1);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned number = (unsigned)(rng_next(&rng) % CLIENTS);
		struct ip ip = client(number);
		if (rng_next(&rng) % 2) {
			enum tcp_slot_answer slot = tcp_slots_take(slots, 0, &ip, UINT32_MAX, PER_CLIENT);
			assert_int_equal(slot, held[number] < PER_CLIENT ? TCP_SLOT_TAKEN
									 : TCP_SLOTS_CLIENT_HAS_ITS_SHARE);
			held[number] += slot == TCP_SLOT_TAKEN;
		} else if (held[number] != 0) {
			tcp_slots_give(slots, 0, &ip);
			held[number]--;
		}
	}
	unsigned total = 0;
	for (unsigned i = 0; i < CLIENTS; i++)
		total += held[i];
	struct ip last = client(60000);
	assert_int_equal(tcp_slots_take(slots, 0, &last, total, 1), TCP_SLOTS_ALL_TAKEN);
	assert_int_equal(tcp_slots_take(slots, 0, &last, total + 1, 1), TCP_SLOT_TAKEN);
}

/* Asked are those in turn who have something to give, never the one who asks. */
static void test_asking(void **state)
{
	struct ip ip = client(1);
	tcp_slots_ask(slots, 0);
	assert_false(was_woken(0) || was_woken(1) || was_woken(2));
	for (unsigned thread = 0; thread < 3; thread++)
		tcp_slots_take(slots, thread, &ip, 9, 9);
	tcp_slots_ask(slots, 0);
	tcp_slots_ask(slots, 0);
	assert_false(was_woken(0));
	assert_true(was_woken(1) && was_woken(2));
	tcp_slots_give(slots, 1, &ip);
	tcp_slots_ask(slots, 0);
	tcp_slots_ask(slots, 0);
	assert_false(was_woken(0) || was_woken(1));
	assert_true(was_woken(2));
}

static void *come_and_go(void *thread)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct ip ip = client(i % 100);
		if (tcp_slots_take(slots, *(unsigned *)thread, &ip, 150, 2) == TCP_SLOT_TAKEN)
			tcp_slots_give(slots, *(unsigned *)thread, &ip);
		else
			tcp_slots_ask(slots, *(unsigned *)thread);
	}
	return NULL;
}

static void test_threads(void **state)
{
	unsigned number[3] = {0, 1, 2};
	pthread_t threads[3];
	struct ip ip = client(1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &number[i]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(tcp_slots_take(slots, 0, &ip, 1, 1), TCP_SLOT_TAKEN); /* all were given back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_clients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
