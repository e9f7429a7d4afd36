/* Versions 1 and 2 of the PROXY protocol, read strictly: a peer that must send it and does not is no peer of
 * ours. Pure; a worker's thread. */
#include "forwarder/http1/proxy_header.h"
#include "forwarder/http1/identity.h"
#include "lib/bytes.h"
#include <assert.h>
#include <string.h>

#define V1_WORDS 5 /* TCP4 source destination port port */
#define V2_FIXED 16
#define V2_IPV4_BYTES 12
#define V2_IPV6_BYTES 36

static const char v1_start[] = "PROXY ";
static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1 ---- */

static bool read_address(const char *text, size_t length, uint8_t family, struct ip *ret)
{
	char copy[IP_TEXT_MAX];
	if (length >= sizeof copy)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return strlen(copy) == length && ip_parse(copy, ret) && ret->family == family;
}

/* 0 to 65535, without leading zeros. */
static bool read_port(const char *text, size_t length, uint16_t *ret)
{
	uint32_t port = 0;
	if (length == 0 || length > 5 || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (text[i] - '0');
	}
	*ret = port;
	return port <= UINT16_MAX;
}

/* The line behind "PROXY ", without its end. */
static bool read_words(const char *text, size_t length, struct proxy_header *ret)
{
	const char *word[V1_WORDS], *end = text + length;
	size_t octets[V1_WORDS];
	if (length >= 7 && memcmp(text, "UNKNOWN", 7) == 0 && (length == 7 || text[7] == ' ')) {
		ret->is_local = true; /* what follows is to be ignored */
		return true;
	}
	for (size_t i = 0; i < V1_WORDS; i++) {
		const char *space = i + 1 < V1_WORDS ? memchr(text, ' ', end - text) : end;
		if (!space)
			return false;
		word[i] = text;
		octets[i] = space - text;
		text = space + 1;
	}
	bool is_four = octets[0] == 4 && memcmp(word[0], "TCP4", 4) == 0;
	if (!is_four && (octets[0] != 4 || memcmp(word[0], "TCP6", 4) != 0))
		return false;
	uint8_t family = is_four ? 4 : 6;
	return read_address(word[1], octets[1], family, &ret->source) &&
	       read_address(word[2], octets[2], family, &ret->destination) &&
	       read_port(word[3], octets[3], &ret->source_port) &&
	       read_port(word[4], octets[4], &ret->destination_port);
}

static enum proxy_header_status read_v1(const char *octets, size_t length, struct proxy_header *ret)
{
	size_t most = length < PROXY_HEADER_V1_MAX ? length : PROXY_HEADER_V1_MAX;
	const char *newline = memchr(octets, '\n', most);
	if (!newline)
		return length >= PROXY_HEADER_V1_MAX ? PROXY_HEADER_BAD : PROXY_HEADER_PARTIAL;
	const char *words = octets + sizeof v1_start - 1;
	if (newline[-1] != '\r' || memchr(octets, '\r', newline - 1 - octets) ||
	    !read_words(words, newline - 1 - words, ret))
		return PROXY_HEADER_BAD;
	ret->length = newline + 1 - octets;
	return PROXY_HEADER_DONE;
}

/* ---- version 2 ---- */

/* What follows the addresses: type, length in two octets, value. */
static bool is_tlv_chain(const uint8_t *at, size_t left)
{
	while (left >= 3) {
		size_t value = bytes_get16(at + 1);
		if (value > left - 3)
			return false;
		at += 3 + value;
		left -= 3 + value;
	}
	return left == 0;
}

static size_t read_addresses(const uint8_t *at, uint8_t family, struct proxy_header *ret)
{
	size_t bytes = family == 4 ? 4 : 16;
	ret->source.family = ret->destination.family = family;
	memcpy(ret->source.bytes, at, bytes);
	memcpy(ret->destination.bytes, at + bytes, bytes);
	ret->source_port = bytes_get16(at + 2 * bytes);
	ret->destination_port = bytes_get16(at + 2 * bytes + 2);
	return 2 * bytes + 4;
}

static enum proxy_header_status read_v2(const char *octets, size_t length, struct proxy_header *ret)
{
	const uint8_t *fixed = (const uint8_t *)octets;
	if (length >= 13 && fixed[12] != 0x20 && fixed[12] != 0x21)
		return PROXY_HEADER_BAD;
	if (length < V2_FIXED)
		return PROXY_HEADER_PARTIAL;
	size_t more = bytes_get16(fixed + 14);
	uint8_t command = fixed[12] & 0xf, transport = fixed[13];
	if (more > PROXY_HEADER_V2_MAX - V2_FIXED)
		return PROXY_HEADER_BAD;
	if (length < V2_FIXED + more)
		return PROXY_HEADER_PARTIAL;
	ret->length = V2_FIXED + more;
	ret->is_local = command == 0 || transport == 0x00; /* nobody said for whom */
	if (ret->is_local)
		return PROXY_HEADER_DONE;
	size_t used;
	if (transport == 0x11 && more >= V2_IPV4_BYTES)
		used = read_addresses(fixed + V2_FIXED, 4, ret);
	else if (transport == 0x21 && more >= V2_IPV6_BYTES)
		used = read_addresses(fixed + V2_FIXED, 6, ret);
	else
		return PROXY_HEADER_BAD;
	return is_tlv_chain(fixed + V2_FIXED + used, more - used) ? PROXY_HEADER_DONE : PROXY_HEADER_BAD;
}

enum proxy_header_status proxy_header_read(const char *octets, size_t length, struct proxy_header *ret)
{
	struct proxy_header header = {0};
	enum proxy_header_status status = PROXY_HEADER_BAD;
	size_t v1 = sizeof v1_start - 1, v2 = sizeof v2_signature;
	if (length == 0)
		return PROXY_HEADER_PARTIAL;
	if (memcmp(octets, v1_start, length < v1 ? length : v1) == 0)
		status = length < v1 ? PROXY_HEADER_PARTIAL : read_v1(octets, length, &header);
	else if (memcmp(octets, v2_signature, length < v2 ? length : v2) == 0)
		status = length < v2 ? PROXY_HEADER_PARTIAL : read_v2(octets, length, &header);
	if (status != PROXY_HEADER_DONE)
		return status;
	identity_unmap(&header.source);
	identity_unmap(&header.destination);
	*ret = header;
	return PROXY_HEADER_DONE;
}

/* ---- writing ---- */

/* As 16 octets; an IPv4 address is mapped (RFC 4291 §2.5.5.2). */
static void put_address(uint8_t *at, const struct ip *ip)
{
	if (ip->family == 6) {
		memcpy(at, ip->bytes, 16);
		return;
	}
	memset(at, 0, 10);
	memset(at + 10, 0xff, 2);
	memcpy(at + 12, ip->bytes, 4);
}

size_t proxy_header_write(const struct proxy_header *header, char out[static PROXY_HEADER_WRITE_MAX])
{
	uint8_t *at = (uint8_t *)out;
	bool is_four = header->source.family == 4 && header->destination.family == 4;
	size_t bytes = header->is_local ? 0 : is_four ? V2_IPV4_BYTES : V2_IPV6_BYTES;
	assert(header->is_local || (header->source.family && header->destination.family));
	memcpy(at, v2_signature, sizeof v2_signature);
	at[12] = header->is_local ? 0x20 : 0x21;
	at[13] = header->is_local ? 0x00 : is_four ? 0x11 : 0x21;
	bytes_put16(at + 14, bytes);
	if (header->is_local)
		return V2_FIXED;
	at += V2_FIXED;
	if (is_four) {
		memcpy(at, header->source.bytes, 4);
		memcpy(at + 4, header->destination.bytes, 4);
	} else {
		put_address(at, &header->source);
		put_address(at + 16, &header->destination);
	}
	bytes_put16(at + bytes - 4, header->source_port);
	bytes_put16(at + bytes - 2, header->destination_port);
	return V2_FIXED + bytes;
}
