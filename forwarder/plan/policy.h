/*
 * What a tenant may: compiled from its tier and its own keys, one for all tenants that are equal in it.
 * Immutable parts of a world. Pure; any thread.
 */
#pragma once
#include "forwarder/plan/reason.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_UNLIMITED 0 /* an interval of 0 ns: no limit at all */

/* A rate as lib/gcra.h takes it. */
struct policy_rate {
	uint64_t interval_ns; /* POLICY_UNLIMITED, GCRA_NOTHING (rate 0), or the time that one use costs */
	uint64_t burst;	      /* uses at once, ≥ 1 */
};

enum policy_priority { POLICY_LOW, POLICY_NORMAL, POLICY_HIGH };
enum policy_headers { POLICY_HEADERS_LIMITED, POLICY_HEADERS_ALWAYS, POLICY_HEADERS_NEVER };

struct policy_limits {
	struct policy_rate rate, connections, client_rate;
	uint32_t concurrency;		   /* requests in flight; UINT32_MAX: unlimited; 0: none */
	uint32_t websockets;		   /* the same of tunnels */
	uint64_t up_bytes_s, down_bytes_s; /* from the client, to the client; UINT64_MAX: unlimited */
	uint64_t body_bytes;		   /* of a request; UINT64_MAX: unlimited */
	uint32_t queue_ms;		   /* wait for concurrency; 0: none */
	enum policy_priority priority;
	enum policy_headers headers;
};

struct policy_key {
	uint8_t sha256[32];
	const char *id;
	struct policy_rate rate;
	uint32_t number; /* of the key in its tenant: part of the limiter's word */
};

struct policy {
	uint32_t service; /* index in world->services */
	bool is_suspended;
	bool redirects_to_https;
	bool is_elsewhere; /* the tenant names regions, and this node's is none of them */
	bool is_in_maintenance;
	uint16_t maintenance_status;
	uint32_t maintenance_length;
	const char *maintenance_body;
	struct policy_limits limits;
	size_t key_count;
	const struct policy_key *keys; /* sorted by sha256 */
};

/* Whether a request for this path goes on to the routes: REASON_NONE, or why it does not. */
enum reason policy_verdict(const struct policy *policy, bool is_https, const char *path, size_t length);
