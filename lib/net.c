/* Addresses, prefixes and listen addresses. Value types, no allocation; any thread. */
#include "lib/net.h"
#include "lib/text.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

bool ip_parse(const char *text, struct ip *ret)
{
	struct ip ip = {.family = 0};

	if (inet_pton(AF_INET, text, ip.bytes) == 1)
		ip.family = 4;
	else if (inet_pton(AF_INET6, text, ip.bytes) == 1)
		ip.family = 6;
	else
		return false;
	*ret = ip;
	return true;
}

/* One to three digits. */
static char *put_octet(char *at, unsigned octet)
{
	if (octet >= 100)
		*at++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*at++ = (char)('0' + octet / 10 % 10);
	*at++ = (char)('0' + octet % 10);
	return at;
}

/* Written for each request of the forwarder: inet_ntop takes a detour by printf for IPv4. */
void ip_format(const struct ip *ip, char out[static IP_TEXT_MAX])
{
	char *at = out;

	if (ip->family == 6) {
		inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_MAX);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		at = put_octet(at, ip->bytes[i]);
		*at++ = i < 3 ? '.' : '\0';
	}
}

int ip_compare(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16);
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return ip_compare(a, b) == 0;
}

struct ip ip_cut(const struct ip *ip, unsigned bits)
{
	struct ip cut = *ip;

	if (bits >= ip_bits(ip))
		return cut;
	unsigned whole = bits / 8;
	if (bits % 8 != 0) {
		cut.bytes[whole] &= (uint8_t)(0xff << (8 - bits % 8));
		whole++;
	}
	memset(cut.bytes + whole, 0, sizeof cut.bytes - whole);
	return cut;
}

bool prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char address[IP_TEXT_MAX];
	struct ip ip;

	if (length >= sizeof address)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (!ip_parse(address, &ip))
		return false;
	uint64_t bits = ip_bits(&ip);
	if (slash && (!text_to_uint(slash + 1, &bits) || bits > ip_bits(&ip)))
		return false;
	struct ip cut = ip_cut(&ip, (unsigned)bits);
	if (!ip_equal(&cut, &ip))
		return false;
	*ret = (struct prefix){.ip = ip, .length = (uint8_t)bits};
	return true;
}

void prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	ip_format(&prefix->ip, address);
	assert(prefix->length <= ip_bits(&prefix->ip));
	snprintf(out, PREFIX_TEXT_MAX, "%s/%u", address, prefix->length);
}

bool prefix_contains(const struct prefix *prefix, const struct ip *ip)
{
	if (prefix->ip.family != ip->family)
		return false;
	struct ip cut = ip_cut(ip, prefix->length);
	return ip_equal(&cut, &prefix->ip);
}

struct ip ip_from_sockaddr(const struct sockaddr *address)
{
	struct ip ip = {.family = 0};

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		ip.family = 4;
		memcpy(ip.bytes, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
		const uint8_t *bytes = in6->sin6_addr.s6_addr;
		bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
		ip.family = is_mapped ? 4 : 6;
		memcpy(ip.bytes, is_mapped ? bytes + 12 : bytes, is_mapped ? 4 : 16);
	}
	return ip;
}

static bool listen_fill(const char *address, size_t length, const char *port, struct listen_address *ret)
{
	char text[IP_TEXT_MAX];
	struct ip ip;
	uint64_t number;

	if (length >= sizeof text || !text_to_uint(port, &number) || number > 65535)
		return false;
	memcpy(text, address, length);
	text[length] = '\0';
	if (!ip_parse(text, &ip))
		return false;
	*ret = (struct listen_address){.length = 0};
	if (ip.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)&ret->sockaddr;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number);
		memcpy(&in->sin_addr, ip.bytes, 4);
		ret->length = sizeof *in;
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sockaddr;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		memcpy(&in6->sin6_addr, ip.bytes, 16);
		ret->length = sizeof *in6;
	}
	return true;
}

bool listen_parse_dns(const char *text, struct listen_address *ret)
{
	const char *at = strchr(text, '@');

	return at && listen_fill(text, (size_t)(at - text), at + 1, ret);
}

bool listen_parse_http(const char *text, struct listen_address *ret)
{
	if (text[0] == '[') {
		const char *end = strchr(text, ']');
		/* Brackets are for IPv6: an address without a colon does not wear them. */
		if (!end || end[1] != ':' || !memchr(text, ':', (size_t)(end - text)))
			return false;
		return listen_fill(text + 1, (size_t)(end - text - 1), end + 2, ret);
	}
	const char *colon = strchr(text, ':');
	return colon && listen_fill(text, (size_t)(colon - text), colon + 1, ret);
}

void listen_format(const struct sockaddr *address, bool dns, char out[static 64])
{
	char text[IP_TEXT_MAX] = "";
	unsigned port = 0;
	bool is_ipv6 = address->sa_family == AF_INET6;

	if (is_ipv6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		port = ntohs(in6->sin6_port);
	} else if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		port = ntohs(in->sin_port);
	}
	if (dns)
		snprintf(out, 64, "%s@%u", text, port);
	else
		snprintf(out, 64, is_ipv6 ? "[%s]:%u" : "%s:%u", text, port);
}

bool listen_is_loopback(const struct listen_address *address)
{
	struct ip ip = ip_from_sockaddr((const struct sockaddr *)&address->sockaddr);
	static const struct ip one = {.family = 6, .bytes = {[15] = 1}};

	return ip.family == 4 ? ip.bytes[0] == 127 : ip_equal(&ip, &one);
}
