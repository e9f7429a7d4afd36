/* See the header. Any reader thread. */
#include "gslb/serve/cookie.h"
#include "lib/bytes.h"
#include "lib/inline.h"
#include "lib/siphash.h"

#define COOKIE_VERSION 1
#define COOKIE_PAST_S 3600  /* RFC 9018 §4.3: accepted for an hour, */
#define COOKIE_FUTURE_S 300 /* and five minutes ahead */

/* RFC 9018 §4.4: Client Cookie | Version | Reserved | Timestamp | Client-IP. */
static OUT_OF_LINE uint64_t mac(const uint8_t *secret, const uint8_t *client_cookie, const uint8_t *head,
				const struct ip *peer)
{
	uint8_t input[COOKIE_CLIENT_OCTETS + 8 + 16];
	size_t address = peer->family == 4 ? 4 : 16;
	memcpy(input, client_cookie, COOKIE_CLIENT_OCTETS);
	memcpy(input + COOKIE_CLIENT_OCTETS, head, 8);
	memcpy(input + COOKIE_CLIENT_OCTETS + 8, peer->bytes, address);
	return siphash24(secret, input, COOKIE_CLIENT_OCTETS + 8 + address);
}

static void put_mac(uint8_t *out, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++) /* SipHash's result is little-endian, RFC 9018 appendix A */
		out[i] = (uint8_t)(value >> (8 * i));
}

void cookie_make(const struct serve_settings *settings, uint32_t now_unix_s, const struct ip *peer,
		 const uint8_t *client_cookie, uint8_t ret[static COOKIE_SERVER_OCTETS])
{
	ret[0] = COOKIE_VERSION;
	ret[1] = ret[2] = ret[3] = 0;
	bytes_put32(ret + 4, now_unix_s);
	put_mac(ret + 8, mac(settings->cookie_secrets[0], client_cookie, ret, peer));
}

static bool is_fresh(uint32_t stamp, uint32_t now)
{
	int32_t age = (int32_t)(now - stamp); /* serial arithmetic, RFC 1982 */
	return age <= COOKIE_PAST_S && age >= -COOKIE_FUTURE_S;
}

enum cookie_state cookie_check(const struct serve_settings *settings, uint32_t now_unix_s,
			       const struct ip *peer, const uint8_t *cookie, size_t length)
{
	if (!cookie || settings->cookie_secret_count == 0)
		return COOKIE_ABSENT;
	if (length == COOKIE_CLIENT_OCTETS)
		return COOKIE_CLIENT_ONLY;
	const uint8_t *server = cookie + COOKIE_CLIENT_OCTETS;
	if (length != COOKIE_CLIENT_OCTETS + COOKIE_SERVER_OCTETS || server[0] != COOKIE_VERSION ||
	    !is_fresh(bytes_get32(server + 4), now_unix_s))
		return COOKIE_BAD;
	uint64_t given = hash_load64(server + 8);
	for (unsigned i = 0; i < settings->cookie_secret_count; i++)
		if (mac(settings->cookie_secrets[i], cookie, server, peer) == given)
			return COOKIE_GOOD;
	return COOKIE_BAD;
}
