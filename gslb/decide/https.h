/*
 * RDATA of HTTPS records (RFC 9460): what stays the same for a service is compiled once, the address
 * hints are those of the answer at hand. Pure.
 */
#pragma once
#include "gslb/decide/plan.h"

#define HTTPS_ALPN_MAX 16 /* protocols of one service */
#define HTTPS_TEMPLATE_MAX (3 + 4 + HTTPS_ALPN_MAX * 256 + 6)

/* `1 . alpn=… [port=…]`: a record without hints; returns its length. Protocols of 1..255 octets; the
 * port is told only where it is not 443. */
size_t https_template(char *const *alpn, size_t alpn_count, uint16_t port,
		      uint8_t out[static HTTPS_TEMPLATE_MAX]);
/* The whole RDATA: the service's template, and VIPs ([0] IPv4, [1] IPv6) as hints. */
size_t https_rdata_length(const struct plan_service *service, const uint8_t vip_count[static 2]);
void https_rdata_write(const struct plan_service *service,
		       const struct plan_vip *const vips[static 2][ANSWERS_MAX],
		       const uint8_t vip_count[static 2], uint8_t *out);
