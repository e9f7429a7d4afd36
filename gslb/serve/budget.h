/*
 * What one tenant's names may ask of a worker (configuration.md, `tiers`): queries, and among them
 * those for names that do not exist, so that a flood on one tenant costs no other an answer. Over it,
 * UDP gets a truncated reply, never silence: a resolver comes back by TCP. Each worker has buckets of
 * its own and the worker's share of the rate; no lock, no allocation.
 */
#pragma once
#include "gslb/decide/plan.h"

#define BUDGET_TENANTS (1u << 20) /* tenants with a higher number share buckets */
#define BUDGET_SHARED 4096u
#define BUDGET_BUCKETS (BUDGET_TENANTS + BUDGET_SHARED)

/* See lib/gcra.h. From xmap: a page costs memory once a tenant of it was asked for, and for the second array
 * only where it was asked for names that do not exist. */
struct budget_buckets {
	uint64_t queries_due_ns[BUDGET_BUCKETS], nxdomain_due_ns[BUDGET_BUCKETS];
};

/* Counts a query that tenant `number` pays for; false: it is over its budget. `now_ns`: monotonic. */
bool budget_take(struct budget_buckets *buckets, const struct plan_budget *budget, uint32_t number,
		 bool is_nxdomain, uint64_t now_ns);
