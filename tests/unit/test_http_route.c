/* What a method and a target come to: a handler with its arguments, or a problem that names the fault. */
#include "tests/unit/http_fixture.h"

struct call {
	struct http_request request;
	struct http_reply reply;
	json_t *body;
};

static void run(struct call *call)
{
	call->request.author = "uid:1";
	if (!call->request.body)
		call->request.body = "";
	http_reply_init(&call->reply);
	http_route_dispatch(&service, &call->request, &call->reply);
	size_t length = evbuffer_get_length(call->reply.body);
	call->body = json_loadb((const char *)evbuffer_pullup(call->reply.body, -1), length, 0, NULL);
	assert_non_null(call->body);
}

static void end(struct call *call)
{
	json_decref(call->body);
	http_reply_done(&call->reply);
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
	expect_handler("GET", "/v1/state", "get_state", "[]");
	expect_handler("HEAD", "/v1/state", "get_state", "[]");
	expect_handler("GET", "http://localhost/v1/state", "get_state", "[]");
	expect_handler("GET", "/v1/things", "list_things", "[]");
	expect_handler("PUT", "/v1/things/acme", "put_thing", "[\"acme\"]");
	expect_handler("DELETE", "/v1/things/ac%6de", "delete_thing", "[\"acme\"]");
	expect_handler("PUT", "/v1/things/eu/parts/2001%3Adb8%3a%3A1", "put_part",
		       "[\"eu\",\"2001:db8::1\"]");
	expect_handler("GET", "/page", "get_page", "[]");
	/* A slash that comes encoded is part of the name, and a star is a name like others. */
	expect_handler("GET", "/v1/things/a%2Fb", "get_thing", "[\"a/b\"]");
	expect_handler("GET", "/v1/things/*", "get_thing", "[\"*\"]");
}

static void test_the_handler_knows_its_service(void **state)
{
	struct call call = {.request = {.method = "GET", .target = "/v1/state"}};
	run(&call);
	assert_string_equal(text_of(&call, "user"), "the user");
	assert_string_equal(text_of(&call, "author"), "uid:1");
	end(&call);
}

static void test_paths_that_do_not_exist(void **state)
{
	static const char *const targets[] = {
		"/",
		"/v1",
		"/v2/state",
		"/v1/state/",
		"//v1/state",
		"/v1//state",
		"/v1/things/",
		"/v1/things/a/b",
		"/v1/things/a/parts",
		"/V1/state",
		"/v1/stat",
		"/a/b/c/d/e/f/g/h/i/j/k",
	};
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		expect_problem("GET", targets[i], 404, "urn:gslb:not-found", "no such path");
	expect_problem("GET", "/v1/later", 404, "urn:gslb:not-found", "not supported by this build");
	expect_problem("DELETE", "/v1/later/one", 404, "urn:gslb:not-found", "/v1/later is not supported");
}

static void test_targets_that_are_none(void **state)
{
	char longest[9000];
	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	expect_problem("GET", longest, 400, "urn:gslb:bad-request", "octets");
	expect_problem("GET", "*", 400, "urn:gslb:bad-request", "path");
	expect_problem("", "localhost:80", 400, "urn:gslb:bad-request", "path");
	expect_problem("GET", "/v1/things/%", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/things/%4", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/things/%zz", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/things/a%00b", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/things/%ff", 400, "urn:gslb:bad-request", "percent");
	expect_problem("GET", "/v1/things?after=%4", 400, "urn:gslb:bad-request", "percent");
}

static void test_methods_that_a_path_does_not_take(void **state)
{
	static const struct {
		const char *method, *target, *allow;
	} rows[] = {
		{"POST", "/v1/state", "GET, HEAD"},
		{"DELETE", "/v1/things", "GET, HEAD"},
		{"POST", "/v1/things/acme", "GET, HEAD, PUT, DELETE"},
		{"GET", "/v1/set", "POST"},
		{"HEAD", "/v1/things/a/parts/b", "PUT"},
		{"", "/v1/job", "POST"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
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
	struct call call = {
		.request = {.method = "DELETE", .target = "/v1/things/eu?reason=new+kernel%2B%26%20more&"}};
	run(&call);
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(call.body, "params"), "reason")),
		"new kernel+& more");
	end(&call);
	call = (struct call){.request = {.method = "GET", .target = "/v1/things?limt=5"}};
	run(&call);
	assert_int_equal(call.reply.status, 400);
	const json_t *error = json_array_get(json_object_get(call.body, "errors"), 0);
	assert_string_equal(json_string_value(json_object_get(error, "nearest")), "limit");
	assert_non_null(strstr(text_of(&call, "detail"), "did you mean 'limit'"));
	end(&call);
	expect_problem("GET", "/v1/state?x=1", 400, "urn:gslb:bad-request", "unknown parameter 'x'");
	expect_problem("GET", "/v1/things?limit=1&limit=2", 400, "urn:gslb:bad-request", "twice");
	/* Only what the path takes with this method. */
	expect_problem("PUT", "/v1/things/eu?reason=x", 400, "urn:gslb:bad-request", "'reason'");
}

static void test_plain_listener_has_its_pages_only(void **state)
{
	static const struct {
		const char *target;
		int status;
	} rows[] = {{"/page", 200}, {"/v1/state", 404}, {"/v1/later", 404}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct call call = {.request = {.method = "GET", .target = rows[i].target, .is_plain = true}};
		run(&call);
		assert_int_equal(call.reply.status, rows[i].status);
		end(&call);
	}
}

static void test_while_the_service_is_unavailable(void **state)
{
	unavailable = "it is still being loaded";
	expect_handler("GET", "/v1/state", "get_state", "[]");
	expect_handler("GET", "/page", "get_page", "[]");
	expect_problem("GET", "/v1/things", 503, "urn:gslb:unavailable", "it is still being loaded");
	expect_problem("PUT", "/v1/things/a", 503, "urn:gslb:unavailable", "it is still being loaded");
	expect_problem("POST", "/v1/things", 405, "urn:gslb:method", "GET, HEAD");
	unavailable = NULL;
}

static void test_body_limit(void **state)
{
	struct call call = {.request = {.method = "POST", .target = "/v1/set", .body_length = HTTP_BODY_MAX}};
	run(&call);
	assert_int_equal(call.reply.status, 200);
	end(&call);
	call.request.body_length++;
	run(&call);
	assert_int_equal(call.reply.status, 413);
	assert_string_equal(text_of(&call, "type"), "urn:gslb:too-large");
	assert_string_equal(text_of(&call, "detail"), "a body has at most 64 MiB; send less");
	end(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_find_their_handlers),
		cmocka_unit_test(test_the_handler_knows_its_service),
		cmocka_unit_test(test_paths_that_do_not_exist),
		cmocka_unit_test(test_targets_that_are_none),
		cmocka_unit_test(test_methods_that_a_path_does_not_take),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_plain_listener_has_its_pages_only),
		cmocka_unit_test(test_while_the_service_is_unavailable),
		cmocka_unit_test(test_body_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
