/*
 * Orders that take long to compile, over a city database, are compiled on a helper thread before the change
 * that needs them is made, and so are `locations:` laid over it: who asks for the change waits, and probes,
 * API and answers go on. Control thread.
 */
#pragma once
#include "gslb/compile/order_cache.h"
#include <event2/event.h>

struct order_work;
typedef void order_work_ready_fn(void *user);

/* `orders`: where the cache is found that takes what was compiled. */
struct order_work *order_work_new(struct event_base *base, struct order_cache *const *orders);
void order_work_free(struct order_work *work); /* waits for what is being compiled; NULL is fine */
/* Compiles `wanted` (taken over), but where something is being compiled already: who waits for that will ask
 * again. False: no thread is left. */
bool order_work_start(struct order_work *work, struct order_cache *wanted);
/* The same for places: lays locations (taken over, whose hash tells them from others) over `geo`. */
bool order_work_lay(struct order_work *work, struct places *geo, struct location *locations, size_t count,
		    uint64_t hash);
/* What was laid so, a new reference; NULL: it was not. */
struct places *order_work_laid(const struct order_work *work, const struct places *geo, uint64_t hash);
void order_work_forget_laid(struct order_work *work); /* nobody who waits needs it */
/* Called once, when what is being compiled is in the cache. */
void order_work_await(struct order_work *work, order_work_ready_fn *ready, void *user);
/* Those who waited are being called: what was compiled for the next of them is not used yet. */
bool order_work_is_handing_out(const struct order_work *work);
