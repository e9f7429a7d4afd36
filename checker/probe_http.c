/*
 * The http and https checks: one HTTP/1.1 request, one response, and the connection ends, unless the
 * check's headers say `Connection: keep-alive`: a new connection each round is what a new client makes,
 * so it is what is probed by default. Runs on the checker's thread. The response is http_response.c's.
 */
#include "checker/probe_http.h"
#include "checker/http_response.h"
#include "checker/probe_tls.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

struct exchange { /* a probe's state */
	char *request;
	size_t request_length, request_sent;
	struct http_response *response;
	bool has_bytes; /* of the response */
	bool has_ended; /* nothing of the response is to be read any more */
};

static bool has_header(const struct probe_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->header_count; i++)
		if (strcasecmp(spec->headers[i].name, name) == 0)
			return true;
	return false;
}

/* RFC 9110 §7.2: the authority of the target URI, so an IPv6 address stands in brackets and a port that
 * is not the scheme's is part of it. A host that the check names is sent as written: it may carry its own
 * port, and virtual hosts are often matched without one. */
const char *probe_http_authority(const struct ip *address, const struct probe_spec *spec,
				 char out[static PROBE_HTTP_AUTHORITY_MAX])
{
	char text[IP_TEXT_MAX];
	uint16_t usual = spec->kind->secure ? 443 : 80;
	size_t length;
	if (spec->host)
		return spec->host;
	if (spec->name && strlen(spec->name) < PROBE_HTTP_NAME_MAX) {
		length = strlen(spec->name);
		memcpy(out, spec->name, length + 1);
		if (length > 1 && out[length - 1] == '.')
			out[--length] = '\0';
	} else {
		ip_format(address, text);
		length = (size_t)snprintf(out, PROBE_HTTP_AUTHORITY_MAX, address->family == 6 ? "[%s]" : "%s",
					  text);
	}
	if (spec->port != usual)
		snprintf(out + length, PROBE_HTTP_AUTHORITY_MAX - length, ":%u", spec->port);
	return out;
}

char *probe_http_request(const struct ip *address, const struct probe_spec *spec, size_t *ret_length)
{
	char *request = NULL, authority[PROBE_HTTP_AUTHORITY_MAX];
	size_t length = 0;
	FILE *out = open_memstream(&request, &length);
	if (!out)
		abort();
	fprintf(out, "%s %s HTTP/1.1\r\n", spec->method ? spec->method : "GET",
		spec->path ? spec->path : "/");
	/* A header of the check replaces ours of the same name. */
	if (!has_header(spec, "Host"))
		fprintf(out, "Host: %s\r\n", probe_http_authority(address, spec, authority));
	if (!has_header(spec, "User-Agent"))
		fputs("User-Agent: gslb-probe/" GSLB_VERSION "\r\n", out);
	if (!has_header(spec, "Accept"))
		fputs("Accept: */*\r\n", out);
	if (!has_header(spec, "Connection"))
		fputs("Connection: close\r\n", out);
	for (size_t i = 0; i < spec->header_count; i++)
		fprintf(out, "%s: %s\r\n", spec->headers[i].name, spec->headers[i].value);
	fputs("\r\n", out);
	if (fclose(out) != 0)
		abort();
	*ret_length = length;
	return request;
}

/* Descriptors are given out from the lowest, so this leaves the upper half to probes and DNS. */
static bool has_room_to_keep(int fd)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < limit.rlim_cur / 2;
}

/* A connection is kept where the check's own headers ask for it, the answer was good and nothing of the
 * exchange is left on it. A certificate that is judged is asked for anew each round, so its connection is
 * never kept. */
static void keep_connection(struct probe *probe)
{
	const struct probe_spec *spec = probe->spec;
	const struct exchange *exchange = probe->state;
	struct probe_kept *kept = probe->kept;
	if (!kept || !probe->result.is_ok)
		return;
	bool is_judged = spec->verify != PROBE_VERIFY_NONE || spec->expires_within_ms > 0;
	struct ssl_session_st *session = is_judged ? NULL : stream_take_session(probe->stream);
	if (session) {
		tls_client_session_free(kept->session);
		kept->session = session;
	}
	if (is_judged || !http_response_may_keep(spec) || !http_response_is_reusable(exchange->response) ||
	    !has_room_to_keep(probe->fd))
		return;
	if (probe->io) /* the descriptor outlives the event */
		event_del(probe->io);
	assert(!kept->stream); /* one probe at a time uses it */
	kept->stream = probe->stream;
	probe->stream = NULL;
	probe->fd = -1;
}

static void judge(struct probe *probe)
{
	const struct http_response *response = ((const struct exchange *)probe->state)->response;
	if (http_response_verdict(response) == HTTP_GOOD)
		probe_succeed_with(probe, http_response_reason(response));
	else
		probe_fail(probe, "%s", http_response_reason(response));
}

static void on_readable(evutil_socket_t fd, short events, void *user);

/* Nothing more can be read now, and there is no verdict. */
static void on_stopped(struct probe *probe, enum stream_status status)
{
	struct exchange *exchange = probe->state;
	if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE) {
		probe_wait_stream(probe, status, on_readable);
	} else if (!exchange->has_bytes && probe_reconnect(probe)) {
		return;
	} else if (status == STREAM_FAILED) {
		exchange->has_ended = true;
		probe_fail_stream(probe, "TLS failed: ");
	} else {
		exchange->has_ended = true;
		http_response_end(exchange->response);
		judge(probe);
	}
}

/* Reads until the connection has no more or the verdict stands. */
static void on_readable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct exchange *exchange = probe->state;
	char bytes[16384];
	do {
		size_t length = 0;
		enum stream_status status = stream_read(probe->stream, bytes, sizeof bytes, &length);
		if (status != STREAM_GOOD) {
			on_stopped(probe, status);
			return;
		}
		exchange->has_bytes = true;
		exchange->has_ended = !http_response_feed(exchange->response, bytes, length);
	} while (http_response_verdict(exchange->response) == HTTP_OPEN);
	judge(probe);
}

static void on_message_end(struct probe *probe)
{
	keep_connection(probe);
	if (probe->stream)
		probe_part(probe);
	else
		probe_close(probe);
}

/* The rest of the message: a server that is still writing it must not meet a closed connection. It is read
 * before ours is ended, for many servers give up a request whose client ends while they answer. */
static void on_rest(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct exchange *exchange = probe->state;
	char bytes[16384];
	while (!exchange->has_ended) {
		size_t length = 0;
		enum stream_status status = stream_read(probe->stream, bytes, sizeof bytes, &length);
		if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE) {
			probe_wait_stream(probe, status, on_rest);
			return;
		}
		if (status == STREAM_GOOD) {
			if (!probe_count_rest(probe, length))
				return;
			exchange->has_ended = !http_response_feed(exchange->response, bytes, length);
		} else {
			exchange->has_ended = true;
			http_response_end(exchange->response);
		}
	}
	on_message_end(probe);
}

static void part(struct probe *probe)
{
	const struct exchange *exchange = probe->state;
	if (exchange->response)
		on_rest(probe->fd, EV_READ, probe);
	else
		probe_part(probe);
}

static void on_writable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct exchange *exchange = probe->state;
	while (exchange->request_sent < exchange->request_length) {
		size_t sent = 0;
		enum stream_status status =
			stream_write(probe->stream, exchange->request + exchange->request_sent,
				     exchange->request_length - exchange->request_sent, &sent);
		exchange->request_sent += sent;
		if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE) {
			probe_wait_stream(probe, status, on_writable);
			return;
		}
		if (status != STREAM_GOOD) {
			on_stopped(probe, status);
			return;
		}
	}
	probe_wait(probe, EV_READ, on_readable);
}

static void ask(struct probe *probe)
{
	struct exchange *exchange = probe->state;
	assert(!exchange->request && !exchange->response && probe->stream);
	exchange->request = probe_http_request(&probe->address, probe->spec, &exchange->request_length);
	exchange->response = http_response_new(probe->spec);
	on_writable(probe->fd, EV_WRITE, probe);
}

static void done(struct probe *probe)
{
	struct exchange *exchange = probe->state;
	free(exchange->request);
	http_response_free(exchange->response);
}

const struct probe_kind probe_http = {
	.name = "http",
	.default_port = 80,
	.keys = PROBE_KEYS_HTTP,
	.state_bytes = sizeof(struct exchange),
	.ask = ask,
	.part = part,
	.done = done,
};

const struct probe_kind probe_http_tls = {
	.name = "https",
	.default_port = 443,
	.keys = PROBE_KEYS_HTTP | PROBE_KEYS_TLS,
	.alpn = "http/1.1",
	.state_bytes = sizeof(struct exchange),
	.secure = probe_tls_secure,
	.ask = ask,
	.part = part,
	.done = done,
};
