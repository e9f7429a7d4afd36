/*
 * What tenants used, on the disk for billing: a record of a tenant and a minute is written again with a
 * higher `seq` while it grows, so that a consumer that keeps the highest of each id counts nothing twice.
 * What a crash takes is at most the last 10 s. docs/access-log.md has the format. The writer's thread calls
 * usage_turn(); the other functions are the control thread's.
 */
#pragma once
#include "forwarder/seeing/usage_sum.h"

#define USAGE_WRITE_MS 10000
#define USAGE_LOOK_MS 1000

struct usage;

struct usage_settings {
	const char *node;
	const char *directory; /* of the files */
	const char *state_dir; /* has the number of this start */
	uint64_t keep_ms;
};

struct usage *usage_new(const struct usage_settings *settings, struct worker_view *const *workers,
			size_t worker_count);
void usage_free(struct usage *usage); /* when the writer has ended; NULL is fine */
/* When it is time, looks and writes. `is_last`: no worker runs any more. */
void usage_turn(struct usage *usage, bool is_last);
struct usage_sum *usage_sums(struct usage *usage);
