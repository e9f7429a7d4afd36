/*
 * Why the forwarder answered by itself, or why a request ended otherwise than its origin answered: one code
 * that stands in the response (Proxy-Status, RFC 9209), in the access log and in the metrics. Constant; any
 * thread.
 */
#pragma once
#include <assert.h>
#include <stdint.h>

/* name, word in `details`, status, type of Proxy-Status (RFC 9209 §2.3) */
#define REASONS(X)                                                                     \
	X(NONE, "", 0, "")                                                             \
	X(BAD_REQUEST, "bad-request", 400, "http_request_error")                       \
	X(HEAD_TIMEOUT, "head-timeout", 408, "http_request_error")                     \
	X(BODY_TIMEOUT, "body-timeout", 408, "http_request_error")                     \
	X(BODY_SLOW, "body-slow", 408, "http_request_error")                           \
	X(BODY_TOO_LARGE, "body-too-large", 413, "http_request_error")                 \
	X(TARGET_TOO_LONG, "target-too-long", 414, "http_request_error")               \
	X(EXPECTATION, "expectation", 417, "http_request_error")                       \
	X(MISDIRECTED, "misdirected", 421, "http_request_denied")                      \
	X(HEAD_TOO_LARGE, "head-too-large", 431, "http_request_error")                 \
	X(CODING, "coding", 501, "http_request_error")                                 \
	X(VERSION, "version", 505, "http_request_error")                               \
	X(METHOD, "method", 405, "http_request_denied")                                \
	X(NO_TENANT, "no-tenant", 404, "destination_not_found")                        \
	X(NO_ROUTE, "no-route", 404, "destination_not_found")                          \
	X(SUSPENDED, "suspended", 403, "http_request_denied")                          \
	X(MAINTENANCE, "maintenance", 503, "http_request_denied")                      \
	X(RESIDENCY, "residency", 503, "http_request_denied")                          \
	X(REDIRECT, "redirect", 308, "http_request_denied")                            \
	X(KEY_MISSING, "key-missing", 401, "http_request_denied")                      \
	X(KEY_BAD, "key-bad", 403, "http_request_denied")                              \
	X(RATE, "rate", 429, "http_request_denied")                                    \
	X(CLIENT_RATE, "client-rate", 429, "http_request_denied")                      \
	X(ROUTE_RATE, "route-rate", 429, "http_request_denied")                        \
	X(KEY_RATE, "key-rate", 429, "http_request_denied")                            \
	X(CONCURRENCY, "concurrency", 429, "http_request_denied")                      \
	X(WEBSOCKETS, "websockets", 429, "http_request_denied")                        \
	X(CONNECTIONS, "connections", 429, "http_request_denied")                      \
	X(QUEUE_FULL, "queue-full", 503, "destination_unavailable")                    \
	X(QUEUE_DEADLINE, "queue-deadline", 503, "destination_unavailable")            \
	X(NO_ORIGIN, "no-origin", 503, "destination_unavailable")                      \
	X(DRAINING, "draining", 503, "destination_unavailable")                        \
	X(ORIGIN_REFUSED, "origin-refused", 502, "connection_refused")                 \
	X(ORIGIN_CONNECT_TIMEOUT, "origin-connect-timeout", 504, "connection_timeout") \
	X(ORIGIN_TLS, "origin-tls", 502, "tls_protocol_error")                         \
	X(ORIGIN_CERTIFICATE, "origin-certificate", 502, "tls_certificate_error")      \
	X(ORIGIN_CLOSED, "origin-closed", 502, "connection_terminated")                \
	X(ORIGIN_TIMEOUT, "origin-timeout", 504, "http_response_timeout")              \
	X(ORIGIN_RESPONSE, "origin-response", 502, "http_protocol_error")              \
	X(ORIGIN_CUT, "origin-cut", 502, "http_response_incomplete")                   \
	X(ORIGIN_SILENT, "origin-silent", 504, "http_response_timeout")                \
	X(RETRY_BUDGET, "retry-budget", 502, "destination_unavailable")                \
	X(LOOP, "loop", 508, "proxy_loop_detected")                                    \
	X(CLIENT_GONE, "client-gone", 499, "")                                         \
	X(CLIENT_SLOW, "client-slow", 499, "")

enum reason {
#define REASON(name, word, status, type) REASON_##name,
	REASONS(REASON)
#undef REASON
		REASON_COUNT
};

static_assert(REASON_COUNT <= UINT8_MAX, "records keep it in an octet");

const char *reason_word(enum reason reason);	    /* "rate"; "" of REASON_NONE */
unsigned reason_status(enum reason reason);	    /* of our answer; 499: none is sent */
const char *reason_proxy_error(enum reason reason); /* "" where Proxy-Status names no error */
