/*
 * What forwarders report of their load and origins, by region and service: how much of the region's weight is
 * left, and how many requests it has and could have. A report counts for 5 seconds. Where none is as fresh
 * as that, the last value holds for 10 minutes: silence is no outage. Control thread; the clock is an
 * argument.
 */
#pragma once
#include "health/load_report.h"

#define LOAD_FRESH_MS 5000
#define LOAD_SILENT_MS 10000 /* then people are told */
#define LOAD_FORGOTTEN_MS 600000
#define LOAD_RECORD_MS 15000 /* a service that a node tells no more of has left it */
#define LOAD_NODES_MAX 4096
#define LOAD_RECORDS_MAX 100000 /* services of all nodes together */

struct load_book;

struct load_node {
	char node[LOAD_REPORT_ID_MAX], region[LOAD_REPORT_ID_MAX];
	uint64_t epoch, seq;
	uint32_t part;
	enum load_state state;
	uint64_t seen_ms;
	bool is_silent; /* told, and not heard since */
};

/* What one node says of one service. */
struct load_record {
	struct load_node *node;
	uint64_t seen_ms;
	struct load_service now;
	/* Earlier counts, for rates: each is replaced by what came 5 s later. */
	struct load_counts {
		uint64_t at_ms, requests, errors, limited, tail_in, tail_out;
	} counts[2];
};

/* All of a region's forwarders together. */
struct load_entry {
	char region[LOAD_REPORT_ID_MAX], service[LOAD_REPORT_ID_MAX];
	size_t count, capacity;
	struct load_record **records; /* one a node; owned */
	uint16_t scale;		      /* of the weight, of SCORE_FULL: what is left */
	uint64_t changed_ms;	      /* when that became another; 0: never */
	uint64_t fresh_ms;	      /* of the latest moment with a fresh report */
	bool is_fresh;
	unsigned nodes, draining; /* with fresh reports, in all and of these draining */
	/* Of the nodes that are up; held like the scale. */
	uint64_t current, target, max;
};

/* The scale of a region and service changed. */
typedef void load_changed_fn(void *user, const char *region, const char *service);

struct load_book *load_book_new(load_changed_fn *changed, void *user);
void load_book_free(struct load_book *book); /* NULL is fine */

enum load_outcome {
	LOAD_ACCEPTED,
	LOAD_OLD,      /* a later report of the node, or this one, is known */
	LOAD_TOO_MANY, /* nodes or records */
};
enum load_outcome load_book_accept(struct load_book *book, const struct load_report *report, uint64_t now_ms);
/* Lets reports age; once a second. */
void load_book_turn(struct load_book *book, uint64_t now_ms);

/* NULL: no forwarder of the region has told of the service. */
const struct load_entry *load_book_find(const struct load_book *book, const char *region,
					const char *service);
/* for (size_t at = 0; (entry = load_book_next(book, &at));) */
const struct load_entry *load_book_next(const struct load_book *book, size_t *at);
const struct load_node *load_book_next_node(const struct load_book *book, size_t *at);

/* Whether the record counts now. */
bool load_record_is_fresh(const struct load_record *record, uint64_t now_ms);
struct load_rates {
	double requests, errors, limited, tail_in, tail_out; /* a second, over the last 5 to 10 */
};
struct load_rates load_record_rates(const struct load_record *record);
