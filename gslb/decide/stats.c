/* A worker's statistics: life by the control thread. The big arrays cost memory where they are touched. */
#include "gslb/decide/stats.h"
#include "gslb/decide/choose.h"
#include "lib/mem.h"
#include "zones/rcode.h"
#include <stdlib.h>

_Static_assert(STATS_STEPS == STEP_COUNT && STATS_REGIONS == REGIONS_MAX, "a counter for each");
_Static_assert(STATS_RCODES == RCODE_BADCOOKIE + 2,
	       "a counter for each code that is sent, and one for others");

struct stats *stats_new(void)
{
	struct stats *stats = xcalloc_apart(sizeof *stats);
	stats->tenant = counter_array_new(STATS_TENANTS_MAX);
	stats->answers = counter_array_new(STATS_ANSWERS);
	stats->fallback = counter_array_new((size_t)STATS_SERVICES_MAX * STATS_STEPS);
	stats->shed = counter_array_new((size_t)STATS_SHED_SLOTS * SHED_BUCKETS);
	stats->samples = xmap(sizeof *stats->samples);
	return stats;
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	counter_array_free(stats->tenant, STATS_TENANTS_MAX);
	counter_array_free(stats->answers, STATS_ANSWERS);
	counter_array_free(stats->fallback, (size_t)STATS_SERVICES_MAX * STATS_STEPS);
	counter_array_free(stats->shed, (size_t)STATS_SHED_SLOTS * SHED_BUCKETS);
	xunmap(stats->samples, sizeof *stats->samples);
	free(stats);
}
