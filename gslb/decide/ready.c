/* See the header. Control thread. */
#include "gslb/decide/ready.h"
#include "gslb/decide/https.h"
#include "lib/bytes.h"
#include "zones/rrtype.h"
#include <string.h>

#define HEAD_OCTETS 12 /* pointer to the question's name, TYPE, CLASS, TTL, RDLENGTH */

static uint8_t *put_head(uint8_t *at, uint16_t type, uint32_t ttl, size_t rdata_octets)
{
	bytes_put16(at, 0xc00c);
	bytes_put16(at + 2, type);
	bytes_put16(at + 4, RR_CLASS_IN);
	bytes_put32(at + 6, ttl);
	bytes_put16(at + 10, (uint16_t)rdata_octets);
	return at + HEAD_OCTETS;
}

static uint8_t *align(uint8_t *at)
{
	uintptr_t mask = _Alignof(struct rrset) - 1;
	return at + (-(uintptr_t)at & mask);
}

static void begin_set(struct rrset *set, const uint8_t *at, uint16_t type, uint32_t ttl)
{
	*set = (struct rrset){.type = type, .ttl = ttl, .wire = at};
	rrset_set_layout(set);
}

static uint8_t *end_set(struct rrset *set, unsigned count, uint8_t *end)
{
	set->count = (uint16_t)count;
	set->wire_length = (uint32_t)(end - set->wire);
	return end;
}

size_t ready_octets(const struct plan_service_input *input, unsigned vip_count)
{
	size_t set = sizeof(struct rrset) + _Alignof(struct rrset);
	size_t addresses = vip_count * (HEAD_OCTETS + 16u);
	size_t https =
		input->https_length == 0 ? 0 : HEAD_OCTETS + input->https_length + 2 * 4 + vip_count * 16u;
	size_t alone = input->answers == 1 ? vip_count * (set + HEAD_OCTETS + 16u) : 0;
	return READY_SETS * set + addresses + https + alone;
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

static uint8_t *compile_addresses(struct rrset *set, const struct plan_vip *const *vips, unsigned count,
				  uint8_t *at)
{
	size_t octets = set->type == RR_A ? 4 : 16;
	for (unsigned i = 0; i < count; i++) {
		at = put_head(at, set->type, set->ttl, octets);
		memcpy(at, vips[i]->ip.bytes, octets);
		at += octets;
	}
	return end_set(set, count, at);
}

static uint8_t *compile_https(struct rrset *set, const struct plan_service *service,
			      const struct plan_vip *const vips[static 2][ANSWERS_MAX],
			      const uint8_t count[static 2], uint8_t *at)
{
	size_t octets = https_rdata_length(service, count);
	at = put_head(at, RR_HTTPS, set->ttl, octets);
	https_rdata_write(service, vips, count, at);
	return end_set(set, 1, at + octets);
}

/* Each VIP by itself, of the families of which one is picked. */
static uint8_t *compile_alone(struct plan_region *region, uint8_t *at)
{
	for (unsigned family = 0; family < 2; family++) {
		const struct plan_picks *picks = &region->picks[PICK_REGULAR][family];
		for (unsigned i = 0; picks->count > 1 && i < picks->count; i++) {
			struct rrset *set = (struct rrset *)align(at);
			const struct plan_vip *vips[] = {&region->vips[picks->pick[i].vip]};
			at = (uint8_t *)(set + 1);
			begin_set(set, at, family == 0 ? RR_A : RR_AAAA, region->ttl);
			at = compile_addresses(set, vips, 1, at);
			picks->pick[i].ready = set;
		}
	}
	return at;
}

uint8_t *ready_compile(const struct plan_service *service, struct plan_region *region, uint8_t *at)
{
	struct rrset *sets = (struct rrset *)align(at);
	const struct plan_vip *vips[2][ANSWERS_MAX];
	uint8_t count[2];
	for (unsigned family = 0; family < 2; family++)
		count[family] = (uint8_t)all_of_family(service, region, family, vips[family]);
	bool is_whole = count[0] == region->picks[PICK_REGULAR][0].count &&
			count[1] == region->picks[PICK_REGULAR][1].count && count[0] + count[1] != 0;
	/* What another region has of a family that this one lacks, that family chooses by itself. */
	for (unsigned family = 0; family < 2; family++)
		is_whole &= count[family] != 0 || service->holds[family] == 0;
	at = (uint8_t *)(sets + READY_SETS);
	if (service->https_length != 0 && is_whole) {
		region->ready[READY_HTTPS] = &sets[READY_HTTPS];
		begin_set(&sets[READY_HTTPS], at, RR_HTTPS, region->ttl);
		at = compile_https(&sets[READY_HTTPS], service, vips, count, at);
	}
	for (unsigned family = 0; family < 2; family++) {
		if (count[family] == 0)
			continue;
		struct rrset *set = &sets[family == 0 ? READY_A : READY_AAAA];
		region->ready[family == 0 ? READY_A : READY_AAAA] = set;
		begin_set(set, at, family == 0 ? RR_A : RR_AAAA, region->ttl);
		at = compile_addresses(set, vips[family], count[family], at);
	}
	region->ready_octets = (uint32_t)(at - (uint8_t *)(sets + READY_SETS));
	region->ready_addresses = (uint16_t)(count[0] + count[1]);
	if (service->answers == 1)
		at = compile_alone(region, at);
	return at;
}
