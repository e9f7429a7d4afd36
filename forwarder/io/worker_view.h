/*
 * What of a worker others may look at while it runs: its counters, and the ring of its access log, of which
 * the writer is the one receiver. Lives as long as the workers do.
 */
#pragma once
#include "forwarder/io/log_record.h"
#include <stdint.h>

struct request_stats;
struct tls_counters;

struct worker_view {
	struct request_stats *stats;
	struct log_record_sink *log;
	_Atomic(const struct tls_counters *) tls; /* NULL: none yet, or no TLS */
	_Atomic uint64_t buffers_bytes;		  /* lent out */
};
