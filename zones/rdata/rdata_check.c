/* See rdata_check.h. Control path. */
#include "zones/rdata/rdata_check.h"
#include "lib/bytes.h"
#include "zones/name.h"
#include "zones/rdata/svcparam.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <stdio.h>

/* What is left of the RDATA. */
struct rest {
	const uint8_t *at;
	size_t length;
};

static bool skip(struct rest *rest, size_t octets)
{
	if (octets > rest->length)
		return false;
	rest->at += octets;
	rest->length -= octets;
	return true;
}

static bool skip_name(struct rest *rest)
{
	size_t at = 0;

	while (at < rest->length && rest->at[at] != 0) {
		if (rest->at[at] > 63)
			return false;
		at += rest->at[at] + 1u;
	}
	return at < NAME_MAX_OCTETS && skip(rest, at + 1);
}

static bool skip_text(struct rest *rest)
{
	return rest->length > 0 && skip(rest, *rest->at + 1u);
}

/* ---- fields whose length another one decides ---- */

struct fixed_length {
	uint8_t selector;
	uint16_t octets;
	const char *name; /* of the algorithm */
};

static const struct fixed_length ds_digests[] = {{1, 20, "SHA-1"},
						 {2, 32, "SHA-256"},
						 {3, 32, "GOST R 34.11-94"},
						 {4, 48, "SHA-384"},
						 {5, 32, "GOST R 34.11-2012"},
						 {6, 32, "SM3"},
						 {0}};
static const struct fixed_length fingerprints[] = {{1, 20, "SHA-1"}, {2, 32, "SHA-256"}, {0}};
static const struct fixed_length zone_digests[] = {{1, 48, "SHA-384"}, {2, 64, "SHA-512"}, {0}};
static const struct fixed_length matches[] = {{1, 32, "SHA-256"}, {2, 64, "SHA-512"}, {0}};
static const struct fixed_length next_hashes[] = {{1, 20, "SHA-1"}, {0}};
static const struct fixed_length public_keys[] = {
	{13, 64, "ECDSA P-256"}, {14, 96, "ECDSA P-384"}, {15, 32, "Ed25519"}, {16, 57, "Ed448"}, {0}};
static const struct fixed_length signatures[] = {
	{13, 64, "ECDSA P-256"}, {14, 96, "ECDSA P-384"}, {15, 64, "Ed25519"}, {16, 114, "Ed448"}, {0}};

static const struct rule {
	uint16_t type;
	uint8_t selector_at; /* in the RDATA */
	uint8_t fewest;	     /* octets, where the selector is none of `lengths` */
	const char *selector, *field;
	const struct fixed_length *lengths;
} rules[] = {
	{24, 2, 1, "algorithm", "signature", signatures},
	{25, 3, 0, "algorithm", "key", public_keys},
	{RR_DS, 3, 1, "digest type", "digest", ds_digests},	     /* RFC 4034 §5.1.3, RFC 4509 */
	{44, 1, 1, "fingerprint type", "fingerprint", fingerprints}, /* RFC 4255, RFC 6594 */
	{RR_RRSIG, 2, 1, "algorithm", "signature", signatures},	     /* RFC 6605 §4, RFC 8080 §4 */
	{RR_DNSKEY, 3, 1, "algorithm", "key", public_keys},	     /* RFC 6605 §4, RFC 8080 §3 */
	{50, 0, 1, "hash algorithm", "next hash", next_hashes},	     /* RFC 5155 §3.1.7 */
	{52, 2, 1, "matching type", "data", matches},		     /* RFC 6698 §2.1.3 */
	{53, 2, 1, "matching type", "data", matches},		     /* RFC 8162 §2 */
	{59, 3, 1, "digest type", "digest", ds_digests},	     /* RFC 7344 §3.1 */
	{60, 3, 1, "algorithm", "key", public_keys},		     /* RFC 7344 §3.2 */
	{63, 5, 12, "hash algorithm", "digest", zone_digests},	     /* RFC 8976 §2.2.4 */
};

static bool has_right_length(uint16_t type, const uint8_t *rdata, size_t octets,
			     char reason[static RDATA_REASON_MAX])
{
	const struct rule *rule = rules;

	while (rule->type != type) {
		rule++;
		assert(rule <
		       rules + sizeof rules / sizeof rules[0]); /* each type with such a layout has one */
	}
	uint8_t selector = rdata[rule->selector_at]; /* the fields before are there */
	assert(rule->lengths && rule->fewest <= 12);
	for (const struct fixed_length *fixed = rule->lengths; fixed->octets; fixed++) {
		if (fixed->selector != selector || fixed->octets == octets)
			continue;
		snprintf(reason, RDATA_REASON_MAX, "%s of %zu octets; %s %u (%s) has %u", rule->field, octets,
			 rule->selector, selector, fixed->name, fixed->octets);
		return false;
	}
	if (octets < rule->fewest) {
		snprintf(reason, RDATA_REASON_MAX, "%s of %zu octets; it has at least %u", rule->field,
			 octets, rule->fewest);
		return false;
	}
	return true;
}

/* ---- fields with a form of their own ---- */

/* RFC 4034 §4.1.2: windows ascend, none is empty, none ends with a zero octet. */
static bool skip_bitmap(struct rest *rest)
{
	int before = -1;

	while (rest->length >= 2) {
		uint8_t window = rest->at[0], octets = rest->at[1];
		if (window <= before || octets == 0 || octets > 32 || octets + 2u > rest->length ||
		    rest->at[octets + 1] == 0)
			return false;
		before = window;
		skip(rest, octets + 2u);
	}
	return rest->length == 0;
}

static bool skip_tag(struct rest *rest, char reason[static RDATA_REASON_MAX])
{
	const uint8_t *text = rest->at;

	if (!skip_text(rest) || *text == 0)
		return false;
	for (size_t i = 1; i <= *text; i++) {
		uint8_t c = text[i] | 0x20;
		if ((c >= 'a' && c <= 'z') || (text[i] >= '0' && text[i] <= '9'))
			continue;
		snprintf(reason, RDATA_REASON_MAX,
			 "a tag has letters and digits only (RFC 8659 section 4.1)");
		return false;
	}
	return true;
}

/* RFC 3123 §4: family, prefix, length of the address without the zeros at its end. */
static bool skip_prefixes(struct rest *rest)
{
	while (rest->length >= 4) {
		uint16_t family = bytes_get16(rest->at);
		size_t octets = rest->at[3] & 0x7f, most = family == 1 ? 4 : family == 2 ? 16 : 0;
		if (octets > most || rest->at[2] > most * 8 || octets + 4 > rest->length ||
		    (octets && rest->at[octets + 3] == 0))
			return false;
		skip(rest, octets + 4);
	}
	return rest->length == 0;
}

/* RFC 4025 §2.5, RFC 8777 §4.2.3: none, an IPv4 address, an IPv6 address, a name. */
static bool skip_gateway(struct rest *rest, unsigned form)
{
	static const uint8_t octets[] = {0, 4, 16};

	return form == 3 ? skip_name(rest) : form < sizeof octets && skip(rest, octets[form]);
}

/* RFC 8005 §5: the lengths of tag and key stand in front; rendezvous servers follow. */
static bool skip_host_identity(struct rest *rest)
{
	if (rest->length < 4)
		return false;
	size_t tag = rest->at[0], key = bytes_get16(rest->at + 2);
	if (!skip(rest, 4) || tag == 0 || key == 0 || !skip(rest, tag + key))
		return false;
	while (rest->length > 0) {
		if (!skip_name(rest))
			return false;
	}
	return true;
}

static bool skip_field(uint16_t type, char field, const uint8_t *rdata, struct rest *rest,
		       char reason[static RDATA_REASON_MAX])
{
	size_t left = rest->length;

	switch (field) {
	case '0':
		return left > 0 && *rest->at == 0 && skip(rest, 1);
	case '1':
	case '2':
	case '4':
		return skip(rest, (size_t)(field - '0'));
	case '6':
		return skip(rest, 16);
	case 'n':
		return skip_name(rest);
	case 's':
		return skip_text(rest);
	case 'S':
		do {
			if (!skip_text(rest))
				return false;
		} while (rest->length > 0);
		return true;
	case 'b':
		return skip_bitmap(rest);
	case 't':
		return skip_tag(rest, reason);
	case 'a':
		return skip_prefixes(rest);
	case 'g': /* behind precedence, gateway type and algorithm */
		return skip_gateway(rest, rdata[1]);
	case 'h':
		return skip_host_identity(rest);
	case 'p':
		return svcparam_check(rest->at, left, reason) && skip(rest, left);
	case 'l':
		return skip_text(rest) && has_right_length(type, rdata, left - rest->length - 1, reason);
	case 'd':
		return has_right_length(type, rdata, left, reason) && skip(rest, left);
	case '+':
		return left > 0 && skip(rest, left);
	case '*':
		return skip(rest, left);
	}
	assert(false);
	return false;
}

bool rdata_check(uint16_t type, const uint8_t *rdata, size_t length, char reason[static RDATA_REASON_MAX])
{
	const char *layout = rrtype_layout(type);
	struct rest rest = {rdata, length};

	snprintf(reason, RDATA_REASON_MAX, "data that the type does not allow");
	for (const char *field = layout; *field; field++) {
		if (!skip_field(type, *field, rdata, &rest, reason))
			return false;
	}
	return !*layout || rest.length == 0;
}
