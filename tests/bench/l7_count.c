/* See l7_count.h. One thread. */
#include "tests/bench/l7_count.h"
#include "tests/bench/l7_common.h"

static unsigned bucket_of(uint64_t ns)
{
	if (ns < COUNT_STEPS)
		return (unsigned)ns;
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - 6;
	unsigned bucket = (shift + 1) * COUNT_STEPS + (unsigned)((ns >> shift) & (COUNT_STEPS - 1));
	return bucket < COUNT_BUCKETS ? bucket : COUNT_BUCKETS - 1;
}

/* The middle of a bucket. */
static double bucket_us(unsigned bucket)
{
	if (bucket < COUNT_STEPS)
		return bucket / 1e3;
	unsigned shift = bucket / COUNT_STEPS - 1;
	return ((double)(COUNT_STEPS + bucket % COUNT_STEPS) + 0.5) * (double)(1ull << shift) / 1e3;
}

static double percentile_us(const struct count_latencies *latencies, double part)
{
	uint64_t seen = 0;
	for (unsigned i = 0; i < COUNT_BUCKETS; i++) {
		seen += latencies->buckets[i];
		if (seen && (double)seen >= part * (double)latencies->total)
			return bucket_us(i);
	}
	return 0;
}

void count_latency(struct count *count, uint64_t ns)
{
	unsigned bucket = bucket_of(ns);
	count->all.buckets[bucket]++;
	count->all.total++;
	count->interval.buckets[bucket]++;
	count->interval.total++;
}

void count_end_interval(struct count *count)
{
	if (!count->interval.total)
		return;
	if (count->intervals == count->room) {
		count->room = count->room ? count->room * 2 : 64;
		count->p50_us = realloc(count->p50_us, count->room * sizeof *count->p50_us);
		count->p99_us = realloc(count->p99_us, count->room * sizeof *count->p99_us);
		if (!count->p50_us || !count->p99_us)
			l7_die("realloc");
	}
	count->p50_us[count->intervals] = percentile_us(&count->interval, 0.5);
	count->p99_us[count->intervals++] = percentile_us(&count->interval, 0.99);
	memset(&count->interval, 0, sizeof count->interval);
}

void count_reset(struct count *count)
{
	free(count->p50_us);
	free(count->p99_us);
	memset(count, 0, sizeof *count);
}

static void print_list(FILE *file, const char *name, const double *values, size_t count)
{
	fprintf(file, "\"%s\": [", name);
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%s%.1f", i ? ", " : "", values[i]);
	fputs("], ", file);
}

void count_print(FILE *file, const char *name, const struct count *count)
{
	static const char *const errors[ERROR_KINDS] = {"refused", "reset", "closed",
							"timeout", "tls",   "bad"};
	const char *comma = "";
	fprintf(file, "\"%s\": {\"sent\": %lu, \"completed\": %lu, \"octets\": %lu, \"opened\": %lu, ", name,
		count->sent, count->completed, count->octets, count->opened);
	fprintf(file, "\"handshakes\": %lu, \"resumed\": %lu, \"messages\": %lu, \"stale\": %lu, ",
		count->handshakes, count->resumed, count->messages, count->stale);
	fprintf(file, "\"closed_while_held\": %lu, \"status\": {", count->closed_while_held);
	for (unsigned i = 0; i < COUNT_STATUS_MAX; i++)
		if (count->status[i]) {
			fprintf(file, "%s\"%u\": %lu", comma, i, count->status[i]);
			comma = ", ";
		}
	fputs("}, \"errors\": {", file);
	comma = "";
	for (unsigned i = 0; i < ERROR_KINDS; i++)
		if (count->errors[i]) {
			fprintf(file, "%s\"%s\": %lu", comma, errors[i], count->errors[i]);
			comma = ", ";
		}
	fputs("}, ", file);
	print_list(file, "p50_each_us", count->p50_us, count->intervals);
	print_list(file, "p99_each_us", count->p99_us, count->intervals);
	fprintf(file, "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}",
		percentile_us(&count->all, 0.5), percentile_us(&count->all, 0.9),
		percentile_us(&count->all, 0.99), percentile_us(&count->all, 0.999));
}
