/* Record sets and messages for tests: see records.h. */
#include "tests/support/records.h"
#include "lib/mem.h"
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rrset *records_set(uint16_t type, uint32_t ttl, const struct record_rdata *rdata, size_t count)
{
	size_t length = 0;
	for (size_t i = 0; i < count; i++)
		length += 12 + rdata[i].length;
	struct rrset *set = xcalloc(1, sizeof *set + length);
	uint8_t *at = (uint8_t *)(set + 1);
	*set = (struct rrset){.type = type,
			      .count = (uint16_t)count,
			      .ttl = ttl,
			      .wire_length = (uint32_t)length,
			      .wire = at};
	rrset_set_layout(set);
	for (size_t i = 0; i < count; i++) {
		uint8_t head[12] = {0xc0, 12, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
		for (int octet = 0; octet < 4; octet++)
			head[6 + octet] = (uint8_t)(ttl >> (24 - 8 * octet));
		head[10] = (uint8_t)(rdata[i].length >> 8);
		head[11] = (uint8_t)rdata[i].length;
		memcpy(at, head, sizeof head);
		memcpy(at + sizeof head, rdata[i].octets, rdata[i].length);
		at += sizeof head + rdata[i].length;
	}
	return set;
}

static void print_section(FILE *out, const char *label, const ldns_rr_list *list)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(list, i));
		for (char *c = text; *c; c++)
			if (*c == '\t')
				*c = ' ';
		fprintf(out, "%s %s", label, text);
		free(text);
	}
}

static void print_options(FILE *out, const ldns_rdf *options)
{
	if (!options)
		return;
	const uint8_t *at = ldns_rdf_data(options), *end = at + ldns_rdf_size(options);
	while (end - at >= 4) {
		unsigned code = ldns_read_uint16(at), length = ldns_read_uint16(at + 2);
		at += 4;
		if (length > (size_t)(end - at))
			break;
		fprintf(out, "OPTION %u", code);
		if (code == 8 && length >= 4) {
			fprintf(out, " family=%u source=%u scope=%u address=", ldns_read_uint16(at), at[2],
				at[3]);
			for (unsigned i = 4; i < length; i++)
				fprintf(out, "%02x", at[i]);
		} else if (code == 15 && length >= 2) {
			fprintf(out, " %u \"%.*s\"", ldns_read_uint16(at), (int)length - 2,
				(const char *)at + 2);
		} else if (code == 3) {
			fprintf(out, " \"%.*s\"", (int)length, (const char *)at);
		} else {
			fputc(' ', out);
			for (unsigned i = 0; i < length; i++)
				fprintf(out, "%02x", at[i]);
		}
		fputc('\n', out);
		at += length;
	}
}

static void print_head(FILE *out, const ldns_pkt *message, const uint8_t *wire)
{
	unsigned rcode = ldns_pkt_get_rcode(message) | (unsigned)ldns_pkt_edns_extended_rcode(message) << 4;
	const ldns_lookup_table *name = ldns_lookup_by_id(ldns_rcodes, (int)rcode);
	if (rcode == 16)
		fputs("BADVERS", out);
	else
		fputs(name ? name->name : "?", out);
	if (ldns_pkt_get_opcode(message) != LDNS_PACKET_QUERY)
		fprintf(out, " opcode=%u", (unsigned)ldns_pkt_get_opcode(message));
	static const struct {
		unsigned octet, mask;
		const char *name;
	} flags[] = {{2, 0x80, "qr"}, {2, 0x04, "aa"}, {2, 0x02, "tc"}, {2, 0x01, "rd"},
		     {3, 0x80, "ra"}, {3, 0x40, "z"},  {3, 0x20, "ad"}, {3, 0x10, "cd"}};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (wire[flags[i].octet] & flags[i].mask)
			fprintf(out, " %s", flags[i].name);
	fputc('\n', out);
}

char *records_message_text(const uint8_t *wire, size_t length)
{
	ldns_pkt *message = NULL;
	if (ldns_wire2pkt(&message, wire, length) != LDNS_STATUS_OK)
		return NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	print_head(out, message, wire);
	print_section(out, "QUESTION", ldns_pkt_question(message));
	print_section(out, "ANSWER", ldns_pkt_answer(message));
	print_section(out, "AUTHORITY", ldns_pkt_authority(message));
	print_section(out, "ADDITIONAL", ldns_pkt_additional(message));
	if (ldns_pkt_edns(message)) {
		fprintf(out, "OPT version=%u size=%u%s\n", ldns_pkt_edns_version(message),
			ldns_pkt_edns_udp_size(message), ldns_pkt_edns_do(message) ? " do" : "");
		print_options(out, ldns_pkt_edns_data(message));
	}
	fclose(out);
	ldns_pkt_free(message);
	return text;
}
