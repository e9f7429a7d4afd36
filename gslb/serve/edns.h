/*
 * EDNS (RFC 6891): the OPT record of the query and of the reply, with the options NSID (RFC 5001),
 * client subnet (RFC 7871), cookies (RFC 7873), TCP keepalive (RFC 7828), zone version (RFC 9660) and
 * extended errors (RFC 8914); all other options are ignored. Any reader thread.
 */
#pragma once
#include "gslb/decide/resolve.h"

#define OPT_SUBNET_OCTETS 35 /* the record with a client subnet of 128 bits and no other option */
#define UDP_PAYLOAD_MIN 512  /* octets: RFC 1035 §2.3.4, and what any smaller announcement means */

enum { /* extended errors that serve/ itself gives, beside those of resolve.h */
       EDE_NOT_READY = 14,
       EDE_NOT_SUPPORTED = 21,
};

struct edns { /* the fields up to `version` are cleared for each query, the others hold where these say so */
	bool is_present;
	bool is_dnssec_ok; /* the DO bit: copied (RFC 3225 §3) */
	bool wants_nsid, wants_zone_version;
	bool wants_keepalive;	/* only over TCP: elsewhere the option is ignored (RFC 7828 §3.2.1) */
	bool has_server_cookie; /* `server_cookie` is to be sent back */
	bool has_more;		/* something may be sent back beside the client subnet */
	uint8_t subnet_length;	/* octets of `subnet`; 0: no client subnet */
	uint8_t cookie_length;	/* 8, or 16..40 octets; 0: no cookie */
	uint8_t version;
	uint16_t payload; /* octets: the peer's, at least UDP_PAYLOAD_MIN, which holds without EDNS, too */
	const uint8_t *cookie; /* inside the query */
	uint8_t server_cookie[16];
	const uint8_t *subnet; /* FAMILY, SOURCE, SCOPE, ADDRESS inside the query: the reply repeats it */
};

/* `fixed` is the record behind its owner name. */
void edns_parse_fixed(const uint8_t *fixed, struct edns *edns);
/* False: malformed, the query deserves FORMERR. */
bool edns_parse_options(const uint8_t *options, size_t length, bool believe_ecs, struct edns *edns);

/* Whom the answer is for: the client subnet, else the peer. client->resolver is the peer already. */
void edns_client(const struct edns *edns, struct client *client);

/* Octets of the reply's OPT record without an extended error; 0 when the query had none. */
size_t edns_length(const struct edns *edns, const struct serve_settings *settings,
		   const struct answer *answer);
/* Of these, the options beside the client subnet. */
size_t edns_length_more(const struct edns *edns, const struct serve_settings *settings,
			const struct answer *answer);
/* No less than edns_length, and cheap. */
static inline size_t edns_length_most(const struct edns *edns, const struct serve_settings *settings,
				      const struct answer *answer)
{
	return OPT_SUBNET_OCTETS + (edns->has_more ? edns_length_more(edns, settings, answer) : 0);
}
/* Writes the reply's OPT record, at most `room` octets (≥ OPT_SUBNET_OCTETS). What
 * does not fit is left out: the extended error first, then NSID, zone version and keepalive. Returns the
 * octets written. */
size_t edns_write(const struct edns *edns, const struct serve_settings *settings, const struct answer *answer,
		  uint8_t *out, size_t room);
