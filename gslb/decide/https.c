/* RDATA of HTTPS records: see https.h. Templates on the control thread, the rest on any thread. */
#include "gslb/decide/https.h"
#include <string.h>

enum { KEY_ALPN = 1, KEY_PORT = 3, KEY_IPV4HINT = 4, KEY_IPV6HINT = 6 }; /* RFC 9460 §14.3.2 */
enum { HTTPS_PORT = 443 };

static uint8_t *put_head(uint8_t *out, unsigned key, size_t length)
{
	out[0] = (uint8_t)(key >> 8);
	out[1] = (uint8_t)key;
	out[2] = (uint8_t)(length >> 8);
	out[3] = (uint8_t)length;
	return out + 4;
}

size_t https_template(char *const *alpn, size_t alpn_count, uint16_t port,
		      uint8_t out[static HTTPS_TEMPLATE_MAX])
{
	uint8_t *at = out, *head;
	*at++ = 0; /* SvcPriority 1: ServiceMode */
	*at++ = 1;
	*at++ = 0; /* TargetName ".": the owner itself (RFC 9460 §2.5.2) */
	head = at;
	at += 4;
	for (size_t i = 0; i < alpn_count; i++) {
		size_t length = strlen(alpn[i]);
		*at++ = (uint8_t)length;
		memcpy(at, alpn[i], length);
		at += length;
	}
	put_head(head, KEY_ALPN, (size_t)(at - head - 4));
	if (port != HTTPS_PORT) {
		at = put_head(at, KEY_PORT, 2);
		*at++ = (uint8_t)(port >> 8);
		*at++ = (uint8_t)port;
	}
	return (size_t)(at - out);
}

size_t https_rdata_length(const struct plan_service *service, const uint8_t vip_count[static 2])
{
	size_t length = service->https_length;
	if (vip_count[0] != 0)
		length += 4 + 4u * vip_count[0];
	if (vip_count[1] != 0)
		length += 4 + 16u * vip_count[1];
	return length;
}

/* Keys stand in ascending order (RFC 9460 §2.2). */
void https_rdata_write(const struct plan_service *service,
		       const struct plan_vip *const vips[static 2][ANSWERS_MAX],
		       const uint8_t vip_count[static 2], uint8_t *out)
{
	memcpy(out, service->https, service->https_length);
	out += service->https_length;
	for (unsigned family = 0; family < 2; family++) {
		unsigned count = vip_count[family], octets = family ? 16 : 4;
		if (count == 0)
			continue;
		out = put_head(out, family ? KEY_IPV6HINT : KEY_IPV4HINT, (size_t)count * octets);
		for (unsigned i = 0; i < count; i++, out += octets)
			memcpy(out, vips[family][i]->ip.bytes, octets);
	}
}
