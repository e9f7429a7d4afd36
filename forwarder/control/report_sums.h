/*
 * What this forwarder reports of each service: requests in flight against what it can bear, and how many of
 * its origins are usable. Read off the words that workers change. Control thread.
 */
#pragma once
#include "forwarder/plan/request_stats.h"
#include "forwarder/plan/world.h"
#include "health/load_report.h"

struct report_view {
	const struct world *world;
	struct request_stats *const *stats; /* of the workers */
	size_t stats_count;
	uint32_t capacity; /* requests in flight that this forwarder can bear; 0: its origins alone are the
			      bound */
};

struct report_sums; /* earlier counts, for the latest times of requests */

struct report_sums *report_sums_new(void);
void report_sums_free(struct report_sums *sums); /* NULL is fine */
/* Fills the services of the report, those that have origins here; load_report_done. */
void report_sums_fill(struct report_sums *sums, const struct report_view *view, uint64_t now_ms,
		      struct load_report *ret);
/* Another one when an origin became usable or ceased to be. */
uint64_t report_sums_digest(const struct world *world);
