/*
 * The API of forwarderd: what its calls say of a fleet, that POST /v1/route goes the way of requests, and
 * that openapi.json has the same routes as the table.
 */
#include "forwarder/api/api_internal.h"
#include "lib/mem.h"
#include "tests/unit/forwarder_fixture.h"

static struct api *api;
static struct seeing *seeing;
static json_t *body; /* of the last reply; NULL: it is no JSON */
static int status;

static void start_api(const char *services_and_tenants)
{
	struct err_list errors = {0};
	char text[4000];
	snprintf(text, sizeof text,
		 "regions: {eu: {at: [50, 8]}, us: {at: [40, -75]}}\n"
		 "zones: {app.example.net: {text: \"@ 60 SOA . . 1 1 1 1 1\\n@ 60 NS ns.example.\"}}\n%s",
		 services_and_tenants);
	write_file(fleet_path, text);
	server = server_new(base, config_path, &hooks, &world, &errors);
	assert_non_null(server);
	seeing = seeing_new(server);
	api = api_new(server, seeing, &errors);
	assert_int_equal(errors.count, 0);
	assert_non_null(api);
}

static void call(const char *method, const char *target, const char *sent)
{
	struct http_request request = {.method = method,
				       .target = target,
				       .content_type = sent ? "application/json" : NULL,
				       .body = sent ? sent : "",
				       .body_length = sent ? strlen(sent) : 0,
				       .author = "uid:0 (root)"};
	struct http_reply reply;
	http_reply_init(&reply);
	http_route_dispatch(&api->service, &request, &reply);
	json_decref(body);
	size_t length = evbuffer_get_length(reply.body);
	body = json_loadb((const char *)evbuffer_pullup(reply.body, -1), length, 0, NULL);
	status = reply.status;
	http_reply_done(&reply);
}

static int tear_down_api(void **state)
{
	api_free(api);
	api = NULL;
	seeing_free(seeing);
	seeing = NULL;
	json_decref(body);
	body = NULL;
	return tear_down(state);
}

/* "route.origins": the member there; a number is an index. */
static const json_t *at(const char *path)
{
	char copy[200], *rest = copy, *step;
	const json_t *value = body;
	snprintf(copy, sizeof copy, "%s", path);
	while ((step = strsep(&rest, ".")))
		value = json_is_array(value) ? json_array_get(value, strtoul(step, NULL, 10))
					     : json_object_get(value, step);
	return value;
}

static const char *text_at(const char *path)
{
	const char *text = json_string_value(at(path));
	return text ? text : "";
}

#define FLEET                                                                                               \
	"services:\n"                                                                                       \
	"  shop:\n"                                                                                         \
	"    vips: {eu: [192.0.2.1], us: [192.0.2.4]}\n"                                                    \
	"    routes: [{path: /api, method: [GET, POST], origins: api}, {path: /far, origins: far}, {path: " \
	"/, header: {x-beta: 'yes'}, origins: api}, {path: /www, origins: web}]\n"                          \
	"    origins:\n"                                                                                    \
	"      api: {eu: ['10.1.0.5:80', {address: '10.1.0.6:80', weight: 0}]}\n"                           \
	"      web: {eu: ['10.1.0.7:80']}\n"                                                                \
	"      far: {us: ['10.2.0.5:80']}\n"                                                                \
	"  blog: {vips: {eu: [192.0.2.2]}}\n"                                                               \
	"tiers: {gold: {rate: 100/s, concurrency: 50}}\n"                                                   \
	"tenants:\n"                                                                                        \
	"  acme: {zone: app.example.net, service: shop, tier: gold, https: redirect}\n"                     \
	"  beta: {zone: app.example.net, service: shop, state: suspended}\n"                                \
	"  away: {zone: app.example.net, service: shop, regions: [us]}\n"                                   \
	"  shut: {zone: app.example.net, service: shop, maintenance: {status: 500}}\n"                      \
	"  empty: {zone: app.example.net, service: blog}\n"

static void test_before_and_behind_the_start(void **state)
{
	start_api(FLEET);
	call("GET", "/healthz", NULL);
	assert_int_equal(status, 200);
	call("GET", "/readyz", NULL);
	assert_int_equal(status, 503);
	assert_string_equal(text_at("waiting.0"), "fleet");
	call("GET", "/v1/status", NULL);
	assert_int_equal(status, 200);
	assert_int_equal(json_integer_value(at("epoch")), 0);
	call("GET", "/v1/origins", NULL);
	assert_int_equal(status, 503);
	AWAIT(server_is_serving(server));
	call("GET", "/readyz", NULL);
	assert_int_equal(status, 200);
	call("GET", "/v1/status", NULL);
	assert_string_equal(text_at("node"), "fwd");
	assert_string_equal(text_at("region"), "eu");
	assert_true(json_is_true(at("ready")) && json_is_false(at("draining")) && json_is_null(at("feed")));
	assert_int_equal(json_integer_value(at("tenants")), 5);
	assert_int_equal(json_integer_value(at("hosts")), 5);
	assert_int_equal(json_integer_value(at("services")), 2);
	assert_int_equal(json_integer_value(at("pools")), 3);
	assert_int_equal(json_integer_value(at("origins")), 3);
	assert_int_equal(json_integer_value(at("connections")), 5);
	assert_int_equal(json_array_size(at("listeners.http")), 1);
	server_drain(server);
	call("GET", "/readyz", NULL);
	assert_int_equal(status, 503);
	assert_string_equal(text_at("waiting.0"), "draining");
	call("GET", "/v1/nothing", NULL);
	assert_int_equal(status, 404);
}

static void test_origins(void **state)
{
	start_api(FLEET);
	AWAIT(server_is_serving(server));
	call("GET", "/v1/origins", NULL);
	assert_int_equal(json_array_size(at("items")), 3);
	assert_true(json_is_null(at("next")));
	assert_string_equal(text_at("items.0.address"), "10.1.0.5:80");
	assert_string_equal(text_at("items.0.service"), "shop");
	assert_string_equal(text_at("items.0.pool"), "api");
	assert_string_equal(text_at("items.0.state"), "up");
	assert_true(json_is_null(at("items.0.check")));
	call("GET", "/v1/origins?limit=2", NULL);
	assert_int_equal(json_array_size(at("items")), 2);
	char next[64];
	snprintf(next, sizeof next, "/v1/origins?limit=2&after=%s", text_at("next"));
	call("GET", next, NULL);
	assert_int_equal(json_array_size(at("items")), 1);
	assert_string_equal(text_at("items.0.address"), "10.1.0.7:80");
	assert_true(json_is_null(at("next")));
	call("GET", "/v1/origins?service=sho", NULL);
	assert_int_equal(json_array_size(at("items")), 0);
	call("GET", "/v1/origins?service=shop", NULL);
	assert_int_equal(json_array_size(at("items")), 3);
	call("GET", "/v1/origins?after=x", NULL);
	assert_int_equal(status, 400);
}

static void test_the_state_of_a_tenant(void **state)
{
	start_api(FLEET);
	AWAIT(server_is_serving(server));
	struct build_tenant tenant;
	assert_true(build_find_tenant(server_build(server), "acme", &tenant));
	struct tenant_state *words = &server_world(server)->states[tenant.slot];
	atomic_store(&words->in_flight[0], 3);
	atomic_store(&words->in_flight[1], 4);
	atomic_store(&words->rate_tat_ns, clock_mono_ns() + 900000000); /* 90 of 100 are used */
	call("GET", "/v1/tenants/acme/state", NULL);
	assert_int_equal(status, 200);
	assert_string_equal(text_at("service"), "shop");
	assert_int_equal(json_integer_value(at("in_flight")), 7);
	assert_true(json_real_value(at("limits.rate.per_second")) == 100);
	assert_int_equal(json_integer_value(at("limits.rate.burst")), 100);
	assert_in_range(json_integer_value(at("limits.rate.remaining")), 10, 90);
	assert_int_equal(json_integer_value(at("limits.concurrency")), 50);
	assert_true(json_is_null(at("limits.websockets")) && json_is_null(at("limits.client_rate")));
	atomic_store(&words->in_flight[0], 0);
	atomic_store(&words->in_flight[1], 0);
	call("GET", "/v1/tenants/nobody/state", NULL);
	assert_int_equal(status, 404);
}

/* Of a request for `url`; the whole of a body is written with its brackets. */
static const char *route(const char *url)
{
	char question[500];
	snprintf(question, sizeof question, "{\"url\":\"%s\"}", url);
	call("POST", "/v1/route", *url == '{' ? url : question);
	assert_int_equal(status, 200);
	assert_int_equal(json_is_true(at("forwarded")), !*text_at("reason"));
	return text_at("reason");
}

static void test_the_way_of_a_request(void **state)
{
	start_api(FLEET);
	AWAIT(server_is_serving(server));
	assert_string_equal(route("https://ACME.app.example.net:443/x/../api/cart?a=1"), "");
	assert_string_equal(text_at("host"), "acme.app.example.net");
	assert_string_equal(text_at("path"), "/api/cart");
	assert_string_equal(text_at("tenant"), "acme");
	assert_string_equal(text_at("service"), "shop");
	assert_int_equal(json_integer_value(at("route.number")), 0);
	assert_string_equal(text_at("route.path"), "/api");
	assert_string_equal(text_at("route.methods.1"), "POST");
	assert_string_equal(text_at("pool.id"), "shop/api");
	assert_string_equal(text_at("pool.choice"), "10.1.0.5:80");
	assert_int_equal(json_array_size(at("pool.origins")), 2);
	assert_int_equal(json_integer_value(at("pool.origins.1.weight")), 0);
	assert_int_equal(json_integer_value(at("limits.concurrency")), 50);
	assert_true(json_is_null(at("status")));
	/* nothing was taken */
	assert_int_equal(json_integer_value(at("pool.origins.0.in_flight")), 0);
	assert_string_equal(route("http://acme.app.example.net/api"), "redirect");
	assert_int_equal(json_integer_value(at("status")), 308);
	assert_true(json_is_null(at("route")) && json_is_null(at("pool")));
	assert_string_equal(route("acme.app.example.net/.well-known/acme-challenge/x"), "no-route");
	assert_string_equal(route("{\"url\":\"https://acme.app.example.net/api\",\"method\":\"DELETE\"}"),
			    "method");
	assert_int_equal(json_integer_value(at("status")), 405);
	assert_string_equal(
		route("{\"url\":\"https://"
		      "acme.app.example.net\",\"headers\":{\"X-Beta\":\"yes\"},\"client\":\"192.0.2.9\"}"),
		"");
	assert_int_equal(json_integer_value(at("route.number")), 2);
	assert_string_equal(text_at("path"), "/");
	assert_string_equal(route("https://acme.app.example.net/apix"), "no-route");
	assert_string_equal(route("https://acme.app.example.net/far"), "no-origin");
	assert_true(json_is_null(at("pool.choice")));
	assert_string_equal(route("beta.app.example.net"), "suspended");
	assert_string_equal(route("away.app.example.net"), "residency");
	assert_string_equal(route("shut.app.example.net"), "maintenance");
	assert_int_equal(json_integer_value(at("status")), 500);
	assert_string_equal(route("empty.app.example.net"), "no-route");
	assert_string_equal(route("nobody.example"), "no-tenant");
	assert_true(json_is_null(at("tenant")) && json_is_null(at("limits")));
	assert_string_equal(route("https://acme.app.example.net/a/../../b"), "bad-request");
	assert_string_equal(route("https://ac me/"), "bad-request");
}

static void test_questions_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"{\"url\":5}",
		"{\"url\":\"ftp://acme/\"}",
		"{\"url\":\"a/\\r\\nX: y\"}",
		"{\"url\":\"a\",\"client\":\"nobody\"}",
		"{\"url\":\"a\",\"headers\":5}",
		"{\"url\":\"a\",\"headers\":{\"a\\nb\":\"c\"}}",
		"{\"url\":\"a\",\"headers\":{\"a\":\"c\\n\"}}",
		"{\"url\":\"a\",\"odd\":1}",
	};
	start_api(FLEET);
	AWAIT(server_is_serving(server));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		call("POST", "/v1/route", wrong[i]);
		assert_int_equal(status, 422);
		assert_int_equal(json_array_size(at("errors")), 1);
	}
	call("POST", "/v1/route", "no json");
	assert_int_equal(status, 400);
}

/* ---- openapi.json ---- */

static bool has_path(const json_t *paths, const struct http_route *row)
{
	const char *path;
	json_t *item;
	json_object_foreach ((json_t *)(uintptr_t)paths, path, item) {
		char pattern[100] = "", *to = pattern, method[8];
		for (const char *from = path + 1; *from; from++) {
			*to++ = *from == '{' ? '*' : *from;
			if (*from == '{')
				from = strchr(from, '}');
		}
		*to = 0;
		for (to = method; (*to = (char)(row->method[to - method] | 32)) && to[0] != 32; to++)
			;
		*to = 0;
		const json_t *operation = json_object_get(item, method);
		if (strcmp(pattern, row->pattern) != 0 || !operation)
			continue;
		size_t params = 0, documented = 0, i;
		const json_t *one;
		while (row->params[params])
			params++;
		json_array_foreach (json_object_get(operation, "parameters"), i, one)
			documented += !json_object_get(one, "in") ||
				      strcmp(json_string_value(json_object_get(one, "in")), "query") == 0;
		assert_int_equal(params, documented);
		return true;
	}
	return false;
}

static void test_the_description_is_of_these_routes(void **state)
{
	json_t *document = json_loads(api_openapi_text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(document);
	const json_t *paths = json_object_get(document, "paths");
	const char *path;
	json_t *item;
	assert_int_equal(json_object_size(paths), api_route_count); /* one method each */
	for (size_t i = 0; i < api_route_count; i++)
		if (!has_path(paths, &api_routes[i]))
			fail_msg("%s is not in openapi.json", api_routes[i].pattern);
	char *page_path = xasprintf("%s/docs/forwarder.md", getenv("GSLB_SOURCE")), row[100];
	FILE *file = fopen(page_path, "r");
	assert_non_null(file);
	char *page = xcalloc(1, 1 << 16);
	assert_true(fread(page, 1, (1 << 16) - 1, file) > 0);
	json_object_foreach ((json_t *)(uintptr_t)paths, path, item) {
		const char *method = json_object_get(item, "post") ? "POST" : "GET";
		snprintf(row, sizeof row, "\n| `%s %s` |", method, path);
		if (!strstr(page, row))
			fail_msg("docs/forwarder.md has no row %s", row + 1);
	}
	fclose(file);
	free(page);
	free(page_path);
	assert_string_equal(json_string_value(json_object_get(json_object_get(document, "info"), "version")),
			    GSLB_VERSION);
	json_decref(document);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_api)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_before_and_behind_the_start),
		TEST(test_origins),
		TEST(test_the_state_of_a_tenant),
		TEST(test_the_way_of_a_request),
		TEST(test_questions_that_are_none),
		cmocka_unit_test(test_the_description_is_of_these_routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
