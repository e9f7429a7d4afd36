/*
 * What of the fleet the forwarder uses: the routes and origins of services, and what tiers and tenants may.
 * gslbd reads, checks, stores and exports it, and uses nothing of it. Part of fleet/fleet.h. Control thread.
 */
#pragma once
#include "lib/net.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLEET_ROUTES_MAX 256		/* of a service */
#define FLEET_POOLS_MAX 64		/* of a service */
#define FLEET_ORIGINS_PER_REGION_MAX 64 /* of a pool */
#define FLEET_ORIGIN_WEIGHT_MAX 1000
#define FLEET_KEYS_PER_TENANT_MAX 256
#define FLEET_MAINTENANCE_BODY_MAX 4096
#define FLEET_UNLIMITED_COUNT UINT32_MAX
#define FLEET_UNLIMITED_BYTES UINT64_MAX

/* The longest is 864000000000/d: 10 million a second. */
#define FLEET_RATE_TEXT_MAX 16

/* Holds no pointer: profiles compare it as octets. */
struct fleet_rate {
	char written[FLEET_RATE_TEXT_MAX]; /* "": no limit; octets behind the NUL are zero */
	double per_second;
};

/* ---- limits: of a tier, of a tenant ---- */

enum fleet_priority { FLEET_PRIORITY_LOW, FLEET_PRIORITY_NORMAL, FLEET_PRIORITY_HIGH };
extern const char *const fleet_priority_word[]; /* ends with NULL, as all of these do */

/* On which answers the fields RateLimit stand. */
enum fleet_headers { FLEET_HEADERS_LIMITED, FLEET_HEADERS_ALWAYS, FLEET_HEADERS_NEVER };
extern const char *const fleet_headers_word[];

/* Which keys are given: bits. */
enum fleet_limit_key {
	FLEET_LIMIT_RATE = 1 << 0,
	FLEET_LIMIT_BURST = 1 << 1,
	FLEET_LIMIT_CONCURRENCY = 1 << 2,
	FLEET_LIMIT_BANDWIDTH = 1 << 3,
	FLEET_LIMIT_BODY = 1 << 4,
	FLEET_LIMIT_WEBSOCKETS = 1 << 5,
	FLEET_LIMIT_CONNECTIONS = 1 << 6,
	FLEET_LIMIT_CLIENT_RATE = 1 << 7,
	FLEET_LIMIT_QUEUE = 1 << 8,
	FLEET_LIMIT_PRIORITY = 1 << 9,
	FLEET_LIMIT_HEADERS = 1 << 10,
};

/* Where a key is not given its field holds the default. Holds no pointer and no octet that nobody wrote:
 * profiles compare it as octets. */
struct fleet_limits {
	struct fleet_rate rate, connections, client_rate;
	uint64_t up_bytes_s, down_bytes_s; /* from and to the client; FLEET_UNLIMITED_BYTES */
	uint64_t body_bytes;		   /* of a request */
	uint32_t given;			   /* enum fleet_limit_key */
	uint32_t burst;			   /* of `rate`; 0: what comes in a second, at least 1 */
	uint32_t concurrency;		   /* requests in flight; FLEET_UNLIMITED_COUNT */
	uint32_t websockets;		   /* the same of tunnels */
	uint32_t queue_ms;		   /* wait for concurrency */
	uint16_t priority;		   /* enum fleet_priority */
	uint16_t headers;		   /* enum fleet_headers */
};

void fleet_limits_init(struct fleet_limits *limits); /* nothing is given */
/* Each key that `own` gives takes the place of the same key in `limits`. */
void fleet_limits_overlay(struct fleet_limits *limits, const struct fleet_limits *own);

/* An API key of a tenant. Holds no pointer, as above. */
struct fleet_key {
	char id[64];
	uint8_t sha256[32];
	struct fleet_rate rate; /* "": none of its own */
};

/* ---- routes ---- */

enum fleet_retry { /* bits */
		   FLEET_RETRY_CONNECT = 1 << 0,
		   FLEET_RETRY_TIMEOUT = 1 << 1,
		   FLEET_RETRY_502 = 1 << 2,
		   FLEET_RETRY_503 = 1 << 3,
		   FLEET_RETRY_504 = 1 << 4,
};
extern const char *const fleet_retry_word[]; /* by the number of the bit */

enum fleet_limit_by { FLEET_BY_CLIENT, FLEET_BY_TENANT, FLEET_BY_KEY, FLEET_BY_HEADER };
extern const char *const fleet_limit_by_word[]; /* that of FLEET_BY_HEADER is a key: {header: NAME} */
enum fleet_keys { FLEET_KEYS_OFF, FLEET_KEYS_OPTIONAL, FLEET_KEYS_REQUIRED };
extern const char *const fleet_keys_word[];

struct fleet_pair {
	char *name, *value; /* the name of a header: lower case */
};

struct fleet_route {
	/* What matches; NULL and 0: everything does. */
	char *path;  /* "/api" matches "/api" and "/api/…", "/" all; not with `exact` */
	char *exact; /* both begin with '/', are normalised and are compared octet by octet */
	size_t method_count, header_count, cookie_count, query_count;
	char **methods;
	struct fleet_pair *headers, *cookies, *queries;
	/* Where to and how. */
	char *pool;	/* as written */
	size_t pool_at; /* its index in the service's pools */
	uint32_t timeout_ms, queue_ms;
	char *rewrite_prefix, *rewrite_host; /* NULL: as it came */
	size_t add_count, remove_count, upgrade_count;
	struct fleet_pair *add;
	char **remove;	     /* names of headers, lower case */
	char **upgrade;	     /* tokens, lower case; ["websocket"] where none is written */
	uint8_t retry;	     /* enum fleet_retry; FLEET_RETRY_CONNECT where none is written */
	uint64_t body_bytes; /* FLEET_UNLIMITED_BYTES: the tenant's */
	struct fleet_rate limit;
	uint32_t limit_burst; /* 0: what comes in a second, at least 1 */
	enum fleet_limit_by limit_by;
	char *limit_header; /* lower case, of FLEET_BY_HEADER */
	enum fleet_keys keys;
};

/* ---- origins ---- */

enum fleet_balance {
	FLEET_ROUND_ROBIN,
	FLEET_WEIGHTED,
	FLEET_LEAST_REQUESTS,
	FLEET_EWMA,
	FLEET_HASH,
	FLEET_RANDOM,
};
extern const char *const fleet_balance_word[];

enum fleet_hash { FLEET_HASH_CLIENT, FLEET_HASH_COOKIE, FLEET_HASH_HEADER };
extern const char *const fleet_hash_word[];
#define FLEET_HASH_TEXT_MAX 280 /* "header NAME" */

/* verify: full, unlike that of a check, is the default. */
struct fleet_pool_tls {
	char *sni;	 /* NULL: the origin's name; of an address: none, the address is verified */
	unsigned verify; /* enum probe_verify */
	/* Paths as written, and against the file that names them; NULL: none, the system's CAs. */
	char *ca_written, *certificate_written, *key_written;
	char *ca, *certificate, *key;
};

struct fleet_origin {
	struct ip ip; /* family 0: a name */
	char *name;   /* lower case, without the final dot; NULL: an address */
	uint16_t port;
	uint32_t weight;
	char *text; /* "10.1.0.5:8080", "[2001:db8::5]:8080", "a.example:8080": the canonical form */
};

struct fleet_pool_region {
	char *region;
	size_t origin_count;
	struct fleet_origin *origins;
};

struct fleet_pool {
	char *id;
	char *check; /* NULL: origins are always up */
	enum fleet_balance balance;
	enum fleet_hash hash;
	char *hash_name;       /* of the cookie, or of the header in lower case */
	char *sticky_cookie;   /* NULL: not sticky */
	uint32_t sticky_ttl_s; /* 0: as long as the browser is open */
	uint32_t concurrency;
	uint32_t connect_ms, idle_ms, slow_start_ms;
	uint32_t max_ejected_hundredths, panic_hundredths;
	bool sends_proxy;
	struct fleet_pool_tls *tls; /* NULL: plain */
	size_t region_count;
	struct fleet_pool_region *regions; /* in the order of the document */
};
