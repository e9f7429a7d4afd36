/*
 * The http check: one HTTP/1.1 request, one response, and the connection ends. Runs on the checker's
 * thread. Reading the response is http_response.c.
 */
#include "checker/http_response.h"
#include "checker/probe.h"
#include "lib/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_header(const struct probe_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->header_count; i++)
		if (strcasecmp(spec->headers[i].name, name) == 0)
			return true;
	return false;
}

/* RFC 9110 §7.2: the authority of the target URI, so an IPv6 address stands in brackets and a port that
 * is not 80 is part of it. A host that the check names is sent as written: it may carry its own port,
 * and virtual hosts are often matched without one. */
static void write_host(FILE *out, const struct ip *address, const struct probe_spec *spec)
{
	char text[IP_TEXT_MAX];
	if (spec->host) {
		fprintf(out, "Host: %s\r\n", spec->host);
		return;
	}
	ip_format(address, text);
	fprintf(out, address->family == 6 ? "Host: [%s]" : "Host: %s", text);
	if (spec->port != 80)
		fprintf(out, ":%u", spec->port);
	fputs("\r\n", out);
}

char *probe_http_request(const struct ip *address, const struct probe_spec *spec, size_t *ret_length)
{
	char *request = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&request, &length);
	if (!out)
		abort();
	fprintf(out, "%s %s HTTP/1.1\r\n", spec->method ? spec->method : "GET",
		spec->path ? spec->path : "/");
	/* A header of the check replaces ours of the same name. */
	if (!has_header(spec, "Host"))
		write_host(out, address, spec);
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

/* Reads until the socket is empty or the verdict stands. */
static void on_readable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	char bytes[16384];
	enum http_progress progress = HTTP_MORE;
	while (progress == HTTP_MORE) {
		ssize_t length = recv(fd, bytes, sizeof bytes, 0);
		if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
			probe_wait(probe, EV_READ, on_readable);
			return;
		}
		if (length < 0) {
			probe_fail_errno(probe, errno);
			return;
		}
		progress = length > 0 ? http_response_feed(probe->http.response, bytes, length)
				      : http_response_end(probe->http.response);
	}
	if (progress == HTTP_GOOD)
		probe_succeed(probe);
	else
		probe_fail(probe, "%s", http_response_reason(probe->http.response));
}

static void on_writable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct probe_http *http = &probe->http;
	ssize_t sent = send(fd, http->request + http->request_sent, http->request_length - http->request_sent,
			    MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		probe_fail_errno(probe, errno);
		return;
	}
	if (sent > 0)
		http->request_sent += sent;
	bool is_sent = http->request_sent == http->request_length;
	probe_wait(probe, is_sent ? EV_READ : EV_WRITE, is_sent ? on_readable : on_writable);
}

void probe_http_connected(struct probe *probe)
{
	struct probe_http *http = &probe->http;
	http->request = probe_http_request(&probe->address, probe->spec, &http->request_length);
	http->response = http_response_new(probe->spec);
	on_writable(probe->fd, EV_WRITE, probe);
}

void probe_http_done(struct probe *probe)
{
	free(probe->http.request);
	http_response_free(probe->http.response);
}
