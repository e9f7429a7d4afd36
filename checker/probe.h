/*
 * One probe: one question to one target, from start to result and to the end of its connection, under one
 * deadline. Runs on the caller's libevent base and thread. Connecting, deadline, parting and cancelling are
 * here; what is said is the kind's (probe_kind.h).
 */
#pragma once
#include "checker/probe_kind.h"
#include "checker/probe_spec.h"
#include "checker/stream.h"
#include "lib/net.h"
#include <event2/event.h>

struct probe;

struct probe_listener {
	/* The result, once, and never before probe_start() returned. May cancel the probe, which frees the
	 * result as well. */
	void (*judged)(void *user, const struct probe_result *result);
	/* The connection has ended or is kept, and the probe is gone; once, after `judged`, unless cancelled.
	 */
	void (*over)(void *user);
};

/* What a target keeps from one round to the next. Zero, but for `tls`, to begin with. */
struct probe_kept {
	struct tls_client *tls;		/* shared by all; needed by the kinds that speak TLS */
	struct stream *stream;		/* idle connection of a check that asks for keep-alive */
	struct ssl_session_st *session; /* to resume */
};
void probe_kept_done(struct probe_kept *kept);

/* A verdict is told as soon as it stands. Then the probe parts from its target: it takes what was still on
 * its way, says that nothing more will come, and waits for the target to end, too, so that no server finds
 * its connection reset. The deadline bounds that as well, and so does PROBE_REST_BYTES_MAX. spec, kept and
 * listener must stay valid until the probe is gone; kept is used by one probe at a time. */
struct probe *probe_start(struct event_base *base, const struct ip *address, const struct probe_spec *spec,
			  struct probe_kept *kept, const struct probe_listener *listener, void *user);
/* Closes the connection as it stands. NULL is fine. */
void probe_cancel(struct probe *probe);

/* ---- for the kinds ---- */

#define PROBE_REASON_MAX 96
#define PROBE_REST_BYTES_MAX ((size_t)64 << 10) /* that are read after the verdict */

struct probe {
	const struct probe_spec *spec;
	const struct probe_kind *kind; /* the spec's */
	struct probe_kept *kept;
	struct ip address;
	int fd;		       /* -1: none, or the stream's */
	struct stream *stream; /* NULL: not connected */
	struct event *io, *deadline;
	struct event *turn; /* made active from the loop: to tell, to part, to go */
	uint64_t started_ns;
	const struct probe_listener *listener;
	void *user;
	enum probe_stage {
		PROBE_ASKING,  /* without a verdict */
		PROBE_PARTING, /* the result below stands */
		PROBE_OVER     /* the connection has ended, too */
	} stage;
	bool is_told;
	bool is_reused;	   /* the connection served a round before */
	size_t rest_bytes; /* read since the verdict */
	struct probe_result result;
	char reason[PROBE_REASON_MAX];
	void *state; /* the kind's own */
};

/* The verdict. The kind returns to the loop then, and has its turn to part once the result is told. */
void probe_succeed(struct probe *probe);
void probe_succeed_with(struct probe *probe, const char *remark);
void probe_fail(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_fail_errno(struct probe *probe, int error); /* tells failures of ours from the target's */
/* A stream that FAILED; `what` stands before TLS's words, as "handshake failed: ". */
void probe_fail_stream(struct probe *probe, const char *what);
/* Waits for EV_READ or EV_WRITE and calls fn with the probe. */
void probe_wait(struct probe *probe, short events, event_callback_fn fn);
void probe_wait_stream(struct probe *probe, enum stream_status wants, event_callback_fn fn);
/* A TCP connection; the kind goes on when it is there. */
void probe_connect(struct probe *probe);
/* A connected UDP socket in probe->fd; false: the probe has failed. */
bool probe_open_udp(struct probe *probe);
/* Parts where the kind has nothing more to say: FIN, and what the peer still sends is dropped until its own.
 */
void probe_part(struct probe *probe);
/* Counts what was read since the verdict. False: that was too much, and the connection has been closed. */
bool probe_count_rest(struct probe *probe, size_t length);
/* The probe is over. Closes the connection, unless the kind took it away. */
void probe_close(struct probe *probe);
/* A connection that was kept broke before it answered: once, a fresh one is tried within the same
 * deadline. False: it was fresh. */
bool probe_reconnect(struct probe *probe);
