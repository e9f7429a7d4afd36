/*
 * The API over real sockets, as a client sees it: who may listen, what each kind of request gets, and
 * that nothing a client does keeps the loop or leaks. The handlers are stand-ins.
 */
#include "gslb/api/api.h"
#include "lib/clock.h"
#include "tests/unit/api_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 20000

static char directory[64], socket_path[96];
static struct gslb_config config;
static struct server server = {.is_loaded = true, .config = &config};

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "/tmp/gslb-api-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(socket_path, sizeof(socket_path), "%s/gslb.sock", directory);
	config = (struct gslb_config){.node = {.admin_socket = socket_path}};
	server.base = event_base_new();
	return 0;
}

static int teardown(void **state)
{
	event_base_free(server.base);
	unlink(socket_path);
	return rmdir(directory);
}

static struct api *must_start(void)
{
	struct err_list errors = {0};
	struct api *api = api_new(&server, &errors);
	if (!api)
		fail_msg("%s", errors.items[0].message);
	return api;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	return address;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static char received[65536];

static bool is_complete(const char *until)
{
	return until && strstr(received, until);
}

/* Sends, and turns the server's loop until it closes or `until` (may be NULL) was received. */
static const char *exchange(int fd, const char *bytes, size_t length, const char *until)
{
	size_t used = 0;
	bool is_open = true;
	uint64_t deadline = clock_mono_ms() + WAIT_MS;
	received[0] = '\0';
	while (is_open && !is_complete(until)) {
		assert_true(clock_mono_ms() < deadline);
		ssize_t sent = length ? write(fd, bytes, length) : 0;
		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		}
		event_base_loop(server.base, EVLOOP_NONBLOCK);
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN | (length ? POLLOUT : 0)};
		poll(&poll_fd, 1, 1);
		ssize_t got = read(fd, received + used, sizeof(received) - 1 - used);
		if (got > 0)
			used += (size_t)got;
		received[used] = '\0';
		is_open = got > 0 || (got < 0 && errno == EAGAIN);
	}
	return received;
}

static const char *ask(const char *request)
{
	int fd = connect_unix(socket_path);
	assert_true(fd >= 0);
	exchange(fd, request, strlen(request), NULL);
	close(fd);
	return received;
}

static void expect(const char *text)
{
	if (!strstr(received, text))
		fail_msg("no '%s' in: %s", text, received);
}

#define CLOSE "Host: gslb\r\nConnection: close\r\n\r\n"

static void test_get(void **state)
{
	char author[32];
	struct api *api = must_start();
	ask("GET /v1/tenants/acme HTTP/1.1\r\n" CLOSE);
	expect("HTTP/1.1 200 OK\r\n");
	expect("Content-Type: application/json\r\n");
	expect("ETag: \"7\"\r\n");
	expect("\"handler\":\"api_get_tenant\"");
	snprintf(author, sizeof(author), "\"author\":\"uid:%ld", (long)getuid());
	expect(author);
	ask("GET /nowhere HTTP/1.0\r\n\r\n");
	expect(" 404 ");
	expect("Content-Type: application/problem+json\r\n");
	api_free(api);
}

static void test_head_has_the_length_and_no_body(void **state)
{
	struct api *api = must_start();
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	char length[64];
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(strstr(received, "\r\n\r\n") + 4));
	ask("HEAD /v1/status HTTP/1.1\r\n" CLOSE);
	expect("HTTP/1.1 200 OK\r\n");
	expect(length);
	assert_string_equal(strstr(received, "\r\n\r\n"), "\r\n\r\n");
	api_free(api);
}

static void test_one_connection_many_requests(void **state)
{
	struct api *api = must_start();
	int fd = connect_unix(socket_path);
	for (int i = 0; i < 3; i++) {
		const char *request =
			"PUT /v1/tenants/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
		exchange(fd, request, strlen(request), "\"body\":2");
		expect("api_put_tenant");
	}
	close(fd);
	api_free(api);
}

static void test_methods_that_nobody_knows(void **state)
{
	static const char *const methods[] = {"PROPFIND", "PATCH", "OPTIONS", "TRACE"};
	struct api *api = must_start();
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char request[128];
		snprintf(request, sizeof(request), "%s /v1/apply HTTP/1.1\r\n" CLOSE, methods[i]);
		ask(request);
		expect(" 405 ");
		expect("Allow: POST\r\n");
		expect("urn:gslb:method");
	}
	api_free(api);
}

static void test_no_http(void **state)
{
	struct api *api = must_start();
	ask("what is this\r\n\r\n");
	expect(" 400 ");
	char *long_header = xmalloc(40000);
	memset(long_header, 'a', 39999);
	long_header[39999] = '\0';
	char *request = xasprintf("GET /v1/status HTTP/1.1\r\nX: %s\r\n\r\n", long_header);
	ask(request);
	expect(" 400 ");
	ask("GET /v1/status HTTP/1.1\r\nContent-Length: -5\r\n\r\n");
	expect(" 400 ");
	free(request);
	free(long_header);
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	api_free(api);
}

static void test_body_that_is_too_large(void **state)
{
	struct api *api = must_start();
	size_t length = API_BODY_MAX + 1;
	char *request = xmalloc(length + 256);
	int head = snprintf(
		request, 256,
		"POST /v1/apply HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		length);
	memset(request + head, ' ', length);
	int fd = connect_unix(socket_path);
	exchange(fd, request, (size_t)head + length, NULL);
	expect(" 413 ");
	expect("urn:gslb:too-large");
	close(fd);
	free(request);
	api_free(api);
}

static void test_reply_that_comes_later(void **state)
{
	struct api *api = must_start();
	const char *request = "POST /v1/reload HTTP/1.1\r\n" CLOSE;
	int fd = connect_unix(socket_path);
	deferred = NULL;
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (!deferred)
		event_base_loop(server.base, EVLOOP_ONCE);
	/* Others are served meanwhile. */
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	struct api_reply reply;
	api_reply_init(&reply);
	api_reply_json(&reply, 200, json_pack("{s:s}", "later", "yes"));
	deferred->finish(deferred, &reply);
	api_reply_done(&reply);
	exchange(fd, "", 0, NULL);
	expect("{\"later\":\"yes\"}");
	close(fd);
	/* One that never gets its reply goes with the API. */
	fd = connect_unix(socket_path);
	deferred = NULL;
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (!deferred)
		event_base_loop(server.base, EVLOOP_ONCE);
	api_free(api);
	close(fd);
}

static void test_client_that_leaves_early(void **state)
{
	struct api *api = must_start();
	const char *const beginnings[] = {"", "GET /v1/sta",
					  "POST /v1/apply HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
					  "POST /v1/reload HTTP/1.1\r\n\r\n"};
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		int fd = connect_unix(socket_path);
		assert_int_equal(write(fd, beginnings[i], strlen(beginnings[i])), strlen(beginnings[i]));
		event_base_loop(server.base, EVLOOP_NONBLOCK);
		event_base_loop(server.base, EVLOOP_NONBLOCK);
		close(fd);
		ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
		expect(" 200 ");
	}
	struct api_reply reply;
	api_reply_init(&reply);
	api_reply_json(&reply, 200, json_object());
	deferred->finish(deferred, &reply);
	api_reply_done(&reply);
	event_base_loop(server.base, EVLOOP_NONBLOCK);
	api_free(api);
}

/* ---- who may listen ---- */

static void must_refuse(const char *word)
{
	struct err_list errors = {0};
	assert_null(api_new(&server, &errors));
	if (!strstr(errors.items[0].message, word))
		fail_msg("'%s' lacks '%s'", errors.items[0].message, word);
	err_done(&errors);
}

static void test_socket_file(void **state)
{
	struct stat status;
	struct api *api = must_start();
	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	must_refuse("another gslbd answers on");
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	api_free(api);
	assert_int_equal(access(socket_path, F_OK), -1);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct sockaddr_un address = unix_address(socket_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	struct api *api = must_start();
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	api_free(api);
}

static void test_socket_paths_that_cannot_be(void **state)
{
	int fd = open(socket_path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	must_refuse("no socket");
	unlink(socket_path);
	char longest[200];
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	config.node.admin_socket = longest;
	must_refuse("107 octets");
	config.node.admin_socket = (char *)"/nonexistent/gslb.sock";
	must_refuse("No such file");
}

static int connect_plain(const struct api *api)
{
	struct sockaddr_storage address;
	assert_true(api_http_address(api, &address));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void test_plain_listener(void **state)
{
	static const char *const requests[] = {"GET /metrics HTTP/1.1\r\n" CLOSE,
					       "GET /v1/status HTTP/1.1\r\n" CLOSE,
					       "POST /metrics HTTP/1.1\r\n" CLOSE};
	static const char *const replies[] = {" 200 ", " 404 ", " 405 "};
	config.node.has_admin_http = true;
	config.node.admin_http_written = (char *)"127.0.0.1:0";
	assert_true(listen_parse_http("127.0.0.1:0", &config.node.admin_http));
	struct api *api = must_start();
	for (size_t i = 0; i < 3; i++) {
		int fd = connect_plain(api);
		exchange(fd, requests[i], strlen(requests[i]), NULL);
		expect(replies[i]);
		close(fd);
	}
	api_free(api);
}

static void test_rebinding(void **state)
{
	char other[128];
	struct err_list errors = {0};
	struct sockaddr_storage address;
	struct api *api = must_start();
	assert_false(api_http_address(api, &address));
	struct node_config next = config.node;
	snprintf(other, sizeof(other), "%s/other.sock", directory);
	next.admin_socket = other;
	next.has_admin_http = true;
	next.admin_http_written = (char *)"192.0.2.1:1"; /* no address of this machine */
	assert_true(listen_parse_http(next.admin_http_written, &next.admin_http));
	assert_false(api_rebind(api, &next, &errors));
	assert_true(err_has_errors(&errors));
	err_done(&errors);
	assert_int_equal(access(other, F_OK), -1);
	ask("GET /v1/status HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	next.admin_http_written = (char *)"127.0.0.1:0";
	assert_true(listen_parse_http(next.admin_http_written, &next.admin_http));
	assert_true(api_rebind(api, &next, &errors));
	assert_true(api_http_address(api, &address));
	assert_int_equal(access(socket_path, F_OK), -1);
	int fd = connect_unix(other);
	assert_true(fd >= 0);
	close(fd);
	assert_true(api_rebind(api, &config.node, &errors));
	assert_false(api_http_address(api, &address));
	assert_int_equal(access(other, F_OK), -1);
	api_free(api);
	api_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_has_the_length_and_no_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_connection_many_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_methods_that_nobody_knows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_body_that_is_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reply_that_comes_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_that_leaves_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_paths_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebinding, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
