/*
 * What regions shed, of all services: keeps the controllers (gslb/decide/shed.h), feeds them with reports and
 * with what the workers counted, and gives the plan its part. Control thread; the clock is an argument.
 */
#pragma once
#include "fleet/fleet.h"
#include "gslb/decide/plan.h"
#include "gslb/decide/stats.h"
#include "health/load_book.h"

struct shedding;

struct shedding *shedding_new(void);
void shedding_free(struct shedding *shedding); /* NULL is fine */

struct shedding_turn {
	const struct fleet *fleet;
	const struct load_book *loads;
	struct stats *const *stats; /* of the workers */
	size_t stats_count;
	uint64_t now_ms;
	/* The plan of a service as it is answered now; NULL: none. */
	const struct plan_service *(*plan)(void *user, uint32_t service);
	/* What the service sheds is another now. */
	void (*changed)(void *user, uint32_t service);
	void *user;
};
/* One look at all services with reports; each takes a step after its TTL's MIN, or 2 seconds. */
void shedding_turn(struct shedding *shedding, const struct shedding_turn *turn);

/* What the plan is told of the region; false: the service sheds nothing. *ret_changed_ms: when it was last
 * another, 0: never. */
bool shedding_get(const struct shedding *shedding, const char *service, const char *region,
		  struct plan_shed *ret, uint64_t *ret_changed_ms);
/* The part of its clients that the region sheds, 0 to 1. */
double shedding_fraction(const struct shedding *shedding, const char *service, const char *region);
