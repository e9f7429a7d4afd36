/*
 * What l7_client counts of a group: status codes, errors, latencies as a histogram of 64 steps to each
 * doubling, and the p99 of each interval.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>

enum { COUNT_STEPS = 64, COUNT_BUCKETS = COUNT_STEPS * 36, COUNT_STATUS_MAX = 600 };

enum count_error {
	ERROR_REFUSED,
	ERROR_RESET,
	ERROR_CLOSED,
	ERROR_TIMEOUT,
	ERROR_TLS,
	ERROR_BAD,
	ERROR_KINDS
};

struct count_latencies {
	uint32_t buckets[COUNT_BUCKETS];
	uint64_t total;
};

struct count {
	uint64_t sent, completed, octets, handshakes, resumed, opened, messages, closed_while_held;
	uint64_t stale; /* requests sent again, for a reused connection had ended before an answer began */
	uint64_t status[COUNT_STATUS_MAX], errors[ERROR_KINDS];
	struct count_latencies all, interval;
	double *p50_us, *p99_us; /* of each interval */
	size_t intervals, room;
};

void count_latency(struct count *count, uint64_t ns);
void count_end_interval(struct count *count);
void count_reset(struct count *count);
/* "name": {…} */
void count_print(FILE *file, const char *name, const struct count *count);
