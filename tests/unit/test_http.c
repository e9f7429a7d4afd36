/*
 * An HTTP service over real sockets, as a client sees it: who may listen, what each kind of request gets, and
 * that nothing a client does keeps the loop or leaks.
 */
#include "daemon/http.h"
#include "lib/clock.h"
#include "tests/unit/http_client.h"
#include "tests/unit/http_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[64];
static struct http_addresses addresses;

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof directory, "/tmp/gslb-http-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(socket_path, sizeof socket_path, "%s/test.sock", directory);
	addresses = (struct http_addresses){.socket = socket_path};
	unavailable = NULL;
	base = event_base_new();
	return 0;
}

static int teardown(void **state)
{
	event_base_free(base);
	unlink(socket_path);
	return rmdir(directory);
}

static struct http_server *must_start(void)
{
	struct err_list errors = {0};
	struct http_server *server = http_server_new(base, &service, &addresses, &errors);
	if (!server)
		fail_msg("%s", errors.items[0].message);
	return server;
}

static void test_get(void **state)
{
	char author[32];
	struct http_server *server = must_start();
	ask("GET /v1/things/a HTTP/1.1\r\n" CLOSE);
	expect("HTTP/1.1 200 OK\r\n");
	expect("Content-Type: application/json\r\n");
	expect("ETag: \"7\"\r\n");
	expect("\"handler\":\"get_thing\"");
	snprintf(author, sizeof author, "\"author\":\"uid:%ld", (long)getuid());
	expect(author);
	ask("GET /nowhere HTTP/1.0\r\n\r\n");
	expect(" 404 ");
	expect("Content-Type: application/problem+json\r\n");
	http_server_free(server);
}

static void test_head_has_the_length_and_no_body(void **state)
{
	struct http_server *server = must_start();
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	char length[64];
	snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(strstr(received, "\r\n\r\n") + 4));
	ask("HEAD /v1/state HTTP/1.1\r\n" CLOSE);
	expect("HTTP/1.1 200 OK\r\n");
	expect(length);
	assert_string_equal(strstr(received, "\r\n\r\n"), "\r\n\r\n");
	http_server_free(server);
}

static void test_one_connection_many_requests(void **state)
{
	struct http_server *server = must_start();
	int fd = connect_unix(socket_path);
	for (int i = 0; i < 3; i++) {
		const char *request = "PUT /v1/things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
		exchange(fd, request, strlen(request), "\"body\":2");
		expect("put_thing");
	}
	close(fd);
	http_server_free(server);
}

static void test_methods_that_nobody_knows(void **state)
{
	static const char *const methods[] = {"PROPFIND", "PATCH", "OPTIONS", "TRACE"};
	struct http_server *server = must_start();
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		char request[128];
		snprintf(request, sizeof request, "%s /v1/set HTTP/1.1\r\n" CLOSE, methods[i]);
		ask(request);
		expect(" 405 ");
		expect("Allow: POST\r\n");
		expect("urn:gslb:method");
	}
	http_server_free(server);
}

static void test_no_http(void **state)
{
	struct http_server *server = must_start();
	ask("what is this\r\n\r\n");
	expect(" 400 ");
	char *long_header = xmalloc(40000);
	memset(long_header, 'a', 39999);
	long_header[39999] = '\0';
	char *request = xasprintf("GET /v1/state HTTP/1.1\r\nX: %s\r\n\r\n", long_header);
	ask(request);
	expect(" 400 ");
	ask("GET /v1/state HTTP/1.1\r\nContent-Length: -5\r\n\r\n");
	expect(" 400 ");
	free(request);
	free(long_header);
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	http_server_free(server);
}

static void test_body_that_is_too_large(void **state)
{
	struct http_server *server = must_start();
	size_t length = HTTP_BODY_MAX + 1;
	char *request = xmalloc(length + 256);
	int head = snprintf(
		request, 256,
		"POST /v1/set HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		length);
	memset(request + head, ' ', length);
	int fd = connect_unix(socket_path);
	exchange(fd, request, (size_t)head + length, NULL);
	expect(" 413 ");
	expect("urn:gslb:too-large");
	close(fd);
	free(request);
	http_server_free(server);
}

#define JOB "POST /v1/job HTTP/1.1\r\n" CLOSE

/* Sends it, and turns the loop until its handler has put the reply off. */
static int start_job(void)
{
	int fd = connect_unix(socket_path);
	deferred = NULL;
	assert_int_equal(write(fd, JOB, strlen(JOB)), strlen(JOB));
	while (!deferred)
		event_base_loop(base, EVLOOP_ONCE);
	return fd;
}

static void finish_job(void)
{
	struct http_reply reply;
	http_reply_init(&reply);
	http_reply_json(&reply, 200, json_pack("{s:s}", "later", "yes"));
	assert_string_equal(deferred->user, "the user");
	deferred->finish(deferred, &reply);
	http_reply_done(&reply);
}

static void test_reply_that_comes_later(void **state)
{
	struct http_server *server = must_start();
	int fd = start_job();
	/* Others are served meanwhile. */
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	finish_job();
	exchange(fd, "", 0, NULL);
	expect("{\"later\":\"yes\"}");
	close(fd);
	/* One that never gets its reply goes with the server. */
	fd = start_job();
	http_server_free(server);
	close(fd);
}

static void test_request_that_is_handled_anew(void **state)
{
	struct http_server *server = must_start();
	int fd = start_job();
	times_called = 0;
	deferred->retry(deferred);
	assert_int_equal(times_called, 1);
	finish_job();
	exchange(fd, "", 0, NULL);
	expect("{\"later\":\"yes\"}");
	close(fd);
	/* A client that has left does no harm, noticed or not. */
	fd = start_job();
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	times_called = 0;
	deferred->retry(deferred);
	if (times_called == 1)
		finish_job();
	event_base_loop(base, EVLOOP_NONBLOCK);
	http_server_free(server);
}

static enum http_piece send_piece(const char *text)
{
	struct evbuffer *octets = evbuffer_new();
	evbuffer_add(octets, text, strlen(text));
	enum http_piece sent = deferred->piece(deferred, octets);
	assert_true(sent != HTTP_PIECE_SENT || evbuffer_get_length(octets) == 0);
	evbuffer_free(octets);
	return sent;
}

static void test_reply_in_pieces(void **state)
{
	struct http_server *server = must_start();
	int fd = start_job();
	assert_int_equal(send_piece(""), HTTP_PIECE_SENT);
	exchange(fd, "", 0, "\r\n\r\n");
	expect("HTTP/1.1 200 OK\r\n");
	expect("Content-Type: application/jsonl\r\n");
	assert_int_equal(send_piece("{\"line\":1}\n"), HTTP_PIECE_SENT);
	exchange(fd, "", 0, "{\"line\":1}\n");
	assert_int_equal(send_piece("{\"line\":2}\n"), HTTP_PIECE_SENT);
	deferred->end(deferred);
	exchange(fd, "", 0, NULL);
	expect("{\"line\":2}\n");
	close(fd);
	http_server_free(server);
}

/* Memory is bounded whatever the client takes. */
static void test_pieces_that_nobody_takes(void **state)
{
	struct http_server *server = must_start();
	int fd = start_job(), pieces = 0;
	char *text = xmalloc(100001);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	while (send_piece(text) == HTTP_PIECE_SENT) {
		assert_true(++pieces < 1000);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(send_piece(text), HTTP_PIECE_BUSY);
	close(fd);
	for (int i = 0; send_piece(text) == HTTP_PIECE_BUSY; i++) {
		assert_true(i < 1000);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(send_piece(text), HTTP_PIECE_GONE);
	deferred->end(deferred);
	free(text);
	http_server_free(server);
}

static void test_client_that_leaves_early(void **state)
{
	struct http_server *server = must_start();
	const char *const beginnings[] = {"", "GET /v1/sta",
					  "POST /v1/set HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
					  "POST /v1/job HTTP/1.1\r\n\r\n"};
	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
		int fd = connect_unix(socket_path);
		assert_int_equal(write(fd, beginnings[i], strlen(beginnings[i])), strlen(beginnings[i]));
		event_base_loop(base, EVLOOP_NONBLOCK);
		event_base_loop(base, EVLOOP_NONBLOCK);
		close(fd);
		ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
		expect(" 200 ");
	}
	finish_job();
	event_base_loop(base, EVLOOP_NONBLOCK);
	http_server_free(server);
}

/* ---- who may listen ---- */

static void must_refuse(const char *word)
{
	struct err_list errors = {0};
	assert_null(http_server_new(base, &service, &addresses, &errors));
	if (!strstr(errors.items[0].message, word))
		fail_msg("'%s' lacks '%s'", errors.items[0].message, word);
	err_done(&errors);
}

static void test_socket_file(void **state)
{
	struct stat status;
	struct http_server *server = must_start();
	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	must_refuse("another testd answers on");
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	http_server_free(server);
	assert_int_equal(access(socket_path, F_OK), -1);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct sockaddr_un address = unix_address(socket_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	struct http_server *server = must_start();
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	http_server_free(server);
}

static void test_socket_paths_that_cannot_be(void **state)
{
	int fd = open(socket_path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	must_refuse("no socket");
	unlink(socket_path);
	char longest[200];
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	addresses.socket = longest;
	must_refuse("107 octets");
	addresses.socket = "/nonexistent/test.sock";
	must_refuse("No such file");
}

static int connect_plain(const struct http_server *server)
{
	struct sockaddr_storage address;
	assert_true(http_server_plain_address(server, &address));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void test_plain_listener(void **state)
{
	static const char *const requests[] = {"GET /page HTTP/1.1\r\n" CLOSE,
					       "GET /v1/state HTTP/1.1\r\n" CLOSE,
					       "POST /page HTTP/1.1\r\n" CLOSE};
	static const char *const replies[] = {" 200 ", " 404 ", " 405 "};
	addresses.plain_written = "127.0.0.1:0";
	assert_true(listen_parse_http("127.0.0.1:0", &addresses.plain));
	struct http_server *server = must_start();
	for (size_t i = 0; i < 3; i++) {
		int fd = connect_plain(server);
		exchange(fd, requests[i], strlen(requests[i]), NULL);
		expect(replies[i]);
		close(fd);
	}
	http_server_free(server);
}

static void test_rebinding(void **state)
{
	char other[128];
	struct err_list errors = {0};
	struct sockaddr_storage address;
	struct http_server *server = must_start();
	assert_false(http_server_plain_address(server, &address));
	struct http_addresses next = addresses;
	snprintf(other, sizeof other, "%s/other.sock", directory);
	next.socket = other;
	next.plain_written = "192.0.2.1:1"; /* no address of this machine */
	assert_true(listen_parse_http(next.plain_written, &next.plain));
	assert_false(http_server_rebind(server, &next, &errors));
	assert_true(err_has_errors(&errors));
	err_done(&errors);
	assert_int_equal(access(other, F_OK), -1);
	ask("GET /v1/state HTTP/1.1\r\n" CLOSE);
	expect(" 200 ");
	next.plain_written = "127.0.0.1:0";
	assert_true(listen_parse_http(next.plain_written, &next.plain));
	assert_true(http_server_rebind(server, &next, &errors));
	assert_true(http_server_plain_address(server, &address));
	assert_int_equal(access(socket_path, F_OK), -1);
	int fd = connect_unix(other);
	assert_true(fd >= 0);
	close(fd);
	assert_true(http_server_rebind(server, &addresses, &errors));
	assert_false(http_server_plain_address(server, &address));
	assert_int_equal(access(other, F_OK), -1);
	http_server_free(server);
	http_server_free(NULL);
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
		cmocka_unit_test_setup_teardown(test_request_that_is_handled_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reply_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces_that_nobody_takes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_that_leaves_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_paths_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebinding, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
