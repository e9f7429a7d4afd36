/* Who holds the compiled order of a policy, and until when. */
#include "gslb/compile/policy_orders.h"
#include "gslb/decide/place/place_build.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static struct order *new_order(void)
{
	struct places *places = places_new_empty();
	struct order *order = order_compile(&(struct order_spec){.kind = ORDER_LISTED}, places);
	places_unref(places);
	return order;
}

static void test_an_order_is_held_until_it_is_dropped(void **state)
{
	struct policy_orders orders = {0};
	struct order *order = new_order();
	assert_null(policy_orders_get(&orders, 7));
	policy_orders_put(&orders, 7, order);
	assert_ptr_equal(policy_orders_get(&orders, 7), order);
	assert_null(policy_orders_get(&orders, 6));
	assert_null(policy_orders_get(&orders, 8));
	assert_true(order_is_shared(order));
	policy_orders_drop(&orders, 7);
	assert_null(policy_orders_get(&orders, 7));
	assert_false(order_is_shared(order));
	policy_orders_drop(&orders, 7); /* as if it had never been looked up */
	policy_orders_drop(&orders, 4000);
	policy_orders_done(&orders);
	order_unref(order);
}

static void test_all_are_dropped_together(void **state)
{
	struct policy_orders orders = {0};
	struct order *order = new_order();
	for (size_t i = 0; i < 100; i += 3)
		policy_orders_put(&orders, i, order);
	policy_orders_drop_all(&orders);
	assert_false(order_is_shared(order));
	policy_orders_put(&orders, 0, order); /* usable again */
	policy_orders_done(&orders);
	policy_orders_put(&orders, 1, order);
	policy_orders_done(&orders);
	assert_false(order_is_shared(order));
	order_unref(order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_order_is_held_until_it_is_dropped),
		cmocka_unit_test(test_all_are_dropped_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
