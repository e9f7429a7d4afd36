/*
 * Probes: runs each target's check on time and tells every result. A library on the caller's
 * libevent base; gslbd links it, checkerd will. All on one thread. Targets are (address, check)
 * pairs, shared by every service that uses them.
 */
#pragma once
#include "lib/net.h"
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

enum probe_type { PROBE_TCP, PROBE_HTTP, PROBE_TLS, PROBE_HTTPS, PROBE_DNS, PROBE_GRPC };
enum probe_verify { PROBE_VERIFY_NONE, PROBE_VERIFY_CHAIN, PROBE_VERIFY_FULL };

struct probe_spec { /* one check, as the checker needs it; copied */
	enum probe_type type;
	uint16_t port;
	uint32_t interval_ms, timeout_ms;
	/* Of the target, absolute; NULL: it is known by its address alone. What a check does not name itself
	 * (host, sni) is this name. */
	const char *name;
	const char *method, *path;
	const char *host; /* http, https: Host; grpc-health: :authority. NULL: the name, else the address */
	size_t header_count;
	const struct probe_header {
		const char *name, *value;
	} * headers;
	size_t expect_count;
	const struct probe_expect {
		uint16_t from, to;
	} * expect;
	const char *body; /* substring in the first 64 KiB of the body; NULL: none */
	/* tls, https. A check that judges the certificate (verify, expires_within) makes a whole handshake
	 * each round: a resumed session would hide that the certificate changed. */
	const char *sni; /* NULL: the host where it is a name; without a host, the name; else none is sent */
	enum probe_verify verify;
	uint64_t expires_within_ms; /* 0: does not matter */
	/* dns: the name that is asked for, in wire form; the type is SOA, which every zone and every
	 * resolver can answer. NULL: the root. NOERROR is up, with or without data. */
	const uint8_t *question;
	size_t question_length;
};

struct probe_result {
	bool is_ok;
	bool is_inconclusive; /* it could not run here (no descriptor, no port): says nothing of the target */
	bool is_late; /* inconclusive, for this process stood still meanwhile; it is probed again at once */
	uint32_t latency_us; /* from start to verdict */
	/* "connection refused", "timeout", "status 500", …; where it is ok, "" or a remark that it was a
	 * redirect. Valid in the callback. */
	const char *reason;
};

struct checker;
struct checker_target;

/* Called once a round for every target; must not add or remove targets. `user` as given to add. */
typedef void checker_result_fn(void *user, const struct probe_result *result);

/* concurrency: probes in flight at most, 1..10000; more wait their turn. seed: jitter. */
struct checker *checker_new(struct event_base *base, unsigned concurrency, uint64_t seed,
			    checker_result_fn *on_result);
void checker_free(struct checker *checker); /* cancels everything; NULL is fine */
/* The first probe starts at once, spread over at most min(interval, 100 ms); then a round starts at
 * least every interval (jitter shortens it by 0 to 10 %, DESIGN §5; where there are many targets, their
 * second rounds come at any time before that, so that the load is even). A round never overlaps itself. */
struct checker_target *checker_add(struct checker *checker, const struct ip *address,
				   const struct probe_spec *spec, void *user);
void checker_remove(struct checker *checker, struct checker_target *target);
size_t checker_targets(const struct checker *checker);
