/*
 * Who a request is from, and the ids that follow it: what a trusted proxy said, else the peer itself and new
 * ones. Pure; a worker's thread.
 */
#pragma once
#include "lib/http/http_head.h"
#include "lib/net.h"

#define IDENTITY_ID_MAX 128

struct identity {
	bool is_trusted;  /* the peer is a trusted proxy: its forwarding fields go on to the origin */
	struct ip client; /* the peer, or the rightmost address before it that is no trusted proxy's */
	const char *id;	  /* X-Request-ID of a trusted proxy, in the octets; NULL: make one */
	uint8_t id_length;
	const char *trace; /* 32 digits of its traceparent, in the octets; NULL: make one */
	bool is_sampled;   /* its flag; true with a new trace */
};

/* `peer`: the connection's, or what a PROXY header told. */
void identity_read(const struct http_head *head, const char *octets, const struct ip *peer,
		   const struct prefix *trusted, size_t trusted_count, struct identity *ret);

/* An IPv6 address that stands for an IPv4 one (RFC 4291 §2.5.5.2) becomes it, as a socket's does: whoever is
 * looked for by his address is found by either. */
void identity_unmap(struct ip *ip);
