/*
 * One probe: one connection to one target, from start to result, under one deadline. Runs on the
 * caller's libevent base and thread. The kinds (tcp, http) share connecting, deadline and cancelling.
 */
#pragma once
#include "checker/checker.h"

struct http_response;
struct probe;

typedef void probe_done_fn(void *user, const struct probe_result *result);

/* Never calls `done` before it returns; calls it exactly once unless cancelled, and then the probe is
 * gone. spec must stay valid until then. */
struct probe *probe_start(struct event_base *base, const struct ip *address, const struct probe_spec *spec,
			  probe_done_fn *done, void *user);
void probe_cancel(struct probe *probe); /* NULL is fine */

/* ---- between probe.c and the kinds ---- */

#define PROBE_REASON_MAX 96

struct probe {
	const struct probe_spec *spec;
	struct ip address;
	int fd; /* -1: none */
	struct event *io, *deadline;
	uint64_t started_ns;
	probe_done_fn *done;
	void *user;
	bool is_finished; /* the result below stands; it is told from the loop */
	struct probe_result result;
	char reason[PROBE_REASON_MAX];
	struct probe_http { /* used by probe_http.c alone */
		char *request;
		size_t request_length, request_sent;
		struct http_response *response;
	} http;
};

void probe_succeed(struct probe *probe);
void probe_fail(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_fail_errno(struct probe *probe, int error); /* tells failures of ours from the target's */
/* Waits for EV_READ or EV_WRITE and calls fn with the probe. */
void probe_wait(struct probe *probe, short events, event_callback_fn fn);

void probe_tcp_connected(struct probe *probe);
void probe_http_connected(struct probe *probe);
void probe_http_done(struct probe *probe); /* frees what the kind holds; also where nothing began */
/* The request as it goes out; malloc'ed. */
char *probe_http_request(const struct ip *address, const struct probe_spec *spec, size_t *ret_length);
