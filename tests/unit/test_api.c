/* The API of a whole server: where it listens, and what it answers before the fleet is loaded. */
#include "gslb/api/api.h"
#include "gslb/api/api_internal.h"
#include "tests/support/rig.h"
#include "tests/unit/http_client.h"
#include <stdlib.h>

static struct rig rig;
static struct api *api;

static int setup(void **state)
{
	rig_init(&rig);
	base = rig.base;
	snprintf(socket_path, sizeof socket_path, "%s/gslb.sock", rig.directory);
	return 0;
}

static int teardown(void **state)
{
	api_free(api);
	api = NULL;
	rig_done(&rig);
	return 0;
}

static void start(void)
{
	struct err_list errors = {0};
	rig_must_start(&rig, "regions: {eu: {at: [50, 8]}}\n");
	api = api_new(rig.server, &errors);
	assert_non_null(api);
}

static void test_calls_reach_the_server(void **state)
{
	start();
	ask("GET /v1/regions HTTP/1.1\r\n" CLOSE);
	expect("HTTP/1.1 200 OK\r\n");
	expect("\"id\":\"eu\"");
	const char *request =
		"PUT /v1/controls/regions/eu HTTP/1.1\r\nContent-Length: 12\r\n" CLOSE "{\"share\":50}";
	ask(request);
	expect("HTTP/1.1 201 Created\r\n");
	json_t *audit = store_audit(server_store(rig.server), 0, 10);
	const json_t *line = json_array_get(audit, json_array_size(audit) - 1);
	char author[32];
	snprintf(author, sizeof author, "uid:%ld", (long)getuid());
	assert_memory_equal(json_string_value(json_object_get(line, "author")), author, strlen(author));
	assert_string_equal(json_string_value(json_object_get(line, "via")), "api");
	json_decref(audit);
}

static void test_one_api_for_one_socket(void **state)
{
	struct err_list errors = {0};
	start();
	assert_null(api_new(rig.server, &errors));
	assert_non_null(strstr(errors.items[0].message, "another gslbd answers on"));
	err_done(&errors);
}

static void test_it_moves_with_the_configuration(void **state)
{
	struct err_list errors = {0};
	struct sockaddr_storage address;
	start();
	assert_false(api_http_address(api, &address));
	struct node_config next = server_config(rig.server)->node;
	next.admin_socket = rig_path(&rig, "other.sock");
	next.has_admin_http = true;
	next.admin_http_written = (char *)"127.0.0.1:0";
	assert_true(listen_parse_http(next.admin_http_written, &next.admin_http));
	assert_true(api_rebind(api, &next, &errors));
	assert_true(api_http_address(api, &address));
	assert_int_equal(access(socket_path, F_OK), -1);
	snprintf(socket_path, sizeof socket_path, "%s", next.admin_socket);
	ask("GET /healthz HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	free(next.admin_socket);
}

static int status_of(const char *target)
{
	struct http_reply reply;
	struct http_request request = {.method = "GET", .target = target, .body = "", .author = ""};
	http_reply_init(&reply);
	http_route_dispatch(&api->service, &request, &reply);
	http_reply_done(&reply);
	return reply.status;
}

/* The loop has not turned yet, so nothing is loaded. */
static void test_before_the_fleet_is_loaded(void **state)
{
	struct err_list errors = {0};
	rig_write(&rig, "node.yaml", "node: {name: n1, state_dir: .}\ndns: {listen: [\"127.0.0.1@0\"]}\n");
	char *path = rig_path(&rig, "node.yaml");
	rig.server = server_new(rig.base, path, &rig.hooks, &rig.world, &errors);
	api = api_new(rig.server, &errors);
	assert_non_null(api);
	assert_int_equal(status_of("/healthz"), 200);
	assert_int_equal(status_of("/metrics"), 200);
	assert_int_equal(status_of("/readyz"), 503);
	assert_int_equal(status_of("/v1/status"), 200);
	assert_int_equal(status_of("/v1/audit"), 200);
	assert_int_equal(status_of("/v1/tenants"), 503);
	assert_int_equal(status_of("/v1/export"), 503);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls_reach_the_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_api_for_one_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_moves_with_the_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(test_before_the_fleet_is_loaded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
