/* What a check asks of a target, and what came of it: plain values for those who run or write checks. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_kind;

enum probe_verify { PROBE_VERIFY_NONE, PROBE_VERIFY_CHAIN, PROBE_VERIFY_FULL };

struct probe_spec {
	const struct probe_kind *kind;
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
