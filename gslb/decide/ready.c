/* See the header. Control thread. */
#include "gslb/decide/ready.h"
#include "gslb/decide/https.h"
#include "zones/rrtype.h"
#include <string.h>

#define HEAD_OCTETS 12 /* pointer to the question's name, TYPE, CLASS, TTL, RDLENGTH */

static uint8_t *put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put_head(uint8_t *at, unsigned type, uint32_t ttl, size_t rdata_octets)
{
	at = put16(at, 0xc00c);
	at = put16(at, type);
	at = put16(at, RR_CLASS_IN);
	at = put16(at, ttl >> 16);
	at = put16(at, ttl & 0xffff);
	return put16(at, (unsigned)rdata_octets);
}

static uint8_t *align(uint8_t *at)
{
	uintptr_t mask = _Alignof(struct rrset) - 1;
	return at + (-(uintptr_t)at & mask);
}

static struct rrset *begin_set(uint8_t *at, uint16_t type, uint32_t ttl)
{
	struct rrset *set = (struct rrset *)align(at);
	*set = (struct rrset){.type = type, .ttl = ttl, .wire = (uint8_t *)(set + 1)};
	rrset_set_layout(set);
	return set;
}

static uint8_t *end_set(struct rrset *set, unsigned count, uint8_t *end)
{
	set->count = (uint16_t)count;
	set->wire_length = (uint32_t)(end - set->wire);
	return end;
}

size_t ready_octets(unsigned vip_count, unsigned https_length)
{
	size_t heads = 3 * (sizeof(struct rrset) + _Alignof(struct rrset));
	size_t addresses = vip_count * (HEAD_OCTETS + 16u);
	size_t https = https_length == 0 ? 0 : HEAD_OCTETS + https_length + 2 * 4 + vip_count * 16u;
	return heads + addresses + https;
}

/* The VIPs of a family, or none where a hash or a draw picks among them. */
static unsigned all_of_family(const struct plan_service *service, const struct plan_region *region,
			      unsigned family, const struct plan_vip *ret[static ANSWERS_MAX])
{
	const struct plan_picks *picks = &region->picks[PICK_REGULAR][family];
	if (picks->count > service->answers)
		return 0;
	for (unsigned i = 0; i < picks->count; i++)
		ret[i] = &region->vips[picks->pick[i].vip];
	return picks->count;
}

static struct rrset *compile_addresses(const struct plan_vip *const *vips, unsigned count, unsigned family,
				       uint32_t ttl, uint8_t **at)
{
	size_t octets = family == 0 ? 4 : 16;
	struct rrset *set = begin_set(*at, family == 0 ? RR_A : RR_AAAA, ttl);
	uint8_t *to = (uint8_t *)set->wire;
	for (unsigned i = 0; i < count; i++) {
		to = put_head(to, set->type, ttl, octets);
		memcpy(to, vips[i]->ip.bytes, octets);
		to += octets;
	}
	*at = end_set(set, count, to);
	return set;
}

uint8_t *ready_compile(const struct plan_service *service, struct plan_region *region, uint8_t *at)
{
	const struct plan_vip *vips[2][ANSWERS_MAX];
	uint8_t count[2];
	for (unsigned family = 0; family < 2; family++) {
		count[family] = (uint8_t)all_of_family(service, region, family, vips[family]);
		if (count[family] != 0)
			region->ready[family] =
				compile_addresses(vips[family], count[family], family, region->ttl, &at);
	}
	bool is_whole = count[0] == region->picks[PICK_REGULAR][0].count &&
			count[1] == region->picks[PICK_REGULAR][1].count && count[0] + count[1] != 0;
	if (service->https_length == 0 || !is_whole)
		return at;
	struct rrset *set = begin_set(at, RR_HTTPS, region->ttl);
	size_t octets = https_rdata_length(service, count);
	at = put_head((uint8_t *)set->wire, RR_HTTPS, set->ttl, octets);
	https_rdata_write(service, vips, count, at);
	region->ready[READY_HTTPS] = set;
	return end_set(set, 1, at + octets);
}
