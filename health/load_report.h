/*
 * What a forwarder tells of its load and its origins: the codec for both ends. The body of POST /v1/load:
 *
 * {"v":1,"node":"fwd-eu-1","region":"eu","epoch":1722,"seq":88,"state":"up","part":1,"parts":1,
 *  "services":[{"service":"shop","current":812,"target":3200,"max":4000,
 *   "origins":{"usable":3,"total":4,"weight":0.75,"panic":false},
 *   "requests":9120,"errors":3,"limited":40,"queued":0,"p50_us":2100,"p99_us":9000,"tail_in":0,"tail_out":0}]}
 *
 * Members that are not known are passed over: a newer forwarder may have more to tell. Any thread.
 */
#pragma once
#include "lib/doc.h"

#define LOAD_REPORT_SERVICES_MAX 10000
#define LOAD_REPORT_PARTS_MAX 64
#define LOAD_REPORT_ID_MAX 64		       /* with its NUL */
#define LOAD_REPORT_COUNT_MAX (UINT64_MAX / 4) /* of what is counted */
#define LOAD_REPORT_ROOM_MAX 1000000000	       /* of current, target and max */

enum load_state { LOAD_UP, LOAD_DRAINING };

struct load_service {
	char service[LOAD_REPORT_ID_MAX];
	uint32_t current; /* requests in flight and queued */
	uint32_t target;  /* of current: above it the region should get fewer clients */
	uint32_t max;	  /* of current: what this forwarder can bear */
	uint32_t origins_usable, origins_total;
	double weight; /* of the usable origins, of what is configured: 0..1 */
	bool is_in_panic;
	/* Counted since the epoch began. */
	uint64_t requests, errors, limited;
	uint64_t tail_in, tail_out; /* requests that other forwarders brought, that were brought to others */
	uint32_t queued;	    /* now */
	uint64_t p50_us, p99_us;    /* of the last seconds' requests; 0: there were none */
};

struct load_report {
	char node[LOAD_REPORT_ID_MAX], region[LOAD_REPORT_ID_MAX];
	uint64_t epoch, seq; /* of the process, of its reports: a later one counts more */
	enum load_state state;
	uint32_t part, parts; /* services in several messages with one seq: 1..parts */
	size_t service_count;
	struct load_service *services; /* the report's own */
};

/* JSON on one line, malloc'ed. */
char *load_report_write(const struct load_report *report);
/* False: errors say why, and nothing is written. */
bool load_report_read(const struct doc *doc, struct load_report *ret, struct err_list *errors);
void load_report_done(struct load_report *report);
