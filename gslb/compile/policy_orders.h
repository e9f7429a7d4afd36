/* The compiled order of each policy, by the policy's number, one reference each. Control thread. */
#pragma once
#include "gslb/decide/order.h"
#include <stddef.h>

struct policy_orders { /* zero: empty */
	size_t count, capacity;
	struct order **items; /* NULL: looked up when a plan is made */
};

struct order *policy_orders_get(const struct policy_orders *orders, size_t number); /* borrowed; NULL: none */
void policy_orders_put(struct policy_orders *orders, size_t number,
		       struct order *order);			      /* takes a reference */
void policy_orders_drop(struct policy_orders *orders, size_t number); /* nobody is answered by it */
void policy_orders_drop_all(struct policy_orders *orders);	      /* what they depend on has changed */
void policy_orders_done(struct policy_orders *orders);		      /* empties; usable again */
