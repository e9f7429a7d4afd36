/* See the header. */
#include "gslb/compile/order_work.h"
#include "lib/helper.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

struct waiter {
	order_work_ready_fn *ready;
	void *user;
};

struct order_work {
	struct event_base *base;
	struct helper *helper;	    /* NULL: nothing is under way */
	struct order_cache *wanted; /* the helper's, while there is one; NULL: it lays */
	struct order_cache *const *orders;
	struct laid {
		struct places *geo; /* NULL: nothing is laid */
		uint64_t hash;
		struct location *locations; /* the helper's */
		size_t location_count;
		struct places *places; /* NULL: not yet */
	} laid;
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
	work->helper = NULL;
	order_cache_free(work->wanted);
	order_work_forget_laid(work);
	free(work->waiters);
	free(work);
}

static void run(void *user)
{
	struct order_work *work = user;
	struct laid *laid = &work->laid;
	if (work->wanted)
		order_cache_compile(work->wanted);
	else
		laid->places = places_overlay(laid->geo, laid->locations, laid->location_count);
}

static void on_done(void *user)
{
	struct order_work *work = user;
	assert(work->helper && !work->is_handing_out);
	work->helper = NULL;
	if (work->wanted)
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
	assert(!work->wanted); /* the helper that had it has handed it over */
	work->wanted = wanted;
	work->helper = helper_start(work->base, run, on_done, work);
	if (work->helper)
		return true;
	order_cache_free(wanted);
	work->wanted = NULL;
	return false;
}

void order_work_forget_laid(struct order_work *work)
{
	if (work->helper)
		return; /* it may be laying right now */
	places_unref(work->laid.geo);
	places_unref(work->laid.places);
	free(work->laid.locations);
	work->laid = (struct laid){.geo = NULL};
}

bool order_work_lay(struct order_work *work, struct places *geo, struct location *locations, size_t count,
		    uint64_t hash)
{
	if (work->helper) {
		free(locations);
		return true;
	}
	order_work_forget_laid(work);
	assert(!work->wanted && !work->laid.geo);
	work->laid = (struct laid){
		.geo = places_ref(geo), .hash = hash, .locations = locations, .location_count = count};
	work->helper = helper_start(work->base, run, on_done, work);
	if (!work->helper)
		order_work_forget_laid(work);
	return work->helper != NULL;
}

struct places *order_work_laid(const struct order_work *work, const struct places *geo, uint64_t hash)
{
	const struct laid *laid = &work->laid;
	bool is_it = !work->helper && laid->places && laid->geo == geo && laid->hash == hash;
	return is_it ? places_ref(laid->places) : NULL;
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
