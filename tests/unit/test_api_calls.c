/*
 * The handlers over a real fleet: what a call shows, what it changes, and what it refuses. What makes a
 * change durable and published is a stand-in that notes what it was asked to do.
 */
#include "gslb/api/api_internal.h"
#include "gslb/api/explain.h"
#include "gslb/api/metrics.h"
#include "lib/mem.h"
#include "tests/unit/health_stand_in.h"
#include "tests/unit/server_stand_in.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char fleet_text[] =
	"regions: {eu: {at: [50, 8], country: DE}, us: {at: [38, -77]}}\n"
	"checks: {web: {type: http, port: 80}}\n"
	"services:\n"
	"  shop: {check: web, vips: {us: [{address: 198.51.100.2, weight: 3}], eu: [192.0.2.2, 192.0.2.1]}}\n"
	"  free: {vips: {eu: ['2001:db8::1']}}\n"
	"zones: {example.net: {text: '@ 60 IN SOA a b 1 2 3 4 5'}}\n"
	"tenants: {base: {zone: example.net, service: shop}}\n";

static struct gslb_config config = {
	.node = {.name = (char *)"node-1", .admin_socket = (char *)"/run/gslb.sock"}};
static struct publish published;

static const struct sockaddr_storage *give_listeners(void *user, size_t *ret_count)
{
	static struct sockaddr_storage bound[1];
	struct listen_address address;
	listen_parse_dns("127.0.0.1@5353", &address);
	bound[0] = address.sockaddr;
	*ret_count = 1;
	return bound;
}

static const struct server_hooks hooks = {.listeners = give_listeners};
static struct server server = {
	.hooks = &hooks, .config = &config, .world = &published, .is_loaded = true, .epoch = 10};

static struct api api = {.server = &server};
static struct http_service service = {.routes = api_routes, .user = &api};

/* ---- stand-ins ---- */

static char asked[512]; /* what a stand-in was asked to do */

enum change_outcome change_fleet(struct server *c, struct fleet_change *change, bool dry_run,
				 const struct requester *requester, const char *verb, const char *object,
				 struct fleet_result *ret, struct err_list *errors)
{
	snprintf(asked, sizeof asked, "%s '%s'%s", verb, object, dry_run ? " dry" : "");
	if (!fleet_apply(c->fleet, change, c->fleet_version + 1, dry_run, ret, errors)) {
		if (ret->refusal == FLEET_REFUSED_BASE_OBJECT)
			return CHANGE_BASE_OBJECT;
		return ret->refusal == FLEET_REFUSED_NOT_FOUND ? CHANGE_NOT_FOUND : CHANGE_INVALID;
	}
	if (!dry_run && ret->touched_count) {
		c->fleet_version++;
		c->epoch++;
	}
	return CHANGE_DONE;
}

enum change_outcome change_controls(struct server *c, const struct control_request *requests, size_t count,
				    const struct requester *requester, const char *verb,
				    struct err_list *errors)
{
	int used = snprintf(asked, sizeof asked, "%s:", verb);
	for (size_t i = 0; i < count; i++) {
		const struct control_request *request = &requests[i];
		used += snprintf(asked + used, sizeof asked - (size_t)used, " %s/%s/%s=%d for %llu %s",
				 request->region, request->service ? request->service : "",
				 request->address ? request->address : "", request->share,
				 (unsigned long long)request->for_ms,
				 request->reason ? request->reason : "-");
		struct control_row row = {.share = request->share, .since_unix_ms = 1000 + (int64_t)c->epoch};
		snprintf(row.region, sizeof row.region, "%s", request->region);
		snprintf(row.service, sizeof row.service, "%s", request->service ? request->service : "");
		snprintf(row.address, sizeof row.address, "%s", request->address ? request->address : "");
		if (strcmp(request->region, CONTROL_OF_ORIGIN) != 0 &&
		    !fleet_get(c->fleet, FLEET_REGION, request->region)) {
			err_add(errors, NULL, 0, 0, "no region '%s'", request->region);
			return CHANGE_NOT_FOUND;
		}
		if (request->share == SHARE_RESTORE)
			controls_remove(c->controls, row.region, row.service, row.address);
		else
			controls_put(c->controls, &row);
	}
	c->epoch++;
	return CHANGE_DONE;
}

static const char *reload_error;

void server_reload(struct server *c, const struct requester *requester, server_reloaded_fn *done, void *user)
{
	struct err_list errors = {0};
	err_warn(&errors, "a.zone", 3, 0, "only a warning");
	if (reload_error)
		err_add(&errors, "node.yaml", 2, 1, "%s", reload_error);
	done(user, &errors);
	err_done(&errors);
}

static const char *const waiting[] = {"health", "fleet", NULL};

const char *const *server_waiting(const struct server *c)
{
	return waiting;
}

json_t *explain(struct server *c, const struct explain_request *question)
{
	char name[NAME_TEXT_MAX], client[PREFIX_TEXT_MAX] = "", via[IP_TEXT_MAX] = "";
	name_to_text(question->name.octets, name);
	if (question->has_client)
		prefix_format(&question->client, client);
	if (question->has_via)
		ip_format(&question->via, via);
	int used = snprintf(asked, sizeof asked, "%s %u %s %s", name, question->type, client, via);
	for (size_t i = 0; i < question->what_if_count; i++) {
		const struct what_if *what = &question->what_if[i];
		used += snprintf(asked + used, sizeof asked - (size_t)used, " %s%s=%s%d",
				 what->region ? what->region : "", what->address ? what->address : "",
				 what->kind == WHAT_IF_SHARE ? "share" : "up",
				 what->kind == WHAT_IF_SHARE ? what->share : what->is_up);
	}
	return json_pack("{s:s}", "asked", asked);
}

void metrics_render(const struct server *c, struct evbuffer *out)
{
	evbuffer_add_printf(out, "gslb_ready 1\n");
}

json_t *store_audit(struct store *store, uint64_t since, size_t limit)
{
	json_t *lines = json_array();
	for (uint64_t seq = since + 1; seq <= 5 && json_array_size(lines) < limit; seq++)
		json_array_append_new(lines, json_pack("{s:I}", "seq", (json_int_t)seq));
	return lines;
}

/* Streams, which the live tests have: here only that they have a route. */
void api_get_backup(struct http_request *request, struct http_reply *answer)
{
	http_reply_json(answer, 200, json_object());
}

void api_get_tail(struct http_request *request, struct http_reply *answer)
{
	http_reply_json(answer, 200, json_object());
}

/* ---- calling ---- */

static struct http_reply reply;
static json_t *body; /* of the last reply, when JSON */
static char *text;   /* of the last reply */
static const char *if_match, *if_none_match, *content_type;

static void finish(struct http_deferred *deferred, struct http_reply *later)
{
	evbuffer_add_buffer(reply.body, later->body);
	reply.status = later->status;
}

static int call(const char *method, const char *target, const char *sent)
{
	struct http_deferred deferred = {.user = &api, .finish = finish};
	struct http_request request = {
		.method = method,
		.target = target,
		.body = sent,
		.body_length = strlen(sent),
		.if_match = if_match,
		.if_none_match = if_none_match,
		.content_type = content_type,
		.author = "uid:1",
		.deferred = &deferred,
	};
	json_decref(body);
	free(text);
	http_reply_done(&reply);
	http_reply_init(&reply);
	http_route_dispatch(&service, &request, &reply);
	size_t length = evbuffer_get_length(reply.body);
	text = xstrndup(length ? (const char *)evbuffer_pullup(reply.body, -1) : "", length);
	body = json_loads(text, 0, NULL);
	return reply.status;
}

/* The whole reply, or the member that the path names ("items/0/id"). */
static void expect(const char *path, const char *json)
{
	const json_t *at = body;
	char copy[128], *rest = copy, *step;
	snprintf(copy, sizeof copy, "%s", path);
	while ((step = strsep(&rest, "/")))
		if (*step)
			at = json_is_array(at) ? json_array_get(at, (size_t)atoi(step))
					       : json_object_get(at, step);
	char *found = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("(absent)");
	if (strcmp(found, json) != 0)
		fail_msg("%s is %s, not %s", path, found, json);
	free(found);
}

static void must_refuse(const char *method, const char *target, const char *sent, int status,
			const char *word)
{
	if (call(method, target, sent) != status || !strstr(text, word))
		fail_msg("%s %s %s: %d %s", method, target, sent, reply.status, text);
}

static int setup(void **state)
{
	struct err_list errors = {0};
	service.route_count = api_route_count;
	struct fleet_result result = {0};
	server.fleet = fleet_new();
	server.controls = controls_new();
	server.epoch = 10;
	server.fleet_version = 3;
	http_reply_init(&reply);
	struct doc *doc = doc_from_yaml("test.yaml", fleet_text, strlen(fleet_text), &errors);
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	fleet_change_add_document(change, doc, &errors);
	if (!fleet_apply(server.fleet, change, 1, false, &result, &errors))
		fail_msg("%s", errors.items[0].message);
	fleet_result_done(&result);
	fleet_change_free(change);
	doc_free(doc);
	err_done(&errors);
	entry_count = 0;
	return 0;
}

static int teardown(void **state)
{
	json_decref(body);
	body = NULL;
	free(text);
	text = NULL;
	http_reply_done(&reply);
	controls_free(server.controls);
	fleet_free(server.fleet);
	if_match = if_none_match = content_type = NULL;
	return 0;
}

/* ---- tests ---- */

#define ACME "{\"zone\":\"example.net\",\"service\":\"shop\"}"

static void test_tenant_life(void **state)
{
	assert_int_equal(call("PUT", "/v1/tenants/acme", ACME), 201);
	expect("", "{\"version\":\"4\",\"epoch\":11}");
	assert_string_equal(reply.etag, "\"4\"");
	assert_string_equal(asked, "tenant set 'acme'");
	assert_int_equal(call("GET", "/v1/tenants/acme", ""), 200);
	expect("id", "\"acme\"");
	expect("source", "\"store\"");
	expect("version", "\"4\"");
	expect("service", "\"shop\"");
	assert_string_equal(reply.etag, "\"4\"");
	assert_int_equal(call("PUT", "/v1/tenants/acme", "{\"zone\":\"example.net\",\"service\":\"free\"}"),
			 200);
	expect("version", "\"5\"");
	/* The same again is no change. */
	assert_int_equal(call("PUT", "/v1/tenants/acme", "{\"zone\":\"example.net\",\"service\":\"free\"}"),
			 200);
	expect("", "{\"version\":\"5\",\"epoch\":12}");
	assert_int_equal(call("DELETE", "/v1/tenants/acme", ""), 200);
	expect("epoch", "13");
	assert_int_equal(call("GET", "/v1/tenants/acme", ""), 404);
	assert_int_equal(call("DELETE", "/v1/tenants/acme", ""), 404);
}

static void test_tenant_versions(void **state)
{
	if_match = "\"1\"";
	must_refuse("PUT", "/v1/tenants/acme", ACME, 412, "urn:gslb:precondition");
	if_match = NULL;
	assert_int_equal(call("PUT", "/v1/tenants/acme", ACME), 201);
	if_match = "\"3\"";
	must_refuse("PUT", "/v1/tenants/acme", ACME, 412, "urn:gslb:precondition");
	must_refuse("DELETE", "/v1/tenants/acme", "", 412, "version 4");
	if_match = NULL;
	if_none_match = "*";
	must_refuse("PUT", "/v1/tenants/acme", ACME, 412, "urn:gslb:precondition");
	if_none_match = NULL;
	if_match = "\"4\"";
	assert_int_equal(call("DELETE", "/v1/tenants/acme", ""), 200);
}

static void test_tenant_refusals(void **state)
{
	must_refuse("PUT", "/v1/tenants/acme", "{\"zone\":\"example.net\"", 400, "urn:gslb:bad-request");
	must_refuse("PUT", "/v1/tenants/acme", "{\"zone\":\"example.net\",\"servise\":\"shop\"}", 422,
		    "\"service\"");
	expect("errors/0/nearest", "\"service\"");
	must_refuse("PUT", "/v1/tenants/acme", "{\"zone\":\"example.net\",\"service\":\"shp\"}", 422, "shop");
	expect("errors/0/pointer", "\"/service\"");
	must_refuse("PUT", "/v1/tenants/acme",
		    "{\"zone\":\"example.net\",\"service\":\"shop\",\"tier\":\"gold\"}", 422,
		    "unknown tier 'gold'");
	must_refuse("PUT", "/v1/tenants/ACME", ACME, 422, "urn:gslb:invalid");
	must_refuse("PUT", "/v1/tenants/base", "{\"zone\":\"example.net\",\"service\":\"free\"}", 409,
		    "urn:gslb:base-object");
	must_refuse("DELETE", "/v1/tenants/base", "", 409, "urn:gslb:base-object");
}

static void test_tenant_pages(void **state)
{
	char path[64];
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof path, "/v1/tenants/c%d", i);
		assert_int_equal(call("PUT", path, ACME), 201);
	}
	assert_int_equal(call("GET", "/v1/tenants?limit=4", ""), 200);
	expect("items/0/id", "\"base\"");
	expect("items/3/id", "\"c2\"");
	expect("next", "\"c2\"");
	assert_int_equal(call("GET", "/v1/tenants?limit=2&after=c2", ""), 200);
	expect("items/1/id", "\"c4\"");
	expect("next", "null");
	assert_int_equal(call("GET", "/v1/tenants?after=zzz", ""), 200);
	expect("", "{\"items\":[],\"next\":null}");
}

static void test_apply(void **state)
{
	const char *yaml = "tenants:\n  a: {zone: example.net, service: shop}\n  b: {zone: example.net, "
			   "service: shop}\n";
	assert_int_equal(call("POST", "/v1/apply?dry_run=true", yaml), 200);
	expect("", "{\"added\":2,\"changed\":0,\"removed\":0,\"unchanged\":0}");
	assert_int_equal(call("GET", "/v1/tenants/a", ""), 404);
	assert_int_equal(call("POST", "/v1/apply", yaml), 200);
	assert_string_equal(asked, "apply ''");
	assert_int_equal(call("POST", "/v1/apply?prune=true", " {\"tenants\":{\"a\":" ACME "}}"), 200);
	expect("", "{\"added\":0,\"changed\":0,\"removed\":1,\"unchanged\":1}");
	assert_int_equal(call("POST", "/v1/apply", ""), 200);
	expect("added", "0");
	must_refuse("POST", "/v1/apply?dry_run=perhaps", yaml, 400, "urn:gslb:bad-request");
	must_refuse("POST", "/v1/apply", "tenants: [", 400, "\"line\"");
	must_refuse("POST", "/v1/apply", "{\"tenants\":", 400, "urn:gslb:bad-request");
	must_refuse("POST", "/v1/apply", "tenants:\n  a: {zone: example.net, service: none}\n", 422,
		    "\"line\":2");
	/* Everything that is wrong in one pass, and nothing of it applied. */
	must_refuse(
		"POST", "/v1/apply",
		"tenants:\n  a: {zone: example.net, servce: shop}\n  b: {zne: example.net, service: shop}\n",
		422, "\"nearest\":\"zone\"");
	expect("errors/0/line", "2");
	expect("errors/2/line", "3");
	assert_int_equal(call("GET", "/v1/tenants/b", ""), 404);
	must_refuse("POST", "/v1/apply?prune=true",
		    "foo: 1\ntenants:\n  a: {zone: example.net, service: shp}\n  b: {zone: example.net}\n",
		    422, "unknown service 'shp'");
	expect("errors/0/line", "1");
	expect("errors/1/nearest", "\"shop\"");
	expect("errors/2/message", "\"missing key 'service'\"");
	assert_int_equal(call("GET", "/v1/tenants/a", ""), 200);
	must_refuse("POST", "/v1/apply", "tenants: {base: {zone: example.net, service: free}}", 409,
		    "urn:gslb:base-object");
	must_refuse("POST", "/v1/apply", "zones: {b.net: {file: b.zone}}", 422, "urn:gslb:invalid");
	content_type = "application/json; charset=utf-8";
	must_refuse("POST", "/v1/apply", yaml, 400, "JSON");
	content_type = "application/yaml";
	assert_int_equal(call("POST", "/v1/apply", "{tenants: {}}"), 200);
}

static void test_export(void **state)
{
	assert_int_equal(call("PUT", "/v1/tenants/acme", ACME), 201);
	assert_int_equal(call("GET", "/v1/export", ""), 200);
	assert_non_null(strstr(text, "acme"));
	assert_null(strstr(text, "base"));
	assert_string_equal(reply.content_type, "application/yaml");
	assert_int_equal(call("GET", "/v1/export?source=all", ""), 200);
	assert_non_null(strstr(text, "base"));
	must_refuse("GET", "/v1/export?source=nowhere", "", 400, "store or all");
}

static void test_controls(void **state)
{
	assert_int_equal(
		call("PUT", "/v1/controls/regions/eu", "{\"share\":50,\"for\":\"10m\",\"reason\":\"disk\"}"),
		201);
	assert_string_equal(asked, "region drain: eu//=50 for 600000 disk");
	expect("epoch", "11");
	expect("version", "\"1010\"");
	assert_int_equal(call("PUT", "/v1/controls/regions/eu", "{\"share\":\"down\"}"), 200);
	assert_string_equal(asked, "region force-down: eu//=-1 for 0 -");
	if_match = "\"1010\"";
	must_refuse("PUT", "/v1/controls/regions/eu", "{\"share\":1}", 412, "urn:gslb:precondition");
	if_match = NULL;
	assert_int_equal(call("DELETE", "/v1/controls/regions/eu?reason=done+now", ""), 200);
	assert_string_equal(asked, "region restore: eu//=-2 for 0 done now");
	assert_int_equal(call("DELETE", "/v1/controls/regions/eu", ""), 200); /* also where none was */
	assert_int_equal(call("PUT", "/v1/controls/regions/us/services/shop", "{\"share\":0}"), 201);
	assert_string_equal(asked, "region drain: us/shop/=0 for 0 -");
	assert_int_equal(call("PUT", "/v1/controls/vips/eu/2001:DB8:0::1", "{\"share\":0}"), 201);
	assert_string_equal(asked, "vip drain: eu//2001:db8::1=0 for 0 -");
	assert_int_equal(call("DELETE", "/v1/controls/vips/eu/2001:db8::1", ""), 200);
	assert_string_equal(asked, "vip restore: eu//2001:db8::1=-2 for 0 -");
	assert_int_equal(call("PUT", "/v1/controls/origins/shop/web/10.1.0.5:8080",
			      "{\"share\":0,\"for\":\"10m\",\"reason\":\"deploy\"}"),
			 201);
	assert_string_equal(asked, "origin drain: -//shop/web/10.1.0.5:8080=0 for 600000 deploy");
	assert_int_equal(
		call("PUT", "/v1/controls/origins/shop/web/%5B2001:DB8:0::5%5D:80", "{\"share\":100}"), 201);
	assert_string_equal(asked, "origin restore: -//shop/web/[2001:db8::5]:80=100 for 0 -");
	assert_int_equal(call("DELETE", "/v1/controls/origins/shop/web/App.Example:80", ""), 200);
	assert_string_equal(asked, "origin restore: -//shop/web/app.example:80=-2 for 0 -");
}

static void test_control_refusals(void **state)
{
	static const struct {
		const char *body, *word;
	} wrong[] = {
		{"{}", "'share' is required"},
		{"{\"share\":101}", "/share"},
		{"{\"share\":\"50\"}", "/share"},
		{"{\"share\":0.5}", "/share"},
		{"{\"share\":-1}", "/share"},
		{"{\"share\":null}", "/share"},
		{"{\"share\":0,\"for\":\"0s\"}", "/for"},
		{"{\"share\":0,\"for\":\"366d\"}", "/for"},
		{"{\"share\":0,\"for\":5}", "/for"},
		{"{\"share\":0,\"reason\":{}}", "/reason"},
		{"{\"share\":0,\"reazon\":\"x\"}", "\"nearest\":\"reason\""},
		{"{\"share\":0,\"over\":\"20s\"}", "not supported by this build"},
		{"{\"share\":0,\"confirm_within\":\"20s\"}", "not supported by this build"},
		{"{\"share\":0,\"override\":[]}", "not supported by this build"},
		{"{\"share\":0,\"at\":\"2026-01-01T00:00:00Z\"}", "not supported by this build"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		must_refuse("PUT", "/v1/controls/regions/eu", wrong[i].body, 422, wrong[i].word);
	must_refuse("PUT", "/v1/controls/regions/mars", "{\"share\":0}", 404, "urn:gslb:not-found");
	must_refuse("DELETE", "/v1/controls/regions/mars", "", 404, "urn:gslb:not-found");
	must_refuse("PUT", "/v1/controls/origins/shop/web/10.1.0.5:80", "{\"share\":50}", 422, "0 or 100");
	must_refuse("PUT", "/v1/controls/origins/Shop/web/10.1.0.5:80", "{\"share\":0}", 404, "no ids");
	must_refuse("PUT", "/v1/controls/vips/eu/localhost", "{\"share\":0}", 404, "no address");
	must_refuse("PUT", "/v1/controls/vips/eu/192.0.2.1", "{\"share\":50}", 422, "0 or 100");
	must_refuse("PUT", "/v1/controls/vips/eu/192.0.2.1", "{\"share\":\"down\"}", 422, "0 or 100");
	char body_text[1200];
	memset(body_text, 'x', sizeof body_text);
	memcpy(body_text, "{\"share\":0,\"reason\":\"", 21);
	strcpy(body_text + 21 + API_REASON_MAX + 1, "\"}");
	must_refuse("PUT", "/v1/controls/regions/eu", body_text, 422, "at most 1000");
}

static void test_batch(void **state)
{
	assert_int_equal(call("POST", "/v1/batch",
			      "{\"changes\":[{\"region\":\"eu\",\"share\":0,\"reason\":\"x\"},"
			      "{\"region\":\"us\",\"share\":100}]}"),
			 200);
	expect("", "{\"epoch\":11}");
	assert_string_equal(asked, "flip: eu//=0 for 0 x us//=100 for 0 -");
	assert_int_equal(call("POST", "/v1/batch",
			      "{\"changes\":[{\"region\":\"eu\",\"service\":\"shop\",\"share\":20}]}"),
			 200);
	assert_string_equal(asked, "region drain: eu/shop/=20 for 0 -");
	asked[0] = '\0';
	must_refuse("POST", "/v1/batch",
		    "{\"changes\":[{\"region\":\"eu\",\"share\":0},{\"region\":\"uss\",\"share\":200}]}", 422,
		    "\"/changes/1/region\"");
	expect("errors/1/pointer", "\"/changes/1/share\"");
	expect("errors/0/nearest", "\"us\"");
	must_refuse("POST", "/v1/batch", "{\"changes\":[]}", 422, "/changes");
	must_refuse("POST", "/v1/batch", "{}", 422, "changes");
	must_refuse("POST", "/v1/batch", "{\"changes\":[{\"region\":null,\"share\":0}]}", 422, "required");
	must_refuse("POST", "/v1/batch", "{\"changes\":[7]}", 422, "/changes/0");
	must_refuse("POST", "/v1/batch",
		    "{\"changes\":[{\"region\":\"eu\",\"share\":0},{\"region\":\"eu\",\"share\":1}]}", 422,
		    "twice");
	must_refuse("POST", "/v1/batch", "{\"changes\":[{\"region\":\"eu\",\"share\":0}],\"if_epoch\":3}",
		    422, "not supported by this build");
	assert_string_equal(asked, "");
}

static void test_explain(void **state)
{
	assert_int_equal(
		call("POST", "/v1/explain",
		     "{\"name\":\"ACME.example.net\",\"type\":\"aaaa\",\"client\":\"192.0.2.0/24\","
		     "\"via\":\"2001:db8::53\",\"what_if\":[{\"region\":\"eu\",\"share\":50},"
		     "{\"vip\":\"192.0.2.1\",\"state\":\"down\"},{\"region\":\"us\",\"share\":\"down\"}]}"),
		200);
	assert_string_equal(
		asked, "acme.example.net. 28 192.0.2.0/24 2001:db8::53 eu=share50 192.0.2.1=up0 us=share-1");
	assert_int_equal(call("POST", "/v1/explain", "{\"name\":\"a.\",\"client\":\"192.0.2.7\"}"), 200);
	assert_string_equal(asked, "a. 1 192.0.2.7/32 ");
	static const struct {
		const char *body, *word;
	} wrong[] = {
		{"{}", "'name' is required"},
		{"{\"name\":null}", "'name' is required"},
		{"{\"name\":\"\"}", "/name"},
		{"{\"name\":\"a..b\"}", "/name"},
		{"{\"name\":\"a\",\"type\":\"AAAAA\"}", "/type"},
		{"{\"name\":\"a\",\"client\":\"192.0.2.1/24\"}", "/client"},
		{"{\"name\":\"a\",\"via\":\"192.0.2.0/24\"}", "/via"},
		{"{\"name\":\"a\",\"klient\":\"192.0.2.1\"}", "\"nearest\":\"client\""},
		{"{\"name\":\"a\",\"what_if\":{}}", "/what_if"},
		{"{\"name\":\"a\",\"what_if\":[{\"state\":\"up\"}]}", "one of 'region' and 'vip'"},
		{"{\"name\":\"a\",\"what_if\":[{\"region\":\"eu\"}]}", "one of 'state' and 'share'"},
		{"{\"name\":\"a\",\"what_if\":[{\"region\":\"eu\",\"state\":\"odd\"}]}", "/what_if/0/state"},
		{"{\"name\":\"a\",\"what_if\":[{\"region\":\"eux\",\"state\":\"up\"}]}",
		 "\"nearest\":\"eu\""},
		{"{\"name\":\"a\",\"what_if\":[{\"region\":null,\"state\":\"up\"}]}", "required"},
		{"{\"name\":\"a\",\"what_if\":[{\"vip\":\"203.0.113.9\",\"state\":\"up\"}]}",
		 "no VIP of the fleet"},
		{"{\"name\":\"a\",\"what_if\":[{\"vip\":\"192.0.2.1\",\"share\":30}]}", "0 or 100"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		must_refuse("POST", "/v1/explain", wrong[i].body, 422, wrong[i].word);
}

static void test_lists_of_the_state(void **state)
{
	struct health_entry *down = add_entry("192.0.2.1", "web", VERDICT_DOWN);
	struct health_entry *up = add_entry("198.51.100.2", "web", VERDICT_UP);
	down->changed_unix_ms = 1000;
	snprintf(down->reason, sizeof down->reason, "timeout");
	up->score = 500;
	assert_int_equal(call("PUT", "/v1/controls/vips/eu/192.0.2.2", "{\"share\":0}"), 201);
	assert_int_equal(call("GET", "/v1/vips", ""), 200);
	expect("items/0/address", "\"2001:db8::1\"");
	expect("items/0/state", "\"up\"");
	expect("items/1",
	       "{\"region\":\"eu\",\"service\":\"shop\",\"address\":\"192.0.2.1\",\"state\":\"down\","
	       "\"score\":0.0,\"since\":\"1970-01-01T00:00:01Z\",\"reason\":\"timeout\",\"control\":null}");
	expect("items/2/state", "\"unknown\"");
	expect("items/2/score", "1.0");
	expect("items/2/control/share", "0");
	expect("items/3/score", "0.5");
	expect("next", "null");
	assert_int_equal(call("GET", "/v1/regions", ""), 200);
	/* The drained VIP is not counted into the weight: 192.0.2.1 is down, 2001:db8::1 is up. */
	expect("items/0/health", "{\"vips\":3,\"up\":1,\"down\":1,\"unknown\":1,\"healthy\":0.5}");
	expect("items/0/weight", "1.0");
	expect("items/0/control", "null");
	expect("items/1/weight", "1.5");
	assert_int_equal(call("PUT", "/v1/controls/regions/us", "{\"share\":20}"), 201);
	assert_int_equal(call("GET", "/v1/services?after=free", ""), 200);
	expect("items/0/id", "\"shop\"");
	expect("items/0/source", "\"base\"");
	expect("items/0/control/us/share", "20");
	expect("items/0/weight", "1.5");
	assert_int_equal(call("GET", "/v1/zones", ""), 200);
	expect("items/0/id", "\"example.net.\"");
	expect("items/0/soa_serial", "1");
	expect("items/0/text", "(absent)");
}

static void test_vip_pages(void **state)
{
	static const char *const addresses[] = {"\"2001:db8::1\"", "\"192.0.2.1\"", "\"192.0.2.2\"",
						"\"198.51.100.2\""};
	char target[160] = "/v1/vips?limit=1";
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(call("GET", target, ""), 200);
		expect("items/0/address", addresses[i]);
		const char *next = json_string_value(json_object_get(body, "next"));
		assert_int_equal(next != NULL, i < 3);
		snprintf(target, sizeof target, "/v1/vips?limit=1&after=%s", next ? next : "");
	}
	/* A place whose VIP, or service, has gone is still a place. */
	assert_int_equal(call("GET", "/v1/vips?after=shop/eu/192.0.2.1", ""), 200);
	expect("items/0/address", addresses[2]);
	assert_int_equal(call("GET", "/v1/vips?after=gone/x/192.0.2.1", ""), 200);
	expect("items/0/address", addresses[1]);
	must_refuse("GET", "/v1/vips?after=shop", "", 400, "SERVICE/REGION/ADDRESS");
}

static void test_audit_pages(void **state)
{
	assert_int_equal(call("GET", "/v1/audit?limit=2", ""), 200);
	expect("", "{\"items\":[{\"seq\":1},{\"seq\":2}],\"next\":\"2\"}");
	assert_int_equal(call("GET", "/v1/audit?since=2&limit=3", ""), 200);
	expect("", "{\"items\":[{\"seq\":3},{\"seq\":4},{\"seq\":5}],\"next\":null}");
	must_refuse("GET", "/v1/audit?since=yesterday", "", 400, "seq");
	must_refuse("GET", "/v1/audit?since=1&after=2", "", 400, "one of");
}

static void test_status(void **state)
{
	struct place_file file = {.path = (char *)"city.mmdb", .built_unix_s = 1, .prefixes = 9};
	struct places places = {.file_count = 1, .files = &file};
	struct world world = {.places = &places};
	atomic_store(&published.current, &world);
	assert_int_equal(call("GET", "/v1/status", ""), 200);
	expect("node", "\"node-1\"");
	expect("ready", "false");
	expect("epoch", "10");
	expect("fleet_version", "3");
	expect("zones", "1");
	expect("tenants", "1");
	expect("bus", "\"embedded\"");
	expect("geo", "[{\"file\":\"city.mmdb\",\"built\":\"1970-01-01T00:00:01Z\",\"prefixes\":9}]");
	expect("listeners", "{\"dns\":[\"127.0.0.1@5353\"],\"http\":null,\"socket\":\"/run/gslb.sock\"}");
	expect("evidence", "{\"frozen\":false,\"unknown\":0}");
	expect("vantage", "null");
	atomic_store(&published.current, NULL);
}

static void test_plain_pages(void **state)
{
	assert_int_equal(call("GET", "/readyz", ""), 503);
	assert_string_equal(text, "{\"ready\":false,\"waiting\":[\"health\",\"fleet\"]}");
	server.is_ready = true;
	assert_int_equal(call("GET", "/readyz", ""), 200);
	assert_string_equal(text, "{\"ready\":true}");
	server.is_ready = false;
	assert_int_equal(call("GET", "/healthz", ""), 200);
	assert_int_equal(call("GET", "/metrics", ""), 200);
	assert_string_equal(text, "gslb_ready 1\n");
	assert_non_null(strstr(reply.content_type, "version=0.0.4"));
}

static void test_reload(void **state)
{
	reload_error = NULL;
	assert_int_equal(call("POST", "/v1/reload", ""), 200);
	expect("epoch", "10");
	reload_error = "broken";
	must_refuse("POST", "/v1/reload", "", 422, "broken");
	expect("errors/0/file", "\"node.yaml\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tenant_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tenant_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tenant_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tenant_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_apply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_export, setup, teardown),
		cmocka_unit_test_setup_teardown(test_controls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_control_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_explain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_of_the_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vip_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
