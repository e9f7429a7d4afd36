/* The words of routes, origins and limits, and limits that lie over each other. Pure. */
#include "fleet/forwarding.h"
#include <assert.h>
#include <string.h>

const char *const fleet_priority_word[] = {[FLEET_PRIORITY_LOW] = "low",
					   [FLEET_PRIORITY_NORMAL] = "normal",
					   [FLEET_PRIORITY_HIGH] = "high",
					   [FLEET_PRIORITY_HIGH + 1] = NULL};

const char *const fleet_headers_word[] = {[FLEET_HEADERS_LIMITED] = "limited",
					  [FLEET_HEADERS_ALWAYS] = "always",
					  [FLEET_HEADERS_NEVER] = "never",
					  [FLEET_HEADERS_NEVER + 1] = NULL};

const char *const fleet_retry_word[] = {"connect", "timeout", "502", "503", "504", NULL};

const char *const fleet_limit_by_word[] = {[FLEET_BY_CLIENT] = "client",
					   [FLEET_BY_TENANT] = "tenant",
					   [FLEET_BY_KEY] = "key",
					   [FLEET_BY_HEADER] = "header",
					   [FLEET_BY_HEADER + 1] = NULL};

const char *const fleet_keys_word[] = {[FLEET_KEYS_OFF] = "off",
				       [FLEET_KEYS_OPTIONAL] = "optional",
				       [FLEET_KEYS_REQUIRED] = "required",
				       [FLEET_KEYS_REQUIRED + 1] = NULL};

const char *const fleet_balance_word[] = {
	[FLEET_ROUND_ROBIN] = "round-robin",
	[FLEET_WEIGHTED] = "weighted",
	[FLEET_LEAST_REQUESTS] = "least-requests",
	[FLEET_EWMA] = "ewma",
	[FLEET_HASH] = "hash",
	[FLEET_RANDOM] = "random",
	[FLEET_RANDOM + 1] = NULL,
};

const char *const fleet_hash_word[] = {[FLEET_HASH_CLIENT] = "client",
				       [FLEET_HASH_COOKIE] = "cookie",
				       [FLEET_HASH_HEADER] = "header",
				       [FLEET_HASH_HEADER + 1] = NULL};

/* Profiles compare them as octets: none may lie between members. */
static_assert(sizeof(struct fleet_rate) == FLEET_RATE_TEXT_MAX + 8, "padding");
static_assert(sizeof(struct fleet_limits) == 3 * sizeof(struct fleet_rate) + 48, "padding");
static_assert(sizeof(struct fleet_key) == 96 + sizeof(struct fleet_rate), "padding");

void fleet_limits_init(struct fleet_limits *limits)
{
	memset(limits, 0, sizeof *limits);
	limits->up_bytes_s = limits->down_bytes_s = FLEET_UNLIMITED_BYTES;
	limits->body_bytes = 100000000;
	limits->concurrency = limits->websockets = FLEET_UNLIMITED_COUNT;
	limits->priority = FLEET_PRIORITY_NORMAL;
	limits->headers = FLEET_HEADERS_LIMITED;
}

void fleet_limits_overlay(struct fleet_limits *limits, const struct fleet_limits *own)
{
	assert(own->given < FLEET_LIMIT_HEADERS << 1);
	if (own->given & FLEET_LIMIT_RATE)
		limits->rate = own->rate;
	if (own->given & FLEET_LIMIT_BURST)
		limits->burst = own->burst;
	if (own->given & FLEET_LIMIT_CONCURRENCY)
		limits->concurrency = own->concurrency;
	if (own->given & FLEET_LIMIT_BANDWIDTH) {
		limits->up_bytes_s = own->up_bytes_s;
		limits->down_bytes_s = own->down_bytes_s;
	}
	if (own->given & FLEET_LIMIT_BODY)
		limits->body_bytes = own->body_bytes;
	if (own->given & FLEET_LIMIT_WEBSOCKETS)
		limits->websockets = own->websockets;
	if (own->given & FLEET_LIMIT_CONNECTIONS)
		limits->connections = own->connections;
	if (own->given & FLEET_LIMIT_CLIENT_RATE)
		limits->client_rate = own->client_rate;
	if (own->given & FLEET_LIMIT_QUEUE)
		limits->queue_ms = own->queue_ms;
	if (own->given & FLEET_LIMIT_PRIORITY)
		limits->priority = own->priority;
	if (own->given & FLEET_LIMIT_HEADERS)
		limits->headers = own->headers;
	limits->given |= own->given;
}
