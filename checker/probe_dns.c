/*
 * The dns check: one question over UDP, and over TCP where the answer was truncated (RFC 7766 §5).
 * Answers that do not fit the question are passed over until the deadline. Runs on the checker's thread.
 */
#include "checker/dns_response.h"
#include "checker/probe.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

static void write_query(struct probe *probe)
{
	static const uint8_t root[1] = {0};
	const struct probe_spec *spec = probe->spec;
	struct probe_dns *dns = &probe->dns;
	uint16_t id = 0;
	/* With a port of its own for each probe this is all that a blind forger has to guess; where the
	 * kernel has no random number yet, any will do. */
	if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
		id = (uint16_t)probe->started_ns;
	dns->query_length = dns_response_question(id, spec->question ? spec->question : root,
						  spec->question ? spec->question_length : 1, dns->query);
}

static enum dns_verdict judge(struct probe *probe, const uint8_t *answer, size_t length)
{
	const char *reason = NULL;
	enum dns_verdict verdict =
		dns_response_read(probe->dns.query, probe->dns.query_length, answer, length, &reason);
	if (verdict == DNS_UP)
		probe_succeed(probe);
	else if (verdict == DNS_REFUSED_IT)
		probe_fail(probe, "%s", reason);
	return verdict;
}

/* ---- UDP ---- */

static void on_datagram(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct probe_dns *dns = &probe->dns;
	for (;;) {
		ssize_t length = recv(fd, dns->reply, sizeof dns->reply, 0);
		if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
			probe_wait(probe, EV_READ, on_datagram);
			return;
		}
		if (length < 0) { /* ECONNREFUSED: the port is closed, says ICMP */
			probe_fail_errno(probe, errno);
			return;
		}
		enum dns_verdict verdict = judge(probe, dns->reply, (size_t)length);
		if (verdict == DNS_TRUNCATED)
			probe_connect(probe);
		if (verdict != DNS_IGNORED)
			return;
	}
}

void probe_dns_start(struct probe *probe)
{
	struct probe_dns *dns = &probe->dns;
	write_query(probe);
	if (!probe_open_udp(probe))
		return;
	if (send(probe->fd, dns->query, dns->query_length, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		probe_fail_errno(probe, errno);
	else
		probe_wait(probe, EV_READ, on_datagram);
}

/* ---- TCP ---- */

static void on_tcp_stopped(struct probe *probe, enum stream_status status, event_callback_fn fn)
{
	if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE)
		probe_wait_stream(probe, status, fn);
	else if (status == STREAM_FAILED)
		probe_fail_stream(probe, "");
	else
		probe_fail(probe, "connection closed without an answer");
}

/* Two octets of length, then as much of the message as the verdict needs. */
static void on_tcp_readable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct probe_dns *dns = &probe->dns;
	for (;;) {
		size_t length = 0;
		enum stream_status status = stream_read(probe->stream, dns->reply + dns->reply_length,
							sizeof dns->reply - dns->reply_length, &length);
		if (status != STREAM_GOOD) {
			on_tcp_stopped(probe, status, on_tcp_readable);
			return;
		}
		dns->reply_length += length;
		if (dns->reply_length < 2)
			continue;
		size_t wanted = (size_t)dns->reply[0] << 8 | dns->reply[1];
		if (wanted > DNS_QUESTION_BYTES_MAX)
			wanted = DNS_QUESTION_BYTES_MAX;
		if (dns->reply_length < 2 + wanted)
			continue;
		enum dns_verdict verdict = judge(probe, dns->reply + 2, wanted);
		if (verdict == DNS_IGNORED)
			probe_fail(probe, "the answer is to another question");
		else if (verdict == DNS_TRUNCATED)
			probe_fail(probe, "truncated answer over TCP");
		return;
	}
}

static void on_tcp_writable(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	struct probe_dns *dns = &probe->dns;
	uint8_t message[2 + DNS_QUESTION_BYTES_MAX] = {(uint8_t)(dns->query_length >> 8),
						       (uint8_t)dns->query_length};
	memcpy(message + 2, dns->query, dns->query_length);
	while (dns->query_sent < dns->query_length + 2) {
		size_t sent = 0;
		enum stream_status status = stream_write(probe->stream, message + dns->query_sent,
							 dns->query_length + 2 - dns->query_sent, &sent);
		if (status != STREAM_GOOD) {
			on_tcp_stopped(probe, status, on_tcp_writable);
			return;
		}
		dns->query_sent += sent;
	}
	probe_wait(probe, EV_READ, on_tcp_readable);
}

void probe_dns_connected(struct probe *probe)
{
	on_tcp_writable(probe->fd, EV_WRITE, probe);
}
