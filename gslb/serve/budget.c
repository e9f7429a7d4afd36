/* The decision about one query. The worker's thread, on the UDP path. */
#include "gslb/serve/budget.h"
#include "lib/gcra.h"
#include "lib/hash.h"

static size_t bucket_of(uint32_t number)
{
	return number < BUDGET_TENANTS ? number : BUDGET_TENANTS + hash_mix(number, 0) % BUDGET_SHARED;
}

bool budget_take(struct budget_buckets *buckets, const struct plan_budget *budget, uint32_t number,
		 bool is_nxdomain, uint64_t now_ns)
{
	size_t at = bucket_of(number);
	/* What the smaller budget refuses is not taken from the larger: random names below a host do not use
	 * up what the host itself may be asked. */
	if (is_nxdomain && budget->nxdomain_interval_ns != 0 &&
	    !gcra_take(&buckets->nxdomain_due_ns[at], budget->nxdomain_interval_ns, now_ns))
		return false;
	return budget->queries_interval_ns == 0 ||
	       gcra_take(&buckets->queries_due_ns[at], budget->queries_interval_ns, now_ns);
}
