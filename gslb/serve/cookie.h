/*
 * DNS cookies (RFC 7873) with the interoperable server cookie of RFC 9018: any server of the fleet with
 * one of the secrets knows it again. Pure; any reader thread.
 */
#pragma once
#include "gslb/decide/world.h"

#define COOKIE_CLIENT_OCTETS 8
#define COOKIE_SERVER_OCTETS 16 /* version, reserved, timestamp, hash: RFC 9018 §4 */

enum cookie_state {
	COOKIE_ABSENT,	    /* no cookie in the query, or cookies are off */
	COOKIE_CLIENT_ONLY, /* the client has none of ours yet */
	COOKIE_GOOD,
	COOKIE_BAD, /* not ours, too old, or of another address */
};

/* `cookie`: the option's data, 8 or 16..40 octets (the parser saw to it); NULL: absent. */
enum cookie_state cookie_check(const struct serve_settings *settings, uint32_t now_unix_s,
			       const struct ip *peer, const uint8_t *cookie, size_t length);
/* The server cookie for this client cookie, by the first secret. */
void cookie_make(const struct serve_settings *settings, uint32_t now_unix_s, const struct ip *peer,
		 const uint8_t *client_cookie, uint8_t ret[static COOKIE_SERVER_OCTETS]);
