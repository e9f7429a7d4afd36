/*
 * The TLS of probes: what a connection asks of its peer, and the handshake. For the kinds that speak TLS, on
 * the checker's thread.
 */
#pragma once
#include "checker/probe.h"
#include "checker/tls_client.h"

#define PROBE_TLS_NAME_MAX 256

/* `name` is a buffer for the name. */
struct tls_question probe_tls_question(const struct ip *address, const struct probe_spec *spec,
				       char name[static PROBE_TLS_NAME_MAX]);
/* A kind's `secure`: makes probe->stream of probe->fd; once the handshake is over and the certificate is as
 * the check wants it, the kind asks. */
void probe_tls_secure(struct probe *probe);
