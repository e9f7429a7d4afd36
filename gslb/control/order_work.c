/* See the header. */
#include "gslb/control/order_work.h"
#include "gslb/control/helper.h"
#include "lib/mem.h"
#include <stdlib.h>

struct waiter {
	order_work_ready_fn *ready;
	void *user;
};

struct order_work {
	struct event_base *base;
	struct helper *helper;	    /* NULL: nothing is under way */
	struct order_cache *wanted; /* the helper's, while there is one */
	struct order_cache *const *orders;
	size_t waiter_count, waiter_capacity;
	struct waiter *waiters;
	bool is_handing_out;
};

struct order_work *order_work_new(struct event_base *base, struct order_cache *const *orders)
{
	struct order_work *work = xcalloc(1, sizeof *work);
	work->base = base;
	work->orders = orders;
	return work;
}

void order_work_free(struct order_work *work)
{
	if (!work)
		return;
	helper_free(work->helper);
	order_cache_free(work->wanted);
	free(work->waiters);
	free(work);
}

static void compile(void *user)
{
	struct order_work *work = user;
	order_cache_compile(work->wanted);
}

static void on_compiled(void *user)
{
	struct order_work *work = user;
	work->helper = NULL;
	order_cache_take(*work->orders, work->wanted);
	work->wanted = NULL;
	/* One who is called may start the next work, and wait for it. */
	struct waiter *waiters = work->waiters;
	size_t count = work->waiter_count;
	work->waiters = NULL;
	work->waiter_count = work->waiter_capacity = 0;
	work->is_handing_out = true;
	for (size_t i = 0; i < count; i++)
		waiters[i].ready(waiters[i].user);
	work->is_handing_out = false;
	free(waiters);
}

bool order_work_start(struct order_work *work, struct order_cache *wanted)
{
	if (work->helper) {
		order_cache_free(wanted);
		return true;
	}
	work->wanted = wanted;
	work->helper = helper_start(work->base, compile, on_compiled, work);
	if (work->helper)
		return true;
	order_cache_free(wanted);
	work->wanted = NULL;
	return false;
}

void order_work_await(struct order_work *work, order_work_ready_fn *ready, void *user)
{
	xgrow((void **)&work->waiters, &work->waiter_capacity, work->waiter_count + 1, sizeof *work->waiters);
	work->waiters[work->waiter_count++] = (struct waiter){ready, user};
}

bool order_work_is_handing_out(const struct order_work *work)
{
	return work->is_handing_out;
}
