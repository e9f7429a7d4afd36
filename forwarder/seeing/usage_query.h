/* What a tenant used since a time, out of the files of usage. Runs on a helper thread: it reads much. */
#pragma once
#include "forwarder/seeing/usage_sum.h"

struct usage_query {
	const char *directory, *tenant;
	int64_t since_ms; /* Unix time; the minute that it is in counts */
	/* the answer */
	size_t records; /* minutes in which something was used */
	uint64_t sums[USAGE_FIELDS];
	size_t bad; /* lines that are no record */
};

void usage_query_run(struct usage_query *query);
