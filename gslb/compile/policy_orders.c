/* A list by number that grows as it is written. Control thread. */
#include "gslb/compile/policy_orders.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

struct order *policy_orders_get(const struct policy_orders *orders, size_t number)
{
	return number < orders->count ? orders->items[number] : NULL;
}

void policy_orders_put(struct policy_orders *orders, size_t number, struct order *order)
{
	assert(order && !policy_orders_get(orders, number));
	xgrow((void **)&orders->items, &orders->capacity, number + 1, sizeof *orders->items);
	while (orders->count <= number)
		orders->items[orders->count++] = NULL;
	orders->items[number] = order_ref(order);
}

void policy_orders_drop(struct policy_orders *orders, size_t number)
{
	if (number >= orders->count)
		return;
	order_unref(orders->items[number]);
	orders->items[number] = NULL;
}

void policy_orders_drop_all(struct policy_orders *orders)
{
	for (size_t i = 0; i < orders->count; i++)
		policy_orders_drop(orders, i);
}

void policy_orders_done(struct policy_orders *orders)
{
	policy_orders_drop_all(orders);
	free(orders->items);
	*orders = (struct policy_orders){.count = 0};
}
