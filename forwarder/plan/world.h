/*
 * What the workers read: one immutable world, published whole by the control thread (lib/publish.h). A
 * pointer to it lives for one turn of a worker's loop and is never stored; what a request needs of it later
 * is copied.
 */
#pragma once
#include "forwarder/plan/hosts.h"
#include "forwarder/plan/policy.h"
#include "forwarder/plan/pool.h"
#include "forwarder/plan/route.h"
#include "forwarder/plan/tenant_state.h"
#include "lib/net.h"

struct certnames;      /* names of certificates */
struct ticket_secrets; /* of TLS sessions */

/* Of node.yaml, what a reload may change. Times in milliseconds. */
struct world_settings {
	uint32_t head_bytes, line_bytes, fields_max;
	uint32_t head_ms, body_ms, idle_ms, write_ms, handshake_ms, tunnel_ms;
	uint32_t per_client; /* connections of one client address; 0: no bound */
	size_t trusted_count, proxy_count;
	const struct prefix *trusted_proxies, *proxy_protocol;
	bool coalesces_by_certificate;
	bool logs_access, logs_errors_always, logs_query;
	uint32_t log_sample; /* of 10000 */
	uint16_t https_port; /* of the first https listener: redirects; 0: none */
};

struct world {
	uint64_t epoch;
	struct world_settings settings;
	const struct hosts *hosts;
	size_t policy_count, service_count, pool_count;
	const struct policy *const *policies; /* NULL where the number is free */
	const struct route_service *const *services;
	const struct pool *const *pools;
	struct tenant_state *states;	      /* the process', by slot */
	const struct certnames *certificates; /* NULL: none, no https */
	const struct ticket_secrets *tickets; /* NULL: no tickets */
};
