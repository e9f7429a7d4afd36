/*
 * What the writer of negative answers would else work out for each of them: where the names in the SOA can be
 * pointers (RFC 1035 §4.1.4). The question ends in the zone's name, so what a name shares with that is a
 * pointer into the question; what RNAME shares with MNAME is one into the record. The thread that builds.
 */
#include "zones/negative.h"
#include "lib/arena.h"
#include "lib/bytes.h"
#include <assert.h>
#include <string.h>

#define HEAD_OCTETS 12 /* owner as a pointer, TYPE, CLASS, TTL, RDLENGTH */

struct record {
	uint8_t octets[HEAD_OCTETS + 2 * NAME_MAX_OCTETS];
	size_t length;
	unsigned pointer_count;
	struct zone_pointer pointers[ZONE_NEGATIVE_POINTERS];
};

static struct name lower_name(const uint8_t *octets)
{
	struct name name = {.length = (uint8_t)name_length(octets)};
	memcpy(name.octets, octets, name.length);
	name_lower(name.octets, name.length);
	return name;
}

/* Where `suffix` begins inside `name`; false: it is no suffix of it. */
static bool find_suffix(const struct name *name, const uint8_t *suffix, size_t *ret_at)
{
	size_t length = name_length(suffix);
	for (const uint8_t *at = name->octets; *at != 0; at += *at + 1u) {
		if ((size_t)(name->octets + name->length - at) != length || !name_equal(at, suffix))
			continue;
		*ret_at = (size_t)(at - name->octets);
		return true;
	}
	return false;
}

static void put_pointer(struct record *record, enum zone_base base, size_t offset)
{
	assert(record->pointer_count < ZONE_NEGATIVE_POINTERS);
	record->pointers[record->pointer_count++] = (struct zone_pointer){
		.at = (uint16_t)record->length, .offset = (uint16_t)offset, .base = base};
	record->length += 2;
}

/* `before`: a name that stands in the record from `before_at` on, its first `before_kept` octets literally;
 * or NULL. Returns how many octets of this one are literal. */
static size_t put_name(struct record *record, const struct zone *zone, const uint8_t *octets,
		       const struct name *before, size_t before_at, size_t before_kept)
{
	struct name name = lower_name(octets);
	const uint8_t *label = name.octets;
	size_t kept = 0, at = 0;
	bool is_in_question = false, is_in_record = false;
	for (; *label != 0; label += *label + 1u) {
		is_in_question = find_suffix(&zone->name, label, &at);
		is_in_record =
			!is_in_question && before && find_suffix(before, label, &at) && at < before_kept;
		if (is_in_question || is_in_record)
			break;
	}
	kept = (size_t)(label - name.octets);
	assert(record->length + kept + 2 <= sizeof record->octets);
	memcpy(record->octets + record->length, octets, kept);
	record->length += kept;
	if (is_in_question)
		put_pointer(record, ZONE_BASE_QUESTION, at);
	else if (is_in_record)
		put_pointer(record, ZONE_BASE_RECORD, before_at + at);
	else
		record->octets[record->length++] = 0;
	return kept;
}

void negative_compress(struct zone *zone)
{
	if (zone->soa->count != 1 || zone->name.length == 1) /* nothing points to the root */
		return;
	const uint8_t *mname = zone->soa->wire + HEAD_OCTETS, *rname = mname + name_length(mname);
	struct record record = {.length = 0};
	put_pointer(&record, ZONE_BASE_QUESTION, 0); /* the owner is the apex */
	memcpy(record.octets, zone->soa->wire, HEAD_OCTETS);
	bytes_put32(record.octets + 6, zone->negative_ttl);
	record.length = HEAD_OCTETS;

	struct name before = lower_name(mname);
	size_t kept = put_name(&record, zone, mname, NULL, 0, 0);
	put_name(&record, zone, rname, &before, HEAD_OCTETS, kept);
	bytes_put16(record.octets + 10, (uint16_t)(record.length - HEAD_OCTETS + ZONE_SOA_NUMBERS));

	assert(record.length <= UINT16_MAX);
	zone->negative = arena_dup(zone->arena, record.octets, record.length);
	zone->negative_length = (uint16_t)record.length;
	zone->negative_pointer_count = (uint8_t)record.pointer_count;
	memcpy(zone->negative_pointers, record.pointers, sizeof record.pointers);
}
