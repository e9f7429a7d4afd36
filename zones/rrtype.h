/* RR types: numbers, mnemonics, and where names stand in their RDATA. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RR_A = 1,
	RR_NS = 2,
	RR_CNAME = 5,
	RR_SOA = 6,
	RR_PTR = 12,
	RR_MX = 15,
	RR_TXT = 16,
	RR_AAAA = 28,
	RR_SRV = 33,
	RR_NAPTR = 35,
	RR_DNAME = 39,
	RR_OPT = 41,
	RR_DS = 43,
	RR_RRSIG = 46,
	RR_NSEC = 47,
	RR_DNSKEY = 48,
	RR_SVCB = 64,
	RR_HTTPS = 65,
	RR_IXFR = 251,
	RR_AXFR = 252,
	RR_ANY = 255,
	RR_CAA = 257,
};
#define RR_CLASS_IN 1

bool rrtype_from_text(const char *text, uint16_t *ret);	 /* mnemonic in any case, or TYPEnnn */
void rrtype_to_text(uint16_t type, char out[static 16]); /* mnemonic, else TYPEnnn (RFC 3597) */
/* Row of the metric label: 0 for "other", else 1..RRTYPE_KNOWN. */
#define RRTYPE_KNOWN 24
unsigned rrtype_metric_row(uint16_t type); /* no branch on unusual types beyond one table look-up */
const char *rrtype_metric_name(unsigned row);

/* Octets before the first name and number of names in RDATA that a sender may compress (the types
 * of RFC 1035 only, RFC 3597 §4): NS, CNAME, PTR, SOA, MX and the obsolete ones. False: none. */
bool rrtype_compressible(uint16_t type, uint8_t *ret_prefix, uint8_t *ret_names);
/* Where the name whose address records belong into the additional section begins (NS, MX, SRV, SVCB, HTTPS).
 */
bool rrtype_additional_offset(uint16_t type, uint8_t *ret_offset);
/* RDATA in presentation form ("10 mail.example.", "192.0.2.1"); ldns does it. Returns false and
 * writes the RFC 3597 form for RDATA that the type does not allow. Control path only. */
bool rrtype_rdata_to_text(uint16_t type, const uint8_t *rdata, size_t length, char *out, size_t size);
/* The fields of RDATA, a letter each: see rrtype_table.c. "" where nothing is known of them. */
const char *rrtype_layout(uint16_t type);
/* The same record (RFC 2181 §5): octet by octet, names in any case. Both of `length` octets, valid. */
bool rrtype_rdata_equal(uint16_t type, const uint8_t *a, const uint8_t *b, size_t length);
