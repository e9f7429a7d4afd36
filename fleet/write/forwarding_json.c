/* Routes, origins, limits, keys → JSON with the keys of the YAML form, defaults left out, members in a fixed
 * order. Control thread. */
#include "fleet/write/forwarding_json.h"
#include "lib/json_text.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

static void set_text(json_t *json, const char *key, const char *text)
{
	if (text)
		json_object_set_new(json, key, json_text(text));
}

static void set_count(json_t *json, const char *key, uint64_t count, uint64_t otherwise)
{
	assert(count <= INT64_MAX);
	if (count != otherwise)
		json_object_set_new(json, key, json_integer((json_int_t)count));
}

static void set_ms(json_t *json, const char *key, uint64_t ms, uint64_t otherwise)
{
	char text[24];

	if (ms == otherwise)
		return;
	text_from_duration_ms(ms, text);
	set_text(json, key, text);
}

static void set_percent(json_t *json, const char *key, uint32_t hundredths, uint32_t otherwise)
{
	char text[24];
	unsigned fraction = hundredths % 100;

	assert(hundredths <= 10000);
	if (hundredths == otherwise)
		return;
	snprintf(text, sizeof text, fraction > 0 ? "%u.%02u%%" : "%u%%", hundredths / 100, fraction);
	set_text(json, key, text);
}

static void set_bytes(json_t *json, const char *key, uint64_t bytes, const char *unit)
{
	char size[24], text[32];

	text_from_bytes(bytes, size);
	snprintf(text, sizeof text, "%s%s", size, unit);
	set_text(json, key, text);
}

static json_t *texts(char *const *items, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_text(items[i]));
	return array;
}

static void set_pairs(json_t *json, const char *key, const struct fleet_pair *pairs, size_t count)
{
	if (count == 0)
		return;
	json_t *object = json_object();
	for (size_t i = 0; i < count; i++)
		set_text(object, pairs[i].name, pairs[i].value);
	json_object_set_new(json, key, object);
}

/* Takes `part` over; nothing is set where it has no members. */
static void set_part(json_t *json, const char *key, json_t *part)
{
	if (json_object_size(part) > 0)
		json_object_set_new(json, key, part);
	else
		json_decref(part);
}

/* ---- limits ---- */

static void bandwidth_to_json(const struct fleet_limits *limits, json_t *json)
{
	if (limits->up_bytes_s == limits->down_bytes_s && limits->up_bytes_s != FLEET_UNLIMITED_BYTES) {
		set_bytes(json, "bandwidth", limits->up_bytes_s, "/s");
		return;
	}
	json_t *both = json_object();
	if (limits->up_bytes_s != FLEET_UNLIMITED_BYTES)
		set_bytes(both, "up", limits->up_bytes_s, "/s");
	if (limits->down_bytes_s != FLEET_UNLIMITED_BYTES)
		set_bytes(both, "down", limits->down_bytes_s, "/s");
	json_object_set_new(json, "bandwidth", both);
}

void fleet_limits_to_json(const struct fleet_limits *limits, json_t *json)
{
	assert(limits->priority <= FLEET_PRIORITY_HIGH && limits->headers <= FLEET_HEADERS_NEVER);
	if (limits->given & FLEET_LIMIT_RATE)
		set_text(json, "rate", limits->rate.written);
	if (limits->given & FLEET_LIMIT_BURST)
		set_count(json, "burst", limits->burst, UINT64_MAX);
	if (limits->given & FLEET_LIMIT_CONCURRENCY)
		set_count(json, "concurrency", limits->concurrency, UINT64_MAX);
	if (limits->given & FLEET_LIMIT_BANDWIDTH)
		bandwidth_to_json(limits, json);
	if (limits->given & FLEET_LIMIT_BODY)
		set_bytes(json, "body", limits->body_bytes, "");
	if (limits->given & FLEET_LIMIT_WEBSOCKETS)
		set_count(json, "websockets", limits->websockets, UINT64_MAX);
	if (limits->given & FLEET_LIMIT_CONNECTIONS)
		set_text(json, "connections", limits->connections.written);
	if (limits->given & FLEET_LIMIT_CLIENT_RATE)
		set_text(json, "client_rate", limits->client_rate.written);
	if (limits->given & FLEET_LIMIT_QUEUE)
		set_ms(json, "queue", limits->queue_ms, UINT64_MAX);
	if (limits->given & FLEET_LIMIT_PRIORITY)
		set_text(json, "priority", fleet_priority_word[limits->priority]);
	if (limits->given & FLEET_LIMIT_HEADERS)
		set_text(json, "headers", fleet_headers_word[limits->headers]);
}

/* ---- tenants ---- */

static json_t *maintenance_to_json(const struct fleet_profile *profile)
{
	json_t *json = json_object();

	assert(profile->maintenance_status >= 400 && profile->maintenance_status <= 599);
	set_count(json, "status", profile->maintenance_status, 503);
	set_text(json, "body", profile->maintenance_body);
	if (json_object_size(json) > 0)
		return json;
	json_decref(json);
	return json_true();
}

static json_t *key_to_json(const struct fleet_key *key)
{
	char digits[2 * sizeof key->sha256 + 1];
	json_t *json = json_object();

	for (size_t i = 0; i < sizeof key->sha256; i++)
		snprintf(digits + 2 * i, 3, "%02x", key->sha256[i]);
	set_text(json, "sha256", digits);
	if (key->rate.written[0] != '\0')
		set_text(json, "rate", key->rate.written);
	return json;
}

void fleet_terms_to_json(const struct fleet_profile *profile, json_t *json)
{
	if (profile->limits) {
		json_t *limits = json_object();
		fleet_limits_to_json(profile->limits, limits);
		set_part(json, "limits", limits);
	}
	if (profile->redirects_to_https)
		set_text(json, "https", "redirect");
	if (profile->is_in_maintenance)
		json_object_set_new(json, "maintenance", maintenance_to_json(profile));
	json_t *keys = json_object();
	for (size_t i = 0; i < profile->key_count; i++)
		json_object_set_new(keys, profile->keys[i].id, key_to_json(&profile->keys[i]));
	set_part(json, "keys", keys);
}

/* ---- routes ---- */

static json_t *rewrite_to_json(const struct fleet_route *route)
{
	json_t *json = json_object();

	set_text(json, "prefix", route->rewrite_prefix);
	set_text(json, "host", route->rewrite_host);
	set_pairs(json, "add", route->add, route->add_count);
	if (route->remove_count > 0)
		json_object_set_new(json, "remove", texts(route->remove, route->remove_count));
	return json;
}

static json_t *limit_to_json(const struct fleet_route *route)
{
	json_t *json = json_object();

	if (route->limit.written[0] == '\0')
		return json;
	set_text(json, "rate", route->limit.written);
	set_count(json, "burst", route->limit_burst, 0);
	if (route->limit_by == FLEET_BY_HEADER) {
		json_t *by = json_object();
		set_text(by, fleet_limit_by_word[FLEET_BY_HEADER], route->limit_header);
		json_object_set_new(json, "by", by);
	} else if (route->limit_by != FLEET_BY_CLIENT) {
		set_text(json, "by", fleet_limit_by_word[route->limit_by]);
	}
	return json;
}

static json_t *retry_to_json(uint8_t retry)
{
	json_t *list = json_array();

	for (unsigned bit = 0; fleet_retry_word[bit]; bit++)
		if (retry & 1u << bit)
			json_array_append_new(list, json_text(fleet_retry_word[bit]));
	return list;
}

static void methods_to_json(const struct fleet_route *route, json_t *json)
{
	if (route->method_count == 1)
		set_text(json, "method", route->methods[0]);
	else if (route->method_count > 1)
		json_object_set_new(json, "method", texts(route->methods, route->method_count));
}

static json_t *route_to_json(const struct fleet_route *route)
{
	json_t *json = json_object();

	assert(!route->path || !route->exact);
	set_text(json, "path", route->path);
	set_text(json, "exact", route->exact);
	methods_to_json(route, json);
	set_pairs(json, "header", route->headers, route->header_count);
	set_pairs(json, "cookie", route->cookies, route->cookie_count);
	set_pairs(json, "query", route->queries, route->query_count);
	set_text(json, "origins", route->pool);
	set_ms(json, "timeout", route->timeout_ms, 30000);
	set_ms(json, "queue", route->queue_ms, 1000);
	set_part(json, "rewrite", rewrite_to_json(route));
	if (route->retry != FLEET_RETRY_CONNECT)
		json_object_set_new(json, "retry", retry_to_json(route->retry));
	if (route->upgrade_count != 1 || strcmp(route->upgrade[0], "websocket") != 0)
		json_object_set_new(json, "upgrade", texts(route->upgrade, route->upgrade_count));
	if (route->body_bytes != FLEET_UNLIMITED_BYTES)
		set_bytes(json, "body", route->body_bytes, "");
	set_part(json, "limit", limit_to_json(route));
	if (route->keys != FLEET_KEYS_OFF)
		set_text(json, "keys", fleet_keys_word[route->keys]);
	return json;
}

/* ---- origins ---- */

static json_t *tls_to_json(const struct fleet_pool_tls *tls)
{
	json_t *json = json_object();

	set_text(json, "sni", tls->sni);
	if (tls->verify != PROBE_VERIFY_FULL)
		set_text(json, "verify", fleet_verify_word[tls->verify]);
	set_text(json, "ca", tls->ca_written);
	set_text(json, "certificate", tls->certificate_written);
	set_text(json, "key", tls->key_written);
	return json;
}

static json_t *sticky_to_json(const struct fleet_pool *pool)
{
	json_t *json = json_object();

	set_text(json, "cookie", pool->sticky_cookie);
	set_ms(json, "ttl", (uint64_t)pool->sticky_ttl_s * 1000, 0);
	return json;
}

static json_t *origin_to_json(const struct fleet_origin *origin)
{
	if (origin->weight == 1)
		return json_text(origin->text);
	json_t *json = json_object();
	set_text(json, "address", origin->text);
	set_count(json, "weight", origin->weight, 1);
	return json;
}

static void hash_to_json(const struct fleet_pool *pool, json_t *json)
{
	char text[FLEET_HASH_TEXT_MAX];

	if (pool->hash == FLEET_HASH_CLIENT)
		return;
	snprintf(text, sizeof text, "%s %s", fleet_hash_word[pool->hash], pool->hash_name);
	set_text(json, "hash", text);
}

static json_t *pool_to_json(const struct fleet_pool *pool)
{
	json_t *json = json_object();

	if (pool->balance != FLEET_ROUND_ROBIN)
		set_text(json, "balance", fleet_balance_word[pool->balance]);
	hash_to_json(pool, json);
	set_text(json, "check", pool->check);
	if (pool->tls)
		json_object_set_new(json, "tls", tls_to_json(pool->tls));
	set_part(json, "sticky", sticky_to_json(pool));
	set_count(json, "concurrency", pool->concurrency, 1024);
	set_ms(json, "connect", pool->connect_ms, 2000);
	set_ms(json, "idle", pool->idle_ms, 4000);
	set_ms(json, "slow_start", pool->slow_start_ms, 0);
	set_percent(json, "max_ejected", pool->max_ejected_hundredths, 5000);
	set_percent(json, "panic", pool->panic_hundredths, 3000);
	if (pool->sends_proxy)
		json_object_set_new(json, "proxy_protocol", json_true());
	for (size_t r = 0; r < pool->region_count; r++) {
		json_t *list = json_array();
		for (size_t i = 0; i < pool->regions[r].origin_count; i++)
			json_array_append_new(list, origin_to_json(&pool->regions[r].origins[i]));
		json_object_set_new(json, pool->regions[r].region, list);
	}
	return json;
}

void fleet_json_resolve_paths(const struct fleet_object *object, json_t *json)
{
	const struct fleet_service *service = (const struct fleet_service *)object;

	if (object->kind != FLEET_SERVICE)
		return;
	for (size_t i = 0; i < service->pool_count; i++) {
		const struct fleet_pool_tls *tls = service->pools[i].tls;
		json_t *pool = json_object_get(json_object_get(json, "origins"), service->pools[i].id);
		json_t *written = json_object_get(pool, "tls");
		if (!tls)
			continue;
		assert(written != NULL);
		set_text(written, "ca", tls->ca);
		set_text(written, "certificate", tls->certificate);
		set_text(written, "key", tls->key);
	}
}

void fleet_forwarding_to_json(const struct fleet_service *service, json_t *json)
{
	assert(service->route_count <= FLEET_ROUTES_MAX && service->pool_count <= FLEET_POOLS_MAX);
	if (service->route_count > 0) {
		json_t *routes = json_array();
		for (size_t i = 0; i < service->route_count; i++)
			json_array_append_new(routes, route_to_json(&service->routes[i]));
		json_object_set_new(json, "routes", routes);
	}
	json_t *pools = json_object();
	for (size_t i = 0; i < service->pool_count; i++)
		json_object_set_new(pools, service->pools[i].id, pool_to_json(&service->pools[i]));
	set_part(json, "origins", pools);
}
