/*
 * The grpc-health check: grpc.health.v1.Health/Check for the whole server (an empty service name), over
 * HTTP/2 without TLS and with prior knowledge (RFC 9113 §3.3). SERVING is up. Runs on the checker's
 * thread; framing is libnghttp2's, the verdict grpc_response.c's.
 */
#include "checker/grpc_response.h"
#include "checker/probe_http.h"
#include "lib/mem.h"
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIST_BYTES_MAX (16 << 10)

struct exchange { /* a probe's state */
	nghttp2_session *session;
	const uint8_t *out; /* of the session; to be written before it is asked again */
	size_t out_length, request_sent;
	size_t header_bytes;
	bool has_bytes, has_settings; /* the server's first frame (RFC 9113 §3.4) */
	bool is_over;		      /* the stream was closed … */
	uint32_t error;		      /* … with this */
	struct grpc_response response;
};

/* Compressed flag 0, length 0: HealthCheckRequest with every field at its default. */
static const uint8_t request_body[5];

static ssize_t read_request_body(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t size,
				 uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct exchange *exchange = ((struct probe *)user)->state;
	assert(exchange->request_sent <= sizeof request_body);
	size_t left = sizeof request_body - exchange->request_sent;
	size_t take = left < size ? left : size;
	memcpy(out, request_body + exchange->request_sent, take);
	exchange->request_sent += take;
	if (exchange->request_sent == sizeof request_body)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)take;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
	struct exchange *exchange = ((struct probe *)user)->state;
	exchange->header_bytes += name_length + value_length;
	if (exchange->header_bytes > HEADER_LIST_BYTES_MAX)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	grpc_response_header(&exchange->response, name, name_length, value, value_length);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
		   size_t length, void *user)
{
	struct exchange *exchange = ((struct probe *)user)->state;
	grpc_response_data(&exchange->response, bytes, length);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
	struct exchange *exchange = ((struct probe *)user)->state;
	exchange->is_over = true;
	exchange->error = error;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct exchange *exchange = ((struct probe *)user)->state;
	exchange->has_settings |= frame->hd.type == NGHTTP2_SETTINGS;
	return 0;
}

static void judge(struct probe *probe)
{
	char buffer[96];
	struct exchange *exchange = probe->state;
	/* A server may end our side with RST_STREAM(NO_ERROR) once it has answered (RFC 9113 §8.1). */
	if (exchange->error != NGHTTP2_NO_ERROR) {
		probe_fail(probe, "stream reset: %s", nghttp2_http2_strerror(exchange->error));
		return;
	}
	const char *reason = grpc_response_judge(&exchange->response, buffer);
	if (reason)
		probe_fail(probe, "%s", reason);
	else
		probe_succeed(probe);
}

static void on_ready(evutil_socket_t fd, short events, void *user);

static void on_stopped(struct probe *probe, enum stream_status status)
{
	const struct exchange *exchange = probe->state;
	if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE)
		probe_wait_stream(probe, status, on_ready);
	else if (exchange->has_bytes && !exchange->has_settings)
		probe_fail(probe, "the answer is not HTTP/2");
	else if (status == STREAM_FAILED)
		probe_fail_stream(probe, "");
	else if (exchange->response.http_status != 0)
		probe_fail(probe, "answer cut short");
	else
		probe_fail(probe, "connection closed without an answer");
}

/* GOOD: all that the session has to say is written. */
static enum stream_status write_out(struct probe *probe)
{
	struct exchange *exchange = probe->state;
	for (;;) {
		if (exchange->out_length == 0) {
			ssize_t length = nghttp2_session_mem_send(exchange->session, &exchange->out);
			if (length < 0) /* no memory */
				abort();
			if (length == 0)
				return STREAM_GOOD;
			exchange->out_length = (size_t)length;
		}
		size_t sent = 0;
		enum stream_status status =
			stream_write(probe->stream, exchange->out, exchange->out_length, &sent);
		if (status != STREAM_GOOD)
			return status;
		assert(sent <= exchange->out_length);
		exchange->out += sent;
		exchange->out_length -= sent;
	}
}

static void on_ready(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct exchange *exchange = probe->state;
	uint8_t bytes[4096];
	for (;;) {
		enum stream_status status = write_out(probe);
		if (status != STREAM_GOOD) {
			on_stopped(probe, status);
			return;
		}
		if (!nghttp2_session_want_read(exchange->session)) {
			on_stopped(probe, STREAM_CLOSED); /* it said goodbye, or what is no HTTP/2 */
			return;
		}
		size_t length = 0;
		status = stream_read(probe->stream, bytes, sizeof bytes, &length);
		if (status != STREAM_GOOD) {
			on_stopped(probe, status);
			return;
		}
		exchange->has_bytes = true;
		if (nghttp2_session_mem_recv(exchange->session, bytes, length) < 0) {
			probe_fail(probe, exchange->has_settings ? "no valid HTTP/2 answer"
								 : "the answer is not HTTP/2");
			return;
		}
		if (exchange->is_over) {
			judge(probe);
			return;
		}
	}
}

#define FIELD(name, value)                                                                                \
	{                                                                                                 \
		(uint8_t *)name, (uint8_t *)(value), sizeof name - 1, strlen(value), NGHTTP2_NV_FLAG_NONE \
	}

static void submit_request(struct probe *probe)
{
	char buffer[PROBE_HTTP_AUTHORITY_MAX], timeout[16];
	const struct probe_spec *spec = probe->spec;
	const char *authority = probe_http_authority(&probe->address, spec, buffer);
	snprintf(timeout, sizeof timeout, "%um", spec->timeout_ms);
	const nghttp2_nv fields[] = {
		FIELD(":method", "POST"),
		FIELD(":scheme", "http"),
		FIELD(":authority", authority),
		FIELD(":path", "/grpc.health.v1.Health/Check"),
		FIELD("te", "trailers"),
		FIELD("grpc-timeout", timeout),
		FIELD("content-type", "application/grpc"),
		FIELD("user-agent", "gslb-probe/" GSLB_VERSION),
	};
	const nghttp2_data_provider body = {.read_callback = read_request_body};
	struct exchange *exchange = probe->state;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES_MAX},
	};
	nghttp2_submit_settings(exchange->session, NGHTTP2_FLAG_NONE, settings, 2);
	if (nghttp2_submit_request(exchange->session, NULL, fields, sizeof fields / sizeof fields[0], &body,
				   NULL) < 0)
		abort();
}

/* To a server that speaks HTTP/2, GOAWAY comes before the end (RFC 9113 §6.8). Where it does not fit into the
 * socket at once, the end alone must do. */
static void part(struct probe *probe)
{
	struct exchange *exchange = probe->state;
	if (exchange->has_settings) {
		nghttp2_session_terminate_session(exchange->session, NGHTTP2_NO_ERROR);
		write_out(probe);
	}
	probe_part(probe);
}

static void ask(struct probe *probe)
{
	nghttp2_session_callbacks *callbacks;
	struct exchange *exchange = probe->state;
	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		abort();
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	if (nghttp2_session_client_new(&exchange->session, callbacks, probe) != 0)
		abort();
	nghttp2_session_callbacks_del(callbacks);
	submit_request(probe);
	on_ready(probe->fd, EV_WRITE, probe);
}

static void done(struct probe *probe)
{
	nghttp2_session_del(((struct exchange *)probe->state)->session);
}

const struct probe_kind probe_grpc = {
	.name = "grpc-health",
	.keys = PROBE_KEY_HOST,
	.state_bytes = sizeof(struct exchange),
	.ask = ask,
	.part = part,
	.done = done,
};
