/* Addresses and prefixes. Value types, no allocation. Any thread. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ip {
	uint8_t family;	   /* 4 or 6; 0 = none */
	uint8_t bytes[16]; /* network order; an IPv4 address uses the first four, the rest is zero */
};

struct prefix {
	struct ip ip;	/* bits beyond `length` are zero */
	uint8_t length; /* 0..32 or 0..128 */
};

#define IP_TEXT_MAX 46	   /* with the final NUL */
#define PREFIX_TEXT_MAX 50 /* with the final NUL */

bool ip_parse(const char *text, struct ip *ret);
void ip_format(const struct ip *ip, char out[static IP_TEXT_MAX]);
bool ip_equal(const struct ip *a, const struct ip *b);
int ip_compare(const struct ip *a, const struct ip *b); /* family, then bytes */
static inline unsigned ip_bits(const struct ip *ip)
{
	return ip->family == 4 ? 32 : 128;
}
struct ip ip_cut(const struct ip *ip, unsigned bits); /* zeroes all beyond the first `bits` */

/* "192.0.2.0/24"; an address alone is a /32 or /128. Host bits set → false. */
bool prefix_parse(const char *text, struct prefix *ret);
void prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT_MAX]);
bool prefix_contains(const struct prefix *prefix, const struct ip *ip);

/* An IPv4-mapped IPv6 peer becomes its IPv4 address. Other families → family 0. */
struct ip ip_from_sockaddr(const struct sockaddr *address);

struct listen_address {
	struct sockaddr_storage sockaddr;
	socklen_t length;
};
bool listen_parse_dns(const char *text, struct listen_address *ret);  /* 127.0.0.1@5300, ::1@5300 */
bool listen_parse_http(const char *text, struct listen_address *ret); /* 127.0.0.1:8080, [::1]:8080 */
/* Written as it was parsed: `dns` = with '@', else with ':' and brackets. */
void listen_format(const struct sockaddr *address, bool dns, char out[static 64]);
bool listen_is_loopback(const struct listen_address *address);
