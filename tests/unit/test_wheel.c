/* The timer wheel against what a list of deadlines would do. */
#include "forwarder/io/wheel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define TIMERS 500

struct timer {
	struct wheel_node node;
	uint64_t due_ms; /* 0: not set */
};

static void fires_not_before_its_time_and_soon_after(void **state)
{
	static const uint64_t delays[] = {1,	7,     8,     9,      500,     2047,	2048,
					  2049, 10000, 60000, 524288, 3600000, 90000000};
	for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
		struct wheel wheel;
		struct wheel_node node = {0};
		uint64_t now = 123456, due = now + delays[i];
		wheel_init(&wheel, now);
		wheel_set(&wheel, &node, due);
		while (!wheel_take(&wheel, now)) {
			int sleep = wheel_sleep_ms(&wheel, now);
			assert_true(sleep > 0);
			now += (uint64_t)sleep;
		}
		assert_in_range(now, due, due + 2 * WHEEL_TICK_MS);
		assert_int_equal(wheel_sleep_ms(&wheel, now), -1);
	}
}

static void a_removed_timer_never_fires(void **state)
{
	struct wheel wheel;
	struct wheel_node node = {0}, other = {0};
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &node, 1100);
	wheel_set(&wheel, &other, 1100);
	wheel_remove(&wheel, &node);
	wheel_remove(&wheel, &node);
	assert_ptr_equal(wheel_take(&wheel, 5000), &other);
	assert_null(wheel_take(&wheel, 100000));
}

static void a_timer_moves_only_forward_where_that_is_asked(void **state)
{
	struct wheel wheel;
	struct wheel_node node = {0};
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &node, 2000);
	wheel_set_no_later(&wheel, &node, 60000); /* stays */
	assert_ptr_equal(wheel_take(&wheel, 2020), &node);
	wheel_set(&wheel, &node, 60000);
	wheel_set_no_later(&wheel, &node, 3000); /* moves */
	assert_null(wheel_take(&wheel, 2999));
	assert_ptr_equal(wheel_take(&wheel, 3020), &node);
}

/* One that is removed by another that fires in the same tick is not given out. */
static void a_fired_timer_may_remove_its_neighbour(void **state)
{
	struct wheel wheel;
	struct wheel_node nodes[3] = {{0}};
	wheel_init(&wheel, 1000);
	for (int i = 0; i < 3; i++)
		wheel_set(&wheel, &nodes[i], 1100);
	struct wheel_node *first = wheel_take(&wheel, 1200);
	assert_non_null(first);
	for (int i = 0; i < 3; i++)
		wheel_remove(&wheel, &nodes[i]);
	assert_null(wheel_take(&wheel, 1200));
}

static void a_million_steps_like_a_list(void **state)
{
	static struct timer timers[TIMERS];
	struct wheel wheel;
	uint64_t now = 77;
	srandom(1);
	wheel_init(&wheel, now);
	for (unsigned step = 0; step < 200000; step++) {
		struct timer *timer = &timers[random() % TIMERS];
		static const unsigned spans[] = {10, 1000, 30000, 3000000};
		if (random() % 4) {
			timer->due_ms = now + 1 + (uint64_t)random() % spans[random() % 4];
			wheel_set(&wheel, &timer->node, timer->due_ms);
		} else {
			timer->due_ms = 0;
			wheel_remove(&wheel, &timer->node);
		}
		now += (uint64_t)random() % (step % 1000 == 0 ? 100000 : 20);
		struct wheel_node *node;
		while ((node = wheel_take(&wheel, now))) {
			struct timer *fired = (struct timer *)((char *)node - offsetof(struct timer, node));
			assert_true(fired->due_ms != 0 && fired->due_ms <= now);
			fired->due_ms = 0;
		}
		for (unsigned i = 0; step % 100 == 0 && i < TIMERS; i++)
			assert_true(timers[i].due_ms == 0 || timers[i].due_ms + 2 * WHEEL_TICK_MS > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_not_before_its_time_and_soon_after),
		cmocka_unit_test(a_removed_timer_never_fires),
		cmocka_unit_test(a_timer_moves_only_forward_where_that_is_asked),
		cmocka_unit_test(a_fired_timer_may_remove_its_neighbour),
		cmocka_unit_test(a_million_steps_like_a_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
