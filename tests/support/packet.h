/* Builds queries octet by octet, wrong ones too. For tests; aborts on its own misuse. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct packet {
	size_t length;
	size_t opt; /* offset of the OPT record's RDLENGTH, 0: none yet */
	uint8_t octets[4096];
};

#define PACKET_ID 0x1234

/* Header (id PACKET_ID, no flags) and question of class IN; `type` is a mnemonic or TYPEnnn. */
void packet_query(struct packet *packet, const char *name, const char *type);
void packet_add(struct packet *packet, const void *octets, size_t length);
void packet_add16(struct packet *packet, unsigned value);
void packet_set16(struct packet *packet, size_t at, unsigned value);
/* An OPT record as the last one; flags: 0x8000 is DO. */
void packet_opt(struct packet *packet, unsigned payload, unsigned version, unsigned flags);
void packet_option(struct packet *packet, unsigned code, const void *data, size_t length);
/* The client subnet "ADDRESS/BITS"; bits behind the prefix are kept as they are written. */
void packet_subnet(struct packet *packet, const char *subnet);
