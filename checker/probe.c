/*
 * One probe: non-blocking connect, one deadline over everything, one result, and a polite end. The kind is
 * called through its table alone (probe_kind.h). Runs on the checker's thread.
 */
#include "checker/probe.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A loop that comes this long after a deadline was not there when the answer may have come: stopped,
 * starved, or on a machine that slept. */
#define LATE_MS 100

/* A probe that got its answer closes with FIN: the server sees the end of a normal connection, not an
 * error in its log. Where the server closed first, as HTTP is asked to, nothing stays behind here;
 * elsewhere a TIME_WAIT entry of some 250 bytes does, for a minute: 15 MB at 1,000 probes a second.
 * Ports do not run out, since the kernel shares them between destinations.
 * A probe whose deadline came closes with RST (SO_LINGER 0): a hung peer never acknowledges a FIN,
 * and orphans in FIN_WAIT are few (tcp_max_orphans) and cost retransmissions. */
static void close_socket(struct probe *probe, bool is_aborted)
{
	if (probe->fd >= 0 && !probe->stream) /* a stream takes care of what it took over */
		probe->stream = stream_plain(probe->fd);
	stream_free(probe->stream, is_aborted);
	probe->stream = NULL;
	probe->fd = -1;
}

/* As if nothing had been asked yet. */
static void forget_state(struct probe *probe)
{
	const struct probe_kind *kind = probe->kind;
	if (kind->done)
		kind->done(probe);
	if (kind->state_bytes > 0)
		memset(probe->state, 0, kind->state_bytes);
}

static void release(struct probe *probe)
{
	if (probe->io)
		event_free(probe->io);
	event_free(probe->deadline);
	event_free(probe->turn);
	close_socket(probe, false);
	forget_state(probe);
	free(probe->state);
	free(probe);
}

void probe_kept_done(struct probe_kept *kept)
{
	stream_free(kept->stream, false);
	kept->stream = NULL;
	tls_client_session_free(kept->session);
	kept->session = NULL;
}

/* The result is told from the loop, never from inside the call that found it: callers may hold the
 * probe, and a connect that fails at once would else call back before probe_start returned. */
static void finish(struct probe *probe)
{
	assert(probe->stage == PROBE_ASKING && !probe->is_told);
	uint64_t took_ns = clock_mono_ns() - probe->started_ns;
	probe->stage = PROBE_PARTING;
	probe->result.latency_us = (uint32_t)(took_ns / 1000);
	probe->result.reason = probe->reason;
	if (took_ns / 1000000 > (uint64_t)probe->spec->timeout_ms + LATE_MS) {
		probe->result.is_ok = false;
		probe->result.is_inconclusive = probe->result.is_late = true;
		snprintf(probe->reason, sizeof probe->reason, "this process stood still");
	}
	if (probe->io)
		event_del(probe->io);
	event_active(probe->turn, EV_TIMEOUT, 0);
}

void probe_succeed(struct probe *probe)
{
	probe_succeed_with(probe, "");
}

void probe_succeed_with(struct probe *probe, const char *remark)
{
	probe->result.is_ok = true;
	snprintf(probe->reason, sizeof probe->reason, "%s", remark);
	finish(probe);
}

void probe_fail(struct probe *probe, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(probe->reason, sizeof probe->reason, format, arguments);
	va_end(arguments);
	finish(probe);
}

/* NULL: strerror's words will do. */
static const char *errno_words(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
	case EPIPE:
		return "connection reset";
	case ETIMEDOUT:
		return "timeout";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network unreachable";
	case EMFILE:
	case ENFILE:
		return "too many open files";
	case EADDRNOTAVAIL:
	case EAGAIN: /* connect(2): the local ports are used up */
		return "no local address or port";
	default:
		return NULL;
	}
}

/* Failures of this machine: they say nothing of the target, so they must not count against it. A
 * missing route is not among them: nobody here reaches the target then. */
static bool is_our_own(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EADDRNOTAVAIL || error == EAGAIN || error == EAFNOSUPPORT;
}

void probe_fail_errno(struct probe *probe, int error)
{
	probe->result.is_inconclusive = is_our_own(error);
	const char *words = errno_words(error);
	probe_fail(probe, "%s", words ? words : strerror(error));
}

void probe_fail_stream(struct probe *probe, const char *what)
{
	if (stream_errno(probe->stream) != 0)
		probe_fail_errno(probe, stream_errno(probe->stream));
	else
		probe_fail(probe, "%s%s", what, stream_reason(probe->stream));
}

void probe_wait(struct probe *probe, short events, event_callback_fn fn)
{
	struct event_base *base = event_get_base(probe->deadline);
	if (probe->io)
		event_free(probe->io);
	probe->io = event_new(base, probe->fd, events, fn, probe);
	if (probe->io && event_add(probe->io, NULL) == 0)
		return;
	if (probe->stage == PROBE_ASKING)
		probe_fail_errno(probe, ENOMEM);
	else
		probe_close(probe);
}

void probe_wait_stream(struct probe *probe, enum stream_status wants, event_callback_fn fn)
{
	probe_wait(probe, wants == STREAM_WANTS_WRITE ? EV_WRITE : EV_READ, fn);
}

/* ---- parting ---- */

static void end(struct probe *probe, bool is_aborted)
{
	assert(probe->stage == PROBE_PARTING);
	probe->stage = PROBE_OVER;
	if (probe->io)
		event_del(probe->io);
	close_socket(probe, is_aborted);
	event_active(probe->turn, EV_TIMEOUT, 0);
}

void probe_close(struct probe *probe)
{
	end(probe, false);
}

bool probe_count_rest(struct probe *probe, size_t length)
{
	assert(probe->stage == PROBE_PARTING);
	probe->rest_bytes += length;
	if (probe->rest_bytes <= PROBE_REST_BYTES_MAX)
		return true;
	probe_close(probe);
	return false;
}

static void on_rest(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	size_t length = 0;
	enum stream_status status;
	while ((status = stream_discard(probe->stream, &length)) == STREAM_GOOD)
		if (!probe_count_rest(probe, length))
			return;
	if (status == STREAM_WANTS_READ)
		probe_wait(probe, EV_READ, on_rest);
	else
		probe_close(probe);
}

void probe_part(struct probe *probe)
{
	if (!probe->stream) { /* UDP, or a connection that never was */
		probe_close(probe);
		return;
	}
	stream_end(probe->stream);
	on_rest(probe->fd, EV_READ, probe);
}

/* What happens from the loop, one thing at a time: the result is told, the probe parts, the probe goes. The
 * listener comes last, for it may cancel the probe. */
static void on_turn(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	assert(probe->stage != PROBE_ASKING);
	if (!probe->is_told) {
		probe->is_told = true;
		event_active(probe->turn, EV_TIMEOUT, 0);
		probe->listener->judged(probe->user, &probe->result);
	} else if (probe->stage == PROBE_PARTING) {
		(probe->kind->part ? probe->kind->part : probe_part)(probe);
	} else {
		void (*over)(void *user) = probe->listener->over;
		void *listening = probe->user;
		release(probe);
		over(listening);
	}
}

static void on_deadline(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	bool is_hung = probe->stage == PROBE_ASKING;
	if (is_hung)
		probe_fail(probe, "timeout");
	if (probe->stage == PROBE_PARTING)
		end(probe, is_hung);
}

/* ---- connecting ---- */

/* On loopback a connect to a closed port out of the ephemeral range may choose that very port as its
 * source and meet itself (simultaneous open, RFC 9293 §3.5): nobody listens there. */
static bool is_connected_to_itself(int fd)
{
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_length = sizeof own, peer_length = sizeof peer;
	if (getsockname(fd, (struct sockaddr *)&own, &own_length) != 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_length) != 0)
		return false;
	return own_length == peer_length && memcmp(&own, &peer, own_length) == 0;
}

static void on_connected(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	int error = 0;
	socklen_t length = sizeof error;
	if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error == 0 && is_connected_to_itself(probe->fd))
		error = ECONNREFUSED;
	if (error != 0) {
		probe_fail_errno(probe, error);
	} else if (probe->kind->secure) {
		probe->kind->secure(probe);
	} else {
		probe->stream = stream_plain(probe->fd);
		probe->kind->ask(probe);
	}
}

static socklen_t target_sockaddr(const struct ip *address, uint16_t port, struct sockaddr_storage *ret)
{
	assert(address->family == 4 || address->family == 6);
	memset(ret, 0, sizeof *ret);
	if (address->family == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, address->bytes, 4);
		return sizeof *v4;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, address->bytes, 16);
	return sizeof *v6;
}

static bool open_socket(struct probe *probe, int type)
{
	struct sockaddr_storage target;
	socklen_t length = target_sockaddr(&probe->address, probe->spec->port, &target);
	probe->fd = socket(target.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd >= 0 &&
	    (connect(probe->fd, (struct sockaddr *)&target, length) == 0 || errno == EINPROGRESS))
		return true;
	probe_fail_errno(probe, errno);
	return false;
}

/* Also where a socket was there before: over UDP, or a connection that was kept. */
void probe_connect(struct probe *probe)
{
	if (probe->io)
		event_del(probe->io);
	close_socket(probe, false);
	if (open_socket(probe, SOCK_STREAM))
		probe_wait(probe, EV_WRITE, on_connected);
}

bool probe_open_udp(struct probe *probe)
{
	return open_socket(probe, SOCK_DGRAM);
}

/* True: the connection that the last round left is this one's. */
static bool take_kept(struct probe *probe)
{
	if (!probe->kept || !probe->kept->stream)
		return false;
	struct stream *stream = probe->kept->stream;
	assert(!probe->stream && probe->fd < 0);
	probe->kept->stream = NULL;
	if (!stream_is_reusable(stream)) {
		stream_free(stream, false);
		return false;
	}
	probe->stream = stream;
	probe->fd = stream_fd(stream);
	probe->is_reused = true;
	return true;
}

bool probe_reconnect(struct probe *probe)
{
	if (!probe->is_reused)
		return false;
	probe->is_reused = false;
	forget_state(probe);
	probe_connect(probe);
	return true;
}

struct probe *probe_start(struct event_base *base, const struct ip *address, const struct probe_spec *spec,
			  struct probe_kept *kept, const struct probe_listener *listener, void *user)
{
	struct probe *probe = xcalloc(1, sizeof *probe);
	assert(spec->kind && spec->kind->ask && spec->port > 0);
	probe->spec = spec;
	probe->kind = spec->kind;
	probe->state = spec->kind->state_bytes > 0 ? xcalloc(1, spec->kind->state_bytes) : NULL;
	probe->kept = kept;
	probe->address = *address;
	probe->fd = -1;
	probe->listener = listener;
	probe->user = user;
	probe->started_ns = clock_mono_ns();
	probe->deadline = evtimer_new(base, on_deadline, probe);
	probe->turn = evtimer_new(base, on_turn, probe);
	assert(probe->deadline && probe->turn);
	struct timeval timeout = {spec->timeout_ms / 1000, spec->timeout_ms % 1000 * 1000};
	evtimer_add(probe->deadline, &timeout);
	if (take_kept(probe))
		probe->kind->ask(probe);
	else if (probe->kind->start)
		probe->kind->start(probe);
	else
		probe_connect(probe);
	return probe;
}

void probe_cancel(struct probe *probe)
{
	if (probe)
		release(probe);
}
