/*
 * The client's side of TLS, to origins. The connection is a struct tls like any other: tls_handshake,
 * tls_read, tls_write. The last session of each origin is kept and offered again. One worker.
 */
#pragma once
#include "forwarder/plan/pool_tls.h"
#include "forwarder/tls/tls.h"

struct tls *tls_origin_connect(struct tls_context *context, const struct pool_tls *settings,
			       const struct origin *origin);
/* After TLS_FAILED of the handshake: REASON_ORIGIN_CERTIFICATE or REASON_ORIGIN_TLS. */
enum reason tls_origin_reason(const struct tls *tls);
