/*
 * What each tenant used, summed up over the workers' counters and under the tenant's name: only of tenants of
 * which something was counted since the last look. One thread, but for usage_sum_top().
 */
#pragma once
#include "forwarder/io/worker_view.h"
#include <stdbool.h>
#include <stddef.h>

enum usage_field { /* of REQUEST_STATS_BILLED */
		   USAGE_REQUESTS,
		   USAGE_BYTES_IN,
		   USAGE_BYTES_OUT,
		   USAGE_C2XX,
		   USAGE_C3XX,
		   USAGE_C4XX,
		   USAGE_C5XX,
		   USAGE_LIMITED,
		   USAGE_WEBSOCKET_MS,
		   USAGE_HANDSHAKES,
		   USAGE_FIELDS
};

struct usage_tenant {
	struct usage_tenant *next_changed;
	bool is_changed; /* in the list: its record was not written since */
	uint32_t seats;	 /* slots of workers that are its own */
	uint32_t top;	 /* its place among the first, +1; 0: it is not there */
	uint32_t seq;	 /* of its record */
	int64_t minute;	 /* of its record, since 1970 */
	int64_t half_hour;
	uint64_t recent[2]; /* requests in this half hour and in the one before */
	uint64_t record[USAGE_FIELDS], total[USAGE_FIELDS]; /* of its record; since the start */
	char id[];
};

struct usage_sum;

struct usage_sum *usage_sum_new(struct worker_view *const *workers, size_t worker_count);
void usage_sum_free(struct usage_sum *sum); /* NULL is fine */

/* Notes who was counted, and adds what was counted of those that the call before had noted: between two calls
 * pass some milliseconds. `is_last`: no worker runs any more, all is added at once. */
void usage_sum_look(struct usage_sum *sum, int64_t unix_ms, bool is_last);
/* Those of which something was added. Each stays in the list until usage_sum_written(). */
struct usage_tenant *usage_sum_changed(const struct usage_sum *sum);
/* The first so many of the list are on the disk. */
void usage_sum_written(struct usage_sum *sum, size_t count);

/* Any thread, and soon done whatever the number of tenants: those with the most requests in the last hour,
 * the most first; the sum of all others in `ret_others`. `most`: up to USAGE_SUM_TOP. Returns how many; each
 * `id` is free()d by the caller. */
#define USAGE_SUM_TOP 1000
struct usage_row {
	char *id;
	uint64_t recent;
	uint64_t total[USAGE_FIELDS];
};
size_t usage_sum_top(struct usage_sum *sum, size_t most, struct usage_row *ret,
		     uint64_t ret_others[static USAGE_FIELDS]);
