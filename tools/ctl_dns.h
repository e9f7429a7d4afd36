/* Asks one DNS server at a time, for checks that look at more than an answer. */
#pragma once
#include "lib/net.h"
#include "zones/name.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_RECORDS_MAX 256

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

struct dns_record {
	enum dns_section section;
	uint16_t type;
	char owner[NAME_TEXT_MAX];  /* lower case, with the final dot */
	char target[NAME_TEXT_MAX]; /* of NS and CNAME */
	struct ip address;	    /* of A and AAAA */
	uint32_t serial;	    /* of SOA */
};

struct dns_reply {
	bool is_authoritative, is_truncated;
	unsigned rcode;
	size_t count;
	struct dns_record records[DNS_RECORDS_MAX]; /* those of other types are left out */
};

struct dns_server {
	const char *address; /* "192.0.2.1", NULL: the system's resolvers */
	uint16_t port;
	bool is_tcp, recurses;
	uint64_t timeout_ms;
};

/* Fills *ret and returns NULL, or returns why no reply came ("timeout", …). */
const char *ctl_dns_ask(const struct dns_server *server, const char *name, uint16_t type,
			struct dns_reply *ret);
