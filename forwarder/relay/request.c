/* The way of a request's head. A worker's thread. */
#include "forwarder/relay/request.h"
#include "forwarder/http1/cookies.h"
#include "forwarder/http1/head_write.h"
#include "forwarder/http1/identity.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/attempt.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/record.h"
#include "forwarder/relay/worker.h"
#include "lib/inline.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ALLOW "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/* What one call works with; gone at its end. */
struct request_work {
	struct worker *worker;
	const struct world *world;
	const struct request_client *client;
	struct exchange *exchange;
	const char *octets; /* of the head */
	struct http1_request http;
	struct identity identity;
	struct hosts_entry host;
	const struct policy *policy;
	const struct route_service *service;
	const struct route *route;
	const struct pool *pool;
	bool is_upgrade;
	char trace[EXCHANGE_ID_LENGTH]; /* digits of its traceparent */
	bool has_trace;
};

/* Each step: REASON_NONE goes on; else our answer's reason, and whether the connection closes behind it. */
static struct http1_verdict pass(void)
{
	return (struct http1_verdict){REASON_NONE, false};
}

static struct http1_verdict refused(enum reason reason)
{
	return (struct http1_verdict){reason, false};
}

/* Eight digits of 32 bits: each half octet in an octet of its own, and all of them become digits at once. */
static IN_LINE void write_hex_half(uint32_t bits, char out[static 8])
{
	uint64_t octets = bits;

	octets = (octets | octets << 16) & 0x0000ffff0000ffffu;
	octets = (octets | octets << 8) & 0x00ff00ff00ff00ffu;
	octets = (octets | octets << 4) & 0x0f0f0f0f0f0f0f0fu;
	uint64_t letters = (octets + 0x0606060606060606u) >> 4 & 0x0101010101010101u; /* 10 to 15 */
	octets += 0x3030303030303030u + letters * ('a' - '0' - 10);
	memcpy(out, &octets, sizeof octets);
}

static void write_hex(uint64_t bits, char out[static 16])
{
	write_hex_half((uint32_t)bits, out);
	write_hex_half((uint32_t)(bits >> 32), out + 8);
}

static void make_id(struct worker *worker, char out[static EXCHANGE_ID_LENGTH])
{
	write_hex(rng_next(&worker->rng), out);
	write_hex(rng_next(&worker->rng), out + 16);
}

static void fill(struct request_work *work)
{
	struct exchange *exchange = work->exchange;
	const struct http1_request *http = &work->http;

	exchange->conn = work->client->conn;
	exchange->client = work->client->link;
	exchange->in = work->client->in;
	exchange->is_https = work->client->is_https;
	exchange->port = work->client->port;
	exchange->is_head = http->is_head;
	exchange->is_idempotent = http->is_idempotent;
	exchange->client_minor = http->minor;
	exchange->keeps_client = http->keeps_alive && !work->client->is_last;
	exchange->expects_continue = http->expects_continue;
	exchange->content_length = http->content_length;
	exchange->asked =
		(struct http1_response_asked){.is_head = http->is_head, .client_minor = http->minor};
	exchange->is_up_chunked = http->framing == HTTP1_CHUNKED;
	http1_body_start(&exchange->up_body, http->framing, http->content_length, UINT64_MAX, false);
}

static void identify(struct request_work *work)
{
	struct exchange *exchange = work->exchange;
	const struct world_settings *settings = &work->world->settings;

	identity_read(&work->worker->head, work->octets, &work->client->address, settings->trusted_proxies,
		      settings->trusted_count, &work->identity);
	exchange->address = work->identity.client;
	if (work->identity.id && work->identity.id_length <= EXCHANGE_ID_LENGTH) {
		exchange->id_length = work->identity.id_length;
		memcpy(exchange->id, work->identity.id, work->identity.id_length);
	} else {
		exchange->id_length = EXCHANGE_ID_LENGTH;
		make_id(work->worker, exchange->id);
	}
}

/* ---- the steps ---- */

/* A browser that has a connection for one name may use it for another that the certificate covers; another
 * tenant's never. */
static bool is_misdirected(const struct request_work *work, uint64_t tenant_hash)
{
	const struct tls *tls = work->client->link->tls;

	if (!tls || tls_tenant_hash(tls) == tenant_hash)
		return false;
	/* Who named nobody was shown the default certificate, and gets the hosts that it is for. */
	bool goes_by_certificate =
		work->world->settings.coalesces_by_certificate || tls_tenant_hash(tls) == 0;
	return !goes_by_certificate ||
	       !tls_covers(tls, work->world->certificates, work->http.name, work->http.host.length);
}

/* One of TLS was counted when it named its tenant. */
static struct http1_verdict count_connection(struct request_work *work)
{
	const struct request_client *client = work->client;

	if (!client->is_first || client->is_https ||
	    limit_connection(&work->world->states[work->host.state], work->policy, work->worker->now_ns))
		return pass();
	return (struct http1_verdict){REASON_CONNECTIONS, true};
}

static struct http1_verdict find_tenant(struct request_work *work)
{
	const struct http1_request *http = &work->http;
	struct exchange *exchange = work->exchange;

	if (!http->has_host || http->host.is_address ||
	    !hosts_find(work->world->hosts, http->name, http->host.length, &work->host))
		return (struct http1_verdict){REASON_NO_TENANT, !http->has_host};
	uint64_t tenant_hash = hosts_tenant_hash(&work->host);
	if (is_misdirected(work, tenant_hash))
		return (struct http1_verdict){REASON_MISDIRECTED, true};
	work->policy = work->world->policies[work->host.policy];
	work->service = work->world->services[work->policy->service];
	exchange->tenant = work->host.state;
	exchange->policy = work->host.policy;
	exchange->tenant_hash = tenant_hash;
	exchange->tenant_id_length = work->host.tenant_length;
	memcpy(exchange->tenant_id, work->host.tenant, work->host.tenant_length);
	exchange->service = work->service->number;
	exchange->has_tenant = true;
	exchange->priority = work->policy->limits.priority;
	return count_connection(work);
}

static void add_location(struct request_work *work)
{
	const struct http1_request *http = &work->http;
	char url[EXCHANGE_EXTRA_MAX], port[8] = "";
	uint16_t https_port = work->world->settings.https_port;

	if (https_port != 0 && https_port != 443)
		snprintf(port, sizeof port, ":%u", https_port);
	int length = snprintf(url, sizeof url, "https://%.*s%s%.*s", (int)http->host.length, http->name, port,
			      (int)http->path.length, http->path.text);
	if (length > 0 && (size_t)length < sizeof url)
		own_reply_add(work->exchange, "Location", url, (size_t)length);
}

static struct http1_verdict obey_policy(struct request_work *work)
{
	const struct http1_request *http = &work->http;
	enum reason reason =
		policy_verdict(work->policy, work->client->is_https, http->path.text, http->path.length);

	if (reason == REASON_REDIRECT)
		add_location(work);
	return refused(reason);
}

static struct http1_verdict find_route(struct request_work *work)
{
	struct route_request request = http1_request_route(&work->http, &work->worker->head, work->octets);

	switch (route_find(work->service, &request, &work->route)) {
	case ROUTE_FOUND:
		break;
	case ROUTE_NONE:
		return refused(REASON_NO_ROUTE);
	case ROUTE_BUT_METHOD:
		for (unsigned i = 0; i < work->route->method_count; i++)
			own_reply_add(work->exchange, "Allow", work->route->methods[i].text,
				      work->route->methods[i].length);
		return refused(REASON_METHOD);
	}
	work->pool = work->world->pools[work->route->pool];
	work->is_upgrade = http1_request_upgrades(&work->http, work->route);
	return pass();
}

static void choose_by(struct request_work *work)
{
	const struct pool *pool = work->pool;
	struct exchange *exchange = work->exchange;
	const struct http_head *head = &work->worker->head;
	struct route_text value = {0};

	exchange->sets_sticky = pool->sticky_cookie != NULL;
	if (pool->sticky_cookie && cookies_find(head, work->octets, pool->sticky_cookie, &value) &&
	    value.length == BALANCE_STICKY_LENGTH) {
		memcpy(exchange->sticky, value.text, BALANCE_STICKY_LENGTH);
		exchange->has_sticky = true;
	}
	if (pool->balance != POOL_HASH)
		return;
	bool is_found =
		pool->hash == POOL_HASH_COOKIE	 ? cookies_find(head, work->octets, pool->hash_name, &value)
		: pool->hash == POOL_HASH_HEADER ? cookies_header(head, work->octets, pool->hash_name, &value)
						 : false;
	exchange->choice_hash =
		is_found ? balance_hash(value.text, value.length)
			 : balance_hash(exchange->address.bytes, sizeof exchange->address.bytes);
}

static void fill_route(struct request_work *work)
{
	struct exchange *exchange = work->exchange;
	const struct route *route = work->route;

	exchange->route = (struct exchange_route){.number = route->number,
						  .timeout_ms = route->timeout_ms,
						  .queue_ms = route->queue_ms,
						  .retry = route->retry};
	exchange->pool = route->pool;
	exchange->pool_state = work->pool->state;
	exchange->origin_idle_ms = work->pool->idle_ms;
	exchange->up_bytes_s = work->policy->limits.up_bytes_s;
	exchange->down_bytes_s = work->policy->limits.down_bytes_s;
	exchange->up_tat_ns = &work->world->states[work->host.state].up_tat_ns;
	exchange->down_tat_ns = &work->world->states[work->host.state].down_tat_ns;
	choose_by(work);
}

static struct http1_verdict wait_for_tenant(struct request_work *work, const struct limit_request *request)
{
	struct exchange *exchange = work->exchange;
	struct fair_waiter *waiter = &exchange->waiter;

	waiter->worker = work->worker->number;
	waiter->cookie = (uint64_t)exchange->generation << 32 | exchange->conn;
	enum reason reason = limit_wait(work->worker->relay->limits, request, &exchange->grant, waiter);
	if (reason != REASON_NONE)
		return refused(reason);
	if (atomic_load(&waiter->status) == FAIR_CHOSEN)
		return refused(limit_resume(work->worker->relay->limits, request, &exchange->grant, waiter));
	exchange->waits_for_tenant = true;
	exchange->state = EXCHANGE_QUEUED;
	exchange->queued_ns = work->worker->now_ns;
	exchange->deadline_ms = work->worker->now_ms + work->policy->limits.queue_ms;
	exchange->look_ms = work->worker->now_ms + EXCHANGE_LOOK_MS;
	return pass();
}

static struct http1_verdict admit(struct request_work *work)
{
	struct exchange *exchange = work->exchange;
	struct limit_request request = {
		.state = &work->world->states[work->host.state],
		.tenant = work->host.state,
		.policy = work->policy,
		.route = work->route,
		.head = &work->worker->head,
		.octets = work->octets,
		.client = exchange->address,
		.body_bytes = work->http.content_length,
		.is_upgrade = work->is_upgrade,
		.now_ns = work->worker->now_ns,
	};
	enum reason reason = limit_admit(work->worker->relay->limits, &request, &exchange->grant);
	struct http1_verdict verdict = refused(reason);

	exchange->state = EXCHANGE_OPEN;
	if (reason == REASON_CONCURRENCY && exchange->grant.may_wait)
		verdict = wait_for_tenant(work, &request);
	exchange->up_body.limit = exchange->grant.body_max;
	verdict.closes = verdict.reason == REASON_BODY_TOO_LARGE;
	if (verdict.reason == REASON_NONE && work->policy->limits.headers == POLICY_HEADERS_ALWAYS)
		own_reply_add_limit(work->worker, exchange, REASON_NONE);
	return verdict;
}

/* The head for the origin. It stays where it is until an answer begins, should it have to be said again. */
static struct http1_verdict write_head(struct request_work *work)
{
	struct exchange *exchange = work->exchange;
	char address[IP_TEXT_MAX], peer[IP_TEXT_MAX], span[HEAD_WRITE_SPAN], *trace = work->trace;

	ip_format(&exchange->address, address);
	write_hex(rng_next(&work->worker->rng), span);
	if (work->identity.is_trusted)
		ip_format(&work->client->address, peer);
	else
		memcpy(peer, address, sizeof peer);
	/* Nobody has another use for the id where the request begins here: one to look for is enough. */
	if (work->identity.trace)
		memcpy(trace, work->identity.trace, EXCHANGE_ID_LENGTH);
	else if (work->identity.id)
		make_id(work->worker, trace);
	else
		memcpy(trace, exchange->id, EXCHANGE_ID_LENGTH);
	work->has_trace = true;
	struct head_write_request from = {
		.head = &work->worker->head,
		.octets = work->octets,
		.request = &work->http,
		.route = work->route,
		.tenant = {work->host.tenant, work->host.tenant_length},
		.client = {address, (uint32_t)strlen(address)},
		.peer = {peer, (uint32_t)strlen(peer)},
		.is_trusted = work->identity.is_trusted,
		.is_https = exchange->is_https,
		.is_upgrade = work->is_upgrade,
		.request_id = {exchange->id, exchange->id_length},
		.trace = trace,
		.span = span,
		.is_sampled = work->identity.is_sampled,
	};
	bool is_long = work->http.framing == HTTP1_LENGTH && work->http.content_length <= RETRY_BODY_MAX &&
		       work->http.content_length + work->worker->head.length + FLOW_COPY_MAX > BUFFER_SMALL;
	for (unsigned large = is_long; large < 3; large++) {
		uint32_t size = large ? BUFFER_LARGE : BUFFER_SMALL;
		buffers_give(&work->worker->buffers, exchange->up.made);
		exchange->up.made = buffers_take(&work->worker->buffers, size);
		if (!exchange->up.made)
			return refused(REASON_QUEUE_FULL);
		size_t length = head_write_request(&from, exchange->up.made->octets, size);
		if (length) {
			flow_made(&exchange->up, length);
			exchange->up.is_replayable = true;
			return pass();
		}
		if (size == BUFFER_LARGE)
			break;
	}
	return (struct http1_verdict){REASON_HEAD_TOO_LARGE, true};
}

static struct http1_verdict judge(struct request_work *work)
{
	struct http1_verdict verdict = find_tenant(work);

	if (verdict.reason != REASON_NONE)
		return verdict;
	if (work->http.is_options_here)
		return refused(REASON_NONE);
	verdict = obey_policy(work);
	if (verdict.reason == REASON_NONE)
		verdict = find_route(work);
	if (verdict.reason == REASON_NONE) {
		fill_route(work);
		verdict = admit(work);
	}
	if (verdict.reason == REASON_NONE)
		verdict = write_head(work);
	return verdict;
}

/* ---- what the steps came to ---- */

static void record(struct request_work *work)
{
	struct record_request request = {
		.world = work->world,
		.http = &work->http,
		.host = work->exchange->has_tenant ? &work->host : NULL,
		.service = work->service,
		.route = work->route,
		.policy = work->policy,
		.trace = work->has_trace ? work->trace : NULL,
	};

	if (work->world->settings.logs_access)
		record_begin(work->worker, work->exchange, &request);
}

static bool answer(struct request_work *work, struct http1_verdict verdict)
{
	struct exchange *exchange = work->exchange;
	const struct policy *policy = work->policy;

	if (verdict.reason == REASON_MAINTENANCE) {
		if (policy->maintenance_status == 503)
			own_reply_add(exchange, "Retry-After", "60", 2);
		return own_reply_text(work->worker, exchange, REASON_MAINTENANCE, policy->maintenance_status,
				      policy->maintenance_body, policy->maintenance_length, false);
	}
	if (verdict.reason == REASON_METHOD && !work->route)
		own_reply_add(exchange, "Allow", ALLOW, sizeof ALLOW - 1);
	return own_reply_refuse(work->worker, exchange, verdict.reason, verdict.closes);
}

/* An upgrade that the origin is asked for: what it may answer with 101. Any other answer is the last one
 * here: what the client has sent behind its request was not meant to be HTTP. */
static void note_upgrade(struct request_work *work)
{
	if (!work->is_upgrade)
		return;
	work->exchange->keeps_client = false;
	struct route_text *token = &work->exchange->asked.upgrade;
	uint32_t length = work->http.upgrade.length;

	if (length > sizeof work->exchange->upgrade)
		length = sizeof work->exchange->upgrade;
	memcpy(work->exchange->upgrade, work->http.upgrade.text, length);
	*token = (struct route_text){work->exchange->upgrade, length};
}

static bool go_on(struct request_work *work, struct http1_verdict verdict)
{
	if (verdict.reason != REASON_NONE)
		return answer(work, verdict);
	if (work->http.is_options_here) {
		own_reply_add(work->exchange, "Allow", ALLOW, sizeof ALLOW - 1);
		return own_reply_text(work->worker, work->exchange, REASON_NONE, 200, "", 0, false);
	}
	note_upgrade(work);
	return work->exchange->state == EXCHANGE_QUEUED || attempt_start(work->worker, work->exchange);
}

static struct http_head_limits limits_of(const struct world *world)
{
	const struct world_settings *settings = &world->settings;

	return (struct http_head_limits){.head_bytes = settings->head_bytes,
					 .line_bytes = settings->line_bytes,
					 .target_bytes = settings->line_bytes,
					 .fields = settings->fields_max};
}

enum request_status request_begin(struct worker *worker, const struct request_client *client,
				  struct exchange **ret)
{
	struct buffer *in = *client->in;
	struct request_work work = {.worker = worker,
				    .world = publish_get(worker->relay->world),
				    .client = client,
				    .octets = in->octets + in->start};
	struct http_head_limits limits = limits_of(work.world);
	char scratch[HTTP1_REQUEST_SCRATCH(HTTP_HEAD_BYTES_MAX)];

	enum http_head_status status =
		http_head_request(&worker->head, client->scan, work.octets, buffer_held(in), &limits);
	if (status == HTTP_HEAD_PARTIAL)
		return REQUEST_PARTIAL;
	*client->scan = (struct http_head_scan){0};
	struct http1_verdict verdict = status == HTTP_HEAD_DONE
					       ? http1_request_read(&worker->head, work.octets,
								    client->is_https, scratch, &work.http)
					       : http1_request_refusal(status);
	work.exchange = exchange_new(worker);
	fill(&work);
	identify(&work);
	if (verdict.reason == REASON_NONE)
		verdict = judge(&work);
	record(&work);
	uint32_t start = in->start;
	in->start += status == HTTP_HEAD_DONE ? worker->head.length : buffer_held(in);
	*ret = work.exchange;
	if (go_on(&work, verdict))
		return REQUEST_BEGUN;
	in->start = start;
	exchange_free(worker, work.exchange);
	return REQUEST_STARVED;
}

struct exchange *request_late(struct worker *worker, const struct request_client *client)
{
	struct request_work work = {.worker = worker,
				    .world = publish_get(worker->relay->world),
				    .client = client,
				    .http = {.minor = 1}};

	work.exchange = exchange_new(worker);
	fill(&work);
	work.exchange->id_length = EXCHANGE_ID_LENGTH;
	make_id(worker, work.exchange->id);
	work.exchange->address = client->address;
	record(&work);
	if (own_reply_refuse(worker, work.exchange, REASON_HEAD_TIMEOUT, true))
		return work.exchange;
	exchange_free(worker, work.exchange);
	return NULL;
}
