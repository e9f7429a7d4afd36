/* The decision about one query. The worker's thread, on the UDP path. */
#include "gslb/serve/budget.h"
#include "lib/gcra.h"
#include "lib/hash.h"

static struct budget_bucket *bucket_of(struct budget_bucket *buckets, uint32_t number)
{
	if (number < BUDGET_TENANTS)
		return &buckets[number];
	return &buckets[BUDGET_TENANTS + hash_mix(number, 0) % BUDGET_SHARED];
}

bool budget_take(struct budget_bucket *buckets, const struct plan_budget *budget, uint32_t number,
		 bool is_nxdomain, uint64_t now_ns)
{
	struct budget_bucket *bucket = bucket_of(buckets, number);
	/* What the smaller budget refuses is not taken from the larger: random names below a host do not use
	 * up what the host itself may be asked. */
	if (is_nxdomain && budget->nxdomain_interval_ns != 0 &&
	    !gcra_take(&bucket->nxdomain_due_ns, budget->nxdomain_interval_ns, now_ns))
		return false;
	return budget->queries_interval_ns == 0 ||
	       gcra_take(&bucket->queries_due_ns, budget->queries_interval_ns, now_ns);
}
