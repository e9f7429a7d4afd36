/* Record sets by hand, and messages read back by ldns, which knows nothing of our writer. For tests. */
#pragma once
#include "zones/zone.h"

/* A set of `count` records, each an RDATA of its own length; free() it. */
struct record_rdata {
	const void *octets;
	size_t length;
};
struct rrset *records_set(uint16_t type, uint32_t ttl, const struct record_rdata *rdata, size_t count);

/* The message as text, one record a line ("ANSWER www.example. 300 IN A 192.0.2.1"), after a first
 * line of status and flags ("NOERROR qr aa rd"); free() it. NULL: ldns cannot read it. */
char *records_message_text(const uint8_t *wire, size_t length);
