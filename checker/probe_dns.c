/*
 * The dns check: one question over UDP, and over TCP where the answer was truncated (RFC 7766 §5).
 * Answers that do not fit the question are passed over until the deadline. Runs on the checker's thread.
 */
#include "checker/dns_response.h"
#include "checker/probe.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define REPLY_BYTES_MAX 512

/* Two octets of length and as much of the message as the verdict needs. */
static_assert(REPLY_BYTES_MAX >= 2 + DNS_QUESTION_BYTES_MAX, "a verdict fits");

struct exchange { /* a probe's state */
	uint8_t query[DNS_QUESTION_BYTES_MAX], reply[REPLY_BYTES_MAX];
	size_t query_length, query_sent, reply_length;
};

static void write_query(struct probe *probe)
{
	static const uint8_t root[1] = {0};
	const struct probe_spec *spec = probe->spec;
	struct exchange *exchange = probe->state;
	uint16_t id = 0;
	/* With a port of its own for each probe this is all that a blind forger has to guess; where the
	 * kernel has no random number yet, any will do. */
	if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
		id = (uint16_t)probe->started_ns;
	exchange->query_length =
		dns_response_question(id, spec->question ? spec->question : root,
				      spec->question ? spec->question_length : 1, exchange->query);
}

static enum dns_verdict judge(struct probe *probe, const uint8_t *answer, size_t length)
{
	const struct exchange *exchange = probe->state;
	const char *reason = NULL;
	enum dns_verdict verdict =
		dns_response_read(exchange->query, exchange->query_length, answer, length, &reason);
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
	struct exchange *exchange = probe->state;
	for (;;) {
		ssize_t length = recv(fd, exchange->reply, sizeof exchange->reply, 0);
		if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
			probe_wait(probe, EV_READ, on_datagram);
			return;
		}
		if (length < 0) { /* ECONNREFUSED: the port is closed, says ICMP */
			probe_fail_errno(probe, errno);
			return;
		}
		enum dns_verdict verdict = judge(probe, exchange->reply, (size_t)length);
		if (verdict == DNS_TRUNCATED)
			probe_connect(probe);
		if (verdict != DNS_IGNORED)
			return;
	}
}

static void start(struct probe *probe)
{
	struct exchange *exchange = probe->state;
	write_query(probe);
	if (!probe_open_udp(probe))
		return;
	if (send(probe->fd, exchange->query, exchange->query_length, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
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
	struct exchange *exchange = probe->state;
	for (;;) {
		size_t length = 0;
		enum stream_status status =
			stream_read(probe->stream, exchange->reply + exchange->reply_length,
				    sizeof exchange->reply - exchange->reply_length, &length);
		if (status != STREAM_GOOD) {
			on_tcp_stopped(probe, status, on_tcp_readable);
			return;
		}
		exchange->reply_length += length;
		if (exchange->reply_length < 2)
			continue;
		size_t wanted = (size_t)exchange->reply[0] << 8 | exchange->reply[1];
		if (wanted > DNS_QUESTION_BYTES_MAX)
			wanted = DNS_QUESTION_BYTES_MAX;
		if (exchange->reply_length < 2 + wanted)
			continue;
		enum dns_verdict verdict = judge(probe, exchange->reply + 2, wanted);
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
	struct exchange *exchange = probe->state;
	uint8_t message[2 + DNS_QUESTION_BYTES_MAX] = {(uint8_t)(exchange->query_length >> 8),
						       (uint8_t)exchange->query_length};
	memcpy(message + 2, exchange->query, exchange->query_length);
	while (exchange->query_sent < exchange->query_length + 2) {
		size_t sent = 0;
		enum stream_status status =
			stream_write(probe->stream, message + exchange->query_sent,
				     exchange->query_length + 2 - exchange->query_sent, &sent);
		if (status != STREAM_GOOD) {
			on_tcp_stopped(probe, status, on_tcp_writable);
			return;
		}
		exchange->query_sent += sent;
		assert(exchange->query_sent <= exchange->query_length + 2);
	}
	probe_wait(probe, EV_READ, on_tcp_readable);
}

static void ask_over_tcp(struct probe *probe)
{
	on_tcp_writable(probe->fd, EV_WRITE, probe);
}

const struct probe_kind probe_dns = {
	.name = "dns",
	.default_port = 53,
	.keys = PROBE_KEY_HOST,
	.asks_for_host = true,
	.state_bytes = sizeof(struct exchange),
	.start = start,
	.ask = ask_over_tcp,
};
