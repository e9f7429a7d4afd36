/* See the header. */
#include "zones/target.h"
#include "lib/net.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <string.h>

#define IPV4_LABELS 4

static bool is_octet(const uint8_t *label)
{
	unsigned value = 0;

	if (*label < 1 || *label > 3)
		return false;
	for (unsigned i = 1; i <= *label; i++) {
		if (label[i] < '0' || label[i] > '9')
			return false;
		value = value * 10 + (label[i] - '0');
	}
	return value <= 255;
}

/* What follows the labels of an address; NULL: the name does not begin with one. */
static const uint8_t *behind_address(const uint8_t *name)
{
	const uint8_t *label = name;
	char text[IP_TEXT_MAX];
	struct ip ip;

	for (unsigned i = 0; i < IPV4_LABELS && is_octet(label); label += *label + 1)
		if (++i == IPV4_LABELS)
			return label + *label + 1;
	if (*name == 0 || *name >= sizeof text || !memchr(name + 1, ':', *name))
		return NULL;
	memcpy(text, name + 1, *name);
	text[*name] = '\0';
	return ip_parse(text, &ip) ? name + *name + 1 : NULL;
}

/* Where the name of a target stands in the RDATA, or -1. */
static int offset_of(const struct rrset *set)
{
	if (set->name_count > 0)
		return set->name_prefix;
	if (set->additional > 0)
		return set->additional - 1;
	return set->type == RR_DNAME ? 0 : -1;
}

bool target_is_address(const struct rrset *set, const uint8_t *rdata, const struct name *apex,
		       const uint8_t **ret)
{
	static const uint8_t arpa[] = "\4arpa";
	int offset = offset_of(set);

	if (offset < 0)
		return false;
	const uint8_t *name = rdata + offset, *rest = behind_address(name);
	if (!rest)
		return false;
	/* In trees of digits (RFC 1035 §3.5, RFC 2317, RFC 3596 §2.5) aliases lead to digits. */
	if (set->type == RR_CNAME && name_is_below(apex->octets, arpa))
		return false;
	assert(name_length(rest) <= NAME_MAX_OCTETS);
	struct name lower = {.length = (uint8_t)name_length(rest)};
	memcpy(lower.octets, rest, lower.length);
	name_lower(lower.octets, lower.length);
	if (lower.length > 1 && !name_equal(lower.octets, apex->octets))
		return false;
	*ret = name;
	return true;
}
