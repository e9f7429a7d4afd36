/* grpc-health probes against an HTTP/2 server made of libnghttp2's other half. */
#include "checker/probe.h"
#include "lib/clock.h"
#include "tests/unit/origin.h"
#include "tests/unit/probing.h"
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct event_base *base;
static struct {
	struct evconnlistener *listener;
	uint16_t port;
	const char *status, *grpc_status;
	const uint8_t *message; /* with its prefix; NULL: a trailers-only answer */
	size_t message_length;
	bool resets;
	bool pings; /* after the answer */
	unsigned goodbyes, ends, broken_ends;
	char authority[64], path[64], timeout[16];
	uint8_t request[16];
	size_t request_length;
} server;
static struct probing probing;

struct connection {
	struct bufferevent *stream;
	nghttp2_session *session;
};

#define FIELD(name, value)                                                                             \
	{                                                                                              \
		(uint8_t *)name, (uint8_t *)(value), strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE \
	}

static ssize_t read_message(nghttp2_session *session, int32_t id, uint8_t *out, size_t size, uint32_t *flags,
			    nghttp2_data_source *source, void *user)
{
	const nghttp2_nv trailer[] = {FIELD("grpc-status", server.grpc_status)};
	memcpy(out, server.message, server.message_length);
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	nghttp2_submit_trailer(session, id, trailer, 1);
	return (ssize_t)server.message_length;
}

static void answer(nghttp2_session *session, int32_t id)
{
	nghttp2_nv fields[] = {FIELD(":status", server.status), FIELD("content-type", "application/grpc"),
			       FIELD("grpc-status", server.grpc_status)};
	nghttp2_data_provider body = {.read_callback = read_message};
	if (server.resets)
		nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_REFUSED_STREAM);
	else if (server.message)
		nghttp2_submit_response(session, id, fields, 2, &body);
	else
		nghttp2_submit_response(session, id, fields, 3, NULL);
	for (int i = 0; server.pings && i < 3; i++)
		nghttp2_submit_ping(session, 0, NULL);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	server.goodbyes += frame->hd.type == NGHTTP2_GOAWAY;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM && frame->hd.type == NGHTTP2_DATA)
		answer(session, frame->hd.stream_id);
	return 0;
}

static void copy_value(const uint8_t *value, size_t length, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)length, (const char *)value);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t length,
		     const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
	if (length == 10 && memcmp(name, ":authority", 10) == 0)
		copy_value(value, value_length, server.authority, sizeof server.authority);
	if (length == 5 && memcmp(name, ":path", 5) == 0)
		copy_value(value, value_length, server.path, sizeof server.path);
	if (length == 12 && memcmp(name, "grpc-timeout", 12) == 0)
		copy_value(value, value_length, server.timeout, sizeof server.timeout);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t length,
		   void *user)
{
	assert_true(length <= sizeof server.request);
	memcpy(server.request, bytes, length);
	server.request_length = length;
	return 0;
}

static void flush(struct connection *connection)
{
	const uint8_t *out;
	ssize_t length;
	while ((length = nghttp2_session_mem_send(connection->session, &out)) > 0)
		bufferevent_write(connection->stream, out, (size_t)length);
}

static void on_readable(struct bufferevent *stream, void *user)
{
	struct connection *connection = user;
	uint8_t bytes[4096];
	size_t length = bufferevent_read(stream, bytes, sizeof bytes);
	assert_int_equal(nghttp2_session_mem_recv(connection->session, bytes, length), length);
	flush(connection);
}

static void on_end(struct bufferevent *stream, short events, void *user)
{
	struct connection *connection = user;
	server.ends++;
	server.broken_ends += (events & BEV_EVENT_ERROR) != 0;
	nghttp2_session_del(connection->session);
	bufferevent_free(stream);
	free(connection);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length,
		      void *user)
{
	struct connection *connection = calloc(1, sizeof *connection);
	nghttp2_session_callbacks *callbacks;
	assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_server_new(&connection->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(connection->session, 0, NULL, 0);
	connection->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(connection->stream, on_readable, NULL, on_end, connection);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
	flush(connection);
}

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	base = event_base_new();
	probing = (struct probing){.base = base};
	memset(&server, 0, sizeof server);
	server.status = "200";
	server.grpc_status = "0";
	server.listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 16,
						  (struct sockaddr *)&address, length);
	getsockname(evconnlistener_get_fd(server.listener), (struct sockaddr *)&address, &length);
	server.port = ntohs(address.sin_port);
	return 0;
}

static int tear_down(void **state)
{
	evconnlistener_free(server.listener);
	event_base_loop(base, EVLOOP_NONBLOCK); /* the server sees the ends */
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	return 0;
}

static const char *probe_port(struct probe_spec spec, uint16_t port)
{
	spec.kind = probe_kinds_find("grpc-health");
	spec.port = port;
	spec.timeout_ms = spec.timeout_ms ? spec.timeout_ms : 5000;
	return probing_judge(&probing, "127.0.0.1", &spec, NULL);
}

static const char *probe_message(const char *message, size_t length)
{
	server.message = (const uint8_t *)message;
	server.message_length = length;
	return probe_port((struct probe_spec){0}, server.port);
}

static void serving_is_up(void **state)
{
	char expected[64];
	static const uint8_t empty[5];
	assert_string_equal(probe_message("\0\0\0\0\2\x08\1", 7), "good");
	assert_string_equal(server.path, "/grpc.health.v1.Health/Check");
	snprintf(expected, sizeof expected, "127.0.0.1:%u", server.port);
	assert_string_equal(server.authority, expected);
	assert_string_equal(server.timeout, "5000m");
	assert_int_equal(server.request_length, 5);
	assert_memory_equal(server.request, empty, 5);
	assert_string_equal(probe_port((struct probe_spec){.host = "rpc.test"}, server.port), "good");
	assert_string_equal(server.authority, "rpc.test");
	assert_string_equal(probe_port((struct probe_spec){.name = "lb.test."}, server.port), "good");
	snprintf(expected, sizeof expected, "lb.test:%u", server.port);
	assert_string_equal(server.authority, expected);
}

static void everything_else_is_down(void **state)
{
	assert_string_equal(probe_message("\0\0\0\0\2\x08\2", 7), "NOT_SERVING");
	assert_string_equal(probe_message("\0\0\0\0\0", 5), "UNKNOWN");
	server.grpc_status = "12";
	assert_string_equal(probe_message(NULL, 0), "gRPC status 12 UNIMPLEMENTED");
	server.status = "404";
	assert_string_equal(probe_message(NULL, 0), "status 404");
	server.resets = true;
	assert_string_equal(probe_message(NULL, 0), "stream reset: REFUSED_STREAM");
}

/* The server is told that the connection ends, and finds it ended, not reset. */
static void the_end_is_announced(void **state)
{
	static const struct {
		const char *message, *expected;
	} answers[] = {{"\0\0\0\0\2\x08\1", "good"}, {"\0\0\0\0\2\x08\2", "NOT_SERVING"}};
	struct probe_spec spec = {
		.kind = probe_kinds_find("grpc-health"), .port = server.port, .timeout_ms = 5000};
	server.pings = true;
	server.message_length = 7;
	for (unsigned i = 0; i < 2; i++) {
		server.message = (const uint8_t *)answers[i].message;
		assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), answers[i].expected);
		assert_int_equal(server.goodbyes, i + 1);
		assert_int_equal(server.ends, i + 1);
		assert_int_equal(server.broken_ends, 0);
	}
}

static void other_protocols_are_told(void **state)
{
	struct origin origin = {0};
	assert_true(origin_open(&origin, base, "127.0.0.1", 0));
	origin_reply(&origin, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(probe_port((struct probe_spec){0}, origin.port), "the answer is not HTTP/2");
	origin_reply(&origin, "");
	assert_string_equal(probe_port((struct probe_spec){0}, origin.port),
			    "connection closed without an answer");
	origin_reply(&origin, NULL);
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probe_port((struct probe_spec){.timeout_ms = 80}, origin.port), "timeout");
	assert_in_range(clock_mono_ms() - start_ms, 75, 1000);
	origin_settle(&origin);
	assert_string_equal(probe_port((struct probe_spec){0}, origin.port), "connection refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(serving_is_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(everything_else_is_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_is_announced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_protocols_are_told, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
