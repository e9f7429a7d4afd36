/* A tenant's bandwidth is what it was sold, over all its connections, and small messages never feel it. */
#include "forwarder/traffic/shape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (1000 * SECOND_NS)
#define MB 1000000u

/* So many connections that always have data, `chunk` octets a read, for so many seconds. */
static uint64_t pass(_Atomic uint64_t *tat_ns, uint64_t bytes_s, unsigned connections, uint64_t chunk,
		     uint64_t start_ns, unsigned seconds)
{
	uint64_t due_ns[64] = {0}, passed[64] = {0}, all = 0, random = 1;

	for (uint64_t now_ns = start_ns; now_ns < start_ns + seconds * SECOND_NS; now_ns += 1000000)
		for (unsigned n = 0; n < 4 * connections; n++) {
			unsigned i = n % connections;
			random = random * 6364136223846793005u + 1442695040888963407u;
			if (now_ns < due_ns[i])
				continue;
			uint64_t pause_ns =
				due_ns[i] ? shape_pause(tat_ns, bytes_s, now_ns, random >> 33) : 0;
			if (!pause_ns) {
				all += chunk;
				passed[i] += chunk;
				pause_ns =
					shape_charge(tat_ns, bytes_s, chunk, passed[i], now_ns, random >> 33);
			}
			due_ns[i] = pause_ns ? now_ns + pause_ns : 0;
		}
	return all;
}

static void the_rate_holds_within_a_hundredth(void **state)
{
	static const uint64_t rates[] = {100000, MB, 10 * MB, 100 * MB};

	for (unsigned i = 0; i < sizeof rates / sizeof *rates; i++)
		for (unsigned connections = 1; connections <= 64; connections *= 8) {
			_Atomic uint64_t tat_ns = 0;
			uint64_t chunk = rates[i] >= 10 * MB ? 65536 : 4096;
			/* the burst, and the first octets of each connection, go at once */
			pass(&tat_ns, rates[i], connections, chunk, START_NS, 15);
			uint64_t passed =
				pass(&tat_ns, rates[i], connections, chunk, START_NS + 15 * SECOND_NS, 60);
			uint64_t free_bytes = connections * SHAPE_FREE_BYTES;
			assert_in_range(passed, rates[i] * 60 * 99 / 100 - free_bytes,
					rates[i] * 60 * 101 / 100 + free_bytes);
		}
}

static void a_burst_of_a_tenth_of_a_second_is_free(void **state)
{
	_Atomic uint64_t tat_ns = 0;

	assert_int_equal(shape_charge(&tat_ns, 10 * MB, MB, MB, START_NS, 0), 0);
	assert_int_equal(shape_charge(&tat_ns, 10 * MB, 10000, MB + 10000, START_NS, 0), 1000000);
	assert_in_range(shape_pause(&tat_ns, 10 * MB, START_NS, 4999999), 5999999, 5999999);
	assert_int_equal(shape_pause(&tat_ns, 10 * MB, START_NS + 1000000, 4999999), 0);
	/* of slow tenants 64 KiB, so that one read is never refused */
	tat_ns = 0;
	assert_int_equal(shape_charge(&tat_ns, 10000, 65536, 65536, START_NS, 0), 0);
	assert_true(shape_charge(&tat_ns, 10000, 1, 65537, START_NS, 0) > 0);
}

static void the_first_octets_of_a_message_never_wait_but_are_paid(void **state)
{
	_Atomic uint64_t tat_ns = 0;

	shape_charge(&tat_ns, MB, 2 * MB, 2 * MB, START_NS, 0); /* another connection's debt */
	uint64_t owed_ns = tat_ns;
	assert_int_equal(shape_charge(&tat_ns, MB, 16384, 16384, START_NS, 0), 0);
	assert_int_equal(tat_ns - owed_ns, 16384000);
	assert_true(shape_charge(&tat_ns, MB, 1, 16385, START_NS, 0) > 0);
}

static void nobody_is_paused_for_long_without_a_look(void **state)
{
	_Atomic uint64_t tat_ns = 0;

	assert_true(shape_charge(&tat_ns, 1000, MB, MB, START_NS, 0) <= SECOND_NS);
	/* a debt that could never be paid is cut, so that a tenant whose rate rises recovers */
	for (int i = 0; i < 100000; i++)
		shape_charge(&tat_ns, 1000, 1000, 1000, START_NS, 0);
	assert_true(tat_ns <= START_NS + 130 * SECOND_NS);
}

static void without_a_limit_nothing_is_counted(void **state)
{
	_Atomic uint64_t tat_ns = 0;

	assert_int_equal(shape_charge(&tat_ns, SHAPE_UNLIMITED, MB, MB, START_NS, 0), 0);
	assert_int_equal(shape_pause(&tat_ns, SHAPE_UNLIMITED, START_NS, 0), 0);
	assert_int_equal(tat_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_holds_within_a_hundredth),
		cmocka_unit_test(a_burst_of_a_tenth_of_a_second_is_free),
		cmocka_unit_test(the_first_octets_of_a_message_never_wait_but_are_paid),
		cmocka_unit_test(nobody_is_paused_for_long_without_a_look),
		cmocka_unit_test(without_a_limit_nothing_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
