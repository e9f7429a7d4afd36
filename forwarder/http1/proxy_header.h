/*
 * The header of the PROXY protocol, versions 1 and 2, by which a load balancer before us tells who its client
 * is, and by which we tell origins. Pure; a worker's thread.
 */
#pragma once
#include "lib/net.h"

#define PROXY_HEADER_V1_MAX 107
#define PROXY_HEADER_V2_MAX 536
#define PROXY_HEADER_WRITE_MAX 52 /* version 2 with two IPv6 addresses */

enum proxy_header_status {
	PROXY_HEADER_PARTIAL,
	PROXY_HEADER_DONE,
	PROXY_HEADER_BAD, /* the connection is closed without an octet */
};

struct proxy_header {
	uint16_t length; /* octets of the header */
	bool is_local;	 /* LOCAL or UNKNOWN: the connection's own addresses hold */
	struct ip source, destination;
	uint16_t source_port, destination_port;
};

/* The same octets again with more behind them until it is not PARTIAL. */
enum proxy_header_status proxy_header_read(const char *octets, size_t length, struct proxy_header *ret);
/* Version 2. Addresses of two families are both written as IPv6. Returns the length. */
size_t proxy_header_write(const struct proxy_header *header, char out[static PROXY_HEADER_WRITE_MAX]);
