/* Routes, origins, limits, maintenance and keys: what they mean, and that all of it comes out as it went in.
 */
#include "fleet_fixture.h"

#define EU "regions: {eu: {at: [1, 2]}}\n"

/* ---- what it means ---- */

#define ZONE "zones: {z.example: {text: \"@ SOA n h 1 2 3 4 5\\n@ NS n.test.\\n\"}}\n"
#define SHA60 "112233445566778899AABBCCDDEEFF00112233445566778899aabbccddee"
#define SHA SHA60 "ff00"

static const char everything[] =
	"regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"
	"checks: {up: {type: http, port: 8080}}\n" ZONE "services:\n"
	"  plain:\n"
	"    vips: {eu: [192.0.2.1]}\n"
	"    routes: [{origins: web}]\n"
	"    origins: {web: {eu: [10.0.0.1:80]}}\n"
	"  shop:\n"
	"    vips: {eu: [192.0.2.1]}\n"
	"    routes:\n"
	"      - path: /api\n"
	"        method: [GET, PURGE]\n"
	"        header: {X-Kind: 'b', accept: ''}\n"
	"        cookie: {Beta: '1'}\n"
	"        query: {v: '2', 'a%20b': x=y}\n"
	"        origins: api\n"
	"        timeout: 5s\n"
	"        queue: 0s\n"
	"        rewrite: {prefix: /v1, host: api.example:8080, add: {X-Plan: gold}, remove: [Cookie]}\n"
	"        retry: [502, connect, timeout]\n"
	"        upgrade: [WebSocket, custom]\n"
	"        body: 10MB\n"
	"        limit: {rate: 100/h, burst: 7, by: {header: X-User}}\n"
	"        keys: required\n"
	"      - {exact: /login, method: POST, origins: web, retry: [], upgrade: [], limit: {rate: 5/m, by: "
	"tenant}}\n"
	"      - {origins: web, body: 0B, keys: optional, limit: {rate: 0/s, by: key}}\n"
	"    origins:\n"
	"      web:\n"
	"        us: [\"[2001:DB8::5]:8080\", {address: \"App.Example.:80\", weight: 0}]\n"
	"        balance: hash\n"
	"        hash: header X-User\n"
	"        eu: [10.1.0.5:8080]\n"
	"      api:\n"
	"        balance: ewma\n"
	"        check: up\n"
	"        protocol: http1\n"
	"        tls: {sni: API.example, verify: chain}\n"
	"        sticky: {cookie: Sid, ttl: 1h}\n"
	"        concurrency: 64\n"
	"        connect: 500ms\n"
	"        idle: 1s\n"
	"        slow_start: 30s\n"
	"        max_ejected: 33.3%\n"
	"        panic: 0%\n"
	"        proxy_protocol: true\n"
	"        eu: [{address: \"10.1.0.6:443\", weight: 1000}]\n"
	"tiers:\n"
	"  gold: {dns_queries: 1/s, rate: 600/m, burst: 50, concurrency: 0, bandwidth: {down: 10MB/s}, body: "
	"1GiB,\n"
	"         websockets: 9, connections: 20/d, client_rate: 5/h, queue: 2s, priority: high, headers: "
	"never}\n"
	"  even: {bandwidth: 1MiB/s, priority: normal}\n"
	"  none: {}\n"
	"tenants:\n"
	"  a: {zone: z.example, service: shop, tier: gold, limits: {rate: 7/s, headers: always}, https: "
	"redirect,\n"
	"      maintenance: {status: 500, body: \"back at 8\\n\"},\n"
	"      keys: {ci: {sha256: " SHA ", rate: 10/m}, app: {sha256: abcd" SHA60 "}}}\n"
	"  b: {zone: z.example, service: shop, maintenance: true, limits: {}, https: both}\n"
	"  c: {zone: z.example, service: shop, maintenance: false, keys: {}}\n"
	"  d: {zone: z.example, service: shop}\n";

static struct fleet *load(void)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE, everything);
	return fleet;
}

static const struct fleet_service *service(const struct fleet *fleet, const char *id)
{
	return (const struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, id);
}

static const struct fleet_profile *profile(const struct fleet *fleet, const char *id)
{
	return ((const struct fleet_tenant *)fleet_get(fleet, FLEET_TENANT, id))->profile;
}

static void test_defaults(void **state)
{
	struct fleet *fleet = load();
	const struct fleet_route *route = service(fleet, "plain")->routes;
	const struct fleet_pool *pool = service(fleet, "plain")->pools;

	assert_true(!route->path && !route->exact && !route->rewrite_prefix && !route->rewrite_host);
	assert_int_equal(route->method_count + route->header_count + route->cookie_count + route->query_count,
			 0);
	assert_int_equal(route->pool_at, 0);
	assert_int_equal(route->timeout_ms, 30000);
	assert_int_equal(route->queue_ms, 1000);
	assert_int_equal(route->retry, FLEET_RETRY_CONNECT);
	assert_int_equal(route->upgrade_count, 1);
	assert_string_equal(route->upgrade[0], "websocket");
	assert_true(route->body_bytes == FLEET_UNLIMITED_BYTES);
	assert_string_equal(route->limit.written, "");
	assert_int_equal(route->keys, FLEET_KEYS_OFF);
	assert_string_equal(pool->id, "web");
	assert_int_equal(pool->balance, FLEET_ROUND_ROBIN);
	assert_true(!pool->check && !pool->tls && !pool->sticky_cookie && !pool->sends_proxy);
	assert_int_equal(pool->concurrency, 1024);
	assert_int_equal(pool->connect_ms, 2000);
	assert_int_equal(pool->idle_ms, 4000);
	assert_int_equal(pool->slow_start_ms, 0);
	assert_int_equal(pool->max_ejected_hundredths, 5000);
	assert_int_equal(pool->panic_hundredths, 3000);
	assert_int_equal(pool->regions[0].origins[0].weight, 1);
	fleet_free(fleet);
}

static void test_route(void **state)
{
	struct fleet *fleet = load();
	const struct fleet_route *route = service(fleet, "shop")->routes;

	assert_int_equal(service(fleet, "shop")->route_count, 3);
	assert_string_equal(route->path, "/api");
	assert_int_equal(route->method_count, 2);
	assert_string_equal(route->methods[1], "PURGE");
	assert_string_equal(route->headers[0].name, "x-kind"); /* the case of its name does not matter */
	assert_string_equal(route->headers[1].value, "");
	assert_string_equal(route->cookies[0].name, "Beta");
	assert_string_equal(route->queries[1].name, "a%20b");
	assert_int_equal(route->pool_at, 1);
	assert_int_equal(route->timeout_ms, 5000);
	assert_int_equal(route->queue_ms, 0);
	assert_string_equal(route->rewrite_prefix, "/v1");
	assert_string_equal(route->rewrite_host, "api.example:8080");
	assert_string_equal(route->add[0].name, "x-plan");
	assert_string_equal(route->remove[0], "cookie");
	assert_int_equal(route->retry, FLEET_RETRY_CONNECT | FLEET_RETRY_TIMEOUT | FLEET_RETRY_502);
	assert_string_equal(route->upgrade[0], "websocket");
	assert_int_equal(route->body_bytes, 10000000);
	assert_true(route->limit.per_second > 0.0277 && route->limit.per_second < 0.0278);
	assert_int_equal(route->limit_burst, 7);
	assert_int_equal(route->limit_by, FLEET_BY_HEADER);
	assert_string_equal(route->limit_header, "x-user");
	assert_int_equal(route->keys, FLEET_KEYS_REQUIRED);
	assert_string_equal(route[1].exact, "/login");
	assert_int_equal(route[1].retry, 0);
	assert_int_equal(route[1].upgrade_count, 0);
	assert_int_equal(route[1].pool_at, 0);
	assert_int_equal(route[2].body_bytes, 0);
	fleet_free(fleet);
}

static void test_pools(void **state)
{
	struct fleet *fleet = load();
	const struct fleet_pool *web = service(fleet, "shop")->pools, *api = web + 1;

	assert_int_equal(service(fleet, "shop")->pool_count, 2);
	assert_int_equal(web->hash, FLEET_HASH_HEADER);
	assert_string_equal(web->hash_name, "x-user");
	assert_int_equal(web->region_count, 2);
	assert_string_equal(web->regions[0].region, "us");
	const struct fleet_origin *origins = web->regions[0].origins;
	assert_int_equal(origins[0].ip.family, 6);
	assert_string_equal(origins[0].text, "[2001:db8::5]:8080");
	assert_int_equal(origins[0].port, 8080);
	assert_int_equal(origins[1].ip.family, 0);
	assert_string_equal(origins[1].name, "app.example");
	assert_int_equal(origins[1].port, 80);
	assert_int_equal(origins[1].weight, 0);
	assert_string_equal(api->check, "up");
	assert_string_equal(api->tls->sni, "api.example");
	assert_int_equal(api->tls->verify, PROBE_VERIFY_CHAIN);
	assert_null(api->tls->ca);
	assert_string_equal(api->sticky_cookie, "Sid");
	assert_int_equal(api->sticky_ttl_s, 3600);
	assert_int_equal(api->concurrency, 64);
	assert_int_equal(api->connect_ms, 500);
	assert_int_equal(api->idle_ms, 1000);
	assert_int_equal(api->slow_start_ms, 30000);
	assert_int_equal(api->max_ejected_hundredths, 3330);
	assert_int_equal(api->panic_hundredths, 0);
	assert_true(api->sends_proxy);
	fleet_free(fleet);
}

static void test_limits(void **state)
{
	struct fleet *fleet = load();
	const struct fleet_tier *gold = (const struct fleet_tier *)fleet_get(fleet, FLEET_TIER, "gold");
	const struct fleet_tier *even = (const struct fleet_tier *)fleet_get(fleet, FLEET_TIER, "even");
	struct fleet_limits limits = gold->limits;

	assert_true(limits.rate.per_second == 10);
	assert_int_equal(limits.burst, 50);
	assert_int_equal(limits.concurrency, 0);
	assert_true(limits.up_bytes_s == FLEET_UNLIMITED_BYTES);
	assert_int_equal(limits.down_bytes_s, 10000000);
	assert_int_equal(limits.body_bytes, 1 << 30);
	assert_int_equal(limits.websockets, 9);
	assert_int_equal(limits.queue_ms, 2000);
	assert_int_equal(limits.priority, FLEET_PRIORITY_HIGH);
	assert_int_equal(limits.headers, FLEET_HEADERS_NEVER);
	assert_int_equal(even->limits.up_bytes_s, 1 << 20);
	assert_int_equal(even->limits.down_bytes_s, 1 << 20);
	assert_int_equal(even->limits.given, FLEET_LIMIT_BANDWIDTH); /* normal is what it is anyhow */
	fleet_limits_overlay(&limits, profile(fleet, "a")->limits);
	assert_true(limits.rate.per_second == 7);
	assert_int_equal(limits.burst, 50);
	assert_int_equal(limits.headers, FLEET_HEADERS_ALWAYS);
	fleet_free(fleet);
}

static void test_terms(void **state)
{
	struct fleet *fleet = load();
	const struct fleet_profile *a = profile(fleet, "a"), *b = profile(fleet, "b");

	assert_true(a->redirects_to_https && a->is_in_maintenance);
	assert_int_equal(a->maintenance_status, 500);
	assert_string_equal(a->maintenance_body, "back at 8\n");
	assert_int_equal(a->key_count, 2);
	assert_string_equal(a->keys[0].id, "ci");
	assert_int_equal(a->keys[0].sha256[0], 0x11);
	assert_int_equal(a->keys[0].sha256[9], 0xaa);
	assert_int_equal(a->keys[0].sha256[30], 0xff);
	assert_int_equal(a->keys[1].sha256[1], 0xcd);
	assert_string_equal(a->keys[0].rate.written, "10/m");
	assert_string_equal(a->keys[1].rate.written, "");
	assert_true(b->is_in_maintenance && !b->redirects_to_https && !b->limits);
	assert_int_equal(b->maintenance_status, 503);
	assert_null(b->maintenance_body);
	/* What says nothing is not there. */
	assert_ptr_equal(profile(fleet, "c"), profile(fleet, "d"));
	assert_true(a->number != b->number && profile(fleet, "d")->number != b->number);
	fleet_free(fleet);
}

/* ---- and back ---- */

static void test_export_comes_back_unchanged(void **state)
{
	struct fleet *fleet = load(), *copy = fleet_new();
	char *yaml = fleet_export_yaml(fleet, false);

	assert_int_equal(apply_good(fleet, FLEET_STORE, yaml).unchanged, 13);
	assert_int_equal(apply_good(copy, FLEET_BASE, yaml).added, 13);
	char *second = fleet_export_yaml(copy, true);
	assert_string_equal(second, yaml);
	free(second);
	free(yaml);
	fleet_free(copy);
	fleet_free(fleet);
}

/* As the store keeps objects, and as GET and PUT pass them. */
static void test_json_comes_back_unchanged(void **state)
{
	static const struct {
		enum fleet_kind kind;
		const char *id;
	} objects[] = {
		{FLEET_SERVICE, "shop"}, {FLEET_TIER, "gold"}, {FLEET_TENANT, "a"}, {FLEET_TENANT, "b"}};
	struct fleet *fleet = load();

	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
		json_t *json = fleet_object_to_json(fleet_get(fleet, objects[i].kind, objects[i].id));
		char *text = json_dumps(json, JSON_COMPACT);
		struct err_list errors = {0};
		struct fleet_result result;
		struct doc *doc = doc_from_json(text, strlen(text), &errors);
		struct fleet_change *change = fleet_change_new(FLEET_STORE);
		fleet_change_put(change, objects[i].kind, objects[i].id, doc, doc->root, 1, &errors);
		doc_free(doc);
		assert_true(fleet_apply(fleet, change, 2, false, &result, &errors));
		assert_int_equal(result.unchanged, 1);
		fleet_result_done(&result);
		fleet_change_free(change);
		err_done(&errors);
		free(text);
		json_decref(json);
	}
	fleet_free(fleet);
}

static void assert_json(const struct fleet *fleet, enum fleet_kind kind, const char *id, const char *expected)
{
	json_t *json = fleet_object_to_json(fleet_get(fleet, kind, id));
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

static void test_json_leaves_defaults_out(void **state)
{
	struct fleet *fleet = load();

	assert_json(fleet, FLEET_SERVICE, "plain",
		    "{\"vips\":{\"eu\":[\"192.0.2.1\"]},\"routes\":[{\"origins\":\"web\"}],\"origins\":{"
		    "\"web\":{\"eu\":[\"10.0.0.1:80\"]}}}");
	assert_json(fleet, FLEET_SERVICE, "shop",
		    "{\"vips\":{\"eu\":[\"192.0.2.1\"]},\"routes\":[{\"path\":\"/api\","
		    "\"method\":[\"GET\",\"PURGE\"],\"header\":{\"x-kind\":\"b\","
		    "\"accept\":\"\"},\"cookie\":{\"Beta\":\"1\"},\"query\":{\"v\":\"2\","
		    "\"a%20b\":\"x=y\"},\"origins\":\"api\",\"timeout\":\"5s\","
		    "\"queue\":\"0s\",\"rewrite\":{\"prefix\":\"/v1\","
		    "\"host\":\"api.example:8080\",\"add\":{\"x-plan\":\"gold\"},"
		    "\"remove\":[\"cookie\"]},\"retry\":[\"connect\",\"timeout\",\"502\"],"
		    "\"upgrade\":[\"websocket\",\"custom\"],\"body\":\"10MB\","
		    "\"limit\":{\"rate\":\"100/h\",\"burst\":7,"
		    "\"by\":{\"header\":\"x-user\"}},\"keys\":\"required\"},"
		    "{\"exact\":\"/login\",\"method\":\"POST\",\"origins\":\"web\","
		    "\"retry\":[],\"upgrade\":[],\"limit\":{\"rate\":\"5/m\","
		    "\"by\":\"tenant\"}},{\"origins\":\"web\",\"body\":\"0B\","
		    "\"limit\":{\"rate\":\"0/s\",\"by\":\"key\"},\"keys\":\"optional\"}],"
		    "\"origins\":{\"web\":{\"balance\":\"hash\",\"hash\":\"header x-user\","
		    "\"us\":[\"[2001:db8::5]:8080\",{\"address\":\"app.example:80\","
		    "\"weight\":0}],\"eu\":[\"10.1.0.5:8080\"]},"
		    "\"api\":{\"balance\":\"ewma\",\"check\":\"up\","
		    "\"tls\":{\"sni\":\"api.example\",\"verify\":\"chain\"},"
		    "\"sticky\":{\"cookie\":\"Sid\",\"ttl\":\"1h\"},\"concurrency\":64,"
		    "\"connect\":\"500ms\",\"idle\":\"1s\",\"slow_start\":\"30s\","
		    "\"max_ejected\":\"33.30%\",\"panic\":\"0%\",\"proxy_protocol\":true,"
		    "\"eu\":[{\"address\":\"10.1.0.6:443\",\"weight\":1000}]}}}");
	assert_json(fleet, FLEET_TIER, "gold",
		    "{\"dns_queries\":\"1/s\",\"rate\":\"600/m\",\"burst\":50,"
		    "\"concurrency\":0,\"bandwidth\":{\"down\":\"10MB/s\"},"
		    "\"body\":\"1GiB\",\"websockets\":9,\"connections\":\"20/d\","
		    "\"client_rate\":\"5/h\",\"queue\":\"2s\",\"priority\":\"high\","
		    "\"headers\":\"never\"}");
	assert_json(fleet, FLEET_TIER, "even", "{\"bandwidth\":\"1MiB/s\"}");
	assert_json(fleet, FLEET_TENANT, "a",
		    "{\"zone\":\"z.example.\",\"service\":\"shop\",\"tier\":\"gold\","
		    "\"limits\":{\"rate\":\"7/s\",\"headers\":\"always\"},"
		    "\"https\":\"redirect\",\"maintenance\":{\"status\":500,"
		    "\"body\":\"back at 8\\n\"},"
		    "\"keys\":{\"ci\":{\"sha256\":"
		    "\"112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00\","
		    "\"rate\":\"10/m\"},"
		    "\"app\":{\"sha256\":"
		    "\"abcd112233445566778899aabbccddeeff00112233445566778899aabbccddee\"}}}");
	assert_json(fleet, FLEET_TENANT, "b",
		    "{\"zone\":\"z.example.\",\"service\":\"shop\",\"maintenance\":true}");
	assert_json(fleet, FLEET_TENANT, "c", "{\"zone\":\"z.example.\",\"service\":\"shop\"}");
	fleet_free(fleet);
}

static void test_long_sections_have_lines(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE,
		   EU
		   "services: {s: {vips: {eu: [192.0.2.1]}, routes: [{path: /a, origins: w}, {origins: w}], "
		   "origins: {w: {balance: ewma, eu: [10.0.0.1:80]}}}}\n");
	char *yaml = fleet_export_yaml(fleet, false);
	assert_string_equal(strstr(yaml, "services:"), "services:\n"
						       "  s:\n"
						       "    vips: {eu: [192.0.2.1]}\n"
						       "    routes:\n"
						       "    - {path: /a, origins: w}\n"
						       "    - {origins: w}\n"
						       "    origins:\n"
						       "      w: {balance: ewma, eu: [\"10.0.0.1:80\"]}\n");
	free(yaml);
	fleet_free(fleet);
}

/* ---- changes ---- */

static void test_what_is_touched(void **state)
{
	struct fleet *fleet = load();
	static const struct {
		const char *tenant;
		size_t changed;
	} cases[] = {
		{"d: {zone: z.example, service: shop}", 0},
		{"d: {zone: z.example, service: shop, limits: {rate: 1/s}}", 1},
		{"d: {zone: z.example, service: shop, limits: {rate: 1/s}}", 0},
		{"d: {zone: z.example, service: shop, limits: {rate: 60/m}}", 1}, /* written otherwise */
		{"d: {zone: z.example, service: shop, maintenance: true}", 1},
		{"d: {zone: z.example, service: shop, maintenance: {status: 503}}", 0},
		{"d: {zone: z.example, service: shop, https: redirect}", 1},
		{"d: {zone: z.example, service: shop, keys: {k: {sha256: " SHA "}}}", 1},
	};
	char text[256];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(text, sizeof text, "tenants: {%s}\n", cases[i].tenant);
		struct fleet_result result = apply_good(fleet, FLEET_STORE, text);
		assert_int_equal(result.changed, cases[i].changed);
		assert_int_equal(result.unchanged, 1 - cases[i].changed);
		assert_false(result.structure_changed);
	}
	fleet_free(fleet);
}

static void test_warnings(void **state)
{
	struct fleet_result result;
	struct fleet *fleet = fleet_new();
	char *told = apply_yaml(fleet, FLEET_BASE,
				"regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"
				"services:\n"
				"  s:\n"
				"    vips: {eu: [192.0.2.1]}\n"
				"    routes:\n"
				"      - {path: /, origins: us, method: GET}\n"
				"      - {path: /, origins: none}\n"
				"      - {exact: /x, origins: us}\n"
				"    origins:\n"
				"      us: {us: [10.0.0.1:80]}\n"
				"      none: {}\n"
				"      idle: {eu: [10.0.0.1:80]}\n",
				&result);

	assert_string_equal(
		told,
		"f:8:9: warning: no request reaches this route: an earlier one takes all\n"
		"f:10:7: warning: service 's': origins 'us' are in no region where the service has a VIP, so "
		"that DNS leads nobody there\n"
		"f:11:7: warning: service 's': origins 'none' are in no region\n"
		"f:12:7: warning: service 's': no route leads to origins 'idle'\n");
	free(told);
	assert_int_equal(result.added, 3);
	fleet_result_done(&result);
	fleet_free(fleet);
}

/* A region and a setting of origins cannot have one name, whichever comes first. */
static void test_regions_called_as_settings(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE,
		   "regions: {hash: {at: [1, 2]}, eu: {at: [1, 2]}}\nservices: {s: {}}\n");
	assert_refused(
		fleet, FLEET_STORE,
		"services: {s: {vips: {eu: [192.0.2.1]}, routes: [{origins: web}], origins: {web: {eu: "
		"[10.0.0.1:80]}}}}\n",
		"f:1:12: service 's' has origins, and region 'hash' is called as a setting of them\n");
	fleet_free(fleet);
	fleet = load();
	assert_refused(fleet, FLEET_STORE, "regions: {idle: {at: [1, 2]}}\n",
		       "f:1:11: region 'idle' is called as a setting of origins, and service 'plain' has "
		       "origins\n");
	fleet_free(fleet);
}

static void test_references(void **state)
{
	struct fleet *fleet = load();

	assert_refused(
		fleet, FLEET_STORE,
		"services: {s: {vips: {us: [192.0.2.1]}, routes: [{origins: web}], origins: {web: {check: "
		"upp, us: [10.0.0.1:80], as: [10.0.0.1:80]}}}}\n",
		"f:1:90: unknown check 'upp'; did you mean 'up'?\n"
		"f:1:114: unknown region 'as'; there is eu, us\n");
	fleet_free(fleet);
}

/* The node's own files name certificates; the API may not, but may say again what the base says. */
static void test_paths_are_for_own_files(void **state)
{
	static const char text[] =
		EU "services:\n"
		   "  s:\n"
		   "    vips: {eu: [192.0.2.1]}\n"
		   "    routes: [{origins: web}]\n"
		   "    origins: {web: {tls: {ca: ca.pem, certificate: /c.pem, key: k.pem}, eu: "
		   "[10.0.0.1:443]}}\n";
	struct fleet *fleet = fleet_new();
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet_result result;
	struct err_list errors = {0};

	add_yaml(change, "etc/f.yaml", text, &errors);
	assert_true(fleet_apply(fleet, change, 0, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	const struct fleet_pool_tls *tls = service(fleet, "s")->pools[0].tls;
	assert_string_equal(tls->ca, "etc/ca.pem");
	assert_string_equal(tls->ca_written, "ca.pem");
	assert_string_equal(tls->certificate, "/c.pem");
	assert_string_equal(tls->key, "etc/k.pem");
	assert_int_equal(apply_good(fleet, FLEET_STORE, text).unchanged, 2);
	fleet_free(fleet);

	fleet = fleet_new();
	assert_refused(fleet, FLEET_STORE, text, "f:6:31: 'ca' is only for the node's own fleet files\n");
	fleet_free(fleet);
}

/* Who copies the fleet of another process opens the same files. */
static void test_paths_of_a_copy(void **state)
{
	static const char text[] =
		"services: {s: {routes: [{origins: w}], origins: {w: {tls: {ca: ca.pem}}, x: {}}}}\n";
	struct fleet *fleet = fleet_new(), *copy = fleet_new();
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet_result result;
	struct err_list errors = {0};

	add_yaml(change, "/etc/gslb/f.yaml", text, &errors);
	assert_true(fleet_apply(fleet, change, 0, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	json_t *json = fleet_object_to_json(&service(fleet, "s")->object);
	fleet_json_resolve_paths(&service(fleet, "s")->object, json);
	char *own = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	struct doc *doc = doc_from_json(own, strlen(own), &errors);
	change = fleet_change_new(FLEET_STORE);
	fleet_change_allow_paths(change);
	fleet_change_put(change, FLEET_SERVICE, "s", doc, doc->root, 1, &errors);
	doc_free(doc);
	assert_true(fleet_apply(copy, change, 1, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	assert_string_equal(service(copy, "s")->pools[0].tls->ca, "/etc/gslb/ca.pem");
	free(own);
	err_done(&errors);
	fleet_free(copy);
	fleet_free(fleet);
}

static void test_bounds(void **state)
{
	struct fleet *fleet = fleet_new();
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "services:\n  s:\n    routes:\n");
	for (int i = 0; i < 257; i++)
		fprintf(out, "      - {path: /%d, origins: web}\n", i);
	fprintf(out, "    origins:\n");
	for (int i = 0; i < 65; i++)
		fprintf(out, "      p%d: {}\n", i);
	fclose(out);
	assert_refused(fleet, FLEET_STORE, text,
		       "f:4:7: holds 257 routes; at most 256\n"
		       "f:262:7: holds 65 pools; at most 64\n");
	free(text);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_export_comes_back_unchanged),
		cmocka_unit_test(test_json_comes_back_unchanged),
		cmocka_unit_test(test_json_leaves_defaults_out),
		cmocka_unit_test(test_long_sections_have_lines),
		cmocka_unit_test(test_what_is_touched),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_regions_called_as_settings),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_paths_are_for_own_files),
		cmocka_unit_test(test_paths_of_a_copy),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
