/*
 * A page of metrics as Prometheus scrapes it (text format 0.0.4): families, and the samples of each. Labels
 * are pairs of a name and a value, and NULL ends them:
 *
 *	exposition_begin(&page, "gslb_dns_queries_total", EXPOSITION_COUNTER, "Queries received.");
 *	exposition_count(&page, 17, "transport", "udp", "type", "A", NULL);
 *
 * A label's value may be any text. Any thread, each its own page.
 */
#pragma once
#include <event2/buffer.h>
#include <stdint.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct exposition {
	struct evbuffer *out; /* the page is appended to it */
	const char *family;   /* that was begun last; NULL: none yet */
	enum exposition_type type;
};

void exposition_init(struct exposition *page, struct evbuffer *out);
/* The samples that follow belong to this family. `name` lives until the next begins. */
void exposition_begin(struct exposition *page, const char *name, enum exposition_type type, const char *help);
void exposition_sample(struct exposition *page, double value, ...) __attribute__((sentinel));
/* The same for what is counted: exact beyond 2^53, too. */
void exposition_count(struct exposition *page, uint64_t value, ...) __attribute__((sentinel));
/* A family of one sample without labels. */
void exposition_gauge(struct exposition *page, const char *name, const char *help, double value);

struct exposition_buckets {
	size_t bound_count;
	const double *bounds;	/* ascending; what is greater than the last comes in one more bucket */
	const uint64_t *counts; /* bound_count + 1 of them, each for its own bucket alone */
	double sum;		/* of all that was observed */
};
void exposition_histogram(struct exposition *page, const struct exposition_buckets *buckets, ...)
	__attribute__((sentinel));
