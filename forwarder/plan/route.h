/*
 * The routes of a service: which pool answers a request, and how. Immutable parts of a world; matching is
 * pure. Any thread.
 */
#pragma once
#include "forwarder/plan/policy.h"
#include "lib/http/http_head.h"

#define ROUTES_MAX 256

enum route_retry { /* bits */
		   ROUTE_RETRY_CONNECT = 1,
		   ROUTE_RETRY_TIMEOUT = 2,
		   ROUTE_RETRY_502 = 4,
		   ROUTE_RETRY_503 = 8,
		   ROUTE_RETRY_504 = 16,
};

enum route_limit_by { ROUTE_BY_CLIENT, ROUTE_BY_TENANT, ROUTE_BY_KEY, ROUTE_BY_HEADER };
enum route_keys { ROUTE_KEYS_OFF, ROUTE_KEYS_OPTIONAL, ROUTE_KEYS_REQUIRED };

struct route_text {
	const char *text;
	uint32_t length;
};

struct route_pair { /* name and the value that it must have (or gets); names of fields in lower case */
	struct route_text name, value;
};

struct route {
	uint32_t number; /* in its service: part of the limiter's word and of logs */
	/* what matches; text NULL: everything does */
	struct route_text path; /* "/api" matches "/api" and "/api/…" */
	struct route_text exact;
	uint16_t method_count, header_count, cookie_count, query_count;
	const struct route_text *methods;
	const struct route_pair *headers, *cookies, *queries;
	/* where to and how */
	uint32_t pool; /* index in world->pools */
	uint32_t timeout_ms, queue_ms;
	struct route_text rewrite_prefix, rewrite_host; /* text NULL: as it came */
	uint16_t add_count, remove_count, upgrade_count;
	const struct route_pair *add;	  /* fields set on what the origin gets */
	const struct route_text *remove;  /* names in lower case */
	const struct route_text *upgrade; /* tokens in lower case */
	uint8_t retry;			  /* enum route_retry */
	uint64_t body_bytes;		  /* UINT64_MAX: the tenant's */
	struct policy_rate limit;	  /* interval POLICY_UNLIMITED: none */
	enum route_limit_by limit_by;
	struct route_text limit_header;
	enum route_keys keys;
};

struct route_service {
	const char *id;
	uint32_t number; /* the fleet's: counters */
	uint32_t route_count;
	const struct route *routes; /* 0: the service has none, every request is no-route */
};

/* What a request is matched by. `path` is normalised and without the query. */
struct route_request {
	const char *path, *query; /* query: behind '?', NULL: none */
	uint32_t path_length, query_length;
	const char *method;
	uint32_t method_length;
	const struct http_head *head;
	const char *octets; /* that `head` points into */
};

enum route_result { ROUTE_FOUND, ROUTE_NONE, ROUTE_BUT_METHOD };
/* First match in the order of the list. ROUTE_BUT_METHOD: one matches in all but the method; *ret is it. */
enum route_result route_find(const struct route_service *service, const struct route_request *request,
			     const struct route **ret);
