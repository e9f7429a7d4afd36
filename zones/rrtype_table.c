/*
 * What is known about RR types: mnemonics, the layout of RDATA, rows of the metrics. Any thread; the
 * data path calls it, so it allocates nothing and leaves ldns to rrtype.c.
 */
#include "zones/name.h"
#include "zones/rrtype.h"
#include <string.h>

/*
 * layout, one letter a field: n a name, 1 2 4 that many octets, 0 an octet that is 0, 6 an IPv6 address, s a
 * character string, S one or more of them, t a tag of CAA, b a bitmap of types, a address prefixes, g a
 * gateway, h a host identity, p parameters of SVCB; l a character string and d the rest, whose length another
 * field decides; * the rest, + the same and at least an octet; "" is anything (RFC 3597). rdata_check.c reads
 * them.
 */
struct row {
	uint16_t type;
	char mnemonic[11];
	char layout[11];
};

/* Sorted by type. */
static const struct row rows[] = {
	{RR_A, "A", "4"},
	{RR_NS, "NS", "n"},
	{3, "MD", "n"},
	{4, "MF", "n"},
	{RR_CNAME, "CNAME", "n"},
	{RR_SOA, "SOA", "nn44444"},
	{7, "MB", "n"},
	{8, "MG", "n"},
	{9, "MR", "n"},
	{10, "NULL", ""},
	{11, "WKS", "41*"},
	{RR_PTR, "PTR", "n"},
	{13, "HINFO", "ss"},
	{14, "MINFO", "nn"},
	{RR_MX, "MX", "2n"},
	{RR_TXT, "TXT", "S"},
	{17, "RP", "nn"},
	{18, "AFSDB", "2n"},
	{19, "X25", "s"},
	{20, "ISDN", "S"},
	{21, "RT", "2n"},
	{24, "SIG", "2114442nd"},
	{25, "KEY", "211d"},
	{RR_AAAA, "AAAA", "6"},
	{29, "LOC", "0111444"},
	{RR_SRV, "SRV", "222n"},
	{RR_NAPTR, "NAPTR", "22sssn"},
	{36, "KX", "2n"},
	{37, "CERT", "221+"},
	{RR_DNAME, "DNAME", "n"},
	{RR_OPT, "OPT", ""},
	{42, "APL", "a"},
	{RR_DS, "DS", "211d"},
	{44, "SSHFP", "11d"},
	{45, "IPSECKEY", "111g*"},
	{RR_RRSIG, "RRSIG", "2114442nd"},
	{RR_NSEC, "NSEC", "nb"},
	{RR_DNSKEY, "DNSKEY", "211d"},
	{49, "DHCID", "+"},
	{50, "NSEC3", "112slb"},
	{51, "NSEC3PARAM", "112s"},
	{52, "TLSA", "111d"},
	{53, "SMIMEA", "111d"},
	{55, "HIP", "h"},
	{59, "CDS", "211d"},
	{60, "CDNSKEY", "211d"},
	{61, "OPENPGPKEY", "+"},
	{62, "CSYNC", "42b"},
	{63, "ZONEMD", "411d"},
	{RR_SVCB, "SVCB", "2np"},
	{RR_HTTPS, "HTTPS", "2np"},
	{99, "SPF", "S"},
	{104, "NID", "244"},
	{105, "L32", "24"},
	{106, "L64", "244"},
	{107, "LP", "2n"},
	{108, "EUI48", "42"},
	{109, "EUI64", "44"},
	{249, "TKEY", ""},
	{250, "TSIG", ""},
	{RR_IXFR, "IXFR", ""},
	{RR_AXFR, "AXFR", ""},
	{253, "MAILB", ""},
	{254, "MAILA", ""},
	{RR_ANY, "ANY", ""},
	{256, "URI", "22*"},
	{RR_CAA, "CAA", "1t*"},
	{258, "AVC", "S"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

#define METRIC_TYPES 258 /* one above the highest type with a row of its own */
static const uint8_t metric_rows[METRIC_TYPES] = {
	[RR_A] = 1,	 [RR_NS] = 2,	 [RR_CNAME] = 3,   [RR_SOA] = 4,    [RR_PTR] = 5,    [RR_MX] = 6,
	[RR_TXT] = 7,	 [RR_AAAA] = 8,	 [RR_SRV] = 9,	   [RR_NAPTR] = 10, [RR_DNAME] = 11, [RR_DS] = 12,
	[RR_RRSIG] = 13, [RR_NSEC] = 14, [RR_DNSKEY] = 15, [RR_SVCB] = 16,  [RR_HTTPS] = 17, [RR_CAA] = 18,
	[RR_ANY] = 19,	 [RR_IXFR] = 20, [RR_AXFR] = 21,   [52] = 22,	    [44] = 23,	     [256] = 24,
};

static const struct row *row_of(uint16_t type)
{
	size_t low = 0, high = ROWS;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (rows[middle].type < type)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ROWS && rows[low].type == type ? &rows[low] : NULL;
}

const char *rrtype_layout(uint16_t type)
{
	const struct row *row = row_of(type);

	return row ? row->layout : "";
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
}

static bool equal_fold(const char *text, const char *upper_word)
{
	for (; *upper_word; text++, upper_word++) {
		if (upper(*text) != *upper_word)
			return false;
	}
	return !*text;
}

bool rrtype_from_text(const char *text, uint16_t *ret)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (equal_fold(text, rows[i].mnemonic)) {
			*ret = rows[i].type;
			return true;
		}
	}
	for (const char *word = "TYPE"; *word; word++, text++) {
		if (upper(*text) != *word)
			return false;
	}
	uint32_t number = 0;
	const char *digits = text;
	for (; *text >= '0' && *text <= '9' && number <= UINT16_MAX; text++)
		number = number * 10 + (uint32_t)(*text - '0');
	if (text == digits || *text || number > UINT16_MAX)
		return false;
	*ret = (uint16_t)number;
	return true;
}

void rrtype_to_text(uint16_t type, char out[static 16])
{
	const struct row *row = row_of(type);

	if (row) {
		memcpy(out, row->mnemonic, sizeof row->mnemonic);
		return;
	}
	memcpy(out, "TYPE", 4);
	char *to = out + 4;
	for (unsigned unit = 10000; unit; unit /= 10) {
		if (type >= unit || unit == 1)
			*to++ = (char)('0' + type / unit % 10);
	}
	*to = '\0';
}

unsigned rrtype_metric_row(uint16_t type)
{
	return type < METRIC_TYPES ? metric_rows[type] : 0;
}

const char *rrtype_metric_name(unsigned row)
{
	for (size_t i = 0; row && i < ROWS; i++) {
		if (rrtype_metric_row(rows[i].type) == row)
			return rows[i].mnemonic;
	}
	return "other";
}

/* Octets before the names of the layout, and how many names follow each other there. */
static bool names_of(const struct row *row, uint8_t *ret_prefix, uint8_t *ret_names)
{
	const char *p = row->layout;
	uint8_t prefix = 0, names = 0;

	for (; *p == '1' || *p == '2' || *p == '4'; p++)
		prefix += (uint8_t)(*p - '0');
	for (; *p == 'n'; p++)
		names++;
	if (!names)
		return false;
	*ret_prefix = prefix;
	*ret_names = names;
	return true;
}

bool rrtype_compressible(uint16_t type, uint8_t *ret_prefix, uint8_t *ret_names)
{
	switch (type) {
	case RR_NS:
	case 3: /* MD */
	case 4: /* MF */
	case RR_CNAME:
	case 7: /* MB */
	case 8: /* MG */
	case 9: /* MR */
	case RR_PTR:
		*ret_prefix = 0;
		*ret_names = 1;
		return true;
	case RR_SOA:
	case 14: /* MINFO */
		*ret_prefix = 0;
		*ret_names = 2;
		return true;
	case RR_MX: /* behind the preference */
		*ret_prefix = 2;
		*ret_names = 1;
		return true;
	default:
		return false;
	}
}

bool rrtype_additional_offset(uint16_t type, uint8_t *ret_offset)
{
	switch (type) {
	case RR_NS:
		*ret_offset = 0;
		return true;
	case RR_MX:   /* behind the preference */
	case RR_SVCB: /* behind the priority */
	case RR_HTTPS:
		*ret_offset = 2;
		return true;
	case RR_SRV: /* behind priority, weight and port */
		*ret_offset = 6;
		return true;
	default:
		return false;
	}
}

/* Octets of an uncompressed name, 0 when there is none in `length` octets. */
static size_t name_octets(const uint8_t *p, size_t length)
{
	size_t at = 0;

	while (at < length && p[at] != 0) {
		if (p[at] > 63)
			return 0;
		at += (size_t)p[at] + 1;
	}
	return at < length && at < NAME_MAX_OCTETS ? at + 1 : 0;
}

bool rrtype_rdata_equal(uint16_t type, const uint8_t *a, const uint8_t *b, size_t length)
{
	const struct row *row = row_of(type);
	uint8_t prefix, names;

	if (!row || !names_of(row, &prefix, &names))
		return memcmp(a, b, length) == 0;
	if (length < prefix || memcmp(a, b, prefix) != 0)
		return false;
	size_t at = prefix;
	for (; names && at < length; names--) {
		/* length octets are below 64 and thus never letters */
		for (size_t end = at + name_octets(a + at, length - at); at < end; at++) {
			if (upper((char)a[at]) != upper((char)b[at]))
				return false;
		}
	}
	return memcmp(a + at, b + at, length - at) == 0;
}
