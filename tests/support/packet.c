/* Queries for tests: see packet.h. */
#include "tests/support/packet.h"
#include "lib/net.h"
#include "zones/name.h"
#include "zones/rrtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(int is_true, const char *what, const char *text)
{
	if (is_true)
		return;
	fprintf(stderr, "packet: %s: %s\n", what, text);
	abort();
}

void packet_add(struct packet *packet, const void *octets, size_t length)
{
	require(packet->length + length <= sizeof packet->octets, "too long", "");
	if (length != 0)
		memcpy(packet->octets + packet->length, octets, length);
	packet->length += length;
}

void packet_add16(struct packet *packet, unsigned value)
{
	packet_add(packet, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

void packet_set16(struct packet *packet, size_t at, unsigned value)
{
	packet->octets[at] = (uint8_t)(value >> 8);
	packet->octets[at + 1] = (uint8_t)value;
}

static unsigned get16(const struct packet *packet, size_t at)
{
	return (unsigned)packet->octets[at] << 8 | packet->octets[at + 1];
}

/* The case of the letters counts here, so name_from_text does the escapes and the text the case. */
static void add_name(struct packet *packet, const char *text)
{
	struct name name;
	require(!name_from_text(text, NULL, &name), "not a name", text);
	size_t at = packet->length;
	packet_add(packet, name.octets, name.length);
	if (strchr(text, '\\') || strcmp(text, ".") == 0)
		return;
	for (const char *from = text; *from; from++, at++)
		if (*from != '.')
			packet->octets[at + 1] = (uint8_t)*from;
}

void packet_query(struct packet *packet, const char *name, const char *type)
{
	uint16_t number;
	require(rrtype_from_text(type, &number), "not a type", type);
	packet->length = packet->opt = 0;
	packet_add(packet, (uint8_t[12]){PACKET_ID >> 8, PACKET_ID & 0xff, 0, 0, 0, 1}, 12);
	add_name(packet, name);
	packet_add16(packet, number);
	packet_add16(packet, RR_CLASS_IN);
}

void packet_opt(struct packet *packet, unsigned payload, unsigned version, unsigned flags)
{
	packet_add(packet, (uint8_t[]){0, 0, RR_OPT}, 3);
	packet_add16(packet, payload);
	packet_add16(packet, version);
	packet_add16(packet, flags);
	packet->opt = packet->length;
	packet_add16(packet, 0);
	packet_set16(packet, 10, get16(packet, 10) + 1);
}

void packet_option(struct packet *packet, unsigned code, const void *data, size_t length)
{
	require(packet->opt != 0, "no OPT record", "");
	packet_add16(packet, code);
	packet_add16(packet, (unsigned)length);
	packet_add(packet, data, length);
	packet_set16(packet, packet->opt, get16(packet, packet->opt) + 4 + (unsigned)length);
}

void packet_subnet(struct packet *packet, const char *subnet)
{
	char address[IP_TEXT_MAX];
	const char *slash = strchr(subnet, '/');
	require(slash && (size_t)(slash - subnet) < sizeof address, "not a subnet", subnet);
	memcpy(address, subnet, (size_t)(slash - subnet));
	address[slash - subnet] = 0;
	struct ip ip;
	require(ip_parse(address, &ip), "not an address", address);
	unsigned bits = (unsigned)atoi(slash + 1), octets = (bits + 7) / 8;
	uint8_t data[4 + sizeof ip.bytes] = {0, ip.family == 4 ? 1 : 2, (uint8_t)bits, 0};
	memcpy(data + 4, ip.bytes, octets <= sizeof ip.bytes ? octets : sizeof ip.bytes);
	packet_option(packet, 8, data, 4 + octets);
}
