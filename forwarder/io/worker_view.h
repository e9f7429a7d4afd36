/*
 * What of a worker others may look at while it runs: its counters, and the ring of its access log, of which
 * the writer is the one receiver. Lives as long as the workers do.
 */
#pragma once
#include "forwarder/io/log_record.h"
#include "forwarder/io/tenant_notice.h"
#include <stdint.h>

struct tls_counters;

struct worker_view {
	struct request_stats *stats;
	struct log_record_sink *log;
	struct tenant_notices *notices;
	_Atomic(const struct tls_counters *) tls; /* NULL: none yet, or no TLS */
	_Atomic uint64_t buffers_bytes;		  /* lent out */
};
