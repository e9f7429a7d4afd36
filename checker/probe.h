/*
 * One probe: one question to one target, from start to result, under one deadline. Runs on the caller's
 * libevent base and thread. The kinds share connecting, TLS, deadline and cancelling.
 */
#pragma once
#include "checker/checker.h"
#include "checker/stream.h"

struct probe;
struct probe_grpc;
struct http_response;

typedef void probe_done_fn(void *user, const struct probe_result *result);

/* What a target keeps from one round to the next. Zero, but for `tls`, to begin with. */
struct probe_kept {
	struct tls_client *tls;		/* shared by all; needed by the kinds that speak TLS */
	struct stream *stream;		/* idle connection of a check that asks for keep-alive */
	struct ssl_session_st *session; /* to resume */
};
void probe_kept_done(struct probe_kept *kept);

/* Never calls `done` before it returns; calls it exactly once unless cancelled, and then the probe is
 * gone. spec and kept must stay valid until then; kept is used by one probe at a time. */
struct probe *probe_start(struct event_base *base, const struct ip *address, const struct probe_spec *spec,
			  struct probe_kept *kept, probe_done_fn *done, void *user);
void probe_cancel(struct probe *probe); /* NULL is fine */
bool probe_speaks_tls(const struct probe_spec *spec);

/* ---- between probe.c and the kinds ---- */

#define PROBE_REASON_MAX 96
#define PROBE_DNS_BYTES_MAX 512

struct probe {
	const struct probe_spec *spec;
	struct probe_kept *kept;
	struct ip address;
	int fd;		       /* -1: none, or the stream's */
	struct stream *stream; /* NULL: not connected */
	struct event *io, *deadline;
	uint64_t started_ns;
	probe_done_fn *done;
	void *user;
	bool is_finished; /* the result below stands; it is told from the loop */
	bool is_reused;	  /* the connection served a round before */
	struct probe_result result;
	char reason[PROBE_REASON_MAX];
	struct probe_http { /* used by probe_http.c alone */
		char *request;
		size_t request_length, request_sent;
		struct http_response *response;
		bool has_bytes; /* of the response */
	} http;
	struct probe_dns { /* used by probe_dns.c alone */
		uint8_t query[PROBE_DNS_BYTES_MAX], reply[PROBE_DNS_BYTES_MAX];
		size_t query_length, query_sent, reply_length;
	} dns;
	struct probe_grpc *grpc;		/* used by probe_grpc.c alone */
	void (*tls_ready)(struct probe *probe); /* after the handshake */
};

void probe_succeed(struct probe *probe);
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
/* A connection that was kept broke before it answered: once, a fresh one is tried within the same
 * deadline. False: it was fresh. */
bool probe_reconnect(struct probe *probe);

/* The kind's turn: its connection is there. */
void probe_tcp_connected(struct probe *probe);
void probe_http_connected(struct probe *probe);
void probe_tls_connected(struct probe *probe);
void probe_dns_connected(struct probe *probe);
void probe_grpc_connected(struct probe *probe);
void probe_dns_start(struct probe *probe); /* over UDP, so not with a connection */
/* Free what the kind holds; also where nothing began. */
void probe_http_done(struct probe *probe);
void probe_grpc_done(struct probe *probe);

/* The request as it goes out; malloc'ed. */
char *probe_http_request(const struct ip *address, const struct probe_spec *spec, size_t *ret_length);
/* ":authority" or Host's value where the check names none: the address, in brackets where it is IPv6,
 * and the port where it is not the scheme's. */
#define PROBE_AUTHORITY_MAX (IP_TEXT_MAX + 16)
void probe_http_authority(const struct ip *address, const struct probe_spec *spec,
			  char out[static PROBE_AUTHORITY_MAX]);

/* probe_tls.c: what a connection asks of its peer. `name` is a buffer for the name. */
#define PROBE_NAME_MAX 256
struct tls_question probe_tls_question(const struct ip *address, const struct probe_spec *spec,
				       char name[static PROBE_NAME_MAX]);
/* Makes probe->stream of probe->fd and calls `ready` when
 * the handshake is over and the certificate is as the check wants it. */
void probe_tls_start(struct probe *probe, void (*ready)(struct probe *probe));
