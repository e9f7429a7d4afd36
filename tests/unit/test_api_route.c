/* What a method and a target come to: a handler with its arguments, or a problem that names the fault. */
#include "tests/unit/api_fixture.h"

static struct server server = {.is_loaded = true};

struct call {
	struct api_request request;
	struct api_reply reply;
	json_t *body;
};

static void run(struct call *call)
{
	call->request.server = &server;
	call->request.requester = (struct requester){.author = "uid:1", .via = "api"};
	if (!call->request.body)
		call->request.body = "";
	api_reply_init(&call->reply);
	api_dispatch(&call->request, &call->reply);
	size_t length = evbuffer_get_length(call->reply.body);
	call->body = json_loadb((const char *)evbuffer_pullup(call->reply.body, -1), length, 0, NULL);
	assert_non_null(call->body);
}

static void end(struct call *call)
{
	json_decref(call->body);
	api_reply_done(&call->reply);
}

static const char *text_of(const struct call *call, const char *key)
{
	return json_string_value(json_object_get(call->body, key));
}

static void expect_handler(const char *method, const char *target, const char *handler, const char *arguments)
{
	struct call call = {.request = {.method = method, .target = target}};
	run(&call);
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(text_of(&call, "handler"), handler);
	char *text = json_dumps(json_object_get(call.body, "arguments"), JSON_COMPACT);
	assert_string_equal(text, arguments);
	free(text);
	end(&call);
}

static void expect_problem(const char *method, const char *target, int status, const char *type,
			   const char *detail)
{
	struct call call = {.request = {.method = method, .target = target}};
	run(&call);
	if (call.reply.status != status || !strstr(text_of(&call, "detail"), detail))
		fail_msg("%s %s: %d %s", method, target, call.reply.status, text_of(&call, "detail"));
	assert_string_equal(call.reply.content_type, "application/problem+json");
	assert_int_equal(json_integer_value(json_object_get(call.body, "status")), status);
	assert_string_equal(text_of(&call, "type"), type);
	assert_non_null(text_of(&call, "title"));
	end(&call);
}

static void test_paths_find_their_handlers(void **state)
{
	expect_handler("GET", "/v1/status", "api_get_status", "[]");
	expect_handler("HEAD", "/v1/status", "api_get_status", "[]");
	expect_handler("GET", "http://localhost/v1/status", "api_get_status", "[]");
	expect_handler("GET", "/v1/tenants", "api_get_tenants", "[]");
	expect_handler("PUT", "/v1/tenants/acme", "api_put_tenant", "[\"acme\"]");
	expect_handler("DELETE", "/v1/tenants/ac%6de", "api_delete_tenant", "[\"acme\"]");
	expect_handler("PUT", "/v1/controls/regions/eu", "api_put_region", "[\"eu\"]");
	expect_handler("PUT", "/v1/controls/regions/eu/services/shop", "api_put_region", "[\"eu\",\"shop\"]");
	expect_handler("PUT", "/v1/controls/vips/eu/2001%3Adb8%3a%3A1", "api_put_vip",
		       "[\"eu\",\"2001:db8::1\"]");
	expect_handler("DELETE", "/v1/controls/vips/eu/192.0.2.1", "api_delete_vip",
		       "[\"eu\",\"192.0.2.1\"]");
	expect_handler("GET", "/metrics", "api_get_metrics", "[]");
	/* A slash that comes encoded is part of the name. */
	expect_handler("GET", "/v1/tenants/a%2Fb", "api_get_tenant", "[\"a/b\"]");
}

static void test_paths_that_do_not_exist(void **state)
{
	static const char *const targets[] = {
		"/",
		"/v1",
		"/v2/status",
		"/v1/status/",
		"//v1/status",
		"/v1//status",
		"/v1/tenants/",
		"/v1/tenants/a/b",
		"/v1/controls/vips/eu",
		"/V1/status",
		"/v1/statu",
		"/a/b/c/d/e/f/g/h/i/j/k",
	};
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		expect_problem("GET", targets[i], 404, "urn:gslb:not-found", "no such path");
	expect_problem("GET", "/v1/drills", 404, "urn:gslb:not-found", "not supported by this build");
	expect_problem("DELETE", "/v1/drills/one", 404, "urn:gslb:not-found", "/v1/drills is not supported");
	expect_problem("POST", "/v1/observations", 404, "urn:gslb:not-found", "not supported by this build");
	expect_problem("POST", "/v1/load", 404, "urn:gslb:not-found", "not supported by this build");
}

static void test_targets_that_are_none(void **state)
{
	char longest[9000];
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	expect_problem("GET", longest, 400, "urn:gslb:bad-request", "octets");
	expect_problem("GET", "*", 400, "urn:gslb:bad-request", "path");
	expect_problem("", "localhost:80", 400, "urn:gslb:bad-request", "path");
	expect_problem("GET", "/v1/tenants/%", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/tenants/%4", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/tenants/%zz", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/tenants/a%00b", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/tenants/%ff", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/tenants?after=%4", 400, "urn:gslb:bad-request", "percent");
}

static void test_methods_that_a_path_does_not_take(void **state)
{
	static const struct {
		const char *method, *target, *allow;
	} rows[] = {
		{"POST", "/v1/status", "GET, HEAD"},
		{"DELETE", "/v1/tenants", "GET, HEAD"},
		{"POST", "/v1/tenants/acme", "GET, HEAD, PUT, DELETE"},
		{"GET", "/v1/apply", "POST"},
		{"HEAD", "/v1/controls/regions/eu", "PUT, DELETE"},
		{"", "/v1/batch", "POST"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct call call = {.request = {.method = rows[i].method, .target = rows[i].target}};
		run(&call);
		assert_int_equal(call.reply.status, 405);
		assert_string_equal(text_of(&call, "type"), "urn:gslb:method");
		assert_string_equal(call.reply.allow, rows[i].allow);
		end(&call);
	}
}

static void test_parameters(void **state)
{
	struct call call = {.request = {.method = "DELETE",
					.target = "/v1/controls/regions/eu?reason=new+kernel%2B%26%20more&"}};
	run(&call);
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(call.body, "params"), "reason")),
		"new kernel+& more");
	end(&call);
	call = (struct call){.request = {.method = "GET", .target = "/v1/tenants?limt=5"}};
	run(&call);
	assert_int_equal(call.reply.status, 400);
	const json_t *error = json_array_get(json_object_get(call.body, "errors"), 0);
	assert_string_equal(json_string_value(json_object_get(error, "nearest")), "limit");
	assert_non_null(strstr(text_of(&call, "detail"), "did you mean 'limit'"));
	end(&call);
	expect_problem("GET", "/v1/status?x=1", 400, "urn:gslb:bad-request", "unknown parameter 'x'");
	expect_problem("GET", "/v1/tenants?limit=1&limit=2", 400, "urn:gslb:bad-request", "twice");
	/* Only what the path takes: `over` comes with a later part. */
	expect_problem("PUT", "/v1/controls/regions/eu?over=1m", 400, "urn:gslb:bad-request", "'over'");
}

static void test_page_parameters(void **state)
{
	static const char *const wrong[] = {"0", "10001", "-1", "x", "", "1e3", "01"};
	struct api_request request = {.server = &server, .param_count = 1};
	struct api_page page;
	struct api_reply reply;
	api_reply_init(&reply);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		request.param[0] = (struct api_param){.name = "limit", .value = wrong[i]};
		assert_false(api_param_page(&request, &reply, &page));
		assert_int_equal(reply.status, 400);
	}
	request.param[0].value = "10000";
	assert_true(api_param_page(&request, &reply, &page));
	assert_int_equal(page.limit, 10000);
	assert_null(page.after);
	request.param[0] = (struct api_param){.name = "after", .value = "acme"};
	assert_true(api_param_page(&request, &reply, &page));
	assert_int_equal(page.limit, 1000);
	assert_string_equal(page.after, "acme");
	bool flag = true;
	request.param[0] = (struct api_param){.name = "prune", .value = "maybe"};
	assert_false(api_param_bool(&request, &reply, "prune", &flag));
	assert_true(api_param_bool(&request, &reply, "dry_run", &flag));
	assert_false(flag);
	request.param[0].value = "true";
	assert_true(api_param_bool(&request, &reply, "prune", &flag));
	assert_true(flag);
	api_reply_done(&reply);
}

static void test_plain_listener_has_three_pages(void **state)
{
	static const struct {
		const char *target;
		int status;
	} rows[] = {{"/metrics", 200},
		    {"/healthz", 200},
		    {"/readyz", 200},
		    {"/v1/status", 404},
		    {"/v1/reload", 404}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct call call = {.request = {.method = "GET", .target = rows[i].target, .is_plain = true}};
		run(&call);
		assert_int_equal(call.reply.status, rows[i].status);
		end(&call);
	}
}

static void test_before_the_fleet_is_loaded(void **state)
{
	server.is_loaded = false;
	expect_handler("GET", "/v1/status", "api_get_status", "[]");
	expect_handler("GET", "/readyz", "api_get_readyz", "[]");
	expect_problem("GET", "/v1/tenants", 503, "urn:gslb:unavailable", "loaded");
	expect_problem("PUT", "/v1/controls/regions/eu", 503, "urn:gslb:unavailable", "loaded");
	server.is_loaded = true;
}

static void test_body_limit(void **state)
{
	struct call call = {
		.request = {.method = "POST", .target = "/v1/apply", .body_length = API_BODY_MAX}};
	run(&call);
	assert_int_equal(call.reply.status, 200);
	end(&call);
	call.request.body_length++;
	run(&call);
	assert_int_equal(call.reply.status, 413);
	assert_string_equal(text_of(&call, "type"), "urn:gslb:too-large");
	end(&call);
}

static void test_preconditions(void **state)
{
	static const struct {
		const char *if_match, *if_none_match;
		bool exists, is_good;
	} rows[] = {
		{NULL, NULL, true, true},      {NULL, NULL, false, true},
		{"\"5\"", NULL, true, true},   {"5", NULL, true, true},
		{"\"4\"", NULL, true, false},  {"\"4\", \"5\"", NULL, true, true},
		{"*", NULL, true, true},       {"*", NULL, false, false},
		{"\"5\"", NULL, false, false}, {"W/\"5\"", NULL, true, false},
		{"", NULL, true, false},       {"\"55\"", NULL, true, false},
		{NULL, "*", true, false},      {NULL, "*", false, true},
		{NULL, "\"4\"", true, true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct api_reply reply;
		struct api_request request = {.server = &server,
					      .if_match = rows[i].if_match,
					      .if_none_match = rows[i].if_none_match};
		api_reply_init(&reply);
		assert_int_equal(api_check_preconditions(&request, &reply, rows[i].exists, 5),
				 rows[i].is_good);
		if (!rows[i].is_good)
			assert_int_equal(reply.status, 412);
		api_reply_done(&reply);
	}
}

static void test_outcome_lists_every_error(void **state)
{
	struct api_reply reply;
	struct err_list errors = {0};
	api_reply_init(&reply);
	err_warn(&errors, "a.yaml", 1, 1, "only a warning");
	err_set_nearest(err_add(&errors, "a.yaml", 3, 5, "unknown key 'zon'"), "zone");
	err_set_pointer(err_add(&errors, NULL, 0, 0, "second"), "/tenants/b");
	api_reply_outcome(&reply, CHANGE_BASE_OBJECT, &errors);
	assert_int_equal(reply.status, 409);
	json_t *body = json_loadb((const char *)evbuffer_pullup(reply.body, -1),
				  evbuffer_get_length(reply.body), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(body, "type")), "urn:gslb:base-object");
	assert_string_equal(json_string_value(json_object_get(body, "detail")),
			    "unknown key 'zon' (and 1 more)");
	char *list = json_dumps(json_object_get(body, "errors"), JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(
		list, "[{\"column\":5,\"file\":\"a.yaml\",\"line\":3,\"message\":\"unknown key "
		      "'zon'\",\"nearest\":\"zone\"},{\"message\":\"second\",\"pointer\":\"/tenants/b\"}]");
	free(list);
	json_decref(body);
	err_done(&errors);
	api_reply_done(&reply);
}

static void test_bodies(void **state)
{
	static const struct {
		const char *body;
		int status;
	} rows[] = {{"", 400},	       {"{", 400},  {"{\"a\":1,\"a\":2}", 400},
		    {"nonsense", 400}, {"[]", 422}, {"null", 422}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct api_reply reply;
		struct api_request request = {
			.server = &server, .body = rows[i].body, .body_length = strlen(rows[i].body)};
		api_reply_init(&reply);
		assert_null(api_body(&request, &reply));
		assert_int_equal(reply.status, rows[i].status);
		api_reply_done(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_find_their_handlers),
		cmocka_unit_test(test_paths_that_do_not_exist),
		cmocka_unit_test(test_targets_that_are_none),
		cmocka_unit_test(test_methods_that_a_path_does_not_take),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_page_parameters),
		cmocka_unit_test(test_plain_listener_has_three_pages),
		cmocka_unit_test(test_before_the_fleet_is_loaded),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_preconditions),
		cmocka_unit_test(test_outcome_lists_every_error),
		cmocka_unit_test(test_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
