/* The OPT record: see edns.h. Any reader thread; no allocation. */
#include "gslb/serve/edns.h"
#include "gslb/serve/cookie.h"
#include "lib/bytes.h"
#include "lib/inline.h"
#include <string.h>

enum {
	OPTION_NSID = 3,
	OPTION_SUBNET = 8,
	OPTION_COOKIE = 10,
	OPTION_KEEPALIVE = 11,
	OPTION_EDE = 15,
	OPTION_ZONE_VERSION = 19,
};
enum { SUBNET_NONE = 0, SUBNET_IPV4 = 1, SUBNET_IPV6 = 2 }; /* address family numbers (IANA) */

#define FLAG_DO 0x8000
#define OPT_FIXED_OCTETS 11   /* the record without options */
#define OPTION_FIXED_OCTETS 4 /* code and length */
#define SUBNET_FIXED_OCTETS 4 /* FAMILY, SOURCE PREFIX-LENGTH, SCOPE PREFIX-LENGTH */
#define KEEPALIVE_OCTETS 2    /* TIMEOUT */
#define ZONE_VERSION_OCTETS 6 /* LABELCOUNT, TYPE, VERSION */
#define KEEPALIVE_UNIT_MS 100
#define ZONE_VERSION_SOA_SERIAL 0

void edns_parse_fixed(const uint8_t *fixed, struct edns *edns)
{
	uint16_t payload = bytes_get16(fixed + 2);
	edns->is_present = true;
	edns->payload = payload < UDP_PAYLOAD_MIN ? UDP_PAYLOAD_MIN : payload;
	edns->version = fixed[5];
	edns->is_dnssec_ok = fixed[6] & 0x80;
}

/* RFC 7871 §6 and §7.1.2: a known family, exactly the octets that the prefix needs, no bit set behind
 * it, SCOPE 0. Family 0 with an empty prefix says no more than "0/0" does, and is what dig's +subnet=0
 * sends. */
static bool is_valid_subnet(const uint8_t *subnet, size_t length)
{
	if (length < SUBNET_FIXED_OCTETS)
		return false;
	static const uint8_t source_max[] = {[SUBNET_NONE] = 0, [SUBNET_IPV4] = 32, [SUBNET_IPV6] = 128};
	unsigned family = bytes_get16(subnet), source = subnet[2], scope = subnet[3];
	if (family > SUBNET_IPV6 || source > source_max[family] || scope != 0 ||
	    length != SUBNET_FIXED_OCTETS + (source + 7) / 8)
		return false;
	unsigned spare_bits = -source & 7;
	return spare_bits == 0 || (subnet[length - 1] & ((1u << spare_bits) - 1)) == 0;
}

bool edns_parse_options(const uint8_t *options, size_t length, bool believe_ecs, struct edns *edns)
{
	size_t at = 0;
	while (at < length) {
		if (length - at < OPTION_FIXED_OCTETS)
			return false;
		unsigned code = bytes_get16(options + at), octets = bytes_get16(options + at + 2);
		const uint8_t *data = options + at + OPTION_FIXED_OCTETS;
		at += OPTION_FIXED_OCTETS + octets;
		if (at > length)
			return false;
		if (code == OPTION_SUBNET && believe_ecs && edns->subnet_length == 0) {
			/* RFC 7871 does not speak of a second one: the first counts, as in BIND */
			if (!is_valid_subnet(data, octets))
				return false;
			edns->subnet = data;
			edns->subnet_length = octets;
		} else if (code == OPTION_NSID) {
			edns->has_more = edns->wants_nsid = true;
		} else if (code == OPTION_KEEPALIVE) {
			edns->has_more = edns->wants_keepalive = true;
		} else if (code == OPTION_ZONE_VERSION) { /* what it holds is ignored (RFC 9660 §3.1) */
			edns->has_more = edns->wants_zone_version = true;
		} else if (code == OPTION_COOKIE && edns->cookie_length == 0) {
			/* RFC 7873 §5.2.2: a client cookie, alone or with a server cookie of 8..32 octets */
			if (octets != COOKIE_CLIENT_OCTETS && (octets < 16 || octets > 40))
				return false;
			edns->cookie = data;
			edns->cookie_length = octets;
			edns->has_more = true;
		}
	}
	return true;
}

void edns_client(const struct edns *edns, struct client *client)
{
	/* SOURCE 0 asks not to be located by its subnet (RFC 7871 §7.1.2): the resolver's address decides */
	client->is_ecs = edns->subnet_length > SUBNET_FIXED_OCTETS;
	if (!client->is_ecs) {
		client->address = client->resolver;
		client->source_bits = ip_bits(&client->resolver);
		return;
	}
	client->address.family = edns->subnet[1] == SUBNET_IPV4 ? 4 : 6;
	memset(client->address.bytes, 0, sizeof client->address.bytes);
	bytes_copy(client->address.bytes, edns->subnet + SUBNET_FIXED_OCTETS,
		   edns->subnet_length - SUBNET_FIXED_OCTETS);
	client->source_bits = edns->subnet[2];
}

/* Only what comes from a served zone has a version (RFC 9660 §3.2). */
static bool has_zone_version(const struct edns *edns, const struct answer *answer)
{
	return edns->wants_zone_version && answer->zone;
}

OUT_OF_LINE size_t edns_length_more(const struct edns *edns, const struct serve_settings *settings,
				    const struct answer *answer)
{
	size_t length = 0;
	if (edns->has_server_cookie)
		length += OPTION_FIXED_OCTETS + COOKIE_CLIENT_OCTETS + COOKIE_SERVER_OCTETS;
	if (edns->wants_nsid && settings->nsid_length != 0)
		length += OPTION_FIXED_OCTETS + settings->nsid_length;
	if (edns->wants_keepalive)
		length += OPTION_FIXED_OCTETS + KEEPALIVE_OCTETS;
	if (has_zone_version(edns, answer))
		length += OPTION_FIXED_OCTETS + ZONE_VERSION_OCTETS;
	return length;
}

size_t edns_length(const struct edns *edns, const struct serve_settings *settings,
		   const struct answer *answer)
{
	if (!edns->is_present)
		return 0;
	size_t length = OPT_FIXED_OCTETS;
	if (edns->subnet_length != 0)
		length += OPTION_FIXED_OCTETS + edns->subnet_length;
	return edns->has_more ? length + edns_length_more(edns, settings, answer) : length;
}

/* The head of an option if it fits; NULL if not. */
static uint8_t *put_option(uint8_t *out, size_t *at, size_t room, uint16_t code, size_t octets)
{
	if (room - *at < OPTION_FIXED_OCTETS + octets)
		return NULL;
	uint8_t *option = out + *at;
	bytes_put16(option, code);
	bytes_put16(option + 2, octets);
	*at += OPTION_FIXED_OCTETS + octets;
	return option + OPTION_FIXED_OCTETS;
}

static void put_keepalive(const struct serve_settings *settings, uint8_t *data)
{
	uint32_t units = settings->tcp_idle_ms / KEEPALIVE_UNIT_MS;
	bytes_put16(data, units < UINT16_MAX ? units : UINT16_MAX);
}

/* The zone of the question, and the serial that its SOA says right now. */
static void put_zone_version(const struct zone *zone, uint8_t *data)
{
	const uint8_t *at = zone_soa(zone)->wire + 12; /* MNAME, RNAME, SERIAL */
	at += name_length(at);
	at += name_length(at);
	data[0] = (uint8_t)name_labels(zone->name.octets);
	data[1] = ZONE_VERSION_SOA_SERIAL;
	memcpy(data + 2, at, 4);
}

/* All but the client subnet, behind `at` octets of the record; returns how many there are then. */
static OUT_OF_LINE size_t put_more(const struct edns *edns, const struct serve_settings *settings,
				   const struct answer *answer, uint8_t *out, size_t at, size_t room)
{
	uint8_t *data;
	if (edns->has_server_cookie &&
	    (data = put_option(out, &at, room, OPTION_COOKIE, COOKIE_CLIENT_OCTETS + COOKIE_SERVER_OCTETS))) {
		memcpy(data, edns->cookie, COOKIE_CLIENT_OCTETS);
		memcpy(data + COOKIE_CLIENT_OCTETS, edns->server_cookie, COOKIE_SERVER_OCTETS);
	}
	if (edns->wants_keepalive && (data = put_option(out, &at, room, OPTION_KEEPALIVE, KEEPALIVE_OCTETS)))
		put_keepalive(settings, data);
	if (has_zone_version(edns, answer) &&
	    (data = put_option(out, &at, room, OPTION_ZONE_VERSION, ZONE_VERSION_OCTETS)))
		put_zone_version(answer->zone, data);
	if (edns->wants_nsid && settings->nsid_length != 0 &&
	    (data = put_option(out, &at, room, OPTION_NSID, settings->nsid_length)))
		memcpy(data, settings->nsid, settings->nsid_length);
	if (answer->ede != EDE_NONE) {
		size_t text = strlen(answer->ede_text);
		if ((data = put_option(out, &at, room, OPTION_EDE, 2 + text))) {
			bytes_put16(data, answer->ede);
			memcpy(data + 2, answer->ede_text, text);
		}
	}
	return at;
}

size_t edns_write(const struct edns *edns, const struct serve_settings *settings, const struct answer *answer,
		  uint8_t *out, size_t room)
{
	size_t at = OPT_FIXED_OCTETS;
	out[0] = 0; /* owner: the root */
	bytes_put16(out + 1, RR_OPT);
	bytes_put16(out + 3, settings->edns_size);
	bytes_put32(out + 5, (uint32_t)(answer->rcode >> 4) << 24 |
				     (edns->is_dnssec_ok ? FLAG_DO : 0)); /* version 0 */
	if (edns->subnet_length != 0) {
		uint8_t *data = out + at + OPTION_FIXED_OCTETS;
		bytes_put32(out + at, (uint32_t)OPTION_SUBNET << 16 | edns->subnet_length);
		bytes_copy(data, edns->subnet, edns->subnet_length);
		at += OPTION_FIXED_OCTETS + edns->subnet_length;
		bool is_located = edns->subnet_length > SUBNET_FIXED_OCTETS && answer->uses_client;
		data[3] = is_located ? answer->scope : 0;
	}
	if (edns->has_more || answer->ede != EDE_NONE)
		at = put_more(edns, settings, answer, out, at, room);
	bytes_put16(out + 9, at - OPT_FIXED_OCTETS);
	return at;
}
