/*
 * Records into a message, with names compressed against the question and all names before (RFC 1035
 * §4.1.4). What does not fit sets `is_full` and writes nothing more; the caller looks once at the
 * end. Any reader thread; no allocation.
 */
#pragma once
#include "gslb/decide/resolve.h"
#include "gslb/serve/message.h"
#include "lib/bytes.h"

#define WRITER_NAMES_MAX 64
#define POINTER_MARK 0xc000 /* RFC 1035 §4.1.4 */

struct writer {
	uint8_t *out;		 /* the message from its header on */
	size_t at;		 /* octets written */
	size_t limit;		 /* octets that may be written, ≤ 65535 */
	bool is_full;		 /* sticky: something did not fit */
	bool has_question_names; /* the question's suffixes are in names[] */
	uint8_t name_count;
	const uint8_t *question; /* the name asked for, as the items of an answer point to it */
	uint8_t question_length;
	struct written_name { /* a name, or what follows any label of it */
		uint16_t offset;
		uint8_t length; /* uncompressed, with the root label */
	} names[WRITER_NAMES_MAX];
};

/* Header and question already stand in out[0..question_end). */
void writer_init(struct writer *writer, uint8_t *out, size_t limit, const struct message *message);

/* The records of one item; returns how many. */
unsigned writer_put_item(struct writer *writer, const struct answer *answer, const struct answer_item *item);

/* Taking back: everything written after the mark goes, and is_full with it. */
struct writer_mark {
	size_t at;
	uint8_t name_count;
};
static inline struct writer_mark writer_mark(const struct writer *writer)
{
	return (struct writer_mark){writer->at, writer->name_count};
}
static inline void writer_rewind(struct writer *writer, struct writer_mark mark)
{
	writer->at = mark.at;
	writer->name_count = mark.name_count;
	writer->is_full = false;
}

/* The SOA of a negative answer whose question ends in the name of the zone (zone.h, `negative`): its octets,
 * and the record itself to out[at], which has room for them. */
static inline size_t writer_negative_octets(const struct zone *zone)
{
	return zone->negative_length + ZONE_SOA_NUMBERS;
}
static inline void writer_put_negative(const struct zone *zone, const struct answer_item *item,
				       size_t question_length, uint8_t *out, size_t at)
{
	const uint16_t bases[] = {
		[ZONE_BASE_QUESTION] =
			(uint16_t)(POINTER_MARK + HEADER_OCTETS + question_length - zone->name.length),
		[ZONE_BASE_RECORD] = (uint16_t)(POINTER_MARK + at),
	};
	size_t head = zone->negative_length;
	uint8_t *record = out + at;
	bytes_copy(record, zone->negative, head);
	const struct zone_pointer *pointer = zone->negative_pointers;
	for (const struct zone_pointer *end = pointer + zone->negative_pointer_count; pointer < end;
	     pointer++)
		bytes_put16(record + pointer->at, (uint16_t)(bases[pointer->base] + pointer->offset));
	bytes_put32(record + 6, item->ttl);
	memcpy(record + head, item->set->wire + item->set->wire_length - ZONE_SOA_NUMBERS, ZONE_SOA_NUMBERS);
}
